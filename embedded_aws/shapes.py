"""Validates JSON against the service model that botocore ships, as AWS's own front end does before a service sees it.

Two kinds of fault: a value of the wrong JSON type cannot even be read (SerializationException); one that breaks a
constraint is collected with all others into one ValidationException. Source of the texts: answers of AWS services.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StructureShape

from embedded_aws.wire import AwsError

Faults = list[str]
Check = Callable[[Any, str, Faults], None]

_NOT_NULL = "Member must not be null"
_JSON_KINDS: dict[type, str] = {
    str: "STRING_VALUE",
    int: "NUMBER_VALUE",
    float: "NUMBER_VALUE",
    bool: "TRUE_VALUE",
    list: "Start of list",
    dict: "Start of structure or map",
}


def validate(value: Any, check: Check) -> None:
    """Raises AwsError naming every constraint that the value breaks. Members that are null, which is as good as absent,
    are taken out of `value`."""
    faults: Faults = []
    check(value, "", faults)
    if faults:
        noun = "error" if len(faults) == 1 else "errors"
        raise AwsError(400, "ValidationException", f"{len(faults)} validation {noun} detected: {'; '.join(faults)}")


@cache
def input_check(service: str, operation: str, *, without: tuple[str, ...] = ()) -> Check:
    """The check of an operation's body; `without` names the members that travel in path and headers."""
    model = botocore.session.get_session().get_service_model(service)
    return _structure(model.operation_model(operation).input_shape, {}, without)


def _check(shape: Shape, known: dict[str, Check]) -> Check:
    if shape.name not in known:
        # Shapes may contain themselves: the entry is there, and looked up late, before its check is built.
        known[shape.name] = lambda value, path, faults: known[shape.name](value, path, faults)
        known[shape.name] = _build(shape, known)
    return known[shape.name]


def _build(shape: Shape, known: dict[str, Check]) -> Check:
    if getattr(shape, "is_document_type", False):
        return lambda value, path, faults: None
    match shape.type_name:
        case "structure":
            return _structure(shape, known)
        case "list":
            return _list(shape, known)
        case "map":
            return _map(shape, known)
        case "string":
            return _string(shape)
        case "integer" | "long":
            return _number(shape, (int,))
        case "float" | "double":
            return _number(shape, (int, float))
        case "boolean":
            return _boolean
        case "blob":
            return _blob
    raise NotImplementedError(f"no check for a member of type {shape.type_name}: {shape.name}")


def _structure(shape: StructureShape, known: dict[str, Check], without: tuple[str, ...] = ()) -> Check:
    members = {
        member.serialization.get("name", name): _check(member, known)
        for name, member in shape.members.items()
        if name not in without
    }
    required = tuple(name for name in shape.required_members if name not in without)

    def check(value: Any, path: str, faults: Faults) -> None:
        if type(value) is not dict:
            raise _unreadable(value, "structure")
        prefix = path + "." if path else ""
        for name in required:
            if value.get(name) is None:
                faults.append(_fault("null", prefix + name, _NOT_NULL))
        nulls = []
        for name, item in value.items():
            if item is None:
                nulls.append(name)
            elif (member := members.get(name)) is not None:
                member(item, prefix + name, faults)
        for name in nulls:
            del value[name]

    return check


def _list(shape: ListShape, known: dict[str, Check]) -> Check:
    item_check = _check(shape.member, known)
    length = _length(shape)

    def check(value: Any, path: str, faults: Faults) -> None:
        if type(value) is not list:
            raise _unreadable(value, "list")
        length(value, "[...]", path, faults)
        for number, item in enumerate(value, 1):
            if item is None:
                faults.append(_fault("null", f"{path}.{number}.member", _NOT_NULL))
            else:
                item_check(item, f"{path}.{number}.member", faults)

    return check


def _map(shape: MapShape, known: dict[str, Check]) -> Check:
    key_check, value_check, length = _check(shape.key, known), _check(shape.value, known), _length(shape)

    def check(value: Any, path: str, faults: Faults) -> None:
        if type(value) is not dict:
            raise _unreadable(value, "map")
        length(value, "{...}", path, faults)
        for key, item in value.items():
            key_check(key, f"{path}.key", faults)
            if item is None:
                faults.append(_fault("null", f"{path}.{key}.member", _NOT_NULL))
            else:
                value_check(item, f"{path}.{key}.member", faults)

    return check


def _string(shape: Shape) -> Check:
    enum = frozenset(getattr(shape, "enum", ()))
    allowed = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]" if enum else ""
    pattern = shape.metadata.get("pattern")
    matches = re.compile(pattern).fullmatch if pattern else None
    length = _length(shape)

    def check(value: Any, path: str, faults: Faults) -> None:
        if type(value) is not str:
            raise _unreadable(value, "String")
        if enum and value not in enum:
            faults.append(_fault(f"'{value}'", path, allowed))
        if matches and not matches(value):
            faults.append(_fault(f"'{value}'", path, f"Member must satisfy regular expression pattern: {pattern}"))
        length(value, f"'{value}'", path, faults)

    return check


def _number(shape: Shape, kinds: tuple[type, ...]) -> Check:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    name = "Integer" if float not in kinds else "Float"

    def check(value: Any, path: str, faults: Faults) -> None:
        if type(value) not in kinds:
            raise _unreadable(value, name)
        if least is not None and value < least:
            faults.append(_fault(f"'{value}'", path, f"Member must have value greater than or equal to {least}"))
        if most is not None and value > most:
            faults.append(_fault(f"'{value}'", path, f"Member must have value less than or equal to {most}"))

    return check


def _boolean(value: Any, path: str, faults: Faults) -> None:
    if type(value) is not bool:
        raise _unreadable(value, "Boolean")


def _blob(value: Any, path: str, faults: Faults) -> None:
    if type(value) is not str:
        raise _unreadable(value, "Blob")
    try:
        b64decode(value, validate=True)
    except binascii.Error:
        raise AwsError(400, "SerializationException", "Invalid Base64 encoding") from None


def _length(shape: Shape) -> Callable[[Any, str, str, Faults], None]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")

    def check(value: Any, shown: str, path: str, faults: Faults) -> None:
        if least is not None and len(value) < least:
            faults.append(_fault(shown, path, f"Member must have length greater than or equal to {least}"))
        if most is not None and len(value) > most:
            faults.append(_fault(shown, path, f"Member must have length less than or equal to {most}"))

    return check


def _fault(value: str, path: str, constraint: str) -> str:
    return f"Value {value} at '{path}' failed to satisfy constraint: {constraint}"


def _unreadable(value: Any, wanted: str) -> AwsError:
    kind = "FALSE_VALUE" if value is False else _JSON_KINDS.get(type(value), "NULL_VALUE")
    if wanted in ("structure", "list", "map"):
        text = f"Unexpected {kind} found where a {wanted} was expected"
    elif kind.startswith("Start"):
        text = f"{kind} found where not expected."
    else:
        text = f"{kind} can not be converted to {'an' if wanted[0] in 'AEIOU' else 'a'} {wanted}"
    return AwsError(400, "SerializationException", text)
