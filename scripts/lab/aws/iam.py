"""Evaluates recorded calls as IAM does: the roles of `infra/`, their policies and trust, and the policy of the ingest bucket.

Sources: the Service Authorization Reference for the actions, resources and condition keys of an operation, and "Policy evaluation
logic" of the IAM User Guide: an explicit deny wins, then an allow is needed; across accounts, one on each side.
"""

import fnmatch
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from templates import Template

INFRA = Path(__file__).resolve().parents[3] / "infra"
# Callers with the rights of an administrator.
ADMINISTRATORS = {"cli", "contract"}

VARIABLE = re.compile(r"\$\{([^}]+)\}")
# Permissions that no recorded call can use, and who uses them.
USED_ELSEWHERE = {
    "logs:CreateLogStream": "Lambda, for the log of the function",
    "logs:PutLogEvents": "Lambda, for the log of the function",
    "sqs:ReceiveMessage": "Lambda's event source mapping",
    "sqs:DeleteMessage": "Lambda's event source mapping",
    "sqs:GetQueueAttributes": "Lambda's event source mapping",
    "dynamodb:DescribeStream": "Lambda's event source mapping",
    "dynamodb:GetRecords": "Lambda's event source mapping",
    "dynamodb:GetShardIterator": "Lambda's event source mapping",
    "dynamodb:ListStreams": "Lambda's event source mapping",
    "s3:ListBucket": "S3, which else reports a missing object as forbidden",
    "sqs:SendMessageBatch": "an emulator; AWS asks for sqs:SendMessage",
    "ssm:GetParameters": "CloudFormation, for the SSM parameter types of a template",
}


# Permissions that are needed where no story goes, and where that is tested.
BEYOND_STORIES = {
    ("cleanup", "s3:DeleteObjectVersion"): "garbage collection of assets that are old enough: the simulator, the port contracts",
    ("collector", "s3:DeleteObjectVersion"): "garbage collection of assets that are old enough: the simulator, the port contracts",
    ("collector", "ecr:BatchDeleteImage"): "garbage collection of images that are old enough: the simulator, the port contracts",
    ("deployer", "cloudformation:CancelUpdateStack"): "flotilla cancel --stop: the simulator, shared/aws/tests/scripted",
    ("deployer", "cloudformation:ContinueUpdateRollback"): "stacks in UPDATE_ROLLBACK_FAILED: the simulator, shared/aws/tests/scripted",
    ("deployer", "cloudformation:CreateChangeSet"): "AWS's transforms, a resource of their own; the emulator's caller names none",
    ("deployer", "cloudformation:ListChangeSets"): "stacks in REVIEW_IN_PROGRESS: the simulator, shared/aws/tests/scripted",
    ("deployer", "cloudformation:ListImports"): "exports in use: the simulator, shared/aws/tests/scripted",
    ("deployer", "cloudformation:RollbackStack"): "stacks in UPDATE_FAILED: the simulator, shared/aws/tests/scripted",
    ("deployer", "cloudwatch:DescribeAlarms"): "alarms of profiles: scripts/story tutorials",
    ("deployer", "lambda:InvokeFunction"): "checks of profiles: the port contracts",
    ("deployer", "s3:AbortMultipartUpload"): "unfinished uploads in a preview's bucket: the port contracts",
    ("deployer", "s3:DeleteObject"): "buckets without versions of a preview: the port contracts",
    ("notify", "sqs:SendMessage"): "Lambda's event source mapping, for records that it gives up",
}


class Unmapped(Exception):
    """An operation whose actions are not known here."""


def listed(value):
    return value if isinstance(value, list) else [value]


