from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from common.fields import Positive, Seconds
from harness.settings.traffic.kind import Kind, evenly


class Constant(Kind):
    """Evenly spaced requests."""

    kind: Literal["constant"]
    rate_per_s: Positive
    duration_s: Positive
    start_s: Seconds = 0.0

    def once(self, seed: int) -> Iterator[float]:
        return evenly(self.rate_per_s, self.duration_s, self.start_s)

    @property
    def length_s(self) -> float:
        return self.start_s + self.duration_s
