"""Whether the services that call each other in the templates of `infra/` may: S3 to a queue, EventBridge to a queue or a bus, the schedule to
its function, API Gateway to its function, and Lambda's event source mappings to their sources. Evaluates the policies of queues, the bus and the function,
and the roles that the services assume.
"""

from iam import INFRA, decide, holds, listed
from templates import Template

HOME, REGION = "111122223333", "eu-central-1"
OTHER = "333344445555"
READ_QUEUE = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
READ_STREAM = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]


def control_plane():
    roles = [f"arn:aws:iam::{account}:role/flotilla-deployer" for account in (HOME, OTHER)]
    given = {"Prefix": "flotilla", "DeployerRoleArns": ",".join(roles), "TargetAccounts": OTHER}
    return Template(INFRA / "control-plane.yaml", HOME, REGION, given)


def for_principal(statements, principal):
    """The statements of a resource policy that are about a service or an account."""

    def named(statement):
        who = statement.get("Principal", {})
        return who == "*" or principal in [p for kind in who.values() for p in listed(kind)]

    return [statement for statement in statements if named(statement)]


def policies(template, kind, listed_by):
    """The statements of the resource policies of a type, and the resources they are attached to."""
    for policy in template.resources(kind).values():
        yield policy.get(listed_by), policy["PolicyDocument"]["Statement"]


def role(template, arn):
    found = [properties for name, properties in template.resources("AWS::IAM::Role").items() if template.arn(name) == arn]
    return found[0] if found else None


def assumed(template, arn, service, account):
    """The statements of a role, if the service may assume it for its account; else none."""
    properties = role(template, arn)
    if properties is None:
        return []
    context = {"aws:SourceAccount": account}
    trust = for_principal(properties["AssumeRolePolicyDocument"]["Statement"], service)
    if not any(holds(statement.get("Condition", {}), context) for statement in trust):
        return []
    return [s for p in properties.get("Policies", []) for s in p["PolicyDocument"]["Statement"]]


def checks():
    """Each integration, and whether it is allowed."""
    home = control_plane()
    queue_statements = [s for _, statements in policies(home, "AWS::SQS::QueuePolicy", "Queues") for s in statements]

    def queue(service, arn, source):
        context = {"aws:SourceArn": source, "aws:SourceAccount": HOME}
        return decide(for_principal(queue_statements, service), "sqs:SendMessage", arn, context) == "allow"

    for name, bucket in home.resources("AWS::S3::Bucket").items():
        for target in bucket.get("NotificationConfiguration", {}).get("QueueConfigurations", []):
            yield f"S3 to the queue of {name}", queue("s3.amazonaws.com", target["Queue"], home.arn(name))
    for name, rule in home.resources("AWS::Events::Rule").items():
        # The ARN of a rule of a bus of one's own.
        source = f"arn:aws:events:{REGION}:{HOME}:rule/flotilla/{rule['Name']}"
        for target in rule["Targets"]:
            yield f"EventBridge to the queue of {name}", queue("events.amazonaws.com", target["Arn"], source)
    functions = home.resources("AWS::Lambda::Function")
    for name, source in home.resources("AWS::Lambda::EventSourceMapping").items():
        function = next(f for f in functions.values() if f["FunctionName"] == source["FunctionName"])
        statements = assumed(home, function["Role"], "lambda.amazonaws.com", HOME)
        arn = source["EventSourceArn"]
        needs = [(action, arn) for action in (READ_QUEUE if ":sqs:" in arn else READ_STREAM)]
        if "DestinationConfig" in source:
            needs.append(("sqs:SendMessage", source["DestinationConfig"]["OnFailure"]["Destination"]))
        for action, resource in needs:
            # The stream's ARN ends with the time of its creation.
            stream = resource.replace("/stream/*", "/stream/2026-11-01T00:00:00.000")
            yield f"{action} of {name}", decide(statements, action, stream, {}) == "allow"
    for name, schedule in home.resources("AWS::Scheduler::Schedule").items():
        target = schedule["Target"]
        statements = assumed(home, target["RoleArn"], "scheduler.amazonaws.com", HOME)
        yield f"{name} to its function", decide(statements, "lambda:InvokeFunction", target["Arn"], {}) == "allow"
        dead = target["DeadLetterConfig"]["Arn"]
        yield f"{name} to its dead-letter queue", decide(statements, "sqs:SendMessage", dead, {}) == "allow"
    permitted = [p for p in home.resources("AWS::Lambda::Permission").values() if p["Principal"] == "apigateway.amazonaws.com"]
    for name, integration in home.resources("AWS::ApiGatewayV2::Integration").items():
        called = [p for p in permitted if integration["IntegrationUri"].endswith(f":function:{p['FunctionName']}")]
        yield f"API Gateway to the function of {name}", len(called) == 1
    bus = next(iter(home.resources("AWS::Events::EventBus").values()))
    arn = f"arn:aws:events:{REGION}:{HOME}:event-bus/{bus['Name']}"
    for account in (HOME, OTHER):
        given = {"Prefix": "flotilla", "EventBusArn": arn}
        regional = Template(INFRA / "regional.yaml", account, "us-east-1", given)
        for name, rule in regional.resources("AWS::Events::Rule").items():
            for target in rule["Targets"]:
                statements = assumed(regional, target["RoleArn"], "events.amazonaws.com", account)
                sent = decide(statements, "events:PutEvents", target["Arn"], {}) == "allow"
                accepted = decide(for_principal(bus["Policy"]["Statement"], account), "events:PutEvents", target["Arn"], {}) == "allow"
                yield f"{name} of {account} to the bus", sent and (account == HOME or accepted)


def check():
    """Prints the integrations that are refused; answers the numbers of passed and failed checks."""
    found = list(checks())
    refused = [what for what, allowed in found if not allowed]
    for what in refused:
        print(f"failed: {what} is refused")
    return len(found) - len(refused), len(refused)
