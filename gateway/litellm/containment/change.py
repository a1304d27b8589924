"""What containment works on, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Change:
    """One thing that LiteLLM does not get as the file says it. Never holds a value that may be a secret."""

    where: str  # a key of the file, such as model_list[0].litellm_params.api_base, or a variable's name
    what: str


@dataclass(frozen=True)
class Contained:
    """The file that LiteLLM reads, and the environment of its process: a value of None is not set there."""

    file: dict[str, Any]
    environment: dict[str, str | None]
    changes: tuple[Change, ...]
    profiles: tuple[str, ...]  # AWS profiles that stand for credentials in the file, and must exist


@dataclass
class Draft:
    """The file while rules change it."""

    file: dict[str, Any]
    base_url: str
    profile: str
    region: str
    variables: dict[str, str]
    environment: dict[str, str | None] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)
    literal_credentials: dict[str, str] = field(default_factory=dict, repr=False)  # value → the profile in its place

    def deployments(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The parameters of each, with the key under which they stand."""
        for position, entry in enumerate(self.file["model_list"]):
            yield f"model_list[{position}].litellm_params", entry["litellm_params"]

    def section(self, name: str) -> dict[str, Any]:
        """A section that may be changed; an empty one where the file has none."""
        found = self.file.get(name)
        return found if isinstance(found, dict) else {}

    def section_list(self, name: str) -> list[dict[str, Any]]:
        """The mappings of a section that is a list."""
        found = self.file.get(name)
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    def drop(self, section: dict[str, Any], where: str, name: str, what: str) -> None:
        """Takes a key away, where it stands there and says something."""
        if section.pop(name, None) not in (None, False, [], {}):
            self.report(f"{where}.{name}" if where else name, what)

    def report(self, where: str, what: str) -> None:
        change = Change(where, what)
        if change not in self.changes:
            self.changes.append(change)

    def contained(self) -> Contained:
        return Contained(self.file, self.environment, tuple(self.changes), tuple(dict.fromkeys(self.profiles)))


def on_this_machine(address: object) -> bool:
    """Whether a URL or a host can only mean this machine."""
    if not isinstance(address, str):
        return False
    host = urlsplit(address).hostname if "://" in address else address.rpartition(":")[0] or address
    return (host or "").strip("[]") in LOOPBACK
