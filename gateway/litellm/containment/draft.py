"""What containment works on, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.litellm.containment.change import Change
from gateway.litellm.environment import PREFIX
from gateway.litellm.model_id import ModelName, parse

_NOTHING: tuple[Any, ...] = (None, False, "", [], {})


@dataclass(frozen=True)
class Contained:
    """The file that LiteLLM reads, and the environment of its process: a value of None is not set there."""

    file: dict[str, Any]
    environment: dict[str, str | None]
    changes: tuple[Change, ...]
    profiles: tuple[str, ...]  # AWS profiles that stand for credentials in the file, and must exist
    roles: tuple[str, ...]  # ARNs of the roles that it assumes


@dataclass
class Draft:
    """The file while rules change it."""

    file: dict[str, Any]
    base_url: str
    profile: str
    region: str
    variables: dict[str, str] = field(repr=False)
    environment: dict[str, str | None] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)  # under which key stands what cannot be, and why
    profiles: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)

    def deployments(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The parameters of each, with the key under which they stand."""
        for position, entry in self.listed("model_list"):
            if isinstance(params := entry.get("litellm_params"), dict):
                yield f"model_list[{position}].litellm_params", params

    def section(self, *names: str) -> dict[str, Any]:
        """A section that may be changed; an empty one, which changes nothing, where the file has none."""
        found: Any = self.file
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    def listed(self, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """The mappings of a section that is a list, with their positions in it."""
        found = self.file.get(name)
        for position, entry in enumerate(found if isinstance(found, list) else ()):
            if isinstance(entry, dict):
                yield position, entry

    def value(self, value: Any) -> Any:
        """A value as LiteLLM's process would see it: `os.environ/NAME` is looked up, None where nothing sets it."""
        if isinstance(value, str) and value.startswith(PREFIX):
            return self.variables.get(value.removeprefix(PREFIX))
        return value

    def fix(self, section: dict[str, Any]) -> None:
        """Writes in place of variables what they hold: for what stays, while its variables may not."""
        for name, value in section.items():
            section[name] = self.value(value)

    def drop(self, section: dict[str, Any], where: str, name: str, what: str) -> None:
        """Takes a key away, and reports it where it said something."""
        if name in section and section.pop(name) not in _NOTHING:
            self.report(f"{where}.{name}" if where else name, what)

    def drop_all(self, section: dict[str, Any], where: str, names: Iterable[str], what: str) -> None:
        for name in [name for name in names if name in section]:
            self.drop(section, where, name, what)

    def report(self, where: str, what: str) -> None:
        change = Change(where, what)
        if change not in self.changes:
            self.changes.append(change)

    def contained(self) -> Contained:
        profiles, roles = (tuple(dict.fromkeys(found)) for found in (self.profiles, self.roles))
        return Contained(self.file, self.environment, tuple(self.changes), profiles, roles)


def name_of(params: Mapping[str, Any]) -> ModelName:
    """What a deployment's `model` says."""
    provider = params.get("custom_llm_provider")
    return parse(str(params.get("model")), provider if isinstance(provider, str) else None)


def as_list(value: Any) -> list[Any]:
    """What LiteLLM takes as one or as several."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    for one in as_list(value):
        if isinstance(one, Mapping):
            yield one
