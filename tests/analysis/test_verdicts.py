"""Each claim: proved, disproved and left open, by histories of a few lines."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis import verdicts
from analysis.claims.case import Case
from analysis.claims.claim import Parameters
from analysis.claims.regions_at_least import RegionsAtLeast
from analysis.claims.registry import claims
from analysis.findings import Findings
from analysis.folder import reading
from analysis.folder.errors import RunFolderError
from analysis.folder.reading import FetchLog
from analysis.folder.verdicts_file import read_verdicts, write_verdicts
from analysis.model import Answer, Cause, Invocation, Record, Run, RunClaim, Verdict
from tests.analysis import synthetic
from tests.analysis.histories import (
    ONE,
    T0,
    TWO,
    agreed,
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


def seen_in(region: str, request_id: str) -> Invocation:
    return invocation(request_id, inference_region=region)


# --- every request is answered ---


def test_all_answered(tmp_path: Path) -> None:
    verdict = judged(tmp_path, run([claim("all_answered")]), [record(request_id="1"), record(request_id="2")])
    assert (verdict.answer, verdict.observed, verdict.n, verdict.reason) == (PASS, "2 of 2 answered", 2, "")
    assert verdict.evidence == ("requests.csv", "invocations.csv", "1", "2")


def test_one_time_out_is_enough_to_fail(tmp_path: Path) -> None:
    verdict = judged(
        tmp_path, run([claim("all_answered")]), [record(), refused(), record(status=0, error_type="timeout")]
    )
    assert verdict.answer is FAIL
    assert verdict.observed == "1 of 3 answered, 1 refused by the gateway, 1 failed"
    assert verdict.reason == (
        "1 request refused by the gateway and 1 request failed (HTTP no answer or 429; rate_limit_error 1, timeout 1)."
    )


@pytest.mark.parametrize("name", ["all_answered", "shards_separate"])
def test_a_consumer_that_sent_nothing_leaves_it_open(tmp_path: Path, name: str) -> None:
    silent = SHARDS.model_copy(update={"claims": (claim(name),)})
    verdict = judged(tmp_path, silent, SHARD_RECORDS[:2], in_accounts(ONE, ONE))
    assert (verdict.answer, verdict.reason) == (UNKNOWN, "B sent nothing.")


def test_the_named_consumers_are_meant_and_no_others(tmp_path: Path) -> None:
    consumers = [consumer("A"), consumer("B")]
    verdict = judged(
        tmp_path, run([claim("all_answered", "B")], consumers), [refused("A"), record("B", request_id="1")]
    )
    assert (verdict.answer, verdict.sentence, verdict.n) == (PASS, "Every request of B is answered.", 1)


# --- served from several Regions ---


@pytest.mark.parametrize(("regions", "answer"), [(["us-east-1", "us-west-2"], PASS), (["us-east-1"] * 2, FAIL)])
def test_regions_at_least(tmp_path: Path, regions: list[str], answer: Answer) -> None:
    records = [record(request_id=str(number)) for number in range(2)]
    invocations = [seen_in(region, str(number)) for number, region in enumerate(regions)]
    verdict = judged(tmp_path, run([claim("regions_at_least", at_least=2)]), records, invocations)
    assert (verdict.answer, verdict.n) == (answer, 2)
    assert verdict.observed == ("2 Regions: us-east-1 1, us-west-2 1" if answer is PASS else "1 Region: us-east-1 2")


def test_invocations_that_are_missing_may_show_another_region(tmp_path: Path) -> None:
    records = [record(request_id="1"), record(request_id="2")]
    verdict = judged(tmp_path, run([claim("regions_at_least", at_least=2)]), records, [invocation("1")])
    assert (verdict.answer, verdict.observed) == (UNKNOWN, "1 Region: us-east-1 1")
    assert verdict.reason == "CloudWatch has no invocation for 1 answered request, and may show more Regions."


@pytest.mark.parametrize(
    ("invocations", "said"), [(None, "CloudWatch was never asked."), ([], "CloudWatch knows of no invocation.")]
)
def test_without_logs_the_regions_are_unknown(tmp_path: Path, invocations: list[Invocation] | None, said: str) -> None:
    verdict = judged(tmp_path, run([claim("regions_at_least", at_least=2)]), [record(request_id="1")], invocations)
    assert (verdict.answer, verdict.observed) == (UNKNOWN, "—")
    assert verdict.reason.startswith(said)


# --- an account for each consumer ---

SHARDS = run(
    [claim("shards_separate")],
    [consumer("A", model="one"), consumer("B", route="direct", profile="two", model="m")],
    [deployment("one", group="one")],
)
SHARD_RECORDS = [record("A", request_id="1"), record("A", request_id="2"), record("B", request_id="3")]


def in_accounts(*accounts: str) -> list[Invocation]:
    models = ("model", "model", "m")
    return [
        invocation(str(number), account_id=account, model_id=model)
        for number, (account, model) in enumerate(zip(accounts, models, strict=False), 1)
    ]


def test_shards_separate(tmp_path: Path) -> None:
    verdict = judged(tmp_path, SHARDS, SHARD_RECORDS, in_accounts(ONE, ONE, TWO))
    assert (verdict.answer, verdict.n) == (PASS, 3)
    assert verdict.observed == verdict.expected == f"A: 2 in {ONE}; B: 1 in {TWO}"


def test_one_request_in_anothers_account_fails(tmp_path: Path) -> None:
    verdict = judged(tmp_path, SHARDS, SHARD_RECORDS, in_accounts(ONE, TWO, TWO))
    assert (verdict.answer, verdict.reason) == (FAIL, f"Account {TWO} serves more than one consumer.")


def test_swapped_accounts_fail_although_they_are_apart(tmp_path: Path) -> None:
    verdict = judged(tmp_path, SHARDS, SHARD_RECORDS, in_accounts(TWO, TWO, ONE))
    assert (verdict.answer, verdict.reason) == (FAIL, f"Invoked elsewhere: 2 of A in {TWO} and 1 of B in {ONE}.")


def test_a_throttled_shard_fails(tmp_path: Path) -> None:
    throttled = record("B", request_id="4", status=429, error_type="ThrottlingException")
    verdict = judged(tmp_path, SHARDS, [*SHARD_RECORDS, throttled], in_accounts(ONE, ONE, TWO))
    assert (verdict.answer, verdict.expected) == (FAIL, f"A: 2 in {ONE}; B: 2 in {TWO}")
    assert "refused by Bedrock" in verdict.reason


def test_one_consumer_or_an_unknown_account_leaves_it_open(tmp_path: Path) -> None:
    alone = SHARDS.model_copy(update={"consumers": SHARDS.consumers[:1]})
    assert judged(tmp_path / "1", alone, SHARD_RECORDS[:2], in_accounts(ONE, ONE)).answer is UNKNOWN
    aws = SHARDS.aws.model_copy(update={"accounts": {"one": ONE}})
    nameless = judged(tmp_path / "2", SHARDS.model_copy(update={"aws": aws}), SHARD_RECORDS, in_accounts(ONE, ONE, TWO))
    assert (nameless.answer, nameless.reason) == (
        UNKNOWN,
        "The account that B should use is not known: STS did not say it.",
    )


# --- fallback and load balancing ---

DEPLOYMENTS = [deployment("a", rpm=2), deployment("b", rpm=1), deployment("spare", group="spare", rpm=25)]


def balanced(*names: str, fallbacks: bool = True) -> Run:
    return run(
        [claim(name) for name in names], [consumer()], DEPLOYMENTS, fallbacks={"group": ("spare",)} if fallbacks else {}
    )


def served(**counts: int) -> list[Record]:
    return [record(deployment=name) for name, n in counts.items() for _ in range(n)]


def test_primaries_filled(tmp_path: Path) -> None:
    verdict = judged(tmp_path, balanced("primaries_filled"), served(a=2, b=1, spare=3))
    assert verdict.answer is PASS
    assert verdict.observed == "a 2, b 1 of 6 in 1 window"
    assert verdict.expected == "a at most 2 and b at most 1 a window; the rest elsewhere, while they are full"


def test_a_primary_above_its_quota_fails(tmp_path: Path) -> None:
    verdict = judged(tmp_path, balanced("primaries_filled"), served(a=3, b=0, spare=3))
    assert verdict.answer is FAIL
    assert verdict.reason == (
        "In the window from 2026-11-22 12:00:05 UTC: a 3 of 6 offered, where the quota makes it 2."
    )


def test_a_primary_left_idle_fails(tmp_path: Path) -> None:
    assert judged(tmp_path, balanced("primaries_filled"), served(a=2, b=0, spare=3)).answer is FAIL


@pytest.mark.parametrize(("counts", "idle"), [({"a": 1, "b": 1}, "a"), ({"a": 2}, "b"), ({"a": 1}, "a and b")])
def test_less_than_the_quota_puts_no_primary_to_the_test(tmp_path: Path, counts: dict[str, int], idle: str) -> None:
    verdict = judged(tmp_path, balanced("primaries_filled"), served(**counts))
    assert verdict.answer is UNKNOWN
    assert verdict.reason == f"The quota of {idle} was never used up, so this was not put to the test. Send more."
    assert judged(tmp_path / "full", balanced("primaries_filled"), served(a=2, b=1)).answer is PASS


def test_without_an_rpm_there_is_nothing_to_fill(tmp_path: Path) -> None:
    verdict = judged(tmp_path, run([claim("primaries_filled")]), [record()])
    assert (verdict.answer, verdict.reason) == (UNKNOWN, "No deployment of group has an rpm.")


def test_overflow_answered_by_fallback(tmp_path: Path) -> None:
    verdict = judged(tmp_path, balanced("overflow_answered_by_fallback"), served(a=2, b=1, spare=3))
    assert (verdict.answer, verdict.observed, verdict.n) == (PASS, "3 of 3 answered by spare", 3)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([*served(a=2, b=1, spare=2), refused()], "1 request refused by the gateway (HTTP 429; rate_limit_error 1)."),
        (served(a=6), "The primaries answered 6 requests, 4 more than they may."),
        (served(a=6, spare=1), "The primaries answered 7 requests, 4 more than they may."),
        (served(a=2, b=1, stranger=3), "3 requests answered by stranger."),
    ],
)
def test_an_overflow_that_the_fallback_did_not_answer_fails(tmp_path: Path, records: list[Record], said: str) -> None:
    verdict = judged(tmp_path, balanced("overflow_answered_by_fallback"), records)
    assert (verdict.answer, verdict.reason) == (FAIL, said)


def test_without_a_fallback_the_overflow_is_lost(tmp_path: Path) -> None:
    verdict = judged(
        tmp_path, balanced("overflow_answered_by_fallback", fallbacks=False), [*served(a=2, b=1), refused()]
    )
    assert verdict.answer is FAIL
    assert verdict.reason.startswith("No fallback is configured for group.")


def test_a_stream_that_broke_off_at_a_primary_is_no_overflow(tmp_path: Path) -> None:
    broken = record(deployment="a", error_type="broken_stream")
    for name in ("overflow_answered_by_fallback", "primaries_filled"):
        assert judged(tmp_path / name, balanced(name), [broken, *served(a=1, b=1, spare=3)]).answer is PASS
        assert judged(tmp_path / f"{name}!", balanced(name), [broken, *served(a=2, b=1, spare=3)]).answer is FAIL


def test_without_an_overflow_the_fallback_is_not_put_to_the_test(tmp_path: Path) -> None:
    verdict = judged(tmp_path, balanced("overflow_answered_by_fallback"), served(a=2, b=1))
    assert verdict.answer is UNKNOWN
    assert verdict.reason == "3 requests did not exceed the primaries' quotas. Send more than they allow."


# --- quotas ---

CONSUMERS = [consumer("A", quota_rpm=3), consumer("B", quota_rpm=10), consumer("C", quota_rpm=10)]
HELD = run([claim("limited_to_quota", "A")], CONSUMERS)
UNHARMED = run([claim("neighbours_unharmed", "B", "C")], CONSUMERS)


def test_limited_to_quota(tmp_path: Path) -> None:
    verdict = judged(tmp_path, HELD, [record("A")] * 3 + [refused("A")] * 2)
    assert (verdict.answer, verdict.sentence) == (PASS, "A is held to the quota: the gateway refuses what is over it.")
    assert verdict.observed == "A: 3 admitted, 2 refused by the gateway"
    assert verdict.expected == "A: at most 3 admitted a window, the rest refused"


@pytest.mark.parametrize(("answered", "refusals"), [(5, 0), (4, 1), (2, 3), (0, 5)])
def test_another_number_than_the_quota_fails(tmp_path: Path, answered: int, refusals: int) -> None:
    assert judged(tmp_path, HELD, [record("A")] * answered + [refused("A")] * refusals).answer is FAIL


def test_a_refusal_by_bedrock_is_not_the_gateways_quota(tmp_path: Path) -> None:
    by_bedrock = record("A", request_id="9", status=429, error_type="ThrottlingException")
    verdict = judged(tmp_path, HELD, [record("A")] * 3 + [refused("A"), by_bedrock])
    assert verdict.answer is FAIL
    assert verdict.reason.startswith("Not by the gateway's quota: 1 request refused by Bedrock")


def test_a_quota_that_was_never_reached_is_unknown(tmp_path: Path) -> None:
    assert judged(tmp_path, HELD, [record("A")] * 3).answer is UNKNOWN


def test_each_of_several_consumers_must_ask_for_more_than_its_quota(tmp_path: Path) -> None:
    both = run([claim("limited_to_quota", "A", "B")], [consumer("A", quota_rpm=3), consumer("B", quota_rpm=3)])
    verdict = judged(tmp_path, both, [*NOISY, record("B")])
    assert (verdict.answer, verdict.reason) == (
        UNKNOWN,
        "B never asked for more than the quota. Send more than it allows.",
    )
    silent = judged(tmp_path / "silent", both, NOISY)
    assert (silent.answer, silent.observed) == (
        UNKNOWN,
        "A: 3 admitted, 2 refused by the gateway; B: 0 admitted, 0 refused by the gateway",
    )
    assert judged(tmp_path / "more", both, [*[record("A")] * 4, record("B")]).answer is FAIL


def test_a_quota_of_tokens_explains_what_one_of_requests_does_not(tmp_path: Path) -> None:
    consumers = [consumer("A", quota_rpm=10, quota_tpm=60), consumer("B")]
    held = judged(tmp_path, run([claim("limited_to_quota", "A")], consumers), NOISY)
    assert held.answer is UNKNOWN
    assert held.reason.endswith("Its quota of 60 tokens a minute may explain it, which counts of requests do not show.")
    unharmed = run([claim("neighbours_unharmed", "B")], consumers)
    assert judged(tmp_path / "unharmed", unharmed, [*NOISY, record("B")]).answer is PASS
    assert judged(tmp_path / "harmed", unharmed, [*NOISY, record("B"), refused("B")]).answer is FAIL
    assert judged(tmp_path / "apart", unharmed, [*NOISY, record("B", at=50)]).answer is UNKNOWN


def test_a_model_groups_rpm_is_the_quota_of_a_consumer_without_its_own(tmp_path: Path) -> None:
    small = deployment("small", group="small", rpm=3)
    by_model = run([claim("limited_to_quota", "A")], [consumer("A", model="small")], [small])
    sent = [record("A", model_asked="small", deployment="small")] * 3 + [refused("A", model_asked="small")] * 2
    assert judged(tmp_path / "1", by_model, sent).answer is PASS
    assert judged(tmp_path / "2", by_model, sent[1:] + sent[4:]).answer is FAIL
    spare = record("A", model_asked="small", deployment="spare")
    fell_back = judged(tmp_path / "3", by_model, [*sent, spare])
    assert (fell_back.answer, fell_back.reason) == (
        FAIL,
        "1 request over the quota answered by spare, and not refused.",
    )
    unlimited = judged(tmp_path / "4", run([claim("limited_to_quota", "A")]), sent)
    assert unlimited.reason == "A has no quota_rpm, nor has its model group an rpm."


NOISY = [record("A")] * 3 + [refused("A")] * 2


def test_neighbours_unharmed(tmp_path: Path) -> None:
    verdict = judged(tmp_path, UNHARMED, [*NOISY, *[record("B")] * 5, *[record("C")] * 4])
    assert (verdict.answer, verdict.n) == (PASS, 9)
    assert verdict.sentence == "B and C are answered in full while A is over its quota."
    assert verdict.observed == "B: 5 of 5 answered; C: 4 of 4 answered"


def test_one_refused_neighbour_fails(tmp_path: Path) -> None:
    verdict = judged(tmp_path, UNHARMED, [*NOISY, *[record("B")] * 5, *[record("C")] * 3, refused("C")])
    assert (verdict.answer, verdict.observed) == (FAIL, "B: 5 of 5 answered; C: 3 of 4 answered")


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([*[record("A")] * 3, record("B"), record("C")], "A never asked for more than its quota"),
        ([*NOISY, record("B"), record("C", at=200)], "C sent nothing while A was over its quota"),
        (
            [*[record("A")] * 3, refused("A", at=50), record("B", at=55), record("C", at=6)],
            "C sent nothing while A was over its quota",
        ),
        ([*NOISY, record("B")], "C sent nothing."),
        (
            [*NOISY, record("B"), *[record("C")] * 10, refused("C")],
            "C asked for more than the own quota too, so these refusals do not show it.",
        ),
    ],
)
def test_isolation_that_was_not_put_to_the_test_is_unknown(tmp_path: Path, records: list[Record], said: str) -> None:
    verdict = judged(tmp_path, UNHARMED, records)
    assert verdict.answer is UNKNOWN
    assert verdict.reason.startswith(said)


# --- what every claim rests on ---


@pytest.mark.parametrize("name", sorted(claims()))
def test_nothing_passes_on_nothing(tmp_path: Path, name: str) -> None:
    of = run([claim(name, **claims()[name].example.model_dump())], deployments=[deployment(rpm=3)])
    verdict = judged(tmp_path, of, [], [])
    assert (verdict.answer, verdict.n, verdict.reason) == (UNKNOWN, 0, "Nothing was sent.")


@pytest.mark.parametrize("name", sorted(claims()))
def test_nothing_passes_without_cloudwatch(tmp_path: Path, name: str) -> None:
    of = run([claim(name, **claims()[name].example.model_dump())], [consumer(quota_rpm=1)], [deployment(rpm=1)])
    for number, invocations in enumerate((None, [])):
        assert judged(tmp_path / str(number), of, [record(request_id="1"), refused()], invocations).answer is not PASS


def test_an_answer_without_invocation_leaves_a_claim_open(tmp_path: Path) -> None:
    records = [record(request_id="1"), record(request_id="2")]
    verdict = judged(tmp_path, run([claim("all_answered")]), records, [invocation("1")])
    assert verdict.answer is UNKNOWN
    assert verdict.reason.startswith("CloudWatch has no invocation for 1 of 2 answered requests.")
    assert "2" in verdict.evidence


def test_why_the_fetch_ended_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, run([claim("all_answered"), claim("regions_at_least")]), [record(request_id="1")], [])
    log = FetchLog(
        fetched_at=T0, waited_s=9, window=(0, 1), profiles=("one",), query="", queries=1, invocations=0, answered=1,
        missing=1, complete=False, reason="The dog ate the logs.",
    )  # fmt: skip
    (path / "fetch.json").write_text(log.model_dump_json())
    again = f"The dog ate the logs. `uv run python -m analysis all {path}` asks CloudWatch again."
    assert [verdict.reason for verdict in judge(path)] == [
        f"CloudWatch has no invocation for 1 of 1 answered requests. {again}",
        again,
    ]
    (path / "invocations.csv").unlink()  # a fetch that found nothing to ask leaves none
    assert {verdict.reason for verdict in judge(path)} == {again}


@pytest.mark.parametrize("name", sorted({one.claim for one in synthetic.demo().run.claims}))
def test_sound_patterns_do_not_pass_when_cloudwatch_was_never_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Of sound patterns, all of whose claims pass once it was; and the command to type is as short as can be."""
    monkeypatch.chdir(tmp_path)
    whole = synthetic.demo()
    claims = tuple(one for one in whole.run.claims if one.claim == name)
    patterns = tuple(dict.fromkeys(one.pattern for one in claims))
    whole = replace(whole, run=whole.run.model_copy(update={"claims": claims, "patterns": patterns}))
    asked = judge(synthetic.write(whole, tmp_path / "runs" / "1"))
    assert {(verdict.answer, verdict.reason) for verdict in asked} == {(PASS, "")}
    never = judge(synthetic.write(replace(whole, invocations=None), tmp_path / "runs" / "2"))
    why = "CloudWatch was never asked. `uv run python -m analysis all runs/2` asks CloudWatch now."
    assert {(verdict.answer, verdict.reason) for verdict in never} == {(UNKNOWN, why)}


