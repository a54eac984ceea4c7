"""Whether the role that CloudFormation uses may do what resource types need: `infra/account.yaml` against the actions that the schemas of
the types declare (`resource_types.json`). Makes `docs/resource-types.md`.
"""

import json
import re
from collections import defaultdict
from pathlib import Path

from iam import INFRA, decide
from templates import Template

ROOT = INFRA.parent
PAGE = ROOT / "docs" / "resource-types.md"
ACCOUNT = "111122223333"
# Types without a registry schema, and the actions that their documentation names.
WITHOUT_SCHEMA = {
    "AWS::AppSync::GraphQLSchema": ["appsync:GetSchemaCreationStatus", "appsync:StartSchemaCreation"],
    "AWS::CloudFormation::CustomResource": ["lambda:InvokeFunction", "sns:Publish"],
    "AWS::CloudFormation::WaitCondition": [],
    "AWS::CloudFormation::WaitConditionHandle": [],
    "AWS::IAM::Policy": ["iam:DeleteRolePolicy", "iam:GetRolePolicy", "iam:PutRolePolicy"],
    "AWS::Route53::RecordSet": ["route53:ChangeResourceRecordSets", "route53:GetChange", "route53:ListResourceRecordSets"],
    "AWS::SNS::TopicPolicy": ["sns:GetTopicAttributes", "sns:SetTopicAttributes"],
    "AWS::SQS::QueuePolicy": ["sqs:GetQueueAttributes", "sqs:SetQueueAttributes"],
}
# The types that serverless teams use, which the role must cover, beside every type of the sample packages.
REQUIRED = """
AWS::ApiGateway::Authorizer AWS::ApiGateway::BasePathMapping AWS::ApiGateway::Deployment AWS::ApiGateway::DomainName
AWS::ApiGateway::Method AWS::ApiGateway::Resource AWS::ApiGateway::RestApi AWS::ApiGateway::Stage AWS::ApiGateway::UsagePlan
AWS::ApiGateway::VpcLink AWS::ApiGatewayV2::Api AWS::ApiGatewayV2::ApiMapping AWS::ApiGatewayV2::Authorizer
AWS::ApiGatewayV2::DomainName AWS::ApiGatewayV2::Integration AWS::ApiGatewayV2::Route AWS::ApiGatewayV2::Stage AWS::AppSync::DataSource
AWS::AppSync::GraphQLApi AWS::AppSync::GraphQLSchema AWS::AppSync::Resolver AWS::ApplicationAutoScaling::ScalableTarget
AWS::ApplicationAutoScaling::ScalingPolicy AWS::CertificateManager::Certificate AWS::CloudFormation::Stack AWS::CloudFront::Distribution
AWS::CloudFront::Function AWS::CloudWatch::Alarm AWS::CloudWatch::Dashboard AWS::CodeDeploy::Application
AWS::CodeDeploy::DeploymentGroup AWS::Cognito::IdentityPool AWS::Cognito::UserPool AWS::Cognito::UserPoolClient
AWS::Cognito::UserPoolDomain AWS::DynamoDB::GlobalTable AWS::DynamoDB::Table AWS::EC2::SecurityGroup AWS::EC2::SecurityGroupEgress
AWS::EC2::SecurityGroupIngress AWS::EC2::VPCEndpoint AWS::ECR::Repository AWS::EFS::AccessPoint AWS::EFS::FileSystem
AWS::EFS::MountTarget AWS::Events::ApiDestination AWS::Events::Connection AWS::Events::EventBus AWS::Events::Rule
AWS::IAM::ManagedPolicy AWS::IAM::Policy AWS::IAM::Role AWS::IAM::ServiceLinkedRole AWS::KMS::Alias AWS::KMS::Key AWS::Kinesis::Stream
AWS::Kinesis::StreamConsumer AWS::KinesisFirehose::DeliveryStream AWS::Lambda::Alias AWS::Lambda::CodeSigningConfig
AWS::Lambda::EventInvokeConfig AWS::Lambda::EventSourceMapping AWS::Lambda::Function AWS::Lambda::LayerVersion AWS::Lambda::Permission
AWS::Lambda::Url AWS::Lambda::Version AWS::Logs::LogGroup AWS::Logs::SubscriptionFilter AWS::Pipes::Pipe AWS::Route53::HostedZone
AWS::Route53::RecordSet AWS::S3::Bucket AWS::S3::BucketPolicy AWS::SNS::Subscription AWS::SNS::Topic AWS::SNS::TopicPolicy
AWS::SQS::Queue AWS::SQS::QueuePolicy AWS::SSM::Parameter AWS::Scheduler::Schedule AWS::SecretsManager::RotationSchedule
AWS::SecretsManager::Secret AWS::Signer::SigningProfile AWS::StepFunctions::StateMachine AWS::WAFv2::WebACL
AWS::WAFv2::WebACLAssociation
""".split()
# The types that previews may have.
OF_PREVIEWS = """
AWS::ApiGateway::ApiKey AWS::ApiGateway::Authorizer AWS::ApiGateway::Deployment AWS::ApiGateway::GatewayResponse AWS::ApiGateway::Method
AWS::ApiGateway::Model AWS::ApiGateway::RequestValidator AWS::ApiGateway::Resource AWS::ApiGateway::RestApi AWS::ApiGateway::Stage
AWS::ApiGateway::UsagePlan AWS::ApiGateway::UsagePlanKey AWS::ApiGatewayV2::Api AWS::ApiGatewayV2::Authorizer
AWS::ApiGatewayV2::Deployment AWS::ApiGatewayV2::Integration AWS::ApiGatewayV2::Route AWS::ApiGatewayV2::Stage
AWS::CloudFormation::CustomResource AWS::CloudFormation::Stack AWS::CloudWatch::Alarm AWS::DynamoDB::Table AWS::Events::EventBus
AWS::Events::Rule AWS::IAM::Policy AWS::IAM::Role AWS::Kinesis::Stream AWS::Lambda::Alias AWS::Lambda::EventInvokeConfig
AWS::Lambda::EventSourceMapping AWS::Lambda::Function AWS::Lambda::LayerVersion AWS::Lambda::Permission AWS::Lambda::Url
AWS::Lambda::Version AWS::Logs::LogGroup AWS::Logs::MetricFilter AWS::Logs::SubscriptionFilter AWS::S3::Bucket AWS::S3::BucketPolicy
AWS::SNS::Subscription AWS::SNS::Topic AWS::SNS::TopicPolicy AWS::SQS::Queue AWS::SQS::QueuePolicy AWS::SSM::Parameter
AWS::Scheduler::Schedule AWS::Scheduler::ScheduleGroup AWS::SecretsManager::Secret AWS::StepFunctions::Activity
AWS::StepFunctions::StateMachine
""".split()
# Actions that the role for previews lacks although such a type declares them, and what alone needs them.
LEFT_OUT_OF_PREVIEWS = {
    "elasticfilesystem:": "functions with a file system",
    "s3files:": "functions with a file system",
    "ec2:": "functions in a VPC",
    "kms:": "keys of one's own",
    "iam:DeleteRolePermissionsBoundary": "the removal of a role's boundary, which is not wanted",
    "iam:CreateServiceLinkedRole": "alarms that act on machines",
    "codeconnections:": "code from a repository",
    "(application-autoscaling|autoscaling|ec2|ssm-incidents|ssm-guiconnect):": "alarms that act on machines",
    "s3:(Get|Put|List)?.*Object": "objects of the artifact buckets, which the role may read",
    "codedeploy:": "aliases whose traffic CodeDeploy shifts",
    "s3tables:": "metadata tables of buckets",
    "firehose:": "logs and deliveries to Firehose",
    "dynamodb:.*(Import|Kinesis|Contributor|GlobalTable)": "imports, and streams to Kinesis",
}
# Actions that the role lacks although a required type declares them, and what alone needs them.
LEFT_OUT = {
    "acm-pca:": "certificates of a private authority",
    "amplify:": "web ACLs of Amplify apps",
    "apprunner:": "web ACLs of App Runner services",
    "bedrock-agentcore:": "web ACLs of AgentCore gateways",
    "ec2:.*WebAcl$": "web ACLs of Verified Access",
    "elasticloadbalancing:": "web ACLs of load balancers",
    "iam:(At|De)tach(Group|User)Policy": "policies of users and groups, which the boundary denies",
    "iam:DeleteRolePermissionsBoundary": "the removal of a role's boundary, which is not wanted",
    "vpc-lattice:": "endpoints of service networks",
    "vpce:": "endpoints of services in another region",
}
# Resources that are no AWS resources.
NO_RESOURCES = ("AWS::CDK::Metadata", "AWS::Serverless::")


