"""Which faults are active at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, Literal

from embedded_aws.faults.fault import Call, Fault


@dataclass(slots=True)
class Entry:
    """One fault on the board; `stops_at` is infinite until it is known, and before `starts_at` if it was stopped before
    it began. Epoch seconds."""

    name: str
    fault: Fault
    starts_at: float
    stops_at: float

    def state(self, now: float) -> Literal["scheduled", "active", "stopped"]:
        if now >= self.stops_at:
            return "stopped"
        return "active" if now >= self.starts_at else "scheduled"


class FaultBoard:
    """Which faults are active at a time. Entries stay after they stopped: they are the run's history."""

    def __init__(self, faults: Iterable[Fault], now: float, rng: Random) -> None:
        self._entries: list[Entry] = []
        self._rng = rng
        self._active: Sequence[Fault] = ()
        self._valid_until = -math.inf
        for fault in faults:
            self.add(fault, now)

    def add(self, fault: Fault, now: float) -> Entry:
        """Puts a fault on the timeline, relative to `now`; ValueError if one of its name is there at the same time."""
        starts_at = now + fault.start_s
        stops_at = math.inf if fault.duration_s is None else starts_at + fault.duration_s
        names = {entry.name for entry in self._entries}
        name = fault.name or next(
            name for number in count(len(self._entries) + 1) if (name := f"{fault.kind}-{number}") not in names
        )
        if any(e.name == name and e.starts_at < stops_at and starts_at < e.stops_at for e in self._entries):
            raise ValueError(
                f"a fault named {name!r} is on the timeline at that time already: stop it first or choose another name"
            )
        entry = Entry(name, fault, starts_at, stops_at)
        self._entries.append(entry)
        self._valid_until = -math.inf
        return entry

    def stop(self, now: float, name: str | None = None) -> int:
        """Stops the faults of that name, or all; scheduled ones never start. Returns how many there were."""
        stopped = [e for e in self._entries if e.state(now) != "stopped" and name in (None, e.name)]
        for entry in stopped:
            entry.stops_at = now
        self._valid_until = -math.inf
        return len(stopped)

    def active(self, now: float) -> Sequence[Fault]:
        if now >= self._valid_until:
            self._active = tuple(entry.fault for entry in self._entries if entry.state(now) == "active")
            changes = (at for entry in self._entries for at in (entry.starts_at, entry.stops_at))
            self._valid_until = min((at for at in changes if at > now), default=math.inf)
        return self._active

    def concerning(self, call: Call, now: float) -> list[Fault]:
        """The active faults that strike this call; those with a share are drawn for it."""
        return [
            fault
            for fault in self.active(now)
            if fault.concerns(call) and (fault.share >= 1 or self._rng.random() < fault.share)
        ]

    def events(self, now: float) -> list[dict[str, Any]]:
        """What was on the timeline: for the admin API and the run folder. `started_at` is None if it never began."""
        return [
            {
                "name": entry.name,
                "kind": entry.fault.kind,
                "scope": _scope(entry.fault),
                "state": entry.state(now),
                "started_at": entry.starts_at if entry.starts_at < entry.stops_at else None,
                "stopped_at": entry.stops_at if entry.state(now) == "stopped" else None,
            }
            for entry in self._entries
        ]


def _scope(fault: Fault) -> dict[str, Any]:
    return fault.model_dump(exclude={"name", "kind", "start_s", "duration_s"}, exclude_none=True)