def test_what_fails_fails_although_logs_are_missing(tmp_path: Path) -> None:
    assert judged(tmp_path, run([claim("all_answered")]), [record(request_id="1"), refused()], []).answer is FAIL


# Sound but for one record that is not there: as a killed run leaves it, or a worker that was lost.
SHORT = {
    "primaries_filled": (balanced("primaries_filled"), served(a=1, b=1, spare=3)),
    "overflow_answered_by_fallback": (balanced("overflow_answered_by_fallback"), [*served(a=3, b=1), refused()]),
    "limited_to_quota": (HELD, [record("A"), record("A"), refused("A")]),
    "neighbours_unharmed": (UNHARMED, [*NOISY, record("B"), record("C"), refused("C")]),
    "regions_at_least": (run([claim("regions_at_least", at_least=2)]), [record()]),
}


@pytest.mark.parametrize("name", sorted(SHORT))
def test_what_rests_on_all_records_fails_only_when_all_are_there(tmp_path: Path, name: str) -> None:
    of, records = SHORT[name]
    assert judged(tmp_path / "whole", of, records).answer is FAIL
    killed = judged(tmp_path / "killed", of.model_copy(update={"ended_at": None}), records)
    assert (killed.answer, killed.reason[:18]) == (UNKNOWN, "The run has no end")
    uncounted = judged(tmp_path / "uncounted", of, records, locust=False)
    assert (uncounted.answer, uncounted.reason[:28]) == (UNKNOWN, "Locust's statistics are miss")
    named, invocations = agreed(records)
    path = write(tmp_path / "lost", of, [*named, record("A", request_id="lost")], invocations)
    file = path / "requests.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    (lost,) = judge(path)
    assert (lost.answer, lost.reason[:14]) == (UNKNOWN, "Locust counted")


