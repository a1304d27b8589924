"""Quota windows: LiteLLM's counting imitated request by request, and histories that no sound gateway leaves."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import Answer, Record
from analysis.numbers import window_search, windows
from analysis.numbers.window_search import TOLERANCE_S, Chain, Quota, Window, chain_from_first_request
from tests.analysis.histories import T0, consumer, deployment, record, refused, rows, run

PASS, FAIL, UNKNOWN = Answer.PASS, Answer.FAIL, Answer.UNKNOWN


def by_key(tmp_path: Path, records: list[Record], quota: int = 3) -> Chain:
    one = consumer(quota_rpm=quota)
    seen = windows.consumer_windows(run(consumers=[one]), rows(tmp_path, records), one)
    assert seen is not None
    (chain,) = seen.chains
    return chain


def by_deployment(tmp_path: Path, records: list[Record], **rpm: int) -> windows.Windows:
    deployments = [deployment(name, rpm=quota) for name, quota in rpm.items()]
    seen = windows.deployment_windows(run(deployments=deployments), rows(tmp_path, records), "group")
    assert seen is not None
    return seen


def burst(at: float, answered: int, refusals: int) -> list[Record]:
    return [record(at=at)] * answered + [refused(at=at)] * refusals


def served(at: float, **counts: int) -> list[Record]:
    """Answers of each deployment; those of "spare" are a fallback's."""
    return [record(at=at, deployment=name) for name, n in counts.items() for _ in range(n)]


# --- one window ---------------------------------------------------------------------------------------------------


def test_a_burst_over_the_quota(tmp_path: Path) -> None:
    chain = by_key(tmp_path, burst(5, 3, 2))
    assert (chain.name, chain.quota_rpm, chain.answer) == ("A", 3, PASS)
    assert chain.windows == (Window(T0 + 5, admitted=3, rate_limited=2, over_at=T0 + 5),)
    assert chain.over_quota() == [(T0 + 5, T0 + 65)]
    assert chain.excess == 0


@pytest.mark.parametrize(("answered", "refusals"), [(4, 1), (2, 3), (0, 5), (3, 0), (3, 2)])
def test_one_window_holds_or_does_not(tmp_path: Path, answered: int, refusals: int) -> None:
    chain = by_key(tmp_path, burst(5, answered, refusals))
    assert chain.answer is (PASS if answered == 3 else FAIL)
    assert chain.windows == (Window(T0 + 5, answered, refusals, T0 + 5 if answered + refusals > 3 else None),)
    assert chain.holds(chain.windows[0]) == (answered == 3)
    assert chain.excess == max(0, answered - 3)


def test_within_a_burst_the_order_does_not_tell(tmp_path: Path) -> None:
    """The gateway may count what was sent last first; but what came seconds before the quota was used up had room."""
    assert by_key(tmp_path, [refused(at=5), *burst(6.5, 3, 0)]).answer is PASS
    assert by_key(tmp_path, [refused(at=5), *burst(7.5, 3, 0)]).answer is FAIL
    assert by_key(tmp_path, [record(at=5), record(at=6), refused(at=7), record(at=12)]).answer is FAIL


def test_the_minute_of_the_clock_plays_no_part(tmp_path: Path) -> None:
    seen = by_deployment(tmp_path, served(59, a=2, spare=1) + served(61, a=1, spare=4), a=3)
    assert seen.answer is PASS
    assert seen.chains[0].windows == (Window(T0 + 59, admitted=3, rate_limited=5, over_at=T0 + 59),)
    assert by_deployment(tmp_path, served(55, a=3, spare=1) + served(70, a=3, spare=4), a=3).answer is FAIL


# --- several deployments ------------------------------------------------------------------------------------------


def test_each_deployment_has_windows_of_its_own(tmp_path: Path) -> None:
    records = served(0, a=2) + served(30, b=3, spare=4) + served(61, a=1) + served(70, a=1, spare=2) + served(91, b=1)
    seen = by_deployment(tmp_path, records, a=2, b=3)
    a, b = seen.chains
    assert (seen.answer, seen.offered) == (PASS, len(records))
    assert a.windows == (Window(T0, 2, 4, T0 + 30), Window(T0 + 61, 2, 2, T0 + 70))
    assert b.windows == (Window(T0 + 30, 3, 6, T0 + 30), Window(T0 + 91, 1, 0))


def test_the_sum_is_not_enough_when_one_deployment_is_above_its_quota(tmp_path: Path) -> None:
    seen = by_deployment(tmp_path, served(5, a=4, b=1) + [refused()] * 3, a=2, b=3)
    assert [chain.answer for chain in seen.chains] == [FAIL, FAIL]
    assert [chain.excess for chain in seen.chains] == [2, 0]


