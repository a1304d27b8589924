"""How well one process of the client itself keeps up: lags of requests and timers, CPU, and its clock."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gevent

from harness import clock

PROBE_EVERY_S = 0.02
_BUCKETS = 1 / math.log(1.001)  # a bucket is 0.1 % wide, so that a percentile is at most 0.05 % off


class Histogram:
    """Non-negative milliseconds in buckets of 0.1 %: bounded memory, percentiles at most 0.05 % off, mergeable."""

    def __init__(self, counts: Mapping[int, int] | None = None, longest: float = 0.0) -> None:
        self._counts: defaultdict[int, int] = defaultdict(int, counts or {})
        self.longest = longest

    def add(self, value_ms: float) -> None:
        bucket = round(math.log1p(value_ms) * _BUCKETS) if value_ms > 0 else 0
        self._counts[bucket] += 1
        if value_ms > self.longest:
            self.longest = value_ms

    def merge(self, other: Histogram) -> None:
        for bucket, count in other._counts.items():
            self._counts[bucket] += count
        self.longest = max(self.longest, other.longest)

    @property
    def n(self) -> int:
        return sum(self._counts.values())

    def percentile(self, percent: float) -> float | None:
        """Nearest rank; None without samples."""
        rank = max(1, math.ceil(self.n * percent / 100))
        for bucket in sorted(self._counts):
            rank -= self._counts[bucket]
            if rank <= 0:
                return min(math.expm1(bucket / _BUCKETS), self.longest)
        return None

    def to_message(self) -> dict[str, Any]:
        return {"counts": list(self._counts.items()), "longest": self.longest}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Histogram:
        return cls(dict(message["counts"]), message["longest"])


@dataclass(frozen=True)
class ProcessHealth:
    """What one process reports of itself after a run."""

    lag: Histogram  # from when a request could start, its user being free, until it did
    loop_delay: Histogram  # how late timers fire
    cpu_percent: float
    clock_step_ms: float

    def to_message(self) -> dict[str, Any]:
        return {
            "lag": self.lag.to_message(),
            "loop_delay": self.loop_delay.to_message(),
            "cpu_percent": self.cpu_percent,
            "clock_step_ms": self.clock_step_ms,
        }

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> ProcessHealth:
        lag, loop_delay = (Histogram.from_message(message[name]) for name in ("lag", "loop_delay"))
        return cls(lag, loop_delay, message["cpu_percent"], message["clock_step_ms"])


class Health:
    """This process's own, from one `reset` to the next."""

    def __init__(self) -> None:
        self.reset()
        gevent.spawn(self._probe)

    def reset(self) -> None:
        """For the next run."""
        self._lag, self._loop_delay = Histogram(), Histogram()
        self._cpu_s, self._at = time.process_time(), time.perf_counter()

    def add_lag(self, lag_ms: float) -> None:
        """A request started so much later than it could."""
        self._lag.add(lag_ms)

    def _probe(self) -> None:
        while True:
            called_at = time.perf_counter()
            gevent.sleep(PROBE_EVERY_S)
            if called_at >= self._at:  # else it began before the run
                self._loop_delay.add((time.perf_counter() - called_at - PROBE_EVERY_S) * 1000)

    def report(self) -> ProcessHealth:
        elapsed_s = time.perf_counter() - self._at
        cpu_percent = 100 * (time.process_time() - self._cpu_s) / elapsed_s if elapsed_s else 0.0
        return ProcessHealth(self._lag, self._loop_delay, cpu_percent, clock.step_ms())
