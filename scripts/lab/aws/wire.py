"""Reads recorded AWS calls: the operation and its parameters, by the protocol of the service and botocore's model of it."""

import base64
import json
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree

import botocore.loaders
import botocore.model
import cbor2
import regex

# The service that a signature names: its model.
SERVICES = {
    "apigateway": "apigatewayv2",
    "cloudformation": "cloudformation",
    "dynamodb": "dynamodb",
    "ecr": "ecr",
    "events": "events",
    "lambda": "lambda",
    "monitoring": "cloudwatch",
    "route53": "route53",
    "s3": "s3",
    "sns": "sns",
    "sqs": "sqs",
    "sts": "sts",
}
# The HTTP API of Flotilla itself.
OWN = {"execute-api"}


class Unreadable(Exception):
    """A request that is none of its service."""


def load(name, cache={}):
    if name not in cache:
        loader = botocore.loaders.Loader()
        cache[name] = botocore.model.ServiceModel(loader.load_service_model(name, "service-2"), name)
    return cache[name]


# Reading requests: (operation, parameters) by the protocol of a service.


def read(service, call):
    protocol = service.metadata.get("protocols", [service.metadata["protocol"]])
    headers, body = call["headers"], base64.b64decode(call["body"])
    if "x-amz-target" in headers:
        operation = operation_of(service, headers["x-amz-target"].rsplit(".", 1)[-1])
        return operation, json.loads(body)
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        operation = operation_of(service, call["uri"].rsplit("/", 1)[-1])
        return operation, cbor2.loads(body) if body else {}
    if service.metadata["protocol"] == "query" or "query" in protocol:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        operation = operation_of(service, form.pop("Action", None))
        form.pop("Version", None)
        found = from_form(operation.input_shape, "", form) if operation.input_shape else {}
        for key in form:
            raise Unreadable(f"{operation.name}: {key} is no parameter")
        return operation, found or {}
    return from_rest(service, call, body)


def operation_of(service, name):
    if name not in service.operation_names:
        raise Unreadable(f"{name} is no operation of {service.service_name}")
    return service.operation_model(name)


def from_form(shape, prefix, form):
    """The value of a shape, taken out of the form; None if it has none."""
    if shape.type_name == "structure":
        found = {}
        for name, member in shape.members.items():
            key = member.serialization.get("name", name)
            value = from_form(member, f"{prefix}.{key}" if prefix else key, form)
            if value is not None:
                found[name] = value
        return found or None
    if shape.type_name == "list":
        if form.get(prefix) == "":
            form.pop(prefix)
            return []
        inner = shape.member.serialization.get("name", "member")
        path = prefix if shape.serialization.get("flattened") else f"{prefix}.{inner}"
        found = []
        while (value := from_form(shape.member, f"{path}.{len(found) + 1}", form)) is not None:
            found.append(value)
        return found or None
    if shape.type_name == "map":
        path = prefix if shape.serialization.get("flattened") else f"{prefix}.entry"
        names = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
        found = {}
        while (key := form.pop(f"{path}.{len(found) + 1}.{names[0]}", None)) is not None:
            found[key] = from_form(shape.value, f"{path}.{len(found) + 1}.{names[1]}", form)
        return found or None
    return typed(shape, form.pop(prefix)) if prefix in form else None


def from_rest(service, call, body):
    path, _, query = call["uri"].partition("?")
    query = dict(parse_qsl(query, keep_blank_values=True))
    candidates = []
    for name in service.operation_names:
        operation = service.operation_model(name)
        template, _, fixed = operation.http["requestUri"].partition("?")
        fixed = dict(parse_qsl(fixed, keep_blank_values=True))
        if operation.http["method"] != call["method"]:
            continue
        if any(query.get(key) != value for key, value in fixed.items() if key != "x-id"):
            continue
        if query.get("x-id", name) != name:
            continue
        pattern = regex.escape(template.rstrip("/"), special_only=True)
        pattern = regex.sub(r"\\\{(\w+)\\\+\\\}", r"(?P<\1>.+)", pattern)
        pattern = regex.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", pattern)
        if match := regex.fullmatch(pattern + "/?", path):
            # An operation that is fixed by the most of the query, and whose required headers are there.
            shape = operation.input_shape
            missing = [
                member
                for member in (shape.required_members if shape else [])
                if shape.members[member].serialization.get("location") == "header"
                and shape.members[member].serialization["name"].lower() not in call["headers"]
            ]
            candidates.append((len(fixed), -len(missing), template.count("/"), name, operation, match))
    if not candidates:
        raise Unreadable(f"no operation of {service.service_name} is {call['method']} {call['uri']}")
    _, _, _, _, operation, match = max(candidates, key=lambda found: found[:4])
    found, shape = {}, operation.input_shape
    if shape is None:
        return operation, found
    payload = shape.serialization.get("payload")
    in_body = {}
    for name, member in shape.members.items():
        place, key = member.serialization.get("location"), member.serialization.get("name", name)
        if place == "uri" and key in match.groupdict():
            found[name] = typed(member, unquote(match[key]))
        elif place == "querystring" and key in query:
            found[name] = [query[key]] if member.type_name == "list" else typed(member, query[key])
        elif place == "header" and key.lower() in call["headers"]:
            value = call["headers"][key.lower()]
            found[name] = value.split(",") if member.type_name == "list" else typed(member, value)
        elif place == "headers":
            prefix = key.lower()
            found[name] = {k[len(prefix) :]: v for k, v in call["headers"].items() if k.startswith(prefix)}
        elif place is None and name != payload:
            in_body[name] = member
    if payload and shape.members[payload].type_name == "structure":
        if body:
            found[payload] = from_body(service, shape.members[payload], body)
    elif payload:
        found[payload] = body
    elif in_body and body:
        value = from_body(service, shape, body)
        found.update(value)
    return operation, found


def from_body(service, shape, body):
    if service.metadata["protocol"] == "rest-json":
        return from_json(shape, json.loads(body))
    return from_xml(shape, ElementTree.fromstring(body))


def from_json(shape, value):
    """The value with the names that the members have in the model: API Gateway's `apiId` is `ApiId` there."""
    if shape.type_name == "structure" and isinstance(value, dict):
        names = {m.serialization.get("name", n): (n, m) for n, m in shape.members.items()}
        known = {key: names[key] for key in value if key in names}
        return {
            known[key][0] if key in known else key: from_json(known[key][1], inner) if key in known else inner
            for key, inner in value.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [from_json(shape.member, inner) for inner in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: from_json(shape.value, inner) for key, inner in value.items()}
    return value


def from_xml(shape, node):
    def plain(tag):
        return tag.rsplit("}", 1)[-1]

    if shape.type_name == "structure":
        found, names = {}, {m.serialization.get("name", n): (n, m) for n, m in shape.members.items()}
        for child in node:
            tag = plain(child.tag)
            name, member = names.get(tag, (tag, None))
            if member is None:
                found[name] = child.text
            elif member.type_name == "list" and member.serialization.get("flattened"):
                found.setdefault(name, []).append(from_xml(member.member, child))
            else:
                found[name] = from_xml(member, child)
        return found
    if shape.type_name == "list":
        return [from_xml(shape.member, child) for child in node]
    return typed(shape, node.text or "")


def typed(shape, text):
    """A value that was sent as text."""
    try:
        if shape.type_name in ("integer", "long"):
            return int(text)
        if shape.type_name in ("float", "double"):
            return float(text)
    except ValueError:
        return text
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text
