"""A patterns file before it is written down: what is proposed, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ALL_ANSWERED = "all_answered"
REGIONS = "regions_at_least"
SHARDS = "shards_separate"
FILLED = "primaries_filled"
OVERFLOW = "overflow_answered_by_fallback"
LIMITED = "limited_to_quota"
UNHARMED = "neighbours_unharmed"
_LONGEST = 80  # characters of a name that stands in tables and in statistics


@dataclass(frozen=True)
class Traffic:
    """One traffic as the file has it, and what stands behind it in the line."""

    fields: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True)
class Consumer:
    name: str
    users: int
    demo: Traffic
    sustained: Traffic
    model: str | None = None
    profile: str | None = None
    key: str | None = None
    quota_rpm: int | None = None


@dataclass(frozen=True)
class Claim:
    claim: str
    consumers: tuple[str, ...] = ()
    at_least: int | None = None


@dataclass(frozen=True)
class Proposal:
    """One pattern. `why` is why it is there, in sentences; `blind` ends the sentence "It would not find …"."""

    name: str
    title: str
    why: str
    blind: str
    consumers: tuple[Consumer, ...]
    claims: tuple[Claim, ...]
    without: tuple[str, ...] = ()  # which claims are missing, and why
    route: str | None = None


@dataclass
class Names:
    """Gives out names of patterns and consumers, each once."""

    _given: set[str] = field(default_factory=set)

    def pattern(self, kind: str, of: str = "") -> str:
        return self._once(f"pattern {kind}{'_' + _slug(of, '_') if of else ''}").removeprefix("pattern ")

    def consumer(self, name: str, of: str = "") -> str:
        return self._once(_slug(f"{name}-{of}" if of else name, "-"))

    def _once(self, name: str) -> str:
        number, given = 1, name
        while given in self._given:
            number += 1
            given = f"{name}-{number}"
        self._given.add(given)
        return given


def _slug(name: str, joint: str) -> str:
    """Letters, digits, dots, dashes and underscores, not too many; all else in a name becomes the joint."""
    return re.sub(r"[^\w.-]+", joint, name, flags=re.ASCII).strip(joint)[:_LONGEST] or "group"
