"""What a master and its workers say to each other: the names of the messages, and what each carries.

All travel through Locust's own connection. A worker's records go with the reports that it sends anyway, and the names
of User classes that only the master has made go with Locust's order to spawn users, so that no order comes before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.health import ProcessHealth
from harness.run.plan import Plan

PLAN = "proof_plan"  # master → worker: a Begin
FINISH = "proof_finish"  # master → worker: stop sending, report what is left; carries nothing
FINISHED = "proof_finished"  # worker → master: a Finished
REFUSED = "proof_refused"  # worker → master: a Refused
RECORDS = "proof_records"  # in a worker's own reports: its records since the last one, in compressed chunks
DEFAULT_CLASSES = "proof_default_classes"  # among the options that an order to spawn carries: class → consumer


@dataclass(frozen=True)
class Begin:
    """The plan with the worker's own share of it, and what the master's clock says as it is sent."""

    plan: Plan
    now: float

    def to_data(self) -> dict[str, Any]:
        return {"plan": self.plan.to_message(), "now": self.now}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Begin:
        return cls(Plan.from_message(data["plan"]), data["now"])


@dataclass(frozen=True)
class Finished:
    """A worker's last word: how many records it sent in all, and how well it kept up."""

    count: int
    health: ProcessHealth

    def to_data(self) -> dict[str, Any]:
        return {"count": self.count, "health": self.health.to_message()}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Finished:
        return cls(data["count"], ProcessHealth.from_message(data["health"]))


@dataclass(frozen=True)
class Refused:
    """Why a worker cannot send what the plan asks for."""

    error: str

    def to_data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Refused:
        return cls(data["error"])
