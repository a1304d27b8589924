"""Whether the client itself kept up: a load tester that lags must not blame the gateway. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.health import Histogram, ProcessHealth
from harness.run.quota_windows import MARGIN_S

MAX_LAG_MS = MARGIN_S * 1000  # a request that starts later than this may fall into another quota window
MAX_NOT_SENT = 0.01
_MORE = "Give it more CPU, more workers (--processes), or a lower rate."


@dataclass(frozen=True, slots=True)
class Load:
    """So many requests, the last of them so many seconds after the first could be sent. None: there was no schedule."""

    requests: int | None
    over_s: float

    @property
    def per_s(self) -> float | None:
        """None for a burst, which has no rate."""
        return self.requests / self.over_s if self.requests and self.over_s >= 1 else None


@dataclass(frozen=True, slots=True)
class GatewaySide:
    """What our own gateway counted; None where it is not ours."""

    warmup_requests: int
    gateway_requests: int | None


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """The client's own numbers, as run.json holds them; `bottleneck` says why no verdict can be trusted, "" if so."""

    warmup_requests: int
    gateway_requests: int | None
    offered_per_s: float | None
    achieved_per_s: float | None
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    lag_max_ms: float | None
    loop_delay_p50_ms: float | None
    loop_delay_p99_ms: float | None
    loop_delay_max_ms: float | None
    client_cpu_percent: float | None
    clock_step_ms: float | None
    not_sent: int | None
    workers: int
    bottleneck: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def self_check(
    processes: Sequence[ProcessHealth],
    offered: Load,
    achieved: Load,
    trouble: str = "",
    gateway: GatewaySide = GatewaySide(0, None),
) -> SelfCheck:
    """From every process that sent. `trouble` is a bottleneck that their numbers do not show."""
    lag, delay = Histogram(), Histogram()
    for process in processes:
        lag.merge(process.lag)
        delay.merge(process.loop_delay)
    sent = achieved.requests or 0
    not_sent = None if offered.requests is None else max(0, offered.requests - sent)
    return SelfCheck(
        warmup_requests=gateway.warmup_requests,
        gateway_requests=gateway.gateway_requests,
        offered_per_s=offered.per_s,
        achieved_per_s=achieved.per_s,
        lag_p50_ms=lag.percentile(50),
        lag_p99_ms=lag.percentile(99),
        lag_max_ms=lag.longest if lag.n else None,
        loop_delay_p50_ms=delay.percentile(50),
        loop_delay_p99_ms=delay.percentile(99),
        loop_delay_max_ms=delay.longest if delay.n else None,
        client_cpu_percent=max((process.cpu_percent for process in processes), default=None),
        clock_step_ms=max((process.clock_step_ms for process in processes), key=abs, default=None),
        not_sent=not_sent,
        workers=len(processes),
        bottleneck=trouble or _late(lag, delay) or _unsent(not_sent, offered.requests),
    )


def _late(lag: Histogram, loop_delay: Histogram) -> str:
    lag_p99_ms, loop_delay_p99_ms = lag.percentile(99), loop_delay.percentile(99)
    if lag_p99_ms is not None and lag_p99_ms > MAX_LAG_MS:
        return f"1 % of the requests started more than {lag_p99_ms / 1000:.1f} s late although a user was free. {_MORE}"
    if loop_delay_p99_ms is not None and loop_delay_p99_ms > MAX_LAG_MS:
        return f"it was busy for {loop_delay_p99_ms / 1000:.1f} s at a time, and saw answers as late. {_MORE}"
    return ""


def _unsent(not_sent: int | None, planned: int | None) -> str:
    if planned and not_sent and not_sent > planned * MAX_NOT_SENT:
        return (
            f"{not_sent:,} of the {planned:,} requests that were due were never sent: the run was stopped before, "
            "a worker was lost, or there are too few users to send them."
        )
    return ""
