"""What AWS refuses by the model of a service: required and unknown members, types, enums, lengths, ranges and patterns."""

import regex

TYPES = {
    "string": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "boolean": bool,
    "structure": dict,
    "map": dict,
    "list": list,
}


def refused(shape, value, path):
    expected = TYPES.get(shape.type_name)
    if expected and (not isinstance(value, expected) or (isinstance(value, bool) and shape.type_name != "boolean")):
        yield f"{path}: {value!r} is no {shape.type_name}"
        return
    if shape.type_name == "structure":
        if getattr(shape, "is_document_type", False):
            return
        for name in shape.required_members:
            if value.get(name) is None:
                yield f"{path}.{name} is required"
        for name, inner in value.items():
            if name not in shape.members:
                yield f"{path}.{name} is unknown"
            elif inner is not None:
                yield from refused(shape.members[name], inner, f"{path}.{name}")
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            yield f"{path}: one member of a union, not {sorted(value)}"
    elif shape.type_name == "list":
        yield from bounded(shape, len(value), path, "elements")
        for at, inner in enumerate(value):
            yield from refused(shape.member, inner, f"{path}[{at}]")
    elif shape.type_name == "map":
        yield from bounded(shape, len(value), path, "entries")
        for key, inner in value.items():
            yield from refused(shape.key, key, f"{path} key")
            yield from refused(shape.value, inner, f"{path}[{key!r}]")
    elif shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            yield f"{path}: {value!r} is none of {', '.join(shape.enum)}"
        yield from bounded(shape, len(value), path, "characters")
        pattern = shape.metadata.get("pattern")
        if pattern and not regex.fullmatch(pattern, value):
            yield f"{path}: {value!r} does not match {pattern}"
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from bounded(shape, value, path, "")


def bounded(shape, size, path, unit):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield f"{path}: {size} {unit}, at least {least}".replace("  ", " ")
    if most is not None and size > most:
        yield f"{path}: {size} {unit}, at most {most}".replace("  ", " ")