def test_a_failed_request_and_one_invoked_elsewhere_fail_whatever_else_is_missing(tmp_path: Path) -> None:
    died = run([claim("all_answered")], ended_at=None)
    assert judged(tmp_path / "1", died, [record(), record(status=0, error_type="timeout")], locust=False).answer is FAIL
    killed = SHARDS.model_copy(update={"ended_at": None})
    assert judged(tmp_path / "2", killed, SHARD_RECORDS, in_accounts(ONE, TWO, TWO), locust=False).answer is FAIL


def test_a_record_lost_by_another_consumer_of_the_model_leaves_its_quota_open(tmp_path: Path) -> None:
    other = consumer("B", pattern="q")
    of = balanced("primaries_filled").model_copy(update={"consumers": (consumer(), other)})
    records, invocations = agreed([*served(a=1, b=1, spare=3), record("B", pattern="q", deployment="a")])
    path = write(tmp_path, of, records, invocations)
    assert [verdict.answer for verdict in judge(path)] == [PASS]
    file = path / "requests.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    (verdict,) = judge(path)
    assert (verdict.answer, verdict.reason[:32]) == (UNKNOWN, "Locust counted 1 request of B, a")


@pytest.mark.parametrize("change", [{"run_id": "another"}, {"pattern": "q"}, {"consumer": "stranger"}])
@pytest.mark.parametrize("own", [record(), refused()])
def test_records_of_somebody_else_leave_every_claim_open(tmp_path: Path, own: Record, change: dict[str, str]) -> None:
    verdict = judged(tmp_path, run([claim("all_answered")]), [own, replace(record(), **change)])
    assert verdict.answer is UNKNOWN
    assert verdict.reason.startswith("1 record is another run's, or of a consumer or pattern that this run does not")


