from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from common.fields import Count, Positive
from harness.settings.traffic.kind import Kind


class Burst(Kind):
    """So many requests at once, again every `every_s` as long as the run lasts."""

    kind: Literal["burst"]
    requests: Count
    repeat: Count = 1
    every_s: Positive = 65.0  # a window of LiteLLM lasts 60 s from the first request that it counts

    def once(self, seed: int) -> Iterator[float]:
        for number in range(self.repeat):
            for _ in range(self.requests):
                yield number * self.every_s

    def one_period(self, seed: int) -> Iterator[float]:
        return iter([0.0] * self.requests)

    @property
    def length_s(self) -> float:
        return self.repeat * self.every_s

    @property
    def period_s(self) -> float:
        return self.every_s

    @property
    def at_once(self) -> bool:
        return True
