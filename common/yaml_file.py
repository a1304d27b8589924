"""One YAML file → one validated model, with errors that name file, line and key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ValidationError


class ConfigError(Exception):
    """A configuration that cannot be used; the text names what is wrong and what to do, and is shown as it is."""


class At(ValueError):
    """A fault found by a validator of a whole section, with the key that it is about."""

    def __init__(self, keys: tuple[str | int, ...], problem: str) -> None:
        super().__init__(problem)
        self.keys = keys


def nearest(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f" (there is: {', '.join(known)})"


_TELLING = {"extra_forbidden": 0, "value_error": 1, "missing": 2}
S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """A YAML file that holds keys and values, with the lines on which they stand.

    Nodes know the file that they come from, so that a document may be put together from several.
    """

    path: Path
    root: yaml.MappingNode
    content: dict[str, Any]

    def where(self, keys: Sequence[str | int]) -> str:
        """`FILE:LINE: KEYS` of the deepest of `keys` that stands there."""
        mark, written = locate(self.root, list(keys))
        return f"{mark.name}:{mark.line + 1}: {dotted(written) or dotted(list(keys))}"


def load(path: Path, model: type[S]) -> S:
    """The file as `model`. Raises ConfigError naming file, line and key of the first fault."""
    return validate(read(path), model)


def validate(document: Document, model: type[S], content: dict[str, Any] | None = None) -> S:
    """The document, or what was made of its content, as `model`. Raises ConfigError."""
    try:
        return model.model_validate(document.content if content is None else content)
    except ValidationError as error:
        raise ConfigError(_explain(document.root, model, error)) from None
    except RecursionError:
        raise ConfigError(f"{document.path}: is nested too deeply.") from None


def read(path: Path) -> Document:
    """Raises ConfigError for what is no YAML mapping, or holds a key twice."""
    root = compose(path)
    return Document(path, root, construct(path, root))


def compose(path: Path) -> yaml.MappingNode:
    """The nodes of a file, whose marks name it. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file. Name another one, or restore it.") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    with _explained(path):
        loader = yaml.SafeLoader(text)
        loader.name = str(path)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            content = None if root is None else loader.construct_document(root)
            raise ConfigError(f"{path}: must hold keys and values, and holds {_kind(content)}.")
        _refuse_repeated_keys(root, [], {})
    return root


def construct(path: Path, root: yaml.MappingNode) -> dict[str, Any]:
    """What the nodes stand for; merge keys are followed. Raises ConfigError."""
    with _explained(path):
        content: dict[str, Any] = yaml.SafeLoader("").construct_document(root)
        return content
    raise AssertionError  # it has raised


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: is not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # PyYAML lets Python refuse a date such as 2026-13-01
        raise ConfigError(f"{path}: is not valid YAML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply.") from None


