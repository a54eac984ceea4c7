"""What an uploaded package might try, as IAM evaluates it: through CloudFormation's role, and through a role of its own that its template gives
every permission. Each attempt is denied; what applications do is allowed.
"""

from coverage import ACCOUNT, Role

REGION = "eu-central-1"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
WORKLOAD = f"arn:aws:iam::{ACCOUNT}:policy/flotilla-workload"


def role(name):
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def arn(service, resource):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


OWN, FOREIGN = role("orders-production-Role"), role("billing-production-Role")
CODE = "arn:aws:s3:::flotilla-artifacts-111122223333-eu-central-1"
INGEST = "arn:aws:s3:::flotilla-ingest-111122223333-eu-central-1"
IMAGES = arn("ecr", "repository/flotilla-artifacts-111122223333-eu-central-1")
NO_BOUNDARY, OTHER_BOUNDARY = {"iam:PermissionsBoundary": None}, {"iam:PermissionsBoundary": ADMINISTRATOR}
PASSED = "iam:PassedToService"
FED = {"lambda:FunctionArn": arn("lambda", "function:flotilla-deploy")}

# What CloudFormation may not do for a stack: name, action, resource, request.
BY_STACKS = [
    ("a role without a boundary", "iam:CreateRole", OWN, NO_BOUNDARY),
    ("a role with a wider boundary", "iam:CreateRole", OWN, OTHER_BOUNDARY),
    ("a policy on a role without a boundary", "iam:PutRolePolicy", OWN, NO_BOUNDARY),
    ("AdministratorAccess on a role without a boundary", "iam:AttachRolePolicy", FOREIGN, NO_BOUNDARY),
    ("the boundary removed in an update", "iam:DeleteRolePermissionsBoundary", OWN, {}),
    ("the boundary replaced in an update", "iam:PutRolePermissionsBoundary", OWN, OTHER_BOUNDARY),
    ("the trust of an administrator's role", "iam:UpdateAssumeRolePolicy", role("TeamAdministrators"), {}),
    ("the trust of Flotilla's deployer", "iam:UpdateAssumeRolePolicy", role("flotilla-deployer"), {}),
    ("the trust of the role of a CDK toolkit", "iam:UpdateAssumeRolePolicy", role("cdk-hnb659fds-cfn-exec-role-1-eu"), {}),
    ("an administrator's role passed to a function", "iam:PassRole", role("TeamAdministrators"), {}),
    ("Flotilla's role passed to a function", "iam:PassRole", role("flotilla-cloudformation"), {}),
    ("a role passed to CloudFormation", "iam:PassRole", OWN, {PASSED: "cloudformation.amazonaws.com"}),
    ("the boundary's own policy", "iam:CreatePolicyVersion", WORKLOAD, {}),
    ("a user", "iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/ann", {}),
    ("an access key", "iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/ann", {}),
    ("an identity provider", "iam:CreateOpenIDConnectProvider", f"arn:aws:iam::{ACCOUNT}:oidc-provider/evil", {}),
    ("the code of Flotilla's functions", "lambda:UpdateFunctionCode", arn("lambda", "function:flotilla-deploy"), {}),
    ("a trigger of Flotilla's functions", "lambda:AddPermission", arn("lambda", "function:flotilla-api"), {}),
    ("Flotilla's stack", "cloudformation:UpdateStack", arn("cloudformation", "stack/flotilla-account/1"), {}),
    ("the policy of the ingest bucket", "s3:PutBucketPolicy", INGEST, {}),
    ("the notifications of the ingest bucket", "s3:PutBucketNotification", INGEST, {}),
    ("the uploads of others", "s3:GetObject", f"{INGEST}/incoming/billing/branch/main/1.zip", {}),
    ("the lifecycle of the artifact bucket", "s3:PutLifecycleConfiguration", CODE, {}),
    ("a package in the artifact bucket", "s3:PutObject", f"{CODE}/assets/1.zip", {}),
    ("a container image of a package", "ecr:PutImage", IMAGES, {}),
    ("the removal of container images", "ecr:BatchDeleteImage", IMAGES, {}),
    ("the policy of the repository of images", "ecr:SetRepositoryPolicy", IMAGES, {}),
    ("all images of the account, replicated to another one", "ecr:PutReplicationConfiguration", "*", {}),
    ("images of another account in this registry", "ecr:PutRegistryPolicy", "*", {}),
    ("the lifecycle of the repository of images", "ecr:PutLifecyclePolicy", IMAGES, {}),
    ("a rule on Flotilla's bus", "events:PutRule", arn("events", "rule/flotilla/evil"), {}),
    ("Flotilla's rule", "events:RemoveTargets", arn("events", "rule/flotilla-forward-stack-events"), {}),
    ("Flotilla's table", "dynamodb:PutItem", arn("dynamodb", "table/flotilla"), {}),
    ("Flotilla's queue", "sqs:SendMessage", arn("sqs", "flotilla-tick"), {}),
    ("the organisation", "organizations:LeaveOrganization", "*", {}),
    ("a trigger of Flotilla's function from a queue", "lambda:CreateEventSourceMapping", "*", FED),
    ("Flotilla's schedule", "scheduler:DeleteSchedule", arn("scheduler", "schedule/default/flotilla-cleanup"), {}),
    ("Flotilla's alarms", "cloudwatch:DeleteAlarms", arn("cloudwatch", "alarm:flotilla-oldest-due"), {}),
    ("commands on the account's machines", "ssm:CreateAssociation", "*", {}),
    ("stacks of the organisation's accounts", "cloudformation:CreateStackSet", "*", {}),
    ("a hook of every stack", "cloudformation:SetTypeConfiguration", "*", {}),
    ("the logs of every function", "logs:PutAccountPolicy", "*", {}),
    ("what an administrator deploys with CDK", "s3:PutBucketPolicy", "arn:aws:s3:::cdk-hnb659fds-assets-1-eu", {}),
]
# What needs ExtraActions.
BY_USUAL_STACKS = [
    ("a role passed to a virtual machine", "iam:PassRole", OWN, {PASSED: "ec2.amazonaws.com"}),
    ("an instance profile", "iam:CreateInstanceProfile", f"arn:aws:iam::{ACCOUNT}:instance-profile/evil", {}),
    ("a database", "rds:CreateDBCluster", arn("rds", "cluster:orders"), {}),
]
# What a function of a stack may not do, whatever policies its role has.
BY_WORKLOADS = [
    ("a role", "iam:CreateRole", OWN, {}),
    ("a policy on its own role", "iam:PutRolePolicy", OWN, {}),
    ("its own boundary", "iam:DeleteRolePermissionsBoundary", OWN, {}),
    ("a user", "iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/ann", {}),
    ("a service-linked role", "iam:CreateServiceLinkedRole", role("aws-service-role/x"), {}),
    ("a role passed to a function", "iam:PassRole", FOREIGN, {PASSED: "lambda.amazonaws.com"}),
    ("an administrator's role passed to a schedule", "iam:PassRole", role("Admin"), {PASSED: "scheduler.amazonaws.com"}),
    ("Flotilla's role passed to a schedule", "iam:PassRole", role("flotilla-deployer"), {PASSED: "scheduler.amazonaws.com"}),
    ("the deployer, with a guessed external ID", "sts:AssumeRole", role("flotilla-deployer"), {"sts:ExternalId": "guess"}),
    ("the deployer of another account", "sts:AssumeRole", "arn:aws:iam::444455556666:role/flotilla-deployer", {}),
    ("the stacks of others", "cloudformation:UpdateStack", arn("cloudformation", "stack/billing-production/1"), {}),
    ("the code of Flotilla's functions", "lambda:UpdateFunctionCode", arn("lambda", "function:flotilla-deploy"), {}),
    ("Flotilla's functions", "lambda:InvokeFunction", arn("lambda", "function:flotilla-cleanup"), {}),
    ("a package", "s3:PutObject", f"{CODE}/assets/1.zip", {}),
    ("the list of packages", "s3:ListBucket", CODE, {}),
    ("a container image of a package", "ecr:PutImage", IMAGES, {}),
    ("the container images of others", "ecr:BatchGetImage", IMAGES, {}),
    ("the uploads of others", "s3:GetObject", f"{INGEST}/incoming/billing/branch/main/1.zip", {}),
    ("an upload", "s3:PutObject", f"{INGEST}/incoming/billing/branch/main/1.zip", {}),
    ("Flotilla's table", "dynamodb:GetItem", arn("dynamodb", "table/flotilla"), {}),
    ("the index of Flotilla's table", "dynamodb:Query", arn("dynamodb", "table/flotilla/index/due"), {}),
    ("Flotilla's queue", "sqs:SendMessage", arn("sqs", "flotilla-tick"), {}),
    ("Flotilla's bus", "events:PutEvents", arn("events", "event-bus/flotilla"), {}),
    ("the policy of a key", "kms:PutKeyPolicy", arn("kms", "key/1"), {}),
    ("a key's deletion", "kms:ScheduleKeyDeletion", arn("kms", "key/1"), {}),
    (
        "the secret of another service",
        "secretsmanager:GetSecretValue",
        arn("secretsmanager", "secret:billing"),
        {"aws:ResourceTag/flotilla:service": "billing", "aws:PrincipalTag/flotilla:service": "orders"},
    ),
    (
        "the parameter of another service, without a tag of its own",
        "ssm:GetParameter",
        arn("ssm", "parameter/billing"),
        {"aws:ResourceTag/flotilla:service": "billing"},
    ),
    ("the organisation", "organizations:ListAccounts", "*", {}),
    ("the account's users and policies", "iam:GetAccountAuthorizationDetails", "*", {}),
    ("the account's password policy", "iam:UpdateAccountPasswordPolicy", "*", {}),
    ("a list of roles", "iam:ListRoles", "*", {}),
    ("a trigger of Flotilla's function from a queue", "lambda:CreateEventSourceMapping", "*", FED),
    ("Flotilla's schedule", "scheduler:DeleteSchedule", arn("scheduler", "schedule/default/flotilla-cleanup"), {}),
    ("the code of another function", "lambda:UpdateFunctionCode", arn("lambda", "function:billing-production"), {}),
    ("a build with another role", "codebuild:StartBuild", arn("codebuild", "project/billing"), {}),
    ("commands on the account's machines", "ssm:SendCommand", arn("ec2", "instance/i-1"), {}),
    ("a key for everybody", "kms:CreateGrant", arn("kms", "key/1"), {"kms:GrantIsForAWSResource": "false"}),
    ("another service by its tags", "sts:TagSession", "arn:aws:iam::444455556666:role/partner", {}),
]
ALLOWED_TO_STACKS = [
    ("a role with the boundary", "iam:CreateRole", OWN, {}),
    ("a policy on a role with the boundary", "iam:PutRolePolicy", OWN, {}),
    ("the boundary on an existing role", "iam:PutRolePermissionsBoundary", OWN, {}),
    ("a role passed to a function", "iam:PassRole", OWN, {}),
    ("the code of a function, read for Lambda", "s3:GetObject", f"{CODE}/assets/1.zip", {}),
    ("the image of a function, read for Lambda", "ecr:BatchGetImage", IMAGES, {}),
    ("a repository of its own", "ecr:CreateRepository", arn("ecr", "repository/orders"), {}),
]
ALLOWED_TO_WORKLOADS = [
    ("its own role", "iam:GetRole", OWN, {}),
    ("an asset of CDK's deployments of files", "s3:GetObject", f"{CODE}/assets/1.zip", {}),
    ("a key for a service", "kms:CreateGrant", arn("kms", "key/1"), {"kms:GrantIsForAWSResource": "true"}),
    ("an own table", "dynamodb:PutItem", arn("dynamodb", "table/orders-production"), {}),
    ("another function", "lambda:InvokeFunction", arn("lambda", "function:billing-production"), {}),
    ("a key", "kms:Decrypt", arn("kms", "key/1"), {}),
    ("a schedule with an own role", "iam:PassRole", OWN, {PASSED: "scheduler.amazonaws.com"}),
    ("the role of another account", "sts:AssumeRole", "arn:aws:iam::444455556666:role/partner", {}),
    ("a secret that nobody's stack made", "secretsmanager:GetSecretValue", arn("secretsmanager", "secret:shared"), {}),
    (
        "an own secret",
        "secretsmanager:GetSecretValue",
        arn("secretsmanager", "secret:orders"),
        {"aws:ResourceTag/flotilla:service": "orders", "aws:PrincipalTag/flotilla:service": "orders"},
    ),
    (
        "a secret that another service shares",
        "secretsmanager:GetSecretValue",
        arn("secretsmanager", "secret:billing"),
        {
            "aws:ResourceTag/flotilla:service": "billing",
            "aws:ResourceTag/flotilla:shared": "true",
            "aws:PrincipalTag/flotilla:service": "orders",
        },
    ),
]