class Role:
    """The role that CloudFormation uses, as the template makes it with these parameters."""

    def __init__(self, **parameters):
        given = {"Prefix": "flotilla", "ControlPlaneAccount": ACCOUNT, "ControlPlaneRegion": "eu-central-1", **parameters}
        template = Template(INFRA / "account.yaml", ACCOUNT, "eu-central-1", given)
        policies = template.resources("AWS::IAM::ManagedPolicy")
        self.boundary = policies.pop("Boundary")["PolicyDocument"]["Statement"]
        self.workload = policies.pop("WorkloadBoundary")["PolicyDocument"]["Statement"]
        self.previews = policies.pop("PreviewPolicy")["PolicyDocument"]["Statement"]
        self.preview_workload = policies.pop("PreviewWorkloadBoundary")["PolicyDocument"]["Statement"]
        self.statements = [s for policy in policies.values() for s in policy["PolicyDocument"]["Statement"]]

    def may(self, action, resource, **context):
        """Whether CloudFormation may do this, for a role that has the workload boundary and is passed to Lambda unless the context says
        otherwise."""
        boundary = f"arn:aws:iam::{ACCOUNT}:policy/flotilla-workload"
        usual = {"iam:PermissionsBoundary": boundary, "iam:PassedToService": "lambda.amazonaws.com"}
        return all(decide(s, action, resource, {**usual, **context}) == "allow" for s in (self.statements, self.boundary))

    def workload_may(self, action, resource, **context):
        """Whether a role of a stack may do this, if its own policies allow everything."""
        return decide(self.workload, action, resource, context) == "allow"


    def preview_may(self, action, resource, **context):
        """Whether CloudFormation may do this for a preview, with a role that has the boundary of previews and the tags of a preview, unless
        the context says otherwise."""
        usual = {
            "iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/flotilla-preview-workload",
            "iam:PassedToService": "lambda.amazonaws.com",
            "aws:RequestTag/flotilla:stage": "pr-7",
            "lambda:FunctionArn": f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:orders-pr-7-get",
        }
        return all(decide(s, action, resource, {**usual, **context}) == "allow" for s in (self.previews, self.boundary))

    def preview_workload_may(self, action, resource, **context):
        """Whether a role of a preview may do this, if its own policies allow everything."""
        return decide(self.preview_workload, action, resource, context) == "allow"