def test_what_went_elsewhere_while_one_had_room_fails(tmp_path: Path) -> None:
    idle = by_deployment(tmp_path, served(5, a=3, spare=2), a=3, b=3)
    assert [chain.answer for chain in idle.chains] == [PASS, FAIL]
    assert idle.chains[1].windows == (Window(T0 + 5, admitted=0, rate_limited=2),)
    ran_out = by_deployment(
        tmp_path, served(5, a=3, b=3, spare=1) + served(40, spare=1) + served(70, spare=1), a=3, b=3
    )
    assert ran_out.answer is FAIL


def test_less_than_the_quota_fills_nothing_and_is_right(tmp_path: Path) -> None:
    seen = by_deployment(tmp_path, served(5, a=2) + served(80, b=1), a=3, b=3, c=3)
    assert (seen.answer, [len(chain.windows) for chain in seen.chains]) == (PASS, [1, 1, 0])


def test_requests_that_fell_back_from_elsewhere_count_against_the_quota(tmp_path: Path) -> None:
    seen = by_deployment(tmp_path, [record(model_asked="other", deployment="a")] * 2 + served(5, a=1, spare=1), a=3)
    assert (seen.answer, seen.offered) == (PASS, 4)


def test_a_stream_that_broke_off_has_used_its_place(tmp_path: Path) -> None:
    """It was let in: whoever comes after it finds one place less."""
    broken = replace(record(deployment="a"), error_type="broken_stream")
    assert by_deployment(tmp_path, [broken, *served(5, a=2, spare=1)], a=3).answer is PASS
    assert by_deployment(tmp_path, [broken, *served(5, a=3, spare=1)], a=3).answer is FAIL


def test_a_request_is_over_the_quota_from_when_it_comes(tmp_path: Path) -> None:
    """Not from the window's begin, when there was room for all."""
    chain = by_key(tmp_path, [*burst(5, 3, 0), *burst(40, 0, 1)])
    assert chain.over_quota() == [(T0 + 40, T0 + 65)]
    greedy = by_key(tmp_path, [*burst(5, 3, 0), *burst(30, 1, 0), *burst(40, 0, 1)])
    assert greedy.over_quota() == [(T0 + 30, T0 + 65)]
    assert by_key(tmp_path, burst(5, 3, 0)).over_quota() == []


def test_a_quota_of_tokens_may_refuse_what_requests_do_not_explain(tmp_path: Path) -> None:
    def chain(answered: int, refusals: int) -> Chain:
        one = consumer(quota_rpm=10, quota_tpm=60)
        seen = windows.consumer_windows(run(consumers=[one]), rows(tmp_path, burst(5, answered, refusals)), one)
        assert seen is not None
        return seen.chains[0]

    assert (chain(3, 2).answer, chain(3, 2).quota_tpm) == (UNKNOWN, 60)
    assert (chain(10, 2).answer, chain(10, 2).quota_tpm) == (PASS, None)
    assert chain(11, 2).answer is FAIL  # tokens explain no request too many


# --- edges --------------------------------------------------------------------------------------------------------


def test_a_count_that_hangs_on_an_edge_is_unknown(tmp_path: Path) -> None:
    """Two requests a second before the window ran out: the gateway's clock may have opened the next one for them."""
    assert by_key(tmp_path, burst(5, 3, 2) + burst(64, 2, 0)).answer is UNKNOWN
    assert by_key(tmp_path, burst(5, 3, 2) + burst(50, 2, 0)).answer is FAIL
    assert by_key(tmp_path, burst(5, 3, 2) + burst(66, 0, 1)).answer is UNKNOWN  # or to have lasted a little longer
    assert by_key(tmp_path, burst(5, 3, 2) + burst(68, 0, 1)).answer is FAIL


def test_edges_that_explain_many_windows_are_no_coincidence(tmp_path: Path) -> None:
    early = [one for number in range(4) for one in burst(5 + 59.4 * number, 3, 2)]
    chain = by_key(tmp_path, early)
    assert chain.answer is PASS
    assert [(window.admitted, window.rate_limited) for window in chain.windows] == [(3, 2)] * 4
    too_early = [one for number in range(4) for one in burst(5 + 57.9 * number, 3, 2)]
    assert by_key(tmp_path, too_early).answer is FAIL


def every_way(served: list[float], quota: int, begin: int = 0) -> Iterator[list[int]]:
    """All chains of windows whose lengths and counts may be, by where their windows begin."""
    if begin == len(served):
        yield []
    for end in range(begin + 1, min(begin + quota, len(served)) + 1):
        shortest = served[end] - served[begin] if end < len(served) else math.inf
        if shortest >= 60 - TOLERANCE_S and served[end - 1] - served[begin] <= 60 + TOLERANCE_S:
            yield from ([begin, *rest] for rest in every_way(served, quota, end))


