from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from common.fields import Positive, Strict
from harness.settings.traffic.kind import Kind, evenly


class Step(Strict):
    rate_per_s: Positive
    duration_s: Positive


class Steps(Kind):
    """One constant rate after another."""

    kind: Literal["steps"]
    steps: Annotated[list[Step], Field(min_length=1)]

    def once(self, seed: int) -> Iterator[float]:
        start_s = 0.0
        for step in self.steps:
            yield from evenly(step.rate_per_s, step.duration_s, start_s)
            start_s += step.duration_s

    @property
    def length_s(self) -> float:
        return sum(step.duration_s for step in self.steps)