PREVIEW = role("orders-pr-7-Role")
STAGE_TAG, OTHER_TAG = {"aws:RequestTag/flotilla:stage": None}, {"aws:RequestTag/flotilla:stage": "production"}
FED_STAGE = {"lambda:FunctionArn": arn("lambda", "function:orders-production-get")}
PRODUCTION = {"aws:ResourceTag/flotilla:stage": "production"}
# What CloudFormation may not do for a preview, beside all that it may not do for a stage that stays.
BY_PREVIEWS = [
    ("a role with the boundary of stages that stay", "iam:CreateRole", PREVIEW, {"iam:PermissionsBoundary": WORKLOAD}),
    ("a role with the name of a stage that stays", "iam:CreateRole", OWN, {}),
    ("a policy on a role of a stage that stays", "iam:PutRolePolicy", OWN, {}),
    ("the trust of a role of a stage that stays", "iam:UpdateAssumeRolePolicy", OWN, {}),
    ("a role of a stage that stays, passed to a function", "iam:PassRole", OWN, {}),
    ("a managed policy", "iam:CreatePolicy", f"arn:aws:iam::{ACCOUNT}:policy/orders-pr-7", {}),
    ("a function without the tag of a preview", "lambda:CreateFunction", arn("lambda", "function:orders-pr-7-get"), STAGE_TAG),
    ("a queue tagged as of a stage that stays", "sqs:CreateQueue", arn("sqs", "orders-pr-7"), OTHER_TAG),
    ("an API of a stage that stays", "apigateway:DELETE", "arn:aws:apigateway:eu-central-1::/restapis/a1b2c3d4e5", PRODUCTION),
    ("a domain name", "apigateway:POST", "arn:aws:apigateway:eu-central-1::/domainnames", {}),
    ("the settings of all APIs", "apigateway:PATCH", "arn:aws:apigateway:eu-central-1::/account", {}),
    ("a table of a stage that stays", "dynamodb:DeleteTable", arn("dynamodb", "table/orders-production"), {}),
    ("the code of a stage that stays", "lambda:UpdateFunctionCode", arn("lambda", "function:orders-production-get"), {}),
    ("a trigger of a function of a stage that stays", "lambda:CreateEventSourceMapping", "*", FED_STAGE),
    ("the stack of a stage that stays", "cloudformation:CreateChangeSet", arn("cloudformation", "stack/orders-production/1"), {}),
    ("the secret of a stage that stays", "secretsmanager:GetSecretValue", arn("secretsmanager", "secret:orders-production"), {}),
    ("the policy of a bucket of a stage that stays", "s3:PutBucketPolicy", "arn:aws:s3:::orders-production", {}),
    ("an object of a bucket", "s3:GetObject", "arn:aws:s3:::orders-production/a-pr-7", {}),
    ("a zone", "route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z1", {}),
    ("a database", "rds:CreateDBCluster", arn("rds", "cluster:orders-pr-7"), {}),
    ("a distribution", "cloudfront:CreateDistribution", "*", {}),
    ("a user pool", "cognito-idp:CreateUserPool", "*", {}),
]
# What a function of a preview may not do, beside all that one of a stage that stays may not do.
BY_PREVIEW_WORKLOADS = [
    ("a table of a stage that stays", "dynamodb:GetItem", arn("dynamodb", "table/orders-production"), {}),
    ("a bucket of a stage that stays", "s3:GetObject", "arn:aws:s3:::orders-production/invoice.pdf", {}),
    ("a queue of a stage that stays", "sqs:SendMessage", arn("sqs", "orders-production"), {}),
    ("a topic of a stage that stays", "sns:Publish", arn("sns", "orders-production"), {}),
    ("a function of a stage that stays", "lambda:InvokeFunction", arn("lambda", "function:orders-production-get"), {}),
    ("a secret that nobody's stack made", "secretsmanager:GetSecretValue", arn("secretsmanager", "secret:shared"), {}),
    ("a parameter of a stage that stays", "ssm:GetParameter", arn("ssm", "parameter/orders/production"), {}),
    ("another account", "sts:AssumeRole", "arn:aws:iam::444455556666:role/partner", {}),
    ("mail", "ses:SendEmail", "*", {}),
    (
        "the secret of another service's preview",
        "secretsmanager:GetSecretValue",
        arn("secretsmanager", "secret:billing-pr-7"),
        {"aws:ResourceTag/flotilla:service": "billing", "aws:PrincipalTag/flotilla:service": "orders"},
    ),
]
ALLOWED_TO_PREVIEWS = [
    ("a role", "iam:CreateRole", PREVIEW, {}),
    ("a role passed to a function", "iam:PassRole", PREVIEW, {}),
    ("a function", "lambda:CreateFunction", arn("lambda", "function:orders-pr-7-get"), {}),
    ("a function, stage first", "lambda:CreateFunction", arn("lambda", "function:pr-7-orders-get"), {}),
    ("a log group", "logs:CreateLogGroup", arn("logs", "log-group:/aws/lambda/pr-7-orders-get"), {}),
    ("a table", "dynamodb:CreateTable", arn("dynamodb", "table/orders-pr-7-Table"), {}),
    ("a bucket", "s3:CreateBucket", "arn:aws:s3:::orders-pr-7-bucket", {}),
    ("an API", "apigateway:POST", "arn:aws:apigateway:eu-central-1::/restapis", {}),
    ("an own API", "apigateway:PUT", "arn:aws:apigateway:eu-central-1::/restapis/a", {"aws:ResourceTag/flotilla:stage": "pr-7"}),
    ("the code of a function, read for Lambda", "s3:GetObject", f"{CODE}/assets/1.zip", {}),
    ("the image of a function, read for Lambda", "ecr:BatchGetImage", IMAGES, {}),
]
ALLOWED_TO_PREVIEW_WORKLOADS = [
    ("an own table", "dynamodb:PutItem", arn("dynamodb", "table/orders-pr-7-Table"), {}),
    ("an own bucket", "s3:GetObject", "arn:aws:s3:::orders-pr-7-bucket/a", {}),
    ("a table that is shared", "dynamodb:GetItem", arn("dynamodb", "table/catalog"), {"aws:ResourceTag/flotilla:shared": "true"}),
    ("its log", "logs:PutLogEvents", arn("logs", "log-group:/aws/lambda/orders-pr-7-get:log-stream:a"), {}),
    ("traces", "xray:PutTraceSegments", "*", {}),
]