def matches(pattern, text):
    """IAM's wildcards: `*` and `?`; brackets mean themselves."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


# Each operator's comparison, and whether it is negated.
OPERATORS = {
    "StringEquals": (lambda pattern, value: pattern == value, False),
    "StringNotEquals": (lambda pattern, value: pattern == value, True),
    "StringLike": (matches, False),
    "StringNotLike": (matches, True),
    "ArnEquals": (matches, False),
    "ArnNotEquals": (matches, True),
    "ArnLike": (matches, False),
    "Bool": (lambda pattern, value: str(pattern).lower() == value, False),
}


def holds(condition, context):
    """Whether each operator of a condition holds. A negated operator holds if the request has no such key."""
    for operator, keys in condition.items():
        name, if_exists = operator.removesuffix("IfExists"), operator.endswith("IfExists")
        for key, patterns in keys.items():
            value = context.get(key)
            if name.startswith("ForAllValues:"):
                # Each value of the request has to match one of the policy.
                same, _ = OPERATORS[name.removeprefix("ForAllValues:")]
                if not all(any(same(str(p), v) for p in listed(patterns)) for v in value or []):
                    return False
                continue
            if name == "Null":
                if (value is None) != (str(patterns).lower() == "true"):
                    return False
                continue
            same, negated = OPERATORS[name]
            if value is None:
                if if_exists or negated:
                    continue
                return False
            # Policy variables: ${aws:PrincipalTag/team}.
            known = [VARIABLE.sub(lambda found: context.get(found[1], ""), str(pattern)) for pattern in listed(patterns)]
            if any(same(pattern, value) for pattern in known) == negated:
                return False
    return True


def applies(statement, action):
    """The actions of a statement that mean this action; `*` if it is none of its NotAction."""
    if "NotAction" in statement:
        return [] if any(matches(a.lower(), action.lower()) for a in listed(statement["NotAction"])) else ["*"]
    return [a for a in listed(statement["Action"]) if matches(a.lower(), action.lower())]


def decide(statements, action, resource, context, used=None):
    """`allow`, `deny`, or `none` if no statement applies; `used` collects the actions that allowed something."""
    found = "none"
    for statement in statements:
        actions = applies(statement, action)
        resources = listed(statement.get("Resource", resource))
        if not actions or not any(matches(r, resource) for r in resources):
            continue
        if not holds(statement.get("Condition", {}), context):
            continue
        if statement["Effect"] == "Deny":
            return "deny"
        found = "allow"
        if used is not None:
            used.update((id(statement), a) for a in actions)
    return found


# Parameters that decide what the roles of the control plane and of accounts may do, and that no other call shows.
CHOSEN = {"ExternalCodeArns", "ExternalImageArns", "TrafficDomains", "TrafficZones"}


def chosen(calls):
    """The last value of each of these parameters in the calls of the installation."""
    made = (call["parsed"][1] for call in calls if call["service"] == "cloudformation")
    values = ((p["ParameterKey"], p.get("ParameterValue")) for parameters in made for p in parameters.get("Parameters", []))
    return {key: value for key, value in values if key in CHOSEN and value}


class Role:
    """A role of a template."""

    def __init__(self, arn, properties):
        self.arn, self.account = arn, arn.split(":")[4]
        self.name = arn.rsplit("/", 1)[-1]
        self.statements = [s for p in properties.get("Policies", []) for s in p["PolicyDocument"]["Statement"]]
        self.trust = properties["AssumeRolePolicyDocument"]["Statement"]


class Installation:
    """The roles of one installation, found by what was recorded of it: its ingest bucket, the roles that it assumed, and the
    parameters that the installation gave its stacks."""

    def __init__(self, calls, chosen=()):
        by_ingest = (c["parsed"][1] for c in calls if c["caller"] == "ingest" and c["service"] == "s3")
        self.ingest = next(by_ingest)["Bucket"]
        self.prefix, self.account, self.region = re.fullmatch(r"(.+)-ingest-(\d{12})-(.+)", self.ingest).groups()
        assumed = [(c, c["parsed"][1]) for c in calls if c["parsed"][0].name == "AssumeRole"]
        # An account that was installed twice has had two external IDs.
        self.external = {}
        for call, parameters in assumed:
            if call.get("status") != "403" and "ExternalId" in parameters:
                self.external.setdefault(parameters["RoleArn"].split(":")[4], []).append(parameters["ExternalId"])
        self.issued = {c["issued"]: p["RoleArn"] for c, p in assumed if "issued" in c}
        deployers = sorted({p["RoleArn"] for _, p in assumed if p["RoleArn"].endswith("-deployer")})
        others = sorted(set(self.external) - {self.account})
        given = {"Prefix": self.prefix, "DeployerRoleArns": ",".join(deployers), "TargetAccounts": ",".join(others), **dict(chosen)}
        control_plane = Template(INFRA / "control-plane.yaml", self.account, self.region, given)
        given = {"Prefix": self.prefix, "ControlPlaneAccount": self.account, "ControlPlaneRegion": self.region}
        templates = [control_plane]
        for account in [self.account, *others]:
            given = {**given, "ExternalId": self.external.get(account, [""])[0], **dict(chosen)}
            templates.append(Template(INFRA / "account.yaml", account, self.region, given))
        roles = [(t.arn(name), role) for t in templates for name, role in t.resources("AWS::IAM::Role").items()]
        self.roles = {arn: Role(arn, properties) for arn, properties in roles}
        policies = control_plane.resources("AWS::S3::BucketPolicy").values()
        self.bucket_policy = [s for policy in policies for s in policy["PolicyDocument"]["Statement"]]

    def role_of(self, call):
        arn = self.issued.get(call["key"])
        if arn is None:
            arn = f"arn:aws:iam::{self.account}:role/{self.prefix}-{call['caller']}-{self.region}"
        return self.roles[arn]

    def refused(self, call, used):
        """Why IAM refuses a call; empty if it does not."""
        role = self.role_of(call)
        operation, parameters = call["parsed"]
        context = {
            "aws:PrincipalArn": role.arn,
            "aws:PrincipalAccount": role.account,
            "aws:SecureTransport": "true",
            "aws:RequestedRegion": call["region"],
        }
        for action, resource, more in needs(call, operation, parameters, role.account):
            context_of = {**context, **more}
            decision = decide(role.statements, action, resource, context_of, used)
            if decision != "allow":
                yield f"{role.name} may not {action} on {resource} ({decision})"
            owner = self.owner(resource, role.account)
            if owner != role.account and action.startswith("s3:"):
                principals = [s for s in self.bucket_policy if resource.startswith(f"arn:aws:s3:::{self.ingest}")]
                if decide(principals, action, resource, context_of) != "allow":
                    yield f"the policy of the bucket lets {role.arn} not {action} on {resource}"
            if action == "sts:AssumeRole":
                target = self.roles.get(resource)
                valid = self.external.get(resource.split(":")[4], [])
                if context_of["sts:ExternalId"] in valid:
                    context_of["sts:ExternalId"] = valid[0]
                if target is None or decide(target.trust, action, resource, context_of) != "allow":
                    yield f"{resource} does not trust {role.arn}"

    def owner(self, resource, account):
        """The account of a bucket: the names of Flotilla's own contain it."""
        bucket = resource.removeprefix("arn:aws:s3:::").split("/")[0]
        own = re.fullmatch(rf"{re.escape(self.prefix)}-(ingest|artifacts)-(\d{{12}})-.+", bucket)
        return own[2] if own else account


