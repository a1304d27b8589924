"""Quota windows: a limiter that is imitated request by request, and histories that no sound limiter could have left."""

import random
from pathlib import Path

import pytest

from analysis import windows
from analysis.model import Answer, Record
from tests.analysis.histories import consumer, deployment, record, refused, rows, run


def by_key(tmp_path: Path, records: list[Record], quota: int = 3) -> windows.Windows:
    tenant = consumer(quota_rpm=quota)
    seen = windows.consumer_windows(run(consumers=[tenant]), rows(tmp_path, records), tenant)
    assert seen is not None
    return seen


def by_minute(tmp_path: Path, records: list[Record], **rpm: int) -> windows.Windows:
    deployments = [deployment(name, rpm=quota) for name, quota in rpm.items()]
    seen = windows.deployment_windows(run(deployments=deployments), rows(tmp_path, records), "group")
    assert seen is not None
    return seen


def burst(at: float, answered: int, refusals: int) -> list[Record]:
    return [record(at=at)] * answered + [refused(at=at)] * refusals


def limited(times: list[float], quota: int, seed: int = 0) -> list[Record]:
    """What LiteLLM's key limiter does to requests: late by up to 0.3 s, on whole seconds of its own clock."""
    delays, opened, used, records = random.Random(seed), -60, 0, []
    for at in times:
        now = int(at + delays.uniform(0.0, 0.3))
        if now - opened >= 60:
            opened, used = now, 0
        used += 1
        records.append(record(at=at) if used <= quota else refused(at=at))
    return records


def test_a_burst_over_the_quota(tmp_path: Path) -> None:
    seen = by_key(tmp_path, burst(5, 3, 2))
    assert [(row.starts_at, row.offered, row.served, row.expected) for row in seen.rows] == [
        (record(at=5).started_at, 5, {"A": 3}, 3)
    ]
    assert seen.answer is Answer.PASS


@pytest.mark.parametrize(("answered", "refusals"), [(4, 1), (2, 3), (0, 5), (3, 0)])
def test_one_window_holds_or_does_not(tmp_path: Path, answered: int, refusals: int) -> None:
    holds = answered == 3
    assert by_key(tmp_path, burst(5, answered, refusals)).answer is (Answer.PASS if holds else Answer.FAIL)


def test_bursts_every_minute_are_windows_of_their_own(tmp_path: Path) -> None:
    seen = by_key(tmp_path, burst(5, 3, 2) + burst(65.01, 3, 2) + burst(125.02, 3, 2))
    assert [row.served for row in seen.rows] == [{"A": 3}] * 3
    assert seen.answer is Answer.PASS
    assert by_key(tmp_path, burst(5, 3, 2) + burst(65.01, 4, 1) + burst(125.02, 3, 2)).answer is Answer.FAIL


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rate", [0.2, 1.0, 3.0])
def test_a_sound_limiter_passes_under_sustained_load(tmp_path: Path, rate: float, seed: int) -> None:
    times = [0.7 + number / rate for number in range(round(300 * rate))]
    assert by_key(tmp_path, limited(times, 3, seed)).answer is Answer.PASS


@pytest.mark.parametrize("wrong", [2, 4, 6])
def test_a_limiter_with_another_quota_fails_under_sustained_load(tmp_path: Path, wrong: int) -> None:
    times = [0.7 + number for number in range(300)]
    assert by_key(tmp_path, limited(times, wrong)).answer is Answer.FAIL


def test_a_count_that_hangs_on_an_edge_is_unknown(tmp_path: Path) -> None:
    """Two requests a second before the window ran out: the gateway's clock may have opened the next one for them."""
    assert by_key(tmp_path, burst(5, 3, 2) + burst(64, 2, 0)).answer is Answer.UNKNOWN
    assert by_key(tmp_path, burst(5, 3, 2) + burst(50, 2, 0)).answer is Answer.FAIL


def test_deployments_are_counted_by_the_minute_of_the_clock(tmp_path: Path) -> None:
    first = [record(at=5, deployment="a")] * 2 + [record(at=5, deployment="b")] * 3 + [record(at=5, deployment="c")] * 4
    second = [record(at=61, deployment="a")]
    seen = by_minute(tmp_path, first + second, a=2, b=3)
    assert [(row.offered, row.served, row.expected) for row in seen.rows] == [
        (9, {"a": 2, "b": 3}, 5),
        (1, {"a": 1, "b": 0}, 1),
    ]
    assert seen.answer is Answer.PASS
    assert (seen.offered, seen.served, seen.expected) == (10, 6, 6)


def test_the_sum_is_not_enough_when_one_deployment_is_above_its_quota(tmp_path: Path) -> None:
    mixed = [record(deployment="a")] * 4 + [record(deployment="b")] * 1 + [refused()] * 3
    assert by_minute(tmp_path, mixed, a=2, b=3).answer is Answer.FAIL


def test_requests_that_fell_back_from_elsewhere_count_against_the_quota(tmp_path: Path) -> None:
    seen = by_minute(tmp_path, [record(model_asked="other", deployment="a")] * 2, a=3)
    assert seen.rows[0].offered == 2


def test_a_burst_across_the_minute_is_unknown_unless_no_split_explains_it(tmp_path: Path) -> None:
    def across(answered: int) -> list[Record]:
        return [record(at=59.9, deployment="a")] * answered + [record(at=60.1, deployment="b")] * (10 - answered)

    assert by_minute(tmp_path, across(4), a=3).answer is Answer.UNKNOWN
    assert by_minute(tmp_path, across(7), a=3).answer is Answer.FAIL  # two windows allow 6
    assert by_minute(tmp_path, across(2), a=3).answer is Answer.FAIL  # one window already makes it 3


def test_without_an_rpm_on_every_deployment_there_is_no_quota(tmp_path: Path) -> None:
    one = run(deployments=[deployment("a", rpm=3), deployment("b")])
    assert windows.deployment_windows(one, rows(tmp_path, [record()]), "group") is None
    assert windows.quota_of(one, consumer()) is None
    assert windows.quota_of(run(deployments=[deployment(rpm=3)]), consumer()) == 3
    assert windows.quota_of(one, consumer(quota_rpm=5)) == 5


def test_nothing_sent_makes_no_window(tmp_path: Path) -> None:
    assert by_key(tmp_path, []).rows == ()
    assert by_minute(tmp_path, [], a=3).rows == ()