def resource_of(action, name_of_stack="orders-production"):
    """A resource of an application that the action could be on."""
    service, name = action.split(":")
    if service == "apigateway":
        return "arn:aws:apigateway:eu-central-1::/restapis/a1b2c3d4e5"
    if service == "s3":
        return f"arn:aws:s3:::{name_of_stack}"
    if service != "iam":
        return f"arn:aws:{service}:eu-central-1:{ACCOUNT}:{name_of_stack}"
    if "ServiceLinkedRole" in name:
        return f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    kind = "role" if "Role" in name else "policy"
    return f"arn:aws:iam::{ACCOUNT}:{kind}/{name_of_stack}"


def types_of_samples():
    """The resource types of the sample packages."""
    found = set()
    for path in (ROOT / "shared" / "fixtures").rglob("*"):
        if path.suffix in (".json", ".yaml", ".yml", ".template") and path.is_file():
            found.update(re.findall(r"""["']?Type["']?: *["']?(AWS::\w+::\w+)""", path.read_text()))
    return {name for name in found if not name.startswith(NO_RESOURCES)}


def missing(role, actions):
    return [a for a in actions if not role.may(a, resource_of(a))]


def missing_for_previews(role, actions):
    return [a for a in actions if not role.preview_may(a, resource_of(a, "orders-pr-7"))]


def needed_for(action, left_out=LEFT_OUT):
    """What alone needs an action that is left out; nothing if it is not left out on purpose."""
    return next((reason for pattern, reason in left_out.items() if re.match(pattern, action)), None)


def page(role, types, published):
    """The text of docs/resource-types.md."""
    services, partly = defaultdict(list), []
    for name, actions in sorted(types.items()):
        lacks = missing(role, actions)
        if lacks:
            reasons = sorted({reason for a in lacks if (reason := needed_for(a))})
            partly.append(f"| `{name}` | {', '.join(f'`{a}`' for a in lacks)} | {'; '.join(reasons)} |")
        else:
            services[name.split("::")[1]].append(name.split("::")[2])
    covered = "\n".join(f"| `AWS::{service}` | {', '.join(names)} |" for service, names in sorted(services.items()))
    of_previews = defaultdict(list)
    for name in OF_PREVIEWS:
        of_previews[name.split("::")[1]].append(name.split("::")[2])
    of_previews = "\n".join(f"| `AWS::{service}` | {', '.join(names)} |" for service, names in sorted(of_previews.items()))
    parts = [HEAD.format(published=published), COVERED, covered, "\n", PARTLY, "\n".join(partly), "\n", PREVIEWS, of_previews, "\n"]
    return "".join(parts)


