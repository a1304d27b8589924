"""When requests start: pure functions of time, seeded, in seconds from the start of the run.

The model is open: an arrival is due whether or not an earlier request was answered. Users are only the concurrency
that is there to serve arrivals; one that finds no free user waits in the client, and its latency runs all the same.
"""

from __future__ import annotations

import csv
import math
import random
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from common.yaml_file import ConfigError
from harness.settings.traffic import Burst, Constant, Phases, Poisson, Ramp, Steps, Trace, Traffic

WINDOW_S = 60.0  # the embedded AWS counts quotas per clock minute; LiteLLM per 60 s from the first request it counts
MARGIN_S = 1.5  # kept free at both ends of a window, for answers on their way and clocks that disagree
BURST_ROOM_S = 15.0  # how long a burst may take to reach the far side


def arrivals(traffic: Traffic, seed: int, run_time_s: float | None = None) -> Iterator[float]:
    """The intended starts, ascending.

    With `run_time_s` the traffic begins anew at the next full minute after it ended, until that time; a burst repeats
    every `every_s` by itself.
    """
    if run_time_s is None:
        yield from _once(traffic, seed)
        return
    period_s = traffic.every_s if isinstance(traffic, Burst) else math.ceil(length_s(traffic) / WINDOW_S) * WINDOW_S
    once = traffic.model_copy(update={"repeat": 1}) if isinstance(traffic, Burst) else traffic
    for number in range(math.ceil(run_time_s / period_s)):
        for at in _once(once, seed + number):
            if number * period_s + at < run_time_s:
                yield number * period_s + at


def _once(traffic: Traffic, seed: int) -> Iterator[float]:
    match traffic:
        case Burst():
            for number in range(traffic.repeat):
                for _ in range(traffic.requests):
                    yield number * traffic.every_s
        case Constant():
            start_s, rate_per_s = traffic.start_s, traffic.rate_per_s
            for number in range(math.floor(rate_per_s * traffic.duration_s + 1e-9)):
                yield start_s + number / rate_per_s
        case Poisson():
            gaps = random.Random(seed)
            at = gaps.expovariate(traffic.rate_per_s)
            while at < traffic.duration_s:
                yield traffic.start_s + at
                at += gaps.expovariate(traffic.rate_per_s)
        case Ramp():
            yield from _ramp(traffic)
        case Steps():
            start_s = 0.0
            for step in traffic.steps:
                for number in range(math.floor(step.rate_per_s * step.duration_s + 1e-9)):
                    yield start_s + number / step.rate_per_s
                start_s += step.duration_s
        case Trace():
            yield from read_trace(Path(traffic.file))
        case Phases():
            start_s = 0.0
            for number, phase in enumerate(traffic.phases):
                for at in _once(phase, seed + 1_000_003 * number):
                    yield start_s + at
                start_s += length_s(phase)


def _ramp(ramp: Ramp) -> Iterator[float]:
    """Arrival k is due when the integral of the rate, from·t + slope·t²/2, reaches k."""
    slope = (ramp.to_per_s - ramp.from_per_s) / ramp.duration_s
    total = math.floor((ramp.from_per_s + ramp.to_per_s) / 2 * ramp.duration_s + 1e-9)
    for k in range(total):
        if slope == 0:
            yield k / ramp.from_per_s
        else:
            # The root of the quadratic in the form that does not cancel.
            root = math.sqrt(max(0.0, ramp.from_per_s**2 + 2 * slope * k))
            yield 2 * k / (ramp.from_per_s + root) if k else 0.0


def length_s(traffic: Traffic) -> float:
    """How long a traffic lasts once, from the start of the run to where the next phase may begin."""
    match traffic:
        case Burst():
            return traffic.repeat * traffic.every_s
        case Constant() | Poisson():
            return traffic.start_s + traffic.duration_s
        case Ramp():
            return traffic.duration_s
        case Steps():
            return sum(step.duration_s for step in traffic.steps)
        case Trace():
            return max(read_trace(Path(traffic.file)), default=0.0) + 1e-3  # its last arrival belongs to it
        case Phases():
            return sum(length_s(phase) for phase in traffic.phases)


def read_trace(path: Path) -> Iterator[float]:
    """The column `seconds` of a CSV file. Raises ConfigError naming the line that is no ascending number."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield from _ascending(path, csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: the trace cannot be read: {problem}") from None


def _ascending(path: Path, rows: Any) -> Iterator[float]:
    header: list[str] = next(rows, [])
    if header != ["seconds"]:
        raise ConfigError(f"{path}:1: a trace has one column, headed `seconds`, and this is {','.join(header)!r}")
    previous = 0.0
    for row in rows:
        if not row:
            raise ConfigError(f"{path}:{rows.line_num}: is empty; a trace has no gaps. Remove the line.")
        try:
            (cell,) = row
            at = float(cell)
        except ValueError:
            raise ConfigError(f"{path}:{rows.line_num}: {','.join(row)!r} is not one number of seconds") from None
        if not math.isfinite(at) or at < previous:
            raise ConfigError(
                f"{path}:{rows.line_num}: {cell} comes after {previous:g}; a trace ascends from 0. Sort it."
            )
        previous = at
        yield at


def check_trace(traffic: Traffic) -> None:
    """Reads every trace in it once, so that a fault is told before anything is sent. Raises ConfigError."""
    match traffic:
        case Trace():
            if not any(True for _ in read_trace(Path(traffic.file))):
                raise ConfigError(f"{traffic.file}: the trace has no arrivals")
            for _ in read_trace(Path(traffic.file)):
                pass
        case Phases():
            for phase in traffic.phases:
                check_trace(phase)


def deal(whole: Iterable[float], turns: Collection[int], total: int) -> Iterator[float]:
    """The arrivals that fall to whoever has these turns of `total`."""
    mine = frozenset(turns)
    return (at for number, at in enumerate(whole) if number % total in mine)


def waits_s(due: Iterable[float], users: int, answer_s: float) -> Iterator[float]:
    """How long each arrival would wait for a free user, if every answer took `answer_s`."""
    free_at: deque[float] = deque([-math.inf] * users, maxlen=users)
    for at in due:
        starts_at = max(at, free_at[0])
        free_at.append(starts_at + answer_s)
        yield starts_at - at


def bursts(traffic: Traffic) -> bool:
    """Whether requests start at once in it, which a quota window should take as a whole."""
    return any(map(bursts, traffic.phases)) if isinstance(traffic, Phases) else isinstance(traffic, Burst)


def with_whole_quotas(now: float, spent_at: float) -> float:
    """When a run should start whose quotas another one drew on until `spent_at`: once every window of then is over."""
    return max(now, spent_at + WINDOW_S + MARGIN_S)


def start_of_burst(now: float) -> float:
    """When a burst should start so as not to straddle two quota windows: now, else with the next minute."""
    into_window = now % WINDOW_S
    if into_window <= MARGIN_S:
        return now - into_window + MARGIN_S
    if into_window + BURST_ROOM_S + MARGIN_S <= WINDOW_S:
        return now
    return now - into_window + WINDOW_S + MARGIN_S
