from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal

from common.fields import Positive, Seconds
from harness.settings.traffic.kind import Kind


class Poisson(Kind):
    """Independent arrivals with exponentially distributed gaps."""

    kind: Literal["poisson"]
    rate_per_s: Positive
    duration_s: Positive
    start_s: Seconds = 0.0

    def once(self, seed: int) -> Iterator[float]:
        gaps = random.Random(seed)
        at = gaps.expovariate(self.rate_per_s)
        while at < self.duration_s:
            yield self.start_s + at
            at += gaps.expovariate(self.rate_per_s)

    @property
    def length_s(self) -> float:
        return self.start_s + self.duration_s
