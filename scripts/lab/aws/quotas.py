"""Whether the templates of `infra/` keep AWS's quotas with the longest prefix, region and account ID.

Sources: "CloudFormation quotas", "IAM and AWS STS quotas", and the naming rules of each service.
"""

import json

from iam import INFRA
from templates import Template

ACCOUNT = "111122223333"
LONGEST_REGION = "ap-northeast-1"
LONGEST_PREFIX = "p" * 20
# A template in a call may have 51,200 bytes; flotilla install deploys the control plane's by its URL.
TEMPLATE_BYTES_MAX = 51_200
BY_URL_BYTES_MAX = 1_048_576
BY_URL = {"control-plane.yaml"}
# The property that names a resource, and the longest name.
NAMES = {
    "AWS::CloudWatch::Alarm": ("AlarmName", 255),
    "AWS::DynamoDB::Table": ("TableName", 255),
    "AWS::Events::EventBus": ("Name", 256),
    "AWS::Events::Rule": ("Name", 64),
    "AWS::IAM::Role": ("RoleName", 64),
    "AWS::Lambda::Function": ("FunctionName", 64),
    "AWS::Logs::LogGroup": ("LogGroupName", 512),
    "AWS::S3::Bucket": ("BucketName", 63),
    "AWS::SQS::Queue": ("QueueName", 80),
    "AWS::Scheduler::Schedule": ("Name", 64),
}
INLINE_MAX, MANAGED_MAX, TRUST_MAX, ENVIRONMENT_MAX, BUCKET_POLICY_MAX = 10_240, 6_144, 2_048, 4_096, 20_480
PARAMETER_MAX = 4_096
# Target accounts that fit whatever their names; docs/configuration.md says so.
TARGET_ACCOUNTS = 60


def length(document):
    """The characters of a policy; IAM does not count white space."""
    return len(json.dumps(document, separators=(",", ":")))


def measured(name, template):
    """What has a quota: its name, its size, and the quota."""
    body = (INFRA / name).stat().st_size
    yield f"{name}: bytes", body, BY_URL_BYTES_MAX if name in BY_URL else TEMPLATE_BYTES_MAX
    yield f"{name}: resources", len(template.document), 500
    for kind, (property_name, longest) in NAMES.items():
        for logical, properties in template.resources(kind).items():
            if property_name in properties:
                yield f"{name}: name of {logical}", len(properties[property_name]), longest
    for logical, role in template.resources("AWS::IAM::Role").items():
        inline = sum(length(policy["PolicyDocument"]) for policy in role.get("Policies", []))
        yield f"{name}: inline policies of {logical}", inline, INLINE_MAX
        yield f"{name}: trust policy of {logical}", length(role["AssumeRolePolicyDocument"]), TRUST_MAX
    for logical, policy in template.resources("AWS::IAM::ManagedPolicy").items():
        yield f"{name}: policy {logical}", length(policy["PolicyDocument"]), MANAGED_MAX
    for logical, policy in template.resources("AWS::S3::BucketPolicy").items():
        yield f"{name}: policy {logical}", length(policy["PolicyDocument"]), BUCKET_POLICY_MAX
    for logical, function in template.resources("AWS::Lambda::Function").items():
        variables = function.get("Environment", {}).get("Variables", {})
        yield f"{name}: environment of {logical}", length(variables), ENVIRONMENT_MAX


def check():
    """Prints what exceeds its quota; answers the numbers of passed and failed checks."""
    accounts = [f"{100000000000 + n}" for n in range(TARGET_ACCOUNTS)]
    given = {
        "Prefix": LONGEST_PREFIX,
        "ControlPlaneAccount": ACCOUNT,
        "ControlPlaneRegion": LONGEST_REGION,
        "ExternalId": "flotilla-" + "0" * 32,
        "TargetAccounts": ",".join(accounts),
        "DeployerRoleArns": ",".join(f"arn:aws-us-gov:iam::{a}:role/{LONGEST_PREFIX}-deployer" for a in accounts),
    }
    found = [(f"parameter {name}", len(value), PARAMETER_MAX) for name, value in given.items()]
    for path in sorted(INFRA.glob("*.yaml")):
        found += measured(path.name, Template(path, ACCOUNT, LONGEST_REGION, given))
    exceeded = [(what, size, most) for what, size, most in found if size > most]
    for what, size, most in exceeded:
        print(f"failed: {what}: {size}, at most {most}")
    return len(found) - len(exceeded), len(exceeded)
