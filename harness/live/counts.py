"""What a run has come to so far, counted from its Records: what the web UI's tabs and the terminal's table show.

A cautious running state; verdicts are the analysis's to give. Memory does not grow with the number of requests.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from analysis.claims.about import About
from analysis.claims.claim import Counts, State
from analysis.claims.registry import claims
from analysis.model import (
    INVOCATIONS_CSV,
    REQUESTS_CSV,
    VERDICTS_JSON,
    Answer,
    ClaimId,
    Outcome,
    Record,
    Run,
    claim_id,
)
from harness.run.state import RunState, Stage

MAX_DEPLOYMENTS = 200  # kept apart in a run; ids come from the server, which could name a new one in every answer
OTHERS = "(others)"
PAUSE_EVERY = 500  # lines of a run's files, read beside a run that is being measured


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """How a claim stands: `why` says what that rests on."""

    claim: str  # in words
    state: State | Answer
    why: str

    def __str__(self) -> str:
        return f"{self.claim}: {self.state}" + (f", {self.why}" if self.why else "")


@dataclass(frozen=True, slots=True)
class PatternRow:
    """One pattern. A request counts as sent once it has ended, so that sent is the sum of the four that follow."""

    pattern: str
    sent: int
    answered: int
    refused_by_gateway: int
    refused_by_bedrock: int
    failed: int
    by_fallback: int | None  # of the answered; None where the pattern has no fallback
    claims: tuple[ClaimRow, ...]


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    """How much of a pattern a deployment answered; on the direct route the AWS profile stands in its place."""

    pattern: str
    deployment: str
    model: str  # Bedrock's id; "" when the configuration does not know the deployment
    answered: int
    of: int  # answered by anyone, in the pattern
    mean_ms: float


@dataclass(frozen=True, slots=True)
class RegionRow:
    """How many of a pattern's invocations in an account a Region served; pattern "" is what no client heard of."""

    pattern: str
    account_id: str
    region: str
    invocations: int
    of: int  # in the pattern and account


class _Served:
    __slots__ = ("latency_ms", "model", "requests")

    def __init__(self, model: str) -> None:
        self.model = model
        self.requests = 0
        self.latency_ms = 0.0


class Live:
    """One run, from its first request until the next run begins."""

    def __init__(self, run: Run, folder: Path, state: RunState | None = None) -> None:
        self.run = run
        self.folder = folder
        self.state = state or RunState()
        self.starts_at: float | None = None  # its first request; None until that is planned
        self.answers: tuple[Answer, ...] = ()  # one for each claim and for each pattern without any, once judged
        self._answers: dict[ClaimId, Answer] = {}
        self.regions: list[RegionRow] | None = None  # None: CloudWatch has not delivered
        self._outcomes: dict[str, Counter[Outcome]] = {consumer.name: Counter() for consumer in run.consumers}
        self._by_fallback: Counter[str] = Counter()  # by pattern
        self._served: dict[tuple[str, str], _Served] = {}  # by pattern and deployment
        self._group_of = {deployment.id: deployment.group for deployment in run.deployments}
        self._model_of = {deployment.id: deployment.model_id for deployment in run.deployments}
        self._direct = {consumer.name for consumer in run.consumers if consumer.route == "direct"}
        self._with_fallback = {
            consumer.pattern
            for consumer in run.consumers
            if consumer.route == "gateway" and run.fallbacks_of(consumer.model)
        }

    @property
    def phase(self) -> Stage:
        """As people are shown it: a run is sending until it is being judged."""
        shown = (Stage.JUDGING, Stage.JUDGED, Stage.UNJUDGED)
        return self.state.stage if self.state.stage in shown else Stage.SENDING

    def planned(self, starts_at: float) -> None:
        """When its first request is due, epoch seconds."""
        self.starts_at = starts_at

    def add(self, record: Record) -> None:
        """Counts a request that has ended."""
        outcome = record.outcome
        self._outcomes[record.consumer][outcome] += 1
        if outcome is not Outcome.ANSWERED:
            return
        if (served := self._served.get((record.pattern, record.deployment))) is None:
            known = len(self._served) < MAX_DEPLOYMENTS
            deployment, model = (record.deployment, self._model(record)) if known else (OTHERS, "")
            served = self._served.setdefault((record.pattern, deployment), _Served(model))
        served.requests += 1
        served.latency_ms += record.latency_ms
        group = self._group_of.get(record.deployment)
        if bool(record.fallbacks) if group is None else group != self.run.group_of(record.model_asked):
            self._by_fallback[record.pattern] += 1

    def judged(self, answers: Sequence[Given] | None, regions: list[RegionRow] | None) -> None:
        """The analysis has ended; None: without verdicts, without CloudWatch's side."""
        self.answers = tuple(given.answer for given in answers or ())
        self._answers = {given.id: given.answer for given in answers or ()}
        self.regions = regions

    def _model(self, record: Record) -> str:
        if record.consumer in self._direct:
            return record.model_asked
        return self._model_of.get(record.deployment, "")

    @property
    def sent(self) -> int:
        return sum(counts.total() for counts in self._outcomes.values())

    def patterns(self) -> list[PatternRow]:
        """In the order of the configuration."""
        return [self._pattern(name) for name in self.run.patterns]

    def _pattern(self, name: str) -> PatternRow:
        counts = self._counts(tuple(consumer.name for consumer in self.run.consumers if consumer.pattern == name))
        return PatternRow(
            pattern=name,
            sent=counts.total(),
            answered=counts[Outcome.ANSWERED],
            refused_by_gateway=counts[Outcome.REFUSED_BY_GATEWAY],
            refused_by_bedrock=counts[Outcome.REFUSED_BY_BEDROCK],
            failed=counts[Outcome.FAILED],
            by_fallback=self._by_fallback[name] if name in self._with_fallback else None,
            claims=tuple(self._standings(name)),
        )

    def _counts(self, consumers: tuple[str, ...]) -> Counter[Outcome]:
        counts: Counter[Outcome] = Counter()
        for consumer in consumers:
            counts.update(self._outcomes[consumer])
        return counts

    def _standings(self, pattern: str) -> Iterator[ClaimRow]:
        for claim in self.run.claims:
            if claim.pattern != pattern:
                continue
            kind, about = claims()[claim.claim], About(self.run, claim)
            if (answer := self._answers.get(claim.id)) is not None:
                yield ClaimRow(kind.label(about), answer, "")
                continue
            counts = self._counts(about.names)
            standing = kind.standing(
                Counts(
                    answered=counts[Outcome.ANSWERED],
                    refused_by_gateway=counts[Outcome.REFUSED_BY_GATEWAY],
                    refused_by_bedrock=counts[Outcome.REFUSED_BY_BEDROCK],
                    failed=counts[Outcome.FAILED],
                ),
                kind.parameters.model_validate(claim.parameters),
            )
            yield ClaimRow(kind.label(about), standing.state, standing.why)

    def deployments(self) -> list[DeploymentRow]:
        """By pattern, those that answered most first."""
        rows = []
        for pattern in self.run.patterns:
            here = {deployment: served for (of, deployment), served in self._served.items() if of == pattern}
            total = sum(served.requests for served in here.values())
            rows += [
                DeploymentRow(
                    pattern, deployment, served.model, served.requests, total, served.latency_ms / served.requests
                )
                for deployment, served in sorted(here.items(), key=lambda item: (-item[1].requests, item[0]))
            ]
        return rows