# --- what CloudWatch confirms ---


def test_an_answer_that_cloudwatch_logged_with_an_error_is_open(tmp_path: Path) -> None:
    records = [record(request_id="1"), record(request_id="2")]
    invocations = [invocation("1"), invocation("2", error_code="ModelStreamErrorException")]
    verdict = judged(tmp_path, run([claim("all_answered")]), records, invocations)
    assert (verdict.answer, verdict.reason) == (
        UNKNOWN,
        "CloudWatch logged an error for 1 of 2 answered requests. It says ModelStreamErrorException.",
    )
    assert verdict.evidence[-1] == "2"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["1", "1", "1"], "2 of 3 answers have the request id of another answer, and an invocation confirms one only"),
        (["1", "", ""], "2 of 3 answers came without Bedrock's request id, so no invocation confirms them"),
    ],
)
@pytest.mark.parametrize("fetched", [True, False])
def test_asking_again_is_not_advised_where_it_cannot_help(
    tmp_path: Path, names: list[str], said: str, fetched: bool
) -> None:
    records = [record(request_id=name) for name in names]
    verdict = judged(tmp_path, run([claim("all_answered")]), records, [invocation("1")] if fetched else None)
    assert verdict.answer is UNKNOWN
    assert verdict.reason.startswith(said)
    assert "analysis all" not in verdict.reason