def check():
    """Prints the attempts that succeed and the uses that fail; answers the numbers of passed and failed checks."""
    usual = Role()
    named = Role(RoleBoundaries=f"arn:aws:iam::{ACCOUNT}:policy/team", ProtectedRoles=role("terraform"))
    # An operator who allows everything does not open the boundary.
    wide = Role(ExtraActions="*")
    failures, count = [], 0
    team = {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/team"}
    protected = [
        ("a policy that is named as a boundary", "iam:CreatePolicy", f"arn:aws:iam::{ACCOUNT}:policy/team", {}),
        ("a protected role", "iam:PassRole", role("terraform"), {}),
    ]
    # Who tries, what it says if the outcome is another, the attempts, and whether they are allowed.
    for may, failed, attempts, allowed in [
        (usual.may, "a stack may change", BY_STACKS, False),
        (wide.may, "a stack may change", BY_STACKS, False),
        (usual.may, "a stack may make", BY_USUAL_STACKS, False),
        (usual.workload_may, "a function may reach", BY_WORKLOADS, False),
        (usual.may, "a stack may not make", ALLOWED_TO_STACKS, True),
        (usual.workload_may, "a function may not use", ALLOWED_TO_WORKLOADS, True),
        (usual.preview_may, "a preview may change", BY_STACKS + BY_PREVIEWS, False),
        (usual.preview_workload_may, "a function of a preview may reach", BY_WORKLOADS + BY_PREVIEW_WORKLOADS, False),
        (usual.preview_may, "a preview may not make", ALLOWED_TO_PREVIEWS, True),
        (usual.preview_workload_may, "a function of a preview may not use", ALLOWED_TO_PREVIEW_WORKLOADS, True),
        (named.may, "a stack may change", protected, False),
        (named.preview_may, "a preview may change", protected, False),
        (named.preview_may, "a preview may make", [("a role with a boundary of stages that stay", "iam:CreateRole", PREVIEW, team)], False),
    ]:
        for name, action, resource, request in attempts:
            count += 1
            if may(action, resource, **request) != allowed:
                failures.append(f"{failed} {name}: {action} on {resource}")
    for text in failures:
        print(f"failed: {text}")
    return count - len(failures), len(failures)
