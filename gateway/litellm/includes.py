"""Included files: read and merged as LiteLLM's proxy does, so that each value still knows its own file and line.

Source: LiteLLM 1.106.2, `proxy/common_utils/config_includes.py`: lists are joined, all else is overridden; a file is
looked for beside the one that names it, else beside the first one; none is read twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from common.yaml_file import ConfigError, Document, compose, construct

INCLUDE = "include"


def read(path: Path) -> Document:
    """The file with all that it includes. Raises ConfigError naming the file and line at fault."""
    root = compose(path)
    entries, root = _taken_out(root)
    pending = [(entry, path) for entry in entries]
    seen = {path.resolve()}
    while pending:
        entry, declared_in = pending.pop(0)
        found = _found(entry, declared_in, path)
        if found.resolve() in seen:
            continue
        seen.add(found.resolve())
        more, included = _taken_out(compose(found))
        root = _merged(root, included)
        pending += [(one, found) for one in more]
    return Document(path, root, construct(path, root))


def _taken_out(root: yaml.MappingNode) -> tuple[list[yaml.ScalarNode], yaml.MappingNode]:
    """The entries of `include`, and the rest."""
    rest: list[tuple[yaml.Node, yaml.Node]] = []
    entries: list[Any] = []
    for key, value in root.value:
        if key.value != INCLUDE:
            rest.append((key, value))
            continue
        entries = value.value if isinstance(value, yaml.SequenceNode) else [None]
        if not all(isinstance(entry, yaml.ScalarNode) and entry.tag.endswith(":str") for entry in entries):
            where = f"{key.start_mark.name}:{key.start_mark.line + 1}"
            raise ConfigError(f"{where}: include: must be a list of file names, as LiteLLM wants it.")
    return entries, yaml.MappingNode(root.tag, rest, root.start_mark, root.end_mark)


def _found(entry: yaml.ScalarNode, declared_in: Path, first: Path) -> Path:
    beside, otherwise = declared_in.parent / entry.value, first.parent / entry.value
    if beside.exists():
        return beside
    if otherwise.exists():
        return otherwise
    where = f"{entry.start_mark.name}:{entry.start_mark.line + 1}"
    raise ConfigError(f"{where}: include: there is no file {beside}. Name one that is there.")


def _merged(base: yaml.MappingNode, included: yaml.MappingNode) -> yaml.MappingNode:
    """As LiteLLM merges: key by key of the top level."""
    entries = {key.value: (key, value) for key, value in base.value}
    for key, value in included.value:
        known = entries.get(key.value)
        if known and isinstance(known[1], yaml.SequenceNode) and isinstance(value, yaml.SequenceNode):
            joined = yaml.SequenceNode(value.tag, [*known[1].value, *value.value], *_marks(known[1]))
            entries[key.value] = (known[0], joined)
        else:
            entries[key.value] = (key, value)
    return yaml.MappingNode(base.tag, list(entries.values()), *_marks(base))


def _marks(node: yaml.Node) -> tuple[yaml.Mark, yaml.Mark]:
    return node.start_mark, node.end_mark