def test_without_any_request_id_the_regions_cannot_be_asked_for(tmp_path: Path) -> None:
    verdict = judged(tmp_path, run([claim("regions_at_least", at_least=2)]), [record()] * 2, [])
    assert (verdict.answer, verdict.reason[:55]) == (UNKNOWN, "2 of 2 answers came without Bedrock's request id, so no")


@pytest.mark.parametrize("others", [[], ["us-east-1"]])
def test_a_region_that_cloudwatch_does_not_tell_is_none(tmp_path: Path, others: list[str]) -> None:
    regions = ["", "", *others]
    records = [record(request_id=str(number)) for number in range(len(regions))]
    invocations = [seen_in(region, str(number)) for number, region in enumerate(regions)]
    verdict = judged(tmp_path, run([claim("regions_at_least", at_least=2)]), records, invocations)
    assert verdict.answer is UNKNOWN
    assert verdict.reason == f"CloudWatch does not say the Region of 2 of {len(regions)} answered requests."
    assert verdict.evidence[-2:] == ("0", "1")


PROFILE = "arn:aws:bedrock:us-east-1:111111111111:inference-profile/us.anthropic.model-v1:0"


@pytest.mark.parametrize(
    ("configured", "logged", "account", "answer"),
    [
        ("us.anthropic.model-v1:0", "us.anthropic.model-v1:0", ONE, PASS),
        ("us.anthropic.model-v1:0", PROFILE, ONE, PASS),
        (PROFILE, "us.anthropic.model-v1:0", ONE, PASS),
        ("anthropic.model-v1:0", PROFILE, ONE, PASS),
        ("us.anthropic.model-v1:0", "us.anthropic.other-v1:0", ONE, UNKNOWN),
        ("us.anthropic.model-v1:0", "us.anthropic.model-v1:0", TWO, UNKNOWN),
        ("us.anthropic.model-v1:0", "", ONE, UNKNOWN),
    ],
)
@pytest.mark.parametrize("name", ["primaries_filled", "overflow_answered_by_fallback", "direct"])
def test_who_served_is_what_cloudwatch_says_too(
    tmp_path: Path, name: str, configured: str, logged: str, account: str, answer: Answer
) -> None:
    """The gateway's header alone is the gateway's word for itself."""
    if name == "direct":
        of = run([claim("all_answered")], [consumer(route="direct", profile="one", model=configured)], [])
        records = [record(request_id=str(number), deployment="one") for number in range(2)]
    else:
        of = balanced(name)
        deployments = tuple(one.model_copy(update={"model_id": configured}) for one in of.deployments)
        of = of.model_copy(update={"deployments": deployments})
        records = [replace(one, request_id=str(n)) for n, one in enumerate(served(a=2, b=1, spare=1))]
    seen = [invocation(one.request_id, model_id=configured) for one in records]
    seen[0] = replace(seen[0], model_id=logged, account_id=account)
    verdict = judged(tmp_path, of, records, seen)
    assert verdict.answer is answer
    if answer is UNKNOWN:
        by = f"{logged or 'no known model'} in {account} instead of {configured} in {ONE}"
        assert verdict.reason == (
            f"By CloudWatch, others served 1 of {len(records)} answered requests than the records say: {by}."
        )
        assert verdict.evidence[-1] == "0"