class Given(NamedTuple):
    """What a claim was answered with, or a pattern without any."""

    id: ClaimId
    answer: Answer


def answers(folder: Path) -> list[Given] | None:
    """Of a run of any version; None: not judged yet. Raises OSError, and ValueError or KeyError for a broken file."""
    path = folder / VERDICTS_JSON
    if not path.exists():
        return None
    return [_given(verdict) for verdict in json.loads(path.read_text(encoding="utf-8"))]


def _given(verdict: Mapping[str, Any]) -> Given:
    consumers, parameters = tuple(verdict.get("consumers", ())), verdict.get("parameters", {})
    return Given(claim_id(verdict["pattern"], verdict["claim"], consumers, parameters), Answer(verdict["answer"]))


def read_regions(folder: Path, patterns: Sequence[str], pause: Callable[[], None]) -> list[RegionRow] | None:
    """Which Regions served the run in that folder; None as long as CloudWatch's side is not there.

    `pause` is called now and then: whatever else this process measures must not wait for it. Raises OSError.
    """
    if not (folder / INVOCATIONS_CSV).exists():
        return None
    asked = _columns(folder / REQUESTS_CSV, ("request_id", "pattern"), pause)
    pattern_of = {row[0]: row[1] for row in asked}
    counts: Counter[tuple[str, str, str]] = Counter()
    columns = ("request_id", "account_id", "inference_region")
    for request_id, account_id, region in _columns(folder / INVOCATIONS_CSV, columns, pause):
        counts[pattern_of.get(request_id, ""), account_id, region] += 1
    totals: Counter[tuple[str, str]] = Counter()
    for (pattern, account_id, _), n in counts.items():
        totals[pattern, account_id] += n
    rows = [RegionRow(*key, n, totals[key[:2]]) for key, n in counts.items()]
    order = [*patterns, ""]
    return sorted(rows, key=lambda row: (order.index(row.pattern), row.account_id, -row.invocations, row.region))


def _columns(path: Path, names: tuple[str, ...], pause: Callable[[], None]) -> Iterator[tuple[str, ...]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        positions = [header.index(name) for name in names]
        for number, row in enumerate(rows):
            if number % PAUSE_EVERY == 0:
                pause()
            yield tuple([row[position] for position in positions])


def percent(count: int, of: int) -> str:
    """Only all of it is 100 %, only nothing is 0 %, and nothing of nothing is —."""
    if of == 0:
        return "—"
    if count in (0, of):
        return "100 %" if count else "0 %"
    return f"{min(max(round(1000 * count / of), 1), 999) / 10:.1f} %"