def explains(served: list[float], away: list[float], quota: int, begins: list[int]) -> bool:
    full = [begin for begin, end in zip(begins, [*begins[1:], len(served)], strict=True) if end - begin == quota]
    spans = [(served[at + quota - 1] - TOLERANCE_S, served[at] + 60 + TOLERANCE_S) for at in full]
    return all(any(low <= at <= high for low, high in spans) for at in away)


half_seconds = st.integers(0, 500).map(lambda n: n / 2)
near_edges = st.tuples(st.integers(0, 4), st.integers(-4, 8)).map(lambda pair: max(0.0, 60 * pair[0] + pair[1] / 2))


@settings(max_examples=500)
@given(
    st.lists(half_seconds | near_edges, min_size=1, max_size=12),
    st.lists(half_seconds | near_edges, max_size=4),
    st.integers(1, 4),
)
def test_an_explanation_is_found_whenever_there_is_one(served: list[float], away: list[float], quota: int) -> None:
    served, away = sorted(served), sorted(away)
    found = window_search._explanation(np.array(served), np.array(away), quota)
    ways = [way for way in every_way(served, quota) if explains(served, away, quota, way)]
    assert found in ways if ways else found is None


# --- a sound gateway ----------------------------------------------------------------------------------------------


class Gateway:
    """Counts as LiteLLM's router does: a chain of windows for each deployment, any of those with room at random."""

    def __init__(self, quotas: dict[str, int], seed: int, late_s: float = 0.3, window_s: float = 60.0) -> None:
        self.quotas, self.late_s, self.window_s = quotas, late_s, window_s
        self.random = random.Random(seed)
        self.windows: dict[str, tuple[float, int]] = {}

    def __call__(self, times: Sequence[float], rate_limited: Callable[[float], Record] | None = None) -> list[Record]:
        """`times`: seconds after T0 at which requests start; they are counted a little later, in any order."""
        rate_limited = rate_limited or (lambda at: record(at=at, deployment="spare"))
        counted = sorted((at + self.random.uniform(0, self.late_s), at) for at in times)
        by = ((at, self._choose(now)) for now, at in counted)
        return [record(at=at, deployment=name) if name else rate_limited(at) for at, name in by]

    def _choose(self, now: float) -> str | None:
        free = [name for name, quota in self.quotas.items() if self._used(name, now) < quota]
        if not free:
            return None
        name = self.random.choice(free)
        opened = self.windows[name][0] if self._used(name, now) else now
        self.windows[name] = (opened, self._used(name, now) + 1)
        return name

    def _used(self, name: str, now: float) -> int:
        opened, used = self.windows.get(name, (-1e9, 0))
        return used if now - opened <= self.window_s else 0


class Keys(Gateway):
    """Counts as LiteLLM's limiter of keys does: on a clock cut to whole seconds."""

    def _choose(self, now: float) -> str | None:
        return super()._choose(int(now) + 1e-6 * self.random.random())

    def _used(self, name: str, now: float) -> int:
        opened, used = self.windows.get(name, (-1e9, 0))
        return used if int(now) - int(opened) < self.window_s else 0


def judged(tmp_path: Path, gateway: Gateway, times: Sequence[float], **quotas: int) -> Answer:
    """By the quotas that it has, or by others."""
    return by_deployment(tmp_path, gateway(times), **(quotas or gateway.quotas)).answer


def steady(rate: float, minutes: float, begin: float) -> list[float]:
    return [begin + number / rate for number in range(round(rate * 60 * minutes))]


GROUPS = [{"a": 3}, {"a": 3, "b": 3}, {"a": 2, "b": 5, "c": 1}]


@pytest.mark.parametrize("quotas", GROUPS)
@pytest.mark.parametrize("seed", range(8))
def test_a_sound_gateway_passes_under_sustained_load(tmp_path: Path, quotas: dict[str, int], seed: int) -> None:
    """At any second of a minute, for three minutes and a half or more, as much or as little as it may be."""
    chance = random.Random(seed)
    for rate in (0.4, chance.uniform(0.05, 0.4), chance.uniform(0.4, 3)):
        times = steady(rate, chance.uniform(3.5, 6), chance.uniform(0, 60))
        assert judged(tmp_path, Gateway(quotas, seed), times) is PASS


