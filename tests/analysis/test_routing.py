"""Claims are judged by what the gateway's file makes it do: orders, strategies, limits, aliases, other providers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.model import Answer, Cause, Record, Run, RunRouting
from tests.analysis.histories import (
    claim,
    consumer,
    deployment,
    findings,
    invocation,
    judge,
    judged,
    record,
    refused,
    run,
    write,
)

PASS, FAIL, UNKNOWN = Answer.PASS, Answer.FAIL, Answer.UNKNOWN
SPARE = deployment("spare", group="spare")


def gateway(*deployments: Any, name: str = "primaries_filled", **routing: Any) -> Run:
    return run(
        [claim(name)],
        deployments=[*deployments, SPARE],
        fallbacks={"group": ("spare",)},
        routing=RunRouting(**routing),
    )


def served(at: float = 5, **counts: int) -> list[Record]:
    return [record(at=at, deployment=name) for name, n in counts.items() for _ in range(n)]


# --- whether an rpm is a limit ---


@pytest.mark.parametrize("counts", [{"a": 2, "spare": 1}, {"a": 5}, {"a": 1}])
def test_an_rpm_that_nothing_enforces_has_not_to_be_kept(tmp_path: Path, counts: dict[str, int]) -> None:
    verdict = judged(tmp_path, gateway(deployment("a", rpm=2, limited=False), limits=()), served(**counts))
    assert (verdict.answer, verdict.cause) == (UNKNOWN, Cause.NOT_ENFORCED)
    assert verdict.reason.startswith("Nothing makes the rpm of a a limit, so it is a weight at most: set router_")


def test_nor_is_it_a_consumers_quota(tmp_path: Path) -> None:
    of = gateway(deployment("a", rpm=2, limited=False), name="limited_to_quota", limits=())
    verdict = judged(tmp_path, of, [*served(a=2), refused()])
    assert (verdict.answer, verdict.cause) == (UNKNOWN, Cause.NOT_ENFORCED)
    assert verdict.reason == "A has no quota_rpm, and nothing makes the rpm of a a limit."


def test_a_deployment_without_rpm_beside_others_is_never_full(tmp_path: Path) -> None:
    verdict = judged(tmp_path, gateway(deployment("a", rpm=2), deployment("b")), served(a=2, b=3))
    assert (verdict.answer, verdict.cause) == (UNKNOWN, Cause.NOT_CONFIGURED)
    assert verdict.reason == "b has no rpm, so the group is never full, and nothing has to fill the others."


# --- which limit it is ---


@pytest.mark.parametrize(
    ("records", "answer"),
    [
        ([*served(55, a=3), *served(61, a=3), refused(at=55), refused(at=61)], PASS),  # two minutes, 6 s apart
        ([*served(5, a=3), *served(30, spare=1), *served(65, a=3)], PASS),
        ([*served(5, a=4)], FAIL),
        ([*served(5, a=2), *served(30, spare=1)], FAIL),
        ([*served(5, a=2), *served(59, a=2)], UNKNOWN),  # the last two may have been counted in the next minute
        ([*served(5, a=2), *served(59, spare=1), *served(65, a=3)], UNKNOWN),  # so may the one turned away
        ([*served(5, a=1)], UNKNOWN),  # not put to the test
    ],
)
def test_model_rate_limits_count_by_the_minute_of_the_clock(
    tmp_path: Path, records: list[Record], answer: Answer
) -> None:
    of = gateway(deployment("a", rpm=3), limits=("model_rate_limits",))
    assert judged(tmp_path, of, records).answer is answer


def test_pre_call_checks_do_not(tmp_path: Path) -> None:
    records = [*served(55, a=3), *served(61, a=3), refused(at=55), refused(at=61)]
    assert judged(tmp_path, gateway(deployment("a", rpm=3)), records).answer is FAIL


@pytest.mark.parametrize(
    ("records", "answer"),
    [(served(a=3, spare=1), PASS), (served(a=4), FAIL), (served(a=2, spare=1), UNKNOWN)],
)
def test_of_two_limits_at_once_only_the_most_is_known(tmp_path: Path, records: list[Record], answer: Answer) -> None:
    of = gateway(deployment("a", rpm=3), limits=("pre_call_checks", "model_rate_limits"))
    verdict = judged(tmp_path, of, records)
    assert verdict.answer is answer
    assert (verdict.cause is Cause.NOT_MODELLED) == (answer is UNKNOWN)


# --- in which order deployments are asked ---

ORDERED = (deployment("a", rpm=2, order=1), deployment("b", rpm=1, order=2))


@pytest.mark.parametrize(
    ("counts", "answer"),
    [
        ({"a": 2, "b": 1, "spare": 1}, PASS),
        ({"a": 2}, PASS),  # the reserve may stay empty
        ({"a": 1, "b": 1}, FAIL),  # the reserve was asked while the first had room
        ({"a": 2, "spare": 1}, FAIL),  # the reserve had room
        ({"a": 3, "b": 1}, FAIL),
        ({"a": 1}, UNKNOWN),
    ],
)
def test_a_higher_order_is_a_reserve(tmp_path: Path, counts: dict[str, int], answer: Answer) -> None:
    assert judged(tmp_path, gateway(*ORDERED), served(**counts)).answer is answer


@pytest.mark.parametrize(("counts", "answer"), [({"a": 2, "b": 9}, PASS), ({"a": 1, "b": 9}, FAIL), ({}, UNKNOWN)])
@pytest.mark.parametrize("order", [2, None])
def test_a_reserve_may_be_without_limit_and_without_order(
    tmp_path: Path, counts: dict[str, int], answer: Answer, order: int | None
) -> None:
    of = gateway(deployment("a", rpm=2, order=1), deployment("b", order=order))
    assert judged(tmp_path, of, served(**counts)).answer is answer


def test_a_deployment_without_limit_that_comes_first_leaves_nothing_to_fill(tmp_path: Path) -> None:
    of = gateway(deployment("a", rpm=2, order=2), deployment("b", order=1))
    assert judged(tmp_path, of, served(b=9)).cause is Cause.NOT_CONFIGURED


# --- strategies ---


@pytest.mark.parametrize("strategy", ["usage-based-routing-v2", "latency-based-routing", "least-busy"])
@pytest.mark.parametrize(
    ("counts", "answer", "cause"),
    [
        ({"a": 2, "b": 1, "spare": 3}, PASS, Cause.PROVED),
        ({"a": 3, "b": 1, "spare": 1}, FAIL, Cause.DISPROVED),
        ({"a": 1, "b": 1, "spare": 1}, UNKNOWN, Cause.NOT_MODELLED),
    ],
)
def test_what_another_strategy_explains_is_not_known(
    tmp_path: Path, strategy: str, counts: dict[str, int], answer: Answer, cause: Cause
) -> None:
    of = gateway(deployment("a", rpm=2), deployment("b", rpm=1), strategy=strategy)
    verdict = judged(tmp_path, of, served(**counts))
    assert (verdict.answer, verdict.cause) == (answer, cause)
    if answer is UNKNOWN:
        assert verdict.reason.endswith(
            f"The gateway's routing strategy {strategy} may explain it, which quota windows do not show."
        )


def test_where_only_the_strategy_limits_even_more_than_the_quota_is_open(tmp_path: Path) -> None:
    of = gateway(deployment("a", rpm=2), strategy="usage-based-routing-v2", limits=())
    assert judged(tmp_path, of, served(a=3)).cause is Cause.NOT_MODELLED


def test_a_consumers_own_quota_does_not_depend_on_it(tmp_path: Path) -> None:
    of = run([claim("limited_to_quota")], [consumer(quota_rpm=2)], routing=RunRouting(strategy="least-busy"))
    assert judged(tmp_path / "1", of, [*[record()] * 2, refused()]).answer is PASS
    assert judged(tmp_path / "2", of, [record(), refused()]).answer is FAIL


# --- aliases ---


@pytest.mark.parametrize("asked", ["gpt-4", "group"])
@pytest.mark.parametrize(("counts", "answer"), [({"a": 2, "spare": 1}, PASS), ({"a": 3}, FAIL), ({"a": 1}, UNKNOWN)])
@pytest.mark.parametrize("name", ["primaries_filled", "overflow_answered_by_fallback"])
def test_who_asks_an_alias_asks_the_group_behind_it(
    tmp_path: Path, asked: str, counts: dict[str, int], answer: Answer, name: str
) -> None:
    of = gateway(deployment("a", rpm=2), name=name, aliases={"gpt-4": "group"})
    of = of.model_copy(update={"consumers": (consumer(model="gpt-4"),)})
    records = [record(deployment=by, model_asked=asked) for by, n in counts.items() for _ in range(n)]
    assert judged(tmp_path, of, records).answer is answer


def test_two_names_of_one_group_draw_on_one_quota(tmp_path: Path) -> None:
    of = gateway(deployment("a", rpm=2), aliases={"gpt-4": "group"})
    of = of.model_copy(update={"consumers": (consumer("A"), consumer("B", model="gpt-4"))})
    records = [record("A", deployment="a"), record("B", deployment="a", model_asked="gpt-4")]
    more = record("B", deployment="a", model_asked="gpt-4")
    assert judged(tmp_path / "1", of, records).answer is PASS
    assert judged(tmp_path / "2", of, [*records, more]).answer is FAIL


# --- other providers ---

OPENAI = deployment("gpt", group="spare", model_id="gpt-5", provider="openai", profile=None, account_id=None)


def test_what_another_provider_answered_is_not_asked_of_cloudwatch(tmp_path: Path) -> None:
    of = run(
        [claim("all_answered"), claim("overflow_answered_by_fallback")],
        deployments=[deployment(), OPENAI],
        fallbacks={"group": ("spare",)},
    )
    records = [record(request_id="1"), record(deployment="gpt", streamed=True), record(deployment="gpt")]
    path = write(tmp_path, of, records, [invocation("1")])
    for verdict in judge(path):
        assert (verdict.answer, verdict.reason) == (PASS, "")
        assert verdict.note == (
            "2 of 3 answers came from providers other than Bedrock: nothing but the clients' records and the gateway's "
            "own log shows them."
        )
    ledger = findings(path).ledger
    assert (ledger.closes, ledger.answered, ledger.answered_matched, ledger.by_other_providers) == (True, 3, 1, 2)
    assert ledger.notes() == [verdict.note]


def test_bedrocks_own_answers_are_still_asked_for_beside_them(tmp_path: Path) -> None:
    of = run([claim("all_answered")], deployments=[deployment(), OPENAI])
    verdict = judged(tmp_path, of, [record(request_id="1"), record(deployment="gpt")], [])
    assert (verdict.answer, verdict.cause) == (UNKNOWN, Cause.NOT_CONFIRMED)
    never = judged(tmp_path / "never", of, [record(request_id="1"), record(deployment="gpt")], None)
    assert (never.answer, never.cause) == (UNKNOWN, Cause.NOT_FETCHED)