def test_a_failure_by_the_gateways_word_is_open_where_cloudwatch_denies_it(tmp_path: Path) -> None:
    records = [replace(one, request_id=str(n)) for n, one in enumerate(served(a=3, spare=3))]
    agrees = [invocation(one.request_id) for one in records]
    assert judged(tmp_path / "1", balanced("primaries_filled"), records, agrees).answer is FAIL
    denies = [replace(agrees[0], account_id=TWO), *agrees[1:]]
    assert judged(tmp_path / "2", balanced("primaries_filled"), records, denies).answer is UNKNOWN


def test_a_deployment_that_the_run_does_not_know_is_not_compared(tmp_path: Path) -> None:
    verdict = judged(
        tmp_path, run([claim("all_answered")]), [record(request_id="1", deployment="")], [invocation("1", model_id="x")]
    )
    assert verdict.answer is PASS


@pytest.mark.parametrize("count", [1, 3])
def test_locusts_other_count_leaves_a_claim_open(tmp_path: Path, count: int) -> None:
    path = write(tmp_path, run([claim("all_answered")]), [record(request_id="1"), record(request_id="2")], None)
    folder = reading.read(path)
    assert folder.locust is not None
    (entry,) = folder.locust
    (verdict,) = verdicts.judge(Findings(replace(folder, locust=(replace(entry, requests=count),))))
    assert verdict.answer is UNKNOWN
    assert verdict.reason.startswith(f"Locust counted {count} request")


