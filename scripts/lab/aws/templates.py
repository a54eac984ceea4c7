"""Renders the templates of `infra/`: parameters, conditions and intrinsic functions are replaced by their values."""

import yaml


class Tag:
    """An intrinsic function, as its short form in YAML."""

    def __init__(self, name, value):
        self.name, self.value = name, value


class Loader(yaml.SafeLoader):
    """YAML with the short forms of CloudFormation."""


def _construct(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return Tag(suffix, loader.construct_scalar(node))
    if isinstance(node, yaml.SequenceNode):
        return Tag(suffix, loader.construct_sequence(node, deep=True))
    return Tag(suffix, loader.construct_mapping(node, deep=True))


Loader.add_multi_constructor("!", _construct)

NOTHING = object()
# The property that names a resource, and its ARN.
NAMES = {
    "AWS::DynamoDB::Table": ("TableName", "arn:{p}:dynamodb:{r}:{a}:table/{n}"),
    "AWS::Events::EventBus": ("Name", "arn:{p}:events:{r}:{a}:event-bus/{n}"),
    "AWS::Events::Rule": ("Name", "arn:{p}:events:{r}:{a}:rule/{n}"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", "arn:{p}:iam::{a}:policy/{n}"),
    "AWS::IAM::Role": ("RoleName", "arn:{p}:iam::{a}:role/{n}"),
    "AWS::Lambda::Function": ("FunctionName", "arn:{p}:lambda:{r}:{a}:function:{n}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "arn:{p}:logs:{r}:{a}:log-group:{n}:*"),
    "AWS::S3::Bucket": ("BucketName", "arn:{p}:s3:::{n}"),
    "AWS::SQS::Queue": ("QueueName", "arn:{p}:sqs:{r}:{a}:{n}"),
}


class Template:
    """A template in an account and region, with these parameters; the others have their defaults."""

    def __init__(self, path, account, region, parameters):
        document = yaml.load(path.read_text(), Loader)
        defaults = {name: spec.get("Default", "") for name, spec in document["Parameters"].items()}
        values = {**defaults, **parameters}
        lists = {n for n, spec in document["Parameters"].items() if spec["Type"] == "CommaDelimitedList"}
        split = {n: [v for v in str(value).split(",") if v] for n, value in values.items() if n in lists}
        self.parameters = {
            **values,
            **split,
            "AWS::AccountId": account,
            "AWS::Region": region,
            "AWS::Partition": "aws",
            "AWS::NoValue": NOTHING,
        }
        self.conditions = document.get("Conditions", {})
        self.document = document["Resources"]
        self.account, self.region = account, region

    def resources(self, kind):
        """The properties of the resources of a type, by logical ID."""
        found = {}
        for name, resource in self.document.items():
            wanted = "Condition" not in resource or self.condition(resource["Condition"])
            if resource["Type"] == kind and wanted:
                found[name] = self.value(resource.get("Properties", {}))
        return found

    def condition(self, name):
        return self.value(self.conditions[name])

    def arn(self, logical):
        resource = self.document[logical]
        name, form = NAMES.get(resource["Type"], (None, "arn:{p}:unknown:{r}:{a}:{n}"))
        name = self.value(resource["Properties"].get(name, logical))
        if "EventBusName" in resource["Properties"]:
            name = f"{self.value(resource['Properties']['EventBusName'])}/{name}"
        return form.format(p="aws", r=self.region, a=self.account, n=name)

    def ref(self, name):
        if name in self.parameters:
            return self.parameters[name]
        resource = self.document[name]
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            return self.arn(name)
        key, _ = NAMES.get(resource["Type"], (None, None))
        return self.value(resource["Properties"].get(key, name))

    def sub(self, text):
        out, rest = "", text
        while "${" in rest:
            before, rest = rest.split("${", 1)
            name, rest = rest.split("}", 1)
            value = self.get(name) if "." in name else self.ref(name)
            out += before + str(value)
        return out + rest

    def get(self, path):
        logical, attribute = path.split(".", 1)
        if attribute == "Arn":
            return self.arn(logical)
        if attribute == "StreamArn":
            return self.arn(logical) + "/stream/*"
        return self.ref(logical)

    def value(self, node):
        if isinstance(node, dict):
            return {key: v for key, inner in node.items() if (v := self.value(inner)) is not NOTHING}
        if isinstance(node, list):
            return [v for inner in node if (v := self.value(inner)) is not NOTHING]
        if not isinstance(node, Tag):
            return node
        match node.name:
            case "Ref":
                return self.ref(node.value)
            case "Sub":
                return self.sub(node.value)
            case "GetAtt":
                return self.get(node.value)
            case "Join":
                return node.value[0].join(self.value(node.value[1]))
            case "Split":
                return self.value(node.value[1]).split(node.value[0])
            case "Equals":
                return self.value(node.value[0]) == self.value(node.value[1])
            case "Not":
                return not self.value(node.value[0])
            case "Or":
                return any(self.value(inner) for inner in node.value)
            case "Condition":
                return self.condition(node.value)
            case "If":
                return self.value(node.value[1 if self.condition(node.value[0]) else 2])
        raise ValueError(f"!{node.name} is not rendered")