@pytest.mark.parametrize("quotas", GROUPS)
@pytest.mark.parametrize("seed", range(5))
def test_a_sound_gateway_passes_under_repeated_bursts(tmp_path: Path, quotas: dict[str, int], seed: int) -> None:
    begin = random.Random(seed).uniform(0, 60)
    for bursts in (1, 2, 5):
        times = [begin + 65 * number for number in range(bursts) for _ in range(10)]
        assert judged(tmp_path, Gateway(quotas, seed, late_s=1.5), times) is PASS


@settings(max_examples=300)
@given(
    st.lists(st.floats(0, 300), max_size=60),
    st.integers(1, 6),
    st.floats(0, TOLERANCE_S),
    st.integers(0, 1000),
    st.sampled_from([Gateway, Keys]),
)
def test_a_sound_gateway_never_fails(
    times: list[float], quota: int, late_s: float, seed: int, kind: type[Gateway]
) -> None:
    """Whenever requests come, and however late it counts them within the tolerance."""
    late_s = min(late_s, TOLERANCE_S - 1) if kind is Keys else late_s  # the second that its clock is cut by
    records = kind({"a": quota}, seed, late_s)(times)
    ours = np.array(sorted(one.started_at for one in records if one.deployment == "a"))
    others = np.array(sorted(one.started_at for one in records if one.deployment != "a"))
    chain = chain_from_first_request(Quota("a", quota, None), ours, others)
    assert chain.answer is not FAIL
    assert chain.admitted == len(ours)
    assert sum(window.rate_limited for window in chain.windows) == len(others)
    if chain.answer is PASS:  # and nothing that is shown contradicts it
        assert all(chain.holds(window) for window in chain.windows)
        assert chain.excess == 0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rate", [0.2, 1.0, 3.0])
def test_a_sound_limiter_of_keys_passes_under_sustained_load(tmp_path: Path, rate: float, seed: int) -> None:
    times = steady(rate, 5, random.Random(seed).uniform(0, 60))
    records = [replace(one, deployment="group") for one in Keys({"A": 3}, seed)(times, lambda at: refused(at=at))]
    assert by_key(tmp_path, records).answer is PASS


# --- an unsound one -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("wrong", [{"a": 2, "b": 3}, {"a": 4, "b": 3}, {"a": 6}, {"a": 3}])
def test_other_quotas_fail(tmp_path: Path, wrong: dict[str, int], seed: int) -> None:
    begin = random.Random(seed).uniform(0, 60)
    assert judged(tmp_path, Gateway(wrong, seed), steady(0.4, 3, begin), a=3, b=3) is FAIL
    assert judged(tmp_path, Gateway(wrong, seed), [begin] * 10, a=3, b=3) is FAIL


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("window_s", [30, 50, 70, 120])
def test_windows_of_another_length_fail(tmp_path: Path, window_s: float, seed: int) -> None:
    times = steady(0.4, 4, random.Random(seed).uniform(0, 60))
    assert judged(tmp_path, Gateway({"a": 3}, seed, window_s=window_s), times) is FAIL


@pytest.mark.parametrize("seed", range(5))
def test_unused_room_fails(tmp_path: Path, seed: int) -> None:
    """One request of many goes elsewhere without need, at a time that is not just before or after a window's edge."""
    chance = random.Random(seed)
    records = Gateway({"a": 3, "b": 3}, seed)(steady(0.05, 6, chance.uniform(0, 60)))
    assert Counter(one.deployment for one in records)["spare"] == 0
    place = chance.randrange(3, len(records))
    records[place] = replace(records[place], deployment="spare")
    assert by_deployment(tmp_path, records, a=3, b=3).answer is FAIL


# --- what has no quota --------------------------------------------------------------------------------------------


def test_without_an_rpm_on_every_deployment_there_is_no_quota(tmp_path: Path) -> None:
    one, sent = run(deployments=[deployment("a", rpm=3), deployment("b")]), rows(tmp_path, [record()])
    assert windows.deployment_windows(one, sent, "group") is None
    assert windows.consumer_windows(one, sent, consumer()) is None
    assert windows.consumer_windows(one, sent, consumer(route="direct")) is None


def test_a_consumer_without_a_quota_of_its_own_has_its_groups(tmp_path: Path) -> None:
    of = run(deployments=[deployment("a", rpm=3)])
    seen = windows.consumer_windows(of, rows(tmp_path, [*served(5, a=3), refused()]), consumer())
    assert seen is not None
    assert [(chain.name, chain.quota_rpm, chain.answer) for chain in seen.chains] == [("a", 3, PASS)]


def test_nothing_sent_makes_no_window(tmp_path: Path) -> None:
    assert by_key(tmp_path, []).windows == ()
    assert by_deployment(tmp_path, [], a=3).offered == 0
