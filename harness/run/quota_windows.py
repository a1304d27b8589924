"""When a run may start so that the quotas it is about are whole, and each burst falls into one window of theirs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from analysis.model import RUN_JSON, Run
from harness.clock import now

WINDOW_S = 60.0  # the embedded AWS counts quotas per clock minute; LiteLLM per 60 s from the first request it counts
MARGIN_S = 1.5  # kept free at both ends of a window, for answers on their way and clocks that disagree
BURST_ROOM_S = 15.0  # how long a burst may take to reach the far side


def with_whole_quotas(now: float, last_run_ended_at: float) -> float:
    """When a run should start whose quotas the last one drew on until its end: once every window of then is over."""
    return max(now, last_run_ended_at + WINDOW_S + MARGIN_S)


def start_of_burst(now: float) -> float:
    """When a burst should start so as not to straddle two quota windows: now, else with the next minute."""
    into_window = now % WINDOW_S
    if into_window <= MARGIN_S:
        return now - into_window + MARGIN_S
    if into_window + BURST_ROOM_S + MARGIN_S <= WINDOW_S:
        return now
    return now - into_window + WINDOW_S + MARGIN_S


def last_run_ended_at(runs: Path, models: Collection[str]) -> float:
    """When the newest run ended, if it drew on the quotas of one of these model groups; 0 if not, or if there is none.

    For a gateway that was already running: what another Locust has used up there a minute ago is still used up.
    """
    try:
        run = Run.model_validate_json((runs / "latest" / RUN_JSON).read_bytes())
    except (OSError, ValueError):
        return 0.0
    shared = any(consumer.route == "gateway" and consumer.model in models for consumer in run.consumers)
    return min(run.ended_at or run.started_at, now()) if shared else 0.0


@dataclass(frozen=True)
class Start:
    """When the first requests are due, epoch seconds; `note` says what of the run before may be felt, "" if nothing."""

    at: float
    note: str = ""


def start(
    called_at: float, lead_s: float, last_run_ended_at: float, run_time_s: float | None, *, in_bursts: bool
) -> Start:
    """As soon as `lead_s` have passed, the quotas are whole and a burst fits into one window.

    A run that would be over by then begins at once.
    """
    at = with_whole_quotas(called_at + lead_s, last_run_ended_at)
    if in_bursts:
        at = start_of_burst(at)
    if run_time_s is None or at - called_at < run_time_s:
        return Start(at)
    if with_whole_quotas(called_at, last_run_ended_at) > called_at:
        return Start(called_at, "The run before had drawn on the quotas, and there was no time to wait for them.")
    return Start(called_at)
