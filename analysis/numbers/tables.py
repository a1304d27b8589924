"""Who asked, who answered and where: what the tables of all outputs show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.folder.locust_csv import LocustEntry
from analysis.model import Outcome, Run, RunDeployment
from analysis.numbers.cost import Spent, spent
from analysis.numbers.proportion import Proportion
from analysis.numbers.stats import Distribution, distribution, sum_or_none
from analysis.rows import Key, Rows


@dataclass(frozen=True, slots=True)
class ConsumerRow:
    """What one consumer saw."""

    pattern: str
    consumer: str
    sent: int
    answered: int
    refused_by_gateway: int
    refused_by_bedrock: int
    failed: int
    latency_ms: Distribution  # of the answered, from the intended start
    queued_ms: Distribution  # of all: in the client, before it was sent
    ttft_ms: Distribution
    gap_mean_ms: Distribution
    gap_p50_ms: Distribution
    gap_p95_ms: Distribution
    gap_p99_ms: Distribution
    output_tokens_per_s: Distribution  # of streams, from the first content to the last
    overhead_ms: Distribution  # the gateway's own, as it says
    input_tokens: int  # the server's own count; where the client got none, CloudWatch's
    output_tokens: int
    cost_usd: float | None  # as the gateway says, or reckoned from its prices where it does not
    wasted_tokens: int  # output that was paid for in answers that broke off
    wasted_usd: float | None
    retries: int
    fallbacks: int
    invocations: int  # requests that CloudWatch knows
    errors: Mapping[str, int] = field(default_factory=dict)  # error_type → count, most frequent first
    unpriced: int = 0  # requests with output of which nobody knows what it cost

    @property
    def success(self) -> Proportion:
        return Proportion(self.answered, self.sent)

    @property
    def refused(self) -> int:
        return self.refused_by_gateway + self.refused_by_bedrock


def consumers(rows: Rows, deployments: Sequence[RunDeployment] = ()) -> list[ConsumerRow]:
    """One row per pattern and consumer, pattern by pattern, in the order in which they were to begin.

    `deployments` know the prices.
    """
    found = [
        (float(part.intended_at.min()), consumer, _consumer(pattern, consumer, part, spent(part, deployments)))
        for (pattern, consumer), part in rows.requests.split("pattern", "consumer").items()
    ]
    begins: dict[str, float] = {}
    for at, _, row in found:
        begins[row.pattern] = min(at, begins.get(row.pattern, at))
    found.sort(key=lambda entry: (begins[entry[2].pattern], entry[2].pattern, entry[0], entry[1]))
    return [row for _, _, row in found]


def _consumer(pattern: str, consumer: str, part: Rows, paid: Spent) -> ConsumerRow:
    outcome = {name: n for (name,), n in part.counts("outcome").items()}
    is_answered = part.is_("outcome", Outcome.ANSWERED)
    answered = part.where(is_answered)
    streaming_s = (answered.latency_ms - answered.queued_ms - answered.ttft_ms) / 1000
    streams = streaming_s > 0
    wasted = part.is_("outcome", Outcome.FAILED) & (paid.output_tokens > 0)
    errors = sorted(part.counts("error_type").items(), key=lambda pair: -pair[1])
    return ConsumerRow(
        pattern=pattern,
        consumer=consumer,
        sent=len(part),
        answered=outcome.get(Outcome.ANSWERED, 0),
        refused_by_gateway=outcome.get(Outcome.REFUSED_BY_GATEWAY, 0),
        refused_by_bedrock=outcome.get(Outcome.REFUSED_BY_BEDROCK, 0),
        failed=outcome.get(Outcome.FAILED, 0),
        latency_ms=distribution(answered.latency_ms),
        queued_ms=distribution(part.queued_ms),
        ttft_ms=distribution(answered.ttft_ms),
        gap_mean_ms=distribution(answered.gap_mean_ms),
        gap_p50_ms=distribution(answered.gap_p50_ms),
        gap_p95_ms=distribution(answered.gap_p95_ms),
        gap_p99_ms=distribution(answered.gap_p99_ms),
        output_tokens_per_s=distribution(paid.output_tokens[is_answered][streams] / streaming_s[streams]),
        overhead_ms=distribution(answered.overhead_ms),
        input_tokens=int(np.nansum(paid.input_tokens)),
        output_tokens=int(np.nansum(paid.output_tokens)),
        cost_usd=sum_or_none(paid.cost_usd),
        wasted_tokens=int(paid.output_tokens[wasted].sum()),
        wasted_usd=sum_or_none(paid.cost_usd[wasted]),
        retries=int(np.nansum(part.retries)),
        fallbacks=int(np.nansum(part.fallbacks)),
        invocations=len(part.matched),
        errors={kind: n for (kind,), n in errors if kind},
        unpriced=int((np.isnan(paid.cost_usd) & (paid.output_tokens > 0)).sum()),
    )


@dataclass(frozen=True, slots=True)
class RegionRow:
    """Where Bedrock served."""

    region: str
    invocations: Proportion
    latency_ms: Distribution  # Bedrock's own


def regions(rows: Rows) -> list[RegionRow]:
    """Successful invocations by inference Region, most first; not those of which CloudWatch does not say it."""
    served = rows.successful_invocations
    served = served.where(~served.is_("inference_region", ""))
    found = [
        RegionRow(region, Proportion(len(part), len(served)), distribution(part.logged_latency_ms))
        for (region,), part in served.split("inference_region").items()
    ]
    return sorted(found, key=lambda row: (-row.invocations.count, row.region))


@dataclass(frozen=True, slots=True)
class ServedRow:
    """What one deployment answered."""

    pattern: str
    deployment: str  # "" when the gateway did not say
    requests: Proportion
    latency_ms: Distribution


def served_by(rows: Rows) -> list[ServedRow]:
    """Answered requests by pattern and deployment, most first within a pattern."""
    answered = rows.answered
    totals = answered.counts("pattern")
    found = [
        ServedRow(pattern, deployment, Proportion(len(part), totals[pattern,]), distribution(part.latency_ms))
        for (pattern, deployment), part in answered.split("pattern", "deployment").items()
    ]
    order = {row.pattern: position for position, row in reversed(list(enumerate(found)))}
    return sorted(found, key=lambda row: (order[row.pattern], -row.requests.count, row.deployment))


def latencies(rows: Rows, by: Key) -> dict[str, Distribution]:
    """How long answered requests took, for each value of a column."""
    return {name: distribution(part.latency_ms) for (name,), part in rows.answered.split(by).items()}


def overheads(rows: Rows) -> dict[str, Distribution]:
    """What the gateway added to answered requests, as it says, by deployment."""
    return {name: distribution(part.overhead_ms) for (name,), part in rows.answered.split("deployment").items()}


def first_fallback_ms(run: Run, rows: Rows) -> float | None:
    """From when the first of the requests was due to the first answer of another model group than was asked."""
    answered = rows.answered
    groups = {deployment.id: deployment.group for deployment in run.deployments}
    fell_back = [
        part
        for (deployment, asked), part in answered.split("deployment", "model_asked").items()
        if groups.get(deployment, run.group_of(asked)) != run.group_of(asked)
    ]
    if not fell_back:
        return None
    ended_ms = min(float((part.intended_at * 1000 + part.latency_ms).min()) for part in fell_back)
    return ended_ms - float(np.nanmin(rows.intended_at)) * 1000


@dataclass(frozen=True, slots=True)
class LocustRow:
    """An entry of Locust's statistics, and where its requests were served."""

    entry: LocustEntry
    invocations: int
    regions: Mapping[str, int]  # not those of which CloudWatch does not say the Region


def locust_rows(locust: Sequence[LocustEntry], rows: Rows) -> list[LocustRow]:
    """Locust's Name of a request is the consumer that sent it. An entry of another name has no invocations."""
    matched = rows.matched
    counts = matched.counts("consumer", "inference_region")
    names = [region for (region,) in matched.counts("inference_region")]
    found = []
    for entry in locust:
        mine = {region: counts.get((entry.name, region), 0) for region in names}
        found.append(LocustRow(entry, sum(mine.values()), {name: n for name, n in mine.items() if name}))
    return found