def needs(call, model, parameters, account):
    """The actions that an operation needs, each with its resource and its condition keys."""
    region, operation = call["region"], model.name
    match call["service"]:
        case "apigateway":
            # The action is the method, and the resource is the path without the version of the API.
            path = model.http["requestUri"].removeprefix("/v2").format(**{name[0].lower() + name[1:]: value for name, value in parameters.items()})
            yield f"apigateway:{model.http['method']}", f"arn:aws:apigateway:{region}::{path}", {}
        case "dynamodb":
            yield from dynamodb(operation, parameters, region, account)
        case "sqs":
            queue = urlsplit(parameters["QueueUrl"]).path.rsplit("/", 1)[-1]
            yield f"sqs:{operation.removesuffix('Batch')}", f"arn:aws:sqs:{region}:{account}:{queue}", {}
        case "s3":
            yield from s3(operation, parameters)
        case "cloudformation":
            yield from cloudformation(operation, parameters, region, account)
        case "lambda":
            name = parameters["FunctionName"].rsplit(":", 1)[-1] if "arn:" not in parameters["FunctionName"] else None
            function = f"arn:aws:lambda:{region}:{account}:function:{name}" if name else parameters["FunctionName"]
            yield f"lambda:{'InvokeFunction' if operation == 'Invoke' else operation}", function, {}
        case "monitoring":
            yield f"cloudwatch:{operation}", f"arn:aws:cloudwatch:{region}:{account}:alarm:*", {}
        case "ecr":
            repository = parameters.get("repositoryName", "*")
            yield f"ecr:{operation}", f"arn:aws:ecr:{region}:{parameters.get('registryId', account)}:repository/{repository}", {}
        case "sns":
            yield f"sns:{operation}", parameters["TopicArn"], {}
        case "events":
            for entry in parameters["Entries"]:
                yield f"events:{operation}", entry["EventBusName"], {"events:source": entry.get("Source")}
        case "route53":
            yield from route53(operation, parameters)
        case "sts":
            yield "sts:AssumeRole", parameters["RoleArn"], {"sts:ExternalId": parameters.get("ExternalId")}
        case service:
            raise Unmapped(service)