def _refuse_repeated_keys(node: yaml.Node, above: list[str | int], seen: dict[int, bool]) -> None:
    """YAML forbids a key that stands twice; PyYAML lets the last one win, and the first is lost.

    An anchor that holds itself would have no end. `seen`: the node's id → whether it is being looked at.
    """
    where = f"{node.start_mark.name}:{node.start_mark.line + 1}: {dotted(above)}"
    if seen.get(id(node)):
        raise ConfigError(f"{where}: holds itself. Remove the alias.")
    if id(node) in seen:
        return
    seen[id(node)] = True
    if isinstance(node, yaml.SequenceNode):
        for position, entry in enumerate(node.value):
            _refuse_repeated_keys(entry, [*above, position], seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            written = [*above, str(key.value)]
            if isinstance(key.value, str) and key.value in lines:
                first = f"the first is in line {lines[key.value]}"
                where = f"{key.start_mark.name}:{line}: {dotted(written)}"
                raise ConfigError(f"{where}: stands here twice; {first}. Remove or rename one.")
            if key.tag != "tag:yaml.org,2002:merge" and isinstance(key.value, str):
                lines[key.value] = line
            _refuse_repeated_keys(value, written, seen)
    seen[id(node)] = False


def _kind(value: Any) -> str:
    kinds: dict[type, str] = {dict: "a mapping", list: "a list", str: "a text", type(None): "nothing"}
    return kinds.get(type(value), repr(value))


def _explain(root: yaml.Node, model: type[BaseModel], error: ValidationError) -> str:
    """One fault as a sentence: the most telling, since a misspelt key is told as missing too, and a mapping where a
    number may stand as well as no number."""
    fault = min(error.errors(), key=lambda found: _TELLING.get(found["type"], len(_TELLING)))
    cause = fault.get("ctx", {}).get("error")
    keys = [*fault["loc"], *(cause.keys if isinstance(cause, At) else ())]
    mark, written = locate(root, keys)
    file = f"{mark.name}:{mark.line + 1}"
    where = f"{file}: {dotted(written)}"
    match fault["type"]:
        case "extra_forbidden":
            known = _known_keys(model, fault["loc"][:-1])
            return f"{where}: is not a known key{nearest(str(keys[-1]), known)}"
        case "missing" if len(written) == len(keys):  # it stands there, and holds nothing
            return f"{where}: holds nothing. Add what belongs there."
        case "missing":
            return f"{file}: {dotted([*written, keys[-1]])}: is missing. Add it."
        case "value_error":
            return f"{where}: {cause}"
        case "union_tag_not_found":
            return f"{where}: needs a `kind`"
        case "union_tag_invalid":
            return f"{where}: kind {fault['ctx']['tag']!r} is not one of {fault['ctx']['expected_tags']}"
        case "too_short":
            return f"{where}: must not be empty"
    got = fault.get("input")
    shown = repr(got) if isinstance(got, str | int | float | bool) else _kind(got)
    quotes = ": write it in quotes" if fault["type"] == "string_type" and isinstance(got, int | float) else ""
    problem = _PROBLEMS.get(fault["type"], f"{fault['msg'][0].lower()}{fault['msg'][1:]}")
    return f"{where}: {problem}, not {shown}{quotes}"


# Where pydantic speaks of Python.
_PROBLEMS = {
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "list_type": "must be a list",
    "string_type": "must be a text",
}


def dotted(keys: list[str | int]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def keys_of(written: str) -> list[str | int]:
    """The keys that `dotted` wrote, where none of them holds a dot or a bracket."""
    found = re.findall(r"\[(\d+)\]|([^.\[\]]+)", written)
    return [int(position) if position else name for position, name in found]


def locate(root: yaml.Node, keys: Sequence[str | int]) -> tuple[yaml.Mark, list[str | int]]:
    """Where the deepest of `keys` stands, and the keys down to it (pydantic adds union tags)."""
    node, mark = root, root.start_mark
    written: list[str | int] = []
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            for key_node, value in reversed(node.value):  # what a merge key brings in stands before what overrides it
                if key_node.value == str(key):
                    node, mark = value, key_node.start_mark
                    written.append(key)
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            mark = node.start_mark
            written.append(key)
    return mark, written


def _known_keys(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The keys that are known where `loc` points, found by walking the models' annotations."""
    candidates: list[Any] = [model]
    for key in loc:
        inners = [inner for candidate in candidates for inner in _unwrap(candidate)]
        models = [inner for inner in inners if isinstance(inner, type) and issubclass(inner, BaseModel)]
        # pydantic names the member of a union before its fields, and one may be called like the other.
        following: list[Any] = [model for model in models if len(models) > 1 and model.__name__.lower() == str(key)]
        candidates = following or [
            *(model.model_fields[str(key)].annotation for model in models if str(key) in model.model_fields),
            *(inner.__args__[-1] for inner in inners if getattr(inner, "__origin__", None) in (dict, list)),
        ]
    keys: list[str] = []
    for candidate in candidates:
        for inner in _unwrap(candidate):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                keys += inner.model_fields
    return keys


def _unwrap(annotation: Any) -> list[Any]:
    """The members of a union or Annotated, or the annotation itself."""
    origin = getattr(annotation, "__origin__", None)
    if hasattr(annotation, "__metadata__"):
        return _unwrap(origin)
    if origin in (dict, list):
        return [annotation]
    members = getattr(annotation, "__args__", None)
    if members and origin not in (Literal,):
        return [inner for member in members for inner in _unwrap(member)]
    return [annotation]