def test_without_locusts_count_a_claim_is_open(tmp_path: Path) -> None:
    verdict = judged(tmp_path, run([claim("all_answered")]), [record()], locust=False)
    assert (verdict.answer, verdict.reason[:28]) == (UNKNOWN, "Locust's statistics are miss")


@pytest.mark.parametrize(("saw", "answer"), [(1, UNKNOWN), (2, PASS), (3, PASS), (None, PASS)])
def test_a_gateway_that_saw_fewer_leaves_its_consumers_open(tmp_path: Path, saw: int | None, answer: Answer) -> None:
    consumers = [consumer("A"), consumer("B", pattern="q", route="direct", profile="one", model="model")]
    claims = [claim("all_answered"), RunClaim(pattern="q", claim="all_answered")]
    of = run(claims, consumers, self_check={"gateway_requests": saw})
    path = write(tmp_path, of, *agreed([record("A"), record("A"), record("B", pattern="q"), record("B", pattern="q")]))
    through_gateway, direct = judge(path)
    assert (through_gateway.answer, direct.answer) == (answer, PASS)
    if answer is UNKNOWN:
        assert through_gateway.reason == (
            "The gateway's own log has 1 request, and the records hold 2 that it answered. "
            "One of the two is not complete."
        )


def test_a_killed_run_proves_nothing(tmp_path: Path) -> None:
    verdict = judged(tmp_path, run([claim("all_answered")], ended_at=None), [record()])
    assert (verdict.answer, verdict.reason[:18]) == (UNKNOWN, "The run has no end")