def route53(operation, parameters):
    match operation:
        case "GetChange":
            yield "route53:GetChange", f"arn:aws:route53:::change/{parameters['Id'].rsplit('/', 1)[-1]}", {}
        case _:
            sets = [change["ResourceRecordSet"] for change in parameters.get("ChangeBatch", {}).get("Changes", [])]
            named = {
                "route53:ChangeResourceRecordSetsNormalizedRecordNames": [s["Name"].rstrip(".").lower() for s in sets],
                "route53:ChangeResourceRecordSetsRecordTypes": [s["Type"] for s in sets],
            }
            yield f"route53:{operation}", f"arn:aws:route53:::hostedzone/{parameters['HostedZoneId'].rsplit('/', 1)[-1]}", named


def dynamodb(operation, parameters, region, account):
    def table(name, index=None):
        return f"arn:aws:dynamodb:{region}:{account}:table/{name}" + (f"/index/{index}" if index else "")

    match operation:
        case "TransactWriteItems":
            actions = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
            for item in parameters["TransactItems"]:
                for kind, inner in item.items():
                    yield f"dynamodb:{actions[kind]}", table(inner["TableName"]), {}
        case "BatchGetItem" | "BatchWriteItem":
            for name in parameters["RequestItems"]:
                yield f"dynamodb:{operation}", table(name), {}
        case _:
            yield f"dynamodb:{operation}", table(parameters["TableName"], parameters.get("IndexName")), {}


def s3(operation, parameters):
    bucket = f"arn:aws:s3:::{parameters['Bucket']}"
    key = f"{bucket}/{parameters['Key']}" if "Key" in parameters else None
    version = "Version" if parameters.get("VersionId") else ""

    def source():
        path, _, query = unquote(parameters["CopySource"]).partition("?")
        return f"s3:GetObject{'Version' if query else ''}", f"arn:aws:s3:::{path.lstrip('/')}", {}

    match operation:
        case "GetObject" | "HeadObject":
            yield f"s3:GetObject{version}", key, {}
        case "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload":
            yield "s3:PutObject", key, {}
        case "CopyObject" | "UploadPartCopy":
            yield source()
            yield "s3:PutObject", key, {}
        case "AbortMultipartUpload":
            yield "s3:AbortMultipartUpload", key, {}
        case "ListObjectVersions":
            yield "s3:ListBucketVersions", bucket, {}
        case "ListObjectsV2":
            yield "s3:ListBucket", bucket, {}
        case "ListMultipartUploads":
            yield "s3:ListBucketMultipartUploads", bucket, {}
        case "DeleteObjects":
            for found in parameters["Delete"]["Objects"]:
                version = "Version" if found.get("VersionId") else ""
                yield f"s3:DeleteObject{version}", f"{bucket}/{found['Key']}", {}
        case _:
            raise Unmapped(f"s3:{operation}")


def cloudformation(operation, parameters, region, account):
    name = parameters.get("StackName", "")
    change_set = parameters.get("ChangeSetName", "")
    if not name and change_set.startswith("arn:"):
        # A change set alone: AWS finds its stack.
        yield f"cloudformation:{operation}", f"arn:aws:cloudformation:{region}:{account}:stack/*/*", {}
        return
    stack = name if name.startswith("arn:") else f"arn:aws:cloudformation:{region}:{account}:stack/{name}/id"
    if operation == "ListImports":
        stack = "*"
    yield f"cloudformation:{operation}", stack, {}
    if parameters.get("RoleARN"):
        passed = {"iam:PassedToService": "cloudformation.amazonaws.com"}
        yield "iam:PassRole", parameters["RoleARN"], passed
    if parameters.get("Tags") and operation == "CreateChangeSet":
        yield "cloudformation:TagResource", stack, {}


def unused(installation, used):
    """The actions of each role that allowed nothing, of those that a recorded call can use."""
    for role in installation.roles.values():
        if role.trust[0]["Principal"].get("Service", "lambda.amazonaws.com") != "lambda.amazonaws.com":
            continue
        for statement in role.statements:
            if statement["Effect"] == "Allow":
                for action in listed(statement["Action"]):
                    if "*" not in action and action not in USED_ELSEWHERE and (id(statement), action) not in used:
                        yield role.name, action
