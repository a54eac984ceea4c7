"""Condenses the resource schemas that CloudFormation publishes: the actions that the handlers of each resource type declare.

  python3 scripts/lab/aws/schemas.py FOLDER DATE     a folder of schemas as JSON files, and the day they were published

Writes resource_types.json. The schemas: https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schemas.html
"""

import json
import re
import sys
from pathlib import Path

OUT = Path(__file__).with_name("resource_types.json")
# What serverless applications are made of. The types of other services are not in the file.
SERVICES = """ApiGateway ApiGatewayV2 AppConfig AppSync ApplicationAutoScaling CertificateManager CloudFormation CloudFront CloudWatch
CodeDeploy Cognito DynamoDB ECR EFS EventSchemas Events KMS Kinesis KinesisFirehose Lambda Logs Pipes ResourceGroups Route53 S3 SES SNS
SQS SSM Scheduler SecretsManager ServiceDiscovery Signer StepFunctions Synthetics WAFv2 XRay""".split()
TYPES = """AWS::IAM::ManagedPolicy AWS::IAM::Role AWS::IAM::RolePolicy AWS::IAM::ServiceLinkedRole AWS::EC2::SecurityGroup
AWS::EC2::SecurityGroupIngress AWS::EC2::SecurityGroupEgress AWS::EC2::VPCEndpoint""".split()
# A stack does not call the handler `list`.
HANDLERS = ["create", "read", "update", "delete"]
ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z*]+")


def main(folder, date):
    types = {}
    for path in sorted(Path(folder).glob("*.json")):
        schema = json.loads(path.read_text())
        name = schema["typeName"]
        if name in TYPES or name.split("::")[1] in SERVICES:
            declared = {action for h in HANDLERS for action in schema.get("handlers", {}).get(h, {}).get("permissions", [])}
            service_names = {action[: action.find(":")].lower() + action[action.find(":") :] for action in declared if ":" in action}
            types[name] = sorted(action for action in service_names if ACTION.fullmatch(action))
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(actions)}" for name, actions in sorted(types.items()) if actions)
    OUT.write_text(f'{{"published": {json.dumps(date)}, "types": {{\n{lines}\n}}}}\n')


main(*sys.argv[1:])
