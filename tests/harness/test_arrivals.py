"""Arrivals are pure functions of time: a minute of traffic is judged in microseconds."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from common.yaml_file import ConfigError
from harness.run.quota_windows import BURST_ROOM_S, MARGIN_S, WINDOW_S, start, start_of_burst, with_whole_quotas
from harness.run.shares import deal, divide
from harness.settings.traffic import KINDS, Traffic, name_of


def traffic(kind: str, **settings: Any) -> Traffic:
    return TypeAdapter(Traffic).validate_python({"kind": kind, **settings})


def all_of(kind: str, *, run_time_s: float | None = None, seed: int = 1, **settings: Any) -> list[float]:
    return list(traffic(kind, **settings).arrivals(seed, run_time_s))


def test_a_burst_is_one_moment() -> None:
    assert all_of("burst", requests=3) == [0.0, 0.0, 0.0]


def test_a_burst_repeats_as_long_as_the_run_lasts_each_in_a_window_of_its_own() -> None:
    assert all_of("burst", requests=2, run_time_s=131) == [0, 0, 65, 65, 130, 130]


def test_a_burst_repeats_as_often_as_configured() -> None:
    assert all_of("burst", requests=1, repeat=3, every_s=30.0) == [0, 30, 60]


def test_constant_is_constant() -> None:
    assert all_of("constant", rate_per_s=4.0, duration_s=1.0, start_s=0.5) == [0.5, 0.75, 1.0, 1.25]


def test_two_constants_take_turns() -> None:
    one = all_of("constant", rate_per_s=2.0, duration_s=5.0)
    two = all_of("constant", rate_per_s=2.0, duration_s=5.0, start_s=0.25)
    assert [consumer for _, consumer in sorted([(at, "one") for at in one] + [(at, "two") for at in two])] == [
        "one",
        "two",
    ] * 10


def test_a_constant_begins_anew_at_the_next_full_minute() -> None:
    assert all_of("constant", rate_per_s=1.0, duration_s=2.0, run_time_s=121.5) == [0, 1, 60, 61, 120, 121]


def test_poisson_gaps_are_exponential() -> None:
    """Kolmogorov–Smirnov against 1 − exp(−rate·gap), at the 0.1 % level (1.95 / √n)."""
    times = all_of("poisson", rate_per_s=50.0, duration_s=200.0)
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    n = len(gaps)
    distance = max(
        max(abs((k + 1) / n - (1 - math.exp(-50 * gap))), abs(k / n - (1 - math.exp(-50 * gap))))
        for k, gap in enumerate(gaps)
    )
    assert distance < 1.95 / math.sqrt(n)


def test_poisson_repeats_with_its_seed_and_only_with_it() -> None:
    settings = {"rate_per_s": 5.0, "duration_s": 20.0}
    assert all_of("poisson", seed=7, **settings) == all_of("poisson", seed=7, **settings)
    assert all_of("poisson", seed=7, **settings) != all_of("poisson", seed=8, **settings)


@pytest.mark.parametrize(("start", "end"), [(0.0, 10.0), (10.0, 0.0), (5.0, 5.0), (2.0, 30.0)])
def test_a_ramp_sends_the_integral_of_its_rate(start: float, end: float) -> None:
    times = all_of("ramp", from_per_s=start, to_per_s=end, duration_s=20.0)
    assert len(times) == int((start + end) / 2 * 20)
    slope = (end - start) / 20
    for k, at in enumerate(times):
        assert start * at + slope * at * at / 2 == pytest.approx(k, abs=1e-6)


def test_steps_and_phases_follow_one_another() -> None:
    steps = {"steps": [{"rate_per_s": 1.0, "duration_s": 2.0}, {"rate_per_s": 2.0, "duration_s": 1.0}]}
    assert all_of("steps", **steps) == [0, 1, 2, 2.5]
    phases = [{"kind": "burst", "requests": 2, "every_s": 4.0}, {"kind": "steps", **steps}]
    assert all_of("phases", phases=phases) == [0, 0, 4, 5, 6, 6.5]


def test_a_trace_is_replayed(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("seconds\n0.5\n0.5\n2\n")
    assert all_of("trace", file=str(trace)) == [0.5, 0.5, 2.0]


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ("seconds\n1\n0.5\n", 3, "ascends"),
        ("seconds\n1\n\n2\n", 3, "has no gaps"),
        ("seconds\n1\nsoon\n", 3, "not one number"),
        ("seconds\nnan\n", 2, "ascends"),
        ("seconds\n-1\n", 2, "ascends"),
        ("seconds\n1,2\n", 2, "not one number"),
        ("when\n1\n", 1, "headed `seconds`"),
    ],
)
def test_a_faulty_trace_is_told_with_its_line(tmp_path: Path, content: str, line: int, says: str) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text(content)
    with pytest.raises(ConfigError, match=says) as error:
        traffic("trace", file=str(trace)).check()
    assert f"{trace}:{line}:" in str(error.value)


def test_a_trace_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("seconds\n1\n", encoding="utf-8-sig")
    assert all_of("trace", file=str(trace)) == [1.0]


@pytest.mark.parametrize("content", [b"seconds\n\xff\n", b'seconds\n"1\n2\n'], ids=["not UTF-8", "open quote"])
def test_what_is_no_csv_is_told(tmp_path: Path, content: bytes) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_bytes(content)
    with pytest.raises(ConfigError, match=r"trace\.csv: the trace cannot be read: "):
        traffic("trace", file=str(trace)).check()


def test_an_empty_or_missing_trace_is_told(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("seconds\n")
    with pytest.raises(ConfigError, match="no arrivals"):
        traffic("trace", file=str(empty)).check()
    with pytest.raises(ConfigError, match="cannot be read"):
        traffic("trace", file=str(tmp_path / "none.csv")).check()


RATES = st.floats(0.1, 50)
LENGTHS = st.floats(0.1, 100)
SIMPLE = st.one_of(
    st.builds(lambda n, r: traffic("burst", requests=n, repeat=r), st.integers(1, 9), st.integers(1, 4)),
    st.builds(lambda r, d: traffic("constant", rate_per_s=r, duration_s=d), RATES, LENGTHS),
    st.builds(lambda r, d: traffic("poisson", rate_per_s=r, duration_s=d), RATES, LENGTHS),
    st.builds(lambda a, b, d: traffic("ramp", from_per_s=a, to_per_s=b, duration_s=d), RATES, RATES, LENGTHS),
)


@given(SIMPLE, st.integers(0, 99), st.one_of(st.none(), st.floats(0, 200)))
def test_every_traffic_ascends_and_stays_within_its_time(chosen: Traffic, seed: int, run_time_s: float | None) -> None:
    times = list(chosen.arrivals(seed, run_time_s))
    assert all(earlier <= later for earlier, later in pairwise(times))
    limit = chosen.length_s if run_time_s is None else run_time_s
    assert all(0 <= at <= limit for at in times)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5).filter(any), st.integers(0, 60))
def test_workers_together_send_the_schedule_once(users: list[int], requests: int) -> None:
    """However users are spread over workers, each arrival is sent by exactly one, in proportion to its users."""
    whole = [float(number) for number in range(requests)]
    shares = divide({f"w{worker}": {"A": held} for worker, held in enumerate(users)})
    dealt = [list(deal(whole, *shares[f"w{worker}"]["A"])) for worker in range(len(users))]
    assert sorted(at for share in dealt for at in share) == whole
    assert all(len(share) <= math.ceil(requests / sum(users)) * held for share, held in zip(dealt, users, strict=True))


def test_two_workers_alternate() -> None:
    shares = divide({"w1": {"A": 3}, "w2": {"A": 3}})
    assert shares == {"w1": {"A": ([0, 2, 4], 6)}, "w2": {"A": ([1, 3, 5], 6)}}


@given(st.floats(1e9, 2e9))
def test_no_burst_straddles_two_windows(now: float) -> None:
    start = start_of_burst(now)
    into_window = start % WINDOW_S
    assert 0 <= start - now <= WINDOW_S
    assert MARGIN_S - 1e-3 <= into_window <= WINDOW_S - BURST_ROOM_S - MARGIN_S + 1e-3


def test_only_bursts_wait_for_a_window() -> None:
    burst = {"kind": "burst", "requests": 2}
    constant = {"kind": "constant", "rate_per_s": 1.0, "duration_s": 2.0}
    assert traffic(**burst).at_once
    assert traffic("phases", phases=[constant, burst]).at_once
    assert not traffic(**constant).at_once
    assert not traffic("phases", phases=[constant]).at_once


@pytest.mark.parametrize(
    ("now", "last_run_ended_at", "starts_at"),
    [
        (620.0, 0.0, 620.0),  # nobody was there before
        (620.0, 619.0, 619.0 + WINDOW_S + MARGIN_S),
        (620.0, 599.9, 599.9 + WINDOW_S + MARGIN_S),  # the next minute is too early: LiteLLM's windows are not minutes
        (700.0, 620.0, 700.0),
    ],
)
def test_a_run_shares_no_quota_window_with_the_one_before(
    now: float, last_run_ended_at: float, starts_at: float
) -> None:
    assert with_whole_quotas(now, last_run_ended_at) == starts_at


def test_a_run_that_would_be_over_before_its_quotas_are_whole_begins_at_once_and_says_so() -> None:
    at_once = start(620.0, 0.5, 610.0, 30.0, in_bursts=False)
    assert (at_once.at, "no time to wait" in at_once.note) == (620.0, True)
    assert start(620.0, 0.5, 610.0, 90.0, in_bursts=False).at == 610.0 + WINDOW_S + MARGIN_S
    assert start(620.0, 0.5, 0.0, None, in_bursts=False) == start(620.0, 0.5, 0.0, 5.0, in_bursts=False)
    late_in_the_minute = start(659.0, 0.5, 0.0, 1.0, in_bursts=True)
    assert (late_in_the_minute.at, late_in_the_minute.note) == (659.0, "")


def test_every_kind_is_found_by_its_file() -> None:
    """One file for each: a new kind is found without being named anywhere else."""
    files = {path.stem for path in Path(KINDS[0].__module__.replace(".", "/")).parent.glob("*.py")}
    assert {name_of(kind) for kind in KINDS} == files - {"__init__", "kind"}
