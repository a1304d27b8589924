"""What every kind of traffic has: its settings, and the pure generator of its arrivals.

The model is open: an arrival is due whether or not an earlier request was answered. Users are only the concurrency
that is there to serve arrivals; one that finds no free user waits in the client, and its latency runs all the same.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator

from common.fields import Strict

MINUTE_S = 60.0


class Kind(Strict):
    """One kind of traffic. Arrivals are seconds from the start of the run, ascending; one seed gives the same ones."""

    @abstractmethod
    def once(self, seed: int) -> Iterator[float]:
        """The arrivals of the whole traffic, once."""

    @property
    @abstractmethod
    def length_s(self) -> float:
        """How long it lasts once, from the start of the run to where the next phase may begin."""

    @property
    def at_once(self) -> bool:
        """Whether requests start together in it, which a quota window should take as a whole."""
        return False

    @property
    def period_s(self) -> float:
        """After how long it begins anew while the run lasts: at the next full minute after it ended."""
        return math.ceil(self.length_s / MINUTE_S) * MINUTE_S

    def one_period(self, seed: int) -> Iterator[float]:
        """What is repeated every `period_s` while the run lasts."""
        return self.once(seed)

    def check(self) -> None:
        """Reads what it names, so that a fault is reported before anything is sent. Raises ConfigError."""

    def arrivals(self, seed: int, run_time_s: float | None = None) -> Iterator[float]:
        """The intended starts: of the traffic once, or with `run_time_s` repeated until then."""
        if run_time_s is None:
            yield from self.once(seed)
            return
        for number in range(math.ceil(run_time_s / self.period_s)):
            for at in self.one_period(seed + number):
                if number * self.period_s + at < run_time_s:
                    yield number * self.period_s + at


def evenly(rate_per_s: float, duration_s: float, start_s: float = 0.0) -> Iterator[float]:
    """Arrivals at one rate, the first at `start_s`."""
    for number in range(math.floor(rate_per_s * duration_s + 1e-9)):
        yield start_s + number / rate_per_s