@pytest.mark.parametrize("records", [[record()], [refused()]])
def test_a_slow_client_never_blames_the_gateway(tmp_path: Path, records: list[Record]) -> None:
    busy = run([claim("all_answered")], self_check={"bottleneck": "its CPU was at 100 %."})
    verdict = judged(tmp_path, busy, records)
    assert verdict.answer is UNKNOWN
    assert verdict.reason.endswith("its CPU was at 100 %.")


def test_a_judge_that_crashes_says_so_and_harms_no_other(tmp_path: Path) -> None:
    class Crashes(RegionsAtLeast):
        def judge(self, case: Case, parameters: Parameters) -> Verdict:
            raise ZeroDivisionError("division by zero")

    of = run([claim("regions_at_least"), claim("all_answered"), claim("nonsense")])
    known = {**claims(), "regions_at_least": Crashes()}
    crashed, sound, nonsense = verdicts.judge(findings(write(tmp_path, of, *agreed([record()]))), known)
    assert (crashed.answer, sound.answer, nonsense.answer) == (UNKNOWN, PASS, UNKNOWN)
    assert "ZeroDivisionError: division by zero" in crashed.reason
    assert nonsense.reason.startswith("No claim is called 'nonsense'.")


# --- their file ---


def test_verdicts_survive_their_file(tmp_path: Path) -> None:
    proved = Verdict(
        "p", "regions_at_least", "It holds.", PASS, Cause.PROVED, "3", "3", 3, "", ("requests.csv", "1"),
        consumers=("A", "B"), parameters={"at_least": 2}, note="By the clients alone.",
    )  # fmt: skip
    given = [proved, replace(proved, answer=UNKNOWN, cause=Cause.NOT_FETCHED, reason="Nobody looked.")]
    write_verdicts(tmp_path, given)
    assert read_verdicts(tmp_path) == given


@pytest.mark.parametrize("content", [None, "[{]", '[{"pattern": "p"}]', json.dumps([{"answer": "MAYBE"}])])
def test_a_broken_verdicts_file_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "verdicts.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"verdicts\.json: .*Run `uv run python -m analysis judge"):
        read_verdicts(tmp_path)


@pytest.mark.parametrize(
    ("usage", "answer"),
    [
        ({"input_tokens": 10, "output_tokens": 5}, PASS),
        ({"input_tokens": 9, "output_tokens": 5}, UNKNOWN),
        ({"input_tokens": 10, "output_tokens": 3}, UNKNOWN),
    ],
)
def test_a_stream_that_the_gateway_ended_in_bedrocks_stead_is_no_proof(
    tmp_path: Path, usage: dict[str, int], answer: Answer
) -> None:
    """LiteLLM closes a truncated stream as if it were whole, with a usage of its own: only CloudWatch knows better."""
    records = [record(request_id="whole", streamed=True), replace(record(request_id="odd", streamed=True), **usage)]
    verdict = judged(tmp_path, run([claim("all_answered")]), records, [invocation("whole"), invocation("odd")])
    assert verdict.answer is answer
    if answer is UNKNOWN:
        assert "1 of 2 answers were streams whose token counts are not CloudWatch's" in verdict.reason
        assert "odd" in verdict.evidence


@pytest.mark.parametrize("untold", ["input_tokens", "output_tokens"])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_stream_whose_tokens_one_side_does_not_tell_is_no_proof(tmp_path: Path, untold: str, streamed: bool) -> None:
    whole, odd = record(request_id="whole", streamed=streamed), record(request_id="odd", streamed=streamed)
    seen = [invocation("whole"), invocation("odd")]
    of = run([claim("all_answered")])
    by_cloudwatch = judged(tmp_path / "1", of, [whole, odd], [seen[0], replace(seen[1], **{untold: None})])
    by_the_gateway = judged(tmp_path / "2", of, [whole, replace(odd, **{untold: None})], seen)
    for verdict in (by_cloudwatch, by_the_gateway):
        assert verdict.answer is (UNKNOWN if streamed else PASS)
        if streamed:
            assert verdict.reason == (
                "1 of 2 answers were streams whose token counts are not reported by both sides, so nothing shows that "
                "they are whole."
            )
            assert verdict.evidence[-1] == "odd"