HEAD = """# Resource types that stacks may have

CloudFormation makes the resources of deployed stacks with the role `<prefix>-cloudformation` of the target account
(`infra/account.yaml`). This page says for which resource types its permissions suffice. `scripts/aws-calls --templates --write` makes the
page from the template and from the actions that the schemas of the types declare (published {published}); the tests compare both.

A stack with another type fails with `FL0511` or `FL0515`, and AWS names the action that is missing. Add it for the account:

```sh
flotilla install --regions eu-central-1 --extra-actions 'rds:*,ec2:CreateVpc'               # the control plane's own account
flotilla account add 333344445555 --regions us-east-1 --extra-actions 'rds:*,ec2:CreateVpc'  # another account
```

The actions are a parameter of the account's stack (`ExtraActions`); later runs keep it, and an empty value removes it. To add
permissions for certain resources only, write a managed policy and give its ARN: `--extra-policies ARN,ARN` (`ExtraPolicyArns`).

Templates may use the transforms of AWS. To let them use macros of the account's own, name them: `--macros 'acme-*'` (`Macros`). The
profile needs the capability `CAPABILITY_AUTO_EXPAND`, and what the macro makes is bounded as everything else.

Whatever is added, the role's permissions boundary denies users, groups, access keys, identity providers, the organisation, what acts with the rights of
others, and Flotilla's own parts ([Security](security.md#what-an-upload-can-do)): give no service and no resource a name that begins with the
installation's prefix.
"""

COVERED = """
## Covered

| Service | Types |
|---|---|
"""

PARTLY = """
## Partly covered

The schemas of these types declare the named actions too. Where the last column is filled, nothing else needs them.

| Type | Actions that the role lacks | Needed for |
|---|---|---|
"""


PREVIEWS = """
## Previews

CloudFormation makes the resources of previews with the role `<prefix>-cloudformation-previews`. It may make and change resources whose names have the account's
mark (`pr-` by default: `--preview-mark`), APIs, and triggers of such functions. Names that CloudFormation makes have the mark if the stage
begins with it. Functions in a VPC, file systems and keys of one's own need more: write a managed policy and give its ARN with
`--preview-policies` (`PreviewPolicyArns`).

| Service | Types |
|---|---|
"""


def check(write):
    """Prints what the role lacks; answers the numbers of passed and failed checks."""
    document = json.loads(Path(__file__).with_name("resource_types.json").read_text())
    types = {**document["types"], **WITHOUT_SCHEMA}
    role, failures = Role(), []
    required = sorted(types_of_samples() | set(REQUIRED) | set(WITHOUT_SCHEMA))
    for name in required:
        if name not in types:
            failures.append(f"{name}: no schema of it is known")
        elif lacks := [a for a in missing(role, types[name]) if not needed_for(a)]:
            failures.append(f"{name}: the role lacks {', '.join(lacks)}")
    for name in OF_PREVIEWS:
        if name not in types:
            failures.append(f"{name}: no schema of it is known")
        elif lacks := [a for a in missing_for_previews(role, types[name]) if not needed_for(a, LEFT_OUT_OF_PREVIEWS)]:
            failures.append(f"{name}: the role for previews lacks {', '.join(lacks)}")
    text = page(role, types, document["published"])
    if write:
        PAGE.write_text(text)
    elif not PAGE.is_file() or PAGE.read_text() != text:
        failures.append(f"{PAGE.relative_to(ROOT)} is not what the template gives: run scripts/aws-calls --templates --write")
    extra = Role(ExtraActions="rds:*,iam:CreateUser")
    if not extra.may("rds:CreateDBCluster", resource_of("rds:CreateDBCluster")) or role.may("rds:CreateDBCluster", "*"):
        failures.append("ExtraActions does not add the actions that it names")
    if extra.may("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/ann"):
        failures.append("the boundary does not bound ExtraActions")
    for text in failures:
        print(f"failed: {text}")
    return len(required) + len(OF_PREVIEWS) + 3 - len(failures), len(failures)
