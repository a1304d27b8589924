from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from harness.settings.traffic.kind import Kind

if TYPE_CHECKING:
    from harness.settings.traffic import Traffic  # which this kind is a part of: the registry hands it in

SEEDS_APART = 1_000_003  # so that phases of one kind do not repeat each other's gaps


class Phases(Kind):
    """Several kinds one after another."""

    kind: Literal["phases"]
    phases: Annotated[list[Traffic], Field(min_length=1)]

    def once(self, seed: int) -> Iterator[float]:
        start_s = 0.0
        for number, phase in enumerate(self.phases):
            for at in phase.once(seed + SEEDS_APART * number):
                yield start_s + at
            start_s += phase.length_s

    @property
    def length_s(self) -> float:
        return sum(phase.length_s for phase in self.phases)

    @property
    def at_once(self) -> bool:
        return any(phase.at_once for phase in self.phases)

    def check(self) -> None:
        for phase in self.phases:
            phase.check()
