"""Calls that AWS refuses, so that the checks are seen to fail."""

import base64

import cbor2
from iam import Installation
from models import refused
from wire import SERVICES, Unreadable, load, read


def self_test():
    """Each of these calls is refused, with these words; the first is accepted."""

    def call(service, method, uri, body="", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        body = base64.b64encode(body if isinstance(body, bytes) else body.encode()).decode()
        return {"service": service, "method": method, "uri": uri, "body": body, "headers": headers}

    target = {"x_amz_target": "DynamoDB_20120810.GetItem"}
    stack = "StackName=orders&ChangeSetName=c1&ClientToken=t"
    execute = "StackName=orders&ChangeSetName=c1&ClientRequestToken=t"
    cases = [
        (call("cloudformation", "POST", "/", f"Action=ExecuteChangeSet&{execute}"), None),
        (call("cloudformation", "POST", "/", "Action=ExecuteChangeSet&StackName=orders"), "ChangeSetName is required"),
        (call("cloudformation", "POST", "/", f"Action=ExecuteChangeSet&{execute}&Wait=1"), "Wait is no parameter"),
        (call("cloudformation", "POST", "/", "Action=ExecuteStack"), "ExecuteStack is no operation"),
        (call("cloudformation", "POST", "/", f"Action=CreateChangeSet&{stack}&ChangeSetType=NEW"), "'NEW' is none of"),
        (call("cloudformation", "POST", "/", f"Action=CreateChangeSet&{stack.replace('c1', '1c')}"), "does not match"),
        (call("cloudformation", "POST", "/", f"Action=CreateChangeSet&{stack}&TimeoutInMinutes=x"), "TimeoutInMinutes is no"),
        (call("dynamodb", "POST", "/", '{"TableName": "t"}', **target), "Key is required"),
        (call("dynamodb", "POST", "/", '{"TableName": "t", "Key": {"pk": {"S": 1}}}', **target), "1 is no string"),
        (call("lambda", "POST", "/2015-03-31/functions/a%20b/invocations"), "does not match"),
        (call("lambda", "POST", "/2015-03-31/unknown"), "no operation of lambda"),
        (call("s3", "GET", "/bucket?list-type=2&max-keys=many"), "'many' is no integer"),
        (call("s3", "POST", "/bucket?delete", "<Delete><Object><Name>k</Name></Object></Delete>"), "Name is unknown"),
        (call("monitoring", "POST", "/service/G/operation/DescribeAlarms", cbor2.dumps({"MaxRecords": 0}), smithy_protocol="rpc-v2-cbor"), "at least 1"),
    ]
    failed = 0
    for made, expected in cases:
        try:
            operation, parameters = read(load(SERVICES[made["service"]]), made)
            wrong = "; ".join(refused(operation.input_shape, parameters, operation.name))
        except Unreadable as error:
            wrong = str(error)
        if (expected is None and wrong) or (expected and expected not in wrong):
            failed += 1
            print(f"{made['method']} {made['uri']}: expected {expected!r}, found {wrong!r}")
    total, iam_failed = iam_self_test()
    print(f"{len(cases) + total - failed - iam_failed} passed, {failed + iam_failed} failed")
    return 1 if failed + iam_failed else 0


def iam_self_test():
    """Each of these calls is refused by IAM, with these words, or accepted; answers how many there are, and how many were not."""
    role = "arn:aws:iam::111122223333:role/flotilla-deployer"

    def call(caller, service, name, key="own", issued=None, **parameters):
        made = {"caller": caller, "service": service, "region": "eu-central-1", "key": key}
        made["parsed"] = (load(SERVICES[service]).operation_model(name), parameters)
        return {**made, "issued": issued} if issued else made

    def weight(name, kind):
        return {"Changes": [{"Action": "CREATE", "ResourceRecordSet": {"Name": name, "Type": kind, "SetIdentifier": "x", "Weight": 0}}]}

    bucket = "flotilla-ingest-111122223333-eu-central-1"
    upload = call("ingest", "s3", "GetObject", Bucket=bucket, Key="incoming/a.zip", VersionId="1")
    assumed = call("deploy", "sts", "AssumeRole", issued="deployer", RoleArn=role, ExternalId="e" * 32)
    installation = Installation([upload, assumed], {"TrafficDomains": "*.example.com", "TrafficZones": "Z1"})
    change_set = {"StackName": "orders", "RoleARN": "arn:aws:iam::111122223333:role/flotilla-cloudformation"}
    deployer = {"caller": "deploy", "key": "deployer"}
    cases = [
        (upload, None),
        (assumed, None),
        (call(**deployer, service="cloudformation", name="CreateChangeSet", **change_set), None),
        (call("api", "s3", "GetObject", Bucket=bucket, Key="incoming/a.zip"), "flotilla-api-eu-central-1 may not"),
        (call("ingest", "s3", "GetObject", Bucket=bucket, Key="incoming/a.zip"), "may not s3:GetObject"),
        (call("ingest", "s3", "PutObject", Bucket=bucket, Key="incoming/a.zip"), "may not s3:PutObject"),
        (call("api", "sts", "AssumeRole", RoleArn=role, ExternalId="e" * 32), "does not trust"),
        (call("deploy", "sts", "AssumeRole", RoleArn=role, ExternalId="guessed"), "does not trust"),
        (
            call(**deployer, service="cloudformation", name="DeleteStack", StackName="flotilla-control-plane"),
            "(deny)",
        ),
        (
            call(**deployer, service="cloudformation", name="CreateChangeSet", **{**change_set, "RoleARN": role}),
            "may not iam:PassRole",
        ),
        (call(**deployer, service="lambda", name="Invoke", FunctionName="flotilla-verify"), "(deny)"),
        (call(**deployer, service="lambda", name="Invoke", FunctionName="orders-verify"), None),
        (call(**deployer, service="apigateway", name="GetApiMappings", DomainName="api.example.com"), None),
        (call(**deployer, service="apigateway", name="UpdateApiMapping", DomainName="api.example.com", ApiMappingId="m"), None),
        (call(**deployer, service="apigateway", name="GetApiMappings", DomainName="api.example.org"), "may not apigateway:GET"),
        (call(**deployer, service="apigateway", name="DeleteDomainName", DomainName="api.example.com"), "may not apigateway:DELETE"),
        (call(**deployer, service="apigateway", name="UpdateApi", ApiId="a"), "may not apigateway:PATCH"),
        (call(**deployer, service="route53", name="ListResourceRecordSets", HostedZoneId="Z1"), None),
        (call(**deployer, service="route53", name="ListResourceRecordSets", HostedZoneId="Z2"), "may not route53:ListResourceRecordSets"),
        (call(**deployer, service="route53", name="ChangeResourceRecordSets", HostedZoneId="Z1", ChangeBatch=weight("orders.example.com", "A")), None),
        (
            call(**deployer, service="route53", name="ChangeResourceRecordSets", HostedZoneId="Z1", ChangeBatch=weight("www.example.org", "A")),
            "may not route53:ChangeResourceRecordSets",
        ),
        (
            call(**deployer, service="route53", name="ChangeResourceRecordSets", HostedZoneId="Z1", ChangeBatch=weight("orders.example.com", "TXT")),
            "may not route53:ChangeResourceRecordSets",
        ),
    ]
    failed = 0
    for made, expected in cases:
        wrong = "; ".join(installation.refused(made, set()))
        if (expected is None and wrong) or (expected and expected not in wrong):
            failed += 1
            print(f"{made['caller']} {made['parsed'][0].name}: expected {expected!r}, found {wrong!r}")
    return len(cases), failed
