"""How well the client itself kept up: a load tester that lags must not blame the gateway."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import gevent

from harness import clock as _clock
from harness.arrivals import MARGIN_S

PROBE_EVERY_S = 0.02
MAX_LAG_MS = MARGIN_S * 1000  # a request that starts later than this may fall into another quota window
MAX_NOT_SENT = 0.01
_MORE = "Give it more CPU, more workers (--processes), or a lower rate."
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


class Health:
    """One process's own: how late requests started once a user was free, how late timers fire, how much CPU."""

    def __init__(self) -> None:
        self.reset()
        gevent.spawn(self._probe)

    def reset(self) -> None:
        """For the next run."""
        self.lag_ms = Histogram()
        self.loop_delay_ms = Histogram()
        self._cpu_s, self._at = time.process_time(), time.perf_counter()

    def _probe(self) -> None:
        while True:
            called_at = time.perf_counter()
            gevent.sleep(PROBE_EVERY_S)
            if called_at >= self._at:  # else it began before the run
                self.loop_delay_ms.add((time.perf_counter() - called_at - PROBE_EVERY_S) * 1000)

    def to_message(self) -> dict[str, Any]:
        """Plain data, for a worker's master."""
        elapsed_s = time.perf_counter() - self._at
        return {
            "lag": self.lag_ms.to_message(),
            "loop_delay": self.loop_delay_ms.to_message(),
            "cpu_percent": 100 * (time.process_time() - self._cpu_s) / elapsed_s if elapsed_s else 0.0,
            "clock_step_ms": _clock.step_ms(),
        }


Load = tuple[int | None, float]  # so many requests, the last of them so many seconds after the first could be sent


def self_check(processes: list[dict[str, Any]], offered: Load, achieved: Load, trouble: str = "") -> dict[str, Any]:
    """The numbers for the report, from every process that sent; `bottleneck` says why no verdict can be trusted.

    `offered` is what the schedule held; its number is None where there was none. `trouble` is a bottleneck that these
    numbers do not show.
    """
    lag, delay = Histogram(), Histogram()
    for process in processes:
        lag.merge(Histogram.from_message(process["lag"]))
        delay.merge(Histogram.from_message(process["loop_delay"]))
    planned, sent = offered[0], achieved[0] or 0
    not_sent = None if planned is None else max(0, planned - sent)
    check: dict[str, Any] = {
        "offered_per_s": _per_s(*offered),
        "achieved_per_s": _per_s(*achieved),
        "lag_p50_ms": lag.percentile(50),
        "lag_p99_ms": lag.percentile(99),
        "lag_max_ms": lag.longest if lag.n else None,
        "loop_delay_p50_ms": delay.percentile(50),
        "loop_delay_p99_ms": delay.percentile(99),
        "loop_delay_max_ms": delay.longest if delay.n else None,
        "client_cpu_percent": max((process["cpu_percent"] for process in processes), default=None),
        "clock_step_ms": max((process["clock_step_ms"] for process in processes), key=abs, default=None),
        "not_sent": not_sent,
        "workers": len(processes),
    }
    check["bottleneck"] = trouble or _bottleneck(check["lag_p99_ms"], check["loop_delay_p99_ms"], not_sent, planned)
    return check


def _per_s(requests: int | None, over_s: float) -> float | None:
    """None for a burst, which has no rate."""
    return requests / over_s if requests and over_s >= 1 else None


def _bottleneck(
    lag_p99_ms: float | None, loop_delay_p99_ms: float | None, not_sent: int | None, planned: int | None
) -> str:
    if lag_p99_ms is not None and lag_p99_ms > MAX_LAG_MS:
        return f"1 % of the requests started more than {lag_p99_ms / 1000:.1f} s late although a user was free. {_MORE}"
    if loop_delay_p99_ms is not None and loop_delay_p99_ms > MAX_LAG_MS:
        return f"it was busy for {loop_delay_p99_ms / 1000:.1f} s at a time, and saw answers as late. {_MORE}"
    if planned and not_sent and not_sent > planned * MAX_NOT_SENT:
        return (
            f"{not_sent:,} of the {planned:,} requests that were due were never sent: the run was stopped before, "
            "a worker was lost, or there are too few users to send them."
        )
    return ""


health = Health()
