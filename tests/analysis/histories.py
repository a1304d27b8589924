"""Histories written by hand: a line for each request, in the words of a test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from analysis import verdicts
from analysis.findings import Findings
from analysis.folder import reading
from analysis.model import (
    INVOCATIONS_CSV,
    LOCUST_STATS_CSV,
    REQUESTS_CSV,
    RUN_JSON,
    Answer,
    Cause,
    Invocation,
    Outcome,
    Record,
    Run,
    RunAws,
    RunClaim,
    RunConsumer,
    RunDeployment,
    RunFetch,
    Verdict,
)
from analysis.rows import Rows

T0 = 1_795_348_800.0  # 2026-11-22T12:00:00Z, a whole minute
ONE, TWO = "111111111111", "222222222222"


def record(consumer: str = "A", at: float = 5, request_id: str = "", **changes: Any) -> Record:
    """An answered request of pattern "p", `at` seconds after T0."""
    plain = Record(
        run_id="r", pattern="p", user_class="User", consumer=consumer, intended_at=T0 + at, started_at=T0 + at,
        latency_ms=500.0, ttft_ms=None, status=200, model_asked="group", deployment="group", retries=0, fallbacks=0,
        request_id=request_id, error_type="", input_tokens=10, output_tokens=5, cost_usd=None,
        gateway_overhead_ms=8.0,
    )  # fmt: skip
    return replace(plain, **changes)


def refused(consumer: str = "A", at: float = 5, **changes: Any) -> Record:
    """A request that the gateway refused: a 429 without Bedrock's request id."""
    return record(consumer, at, "", status=429, error_type="rate_limit_error", deployment="", **changes)


def invocation(request_id: str, **changes: Any) -> Invocation:
    plain = Invocation(
        request_id=request_id, at=T0 + 5, account_id=ONE, source_region="us-east-1", inference_region="us-east-1",
        model_id="model", operation="Converse", latency_ms=400.0, input_tokens=10, output_tokens=5, error_code="",
    )  # fmt: skip
    return replace(plain, **changes)


def consumer(name: str = "A", **changes: Any) -> RunConsumer:
    plain = RunConsumer(
        pattern="p", name=name, user_class="User", route="gateway", model="group", profile=None, quota_rpm=None,
        quota_tpm=None, users=1, traffic={},
    )  # fmt: skip
    return plain.model_copy(update=changes)


def deployment(id: str = "group", **changes: Any) -> RunDeployment:
    plain = RunDeployment(id=id, group="group", model_id="model", profile="one", account_id=ONE, rpm=None)
    return plain.model_copy(update=changes)


def run(
    claims: Iterable[RunClaim] = (),
    consumers: Iterable[RunConsumer] = (consumer(),),
    deployments: Iterable[RunDeployment] = (deployment(),),
    **changes: Any,
) -> Run:
    plain = Run(
        id="r", patterns=("p",), started_at=T0, ended_at=T0 + 60, evidence="aws", versions={}, command="locust",
        traffic="demo",
        aws=RunAws(profiles=("one", "two"), accounts={"one": ONE, "two": TWO}, region="us-east-1", log_group="logs"),
        fetch=RunFetch(deadline_s=10, poll_s=1), consumers=tuple(consumers), deployments=tuple(deployments),
        fallbacks={}, claims=tuple(claims),
    )  # fmt: skip
    return plain.model_copy(update=changes)


def claim(name: str, *consumers: str, **parameters: Any) -> RunClaim:
    return RunClaim(pattern="p", claim=name, consumers=consumers, parameters=parameters)


def write(
    path: Path, of: Run, records: Iterable[Record], invocations: Iterable[Invocation] | None, locust: bool = True
) -> Path:
    """The run folder, as a run and a fetch leave it."""
    records = list(records)
    path.mkdir(parents=True, exist_ok=True)
    (path / RUN_JSON).write_text(of.model_dump_json())
    (path / REQUESTS_CSV).write_text(Record.header_line() + "".join(one.line() for one in records))
    if invocations is not None:
        text = Invocation.header_line() + "".join(one.line() for one in invocations)
        (path / INVOCATIONS_CSV).write_text(text)
    if locust:
        names = dict.fromkeys(one.consumer for one in records)
        counts = [f"p,{name},{sum(one.consumer == name for one in records)},0\n" for name in names]
        (path / LOCUST_STATS_CSV).write_text(
            "Type,Name,Request Count,Failure Count\n" + "".join(counts) + f",Aggregated,{len(records)},0\n"
        )
    return path


def verdict(
    pattern: str,
    sentence: str,
    answer: Answer,
    observed: str,
    expected: str,
    n: int,
    reason: str = "",
    evidence: tuple[str, ...] = (),
) -> Verdict:
    """As if a judge had given it."""
    cause = {Answer.PASS: Cause.PROVED, Answer.FAIL: Cause.DISPROVED, Answer.UNKNOWN: Cause.AMBIGUOUS}[answer]
    return Verdict(pattern, "some_claim", sentence, answer, cause, observed, expected, n, reason, evidence)


def findings(path: Path) -> Findings:
    """What the judges get of a run folder."""
    return Findings(reading.read(path))


def judge(path: Path) -> list[Verdict]:
    """The verdicts on a run folder."""
    return verdicts.judge(findings(path))


def rows(tmp_path: Path, records: Iterable[Record], invocations: Iterable[Invocation] | None = None) -> Rows:
    """Joined rows, through real files."""
    return findings(write(tmp_path / "run", run(), records, invocations)).rows


def judged(
    tmp_path: Path,
    of: Run,
    records: list[Record],
    invocations: list[Invocation] | Literal["agree"] | None = "agree",
    *,
    locust: bool = True,
) -> Verdict:
    """The verdict of the run's only claim. CloudWatch agrees with the clients unless invocations are given."""
    if invocations == "agree":
        records, invocations = agreed(records)
    (found,) = judge(write(tmp_path / "run", of, records, invocations, locust))
    return found


def agreed(records: list[Record]) -> tuple[list[Record], list[Invocation]]:
    """The records, each answer with an id, and the invocations that CloudWatch has of them."""
    answers = [one.outcome is Outcome.ANSWERED for one in records]
    named = [
        replace(one, request_id=one.request_id or f"id-{number}") if answered else one
        for number, (one, answered) in enumerate(zip(records, answers, strict=True))
    ]
    return named, [invocation(one.request_id) for one, answered in zip(named, answers, strict=True) if answered]
