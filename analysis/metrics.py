"""Numbers from rows: counts are kept, ratios derived, and what has no samples is None.

`rows` is what `join.join` gives; whoever asks for a part of them (a pattern, an account) filters them first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import pandas as pd

from analysis import locust_csv
from analysis.model import Outcome, Run, RunConsumer, RunDeployment

_CONFIDENCE = 0.95
_Z = 1.959963984540054  # the normal distribution's 97.5 % quantile


@dataclass(frozen=True, slots=True)
class Proportion:
    """`count` of `of`."""

    count: int
    of: int

    @property
    def share(self) -> float | None:
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's score interval at 95 %: right for small n and for 0 and 100 %, where the usual one is not."""
        if not self.of:
            return None
        n, p = self.of, self.count / self.of
        scale = 1 + _Z**2 / n
        centre = (p + _Z**2 / (2 * n)) / scale
        half = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2)) / scale
        return (0.0 if self.count == 0 else centre - half, 1.0 if self.count == n else centre + half)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Exact percentiles: each is a value that was measured (nearest rank). None: too few samples to tell."""

    n: int
    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


def samples_needed(percentile: float) -> int:
    """The least n at which the largest sample lies above the true percentile with 95 % confidence.

    5 for the median, 59 for p95, 299 for p99 (Wilks 1941: 1 - p**n >= 0.95). Below it, no sample bounds the percentile.
    """
    return math.ceil(math.log(1 - _CONFIDENCE) / math.log(percentile / 100))


def distribution(values: pd.Series | np.ndarray) -> Distribution:
    """Of the values that were measured; NaN was not."""
    known = np.asarray(values, dtype="float64")
    known = known[~np.isnan(known)]
    n = len(known)
    if not n:
        return Distribution(0, None, None, None, None, None)
    ranks = {p: math.ceil(n * p / 100) - 1 for p in (50, 95, 99) if n >= samples_needed(p)}
    ordered = np.partition(known, list(ranks.values())) if ranks else known
    p50, p95, p99 = (float(ordered[ranks[p]]) if p in ranks else None for p in (50, 95, 99))
    return Distribution(n, float(known.mean()), p50, p95, p99, float(known.max()))


# --- who asked, who answered, where -----------------------------------------------------------------------------


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
    input_tokens: int  # the server's own count; where the client was told none, CloudWatch's
    output_tokens: int
    cost_usd: float | None  # as the gateway told it, or reckoned from its prices where it tells none
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


def sent(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that are somebody's request."""
    alone = rows["side"] == "invocation"
    return rows[~alone] if alone.any() else rows  # which saves copying what may be a million rows


_CONSUMER_COLUMNS = (  # as few as are needed: parts of them are copied
    "side", "pattern", "consumer", "outcome", "error_type", "model_asked", "deployment", "intended_at", "latency_ms",
    "queued_ms", "ttft_ms", "gap_mean_ms", "gap_p50_ms", "gap_p95_ms", "gap_p99_ms", "gateway_overhead_ms",
    "input_tokens", "output_tokens", "invocation_input_tokens", "invocation_output_tokens", "cost_usd", "retries",
    "fallbacks",
)  # fmt: skip


def consumers(rows: pd.DataFrame, deployments: Sequence[RunDeployment] = ()) -> list[ConsumerRow]:
    """One row per pattern and consumer, pattern by pattern, in the order in which they were to begin.

    `deployments` know the prices.
    """
    requests = _paid(sent(rows[list(_CONSUMER_COLUMNS)]), deployments)
    groups = requests.groupby(["pattern", "consumer"], sort=False, observed=True)
    found = [
        (part["intended_at"].min(), str(consumer), _consumer(str(pattern), str(consumer), part))
        for (pattern, consumer), part in groups
    ]
    begins: dict[str, float] = {}
    for at, _, row in found:
        begins[row.pattern] = min(at, begins.get(row.pattern, at))
    found.sort(key=lambda entry: (begins[entry[2].pattern], entry[2].pattern, entry[0], entry[1]))
    return [row for _, _, row in found]


def _paid(requests: pd.DataFrame, deployments: Sequence[RunDeployment]) -> pd.DataFrame:
    """The requests with the tokens and the cost that their records lack.

    A stream tells its usage and its cost at its end, so a broken one tells neither. Bedrock itself never tells a cost:
    on the direct route, where `model_asked` is its model, that is reckoned from a deployment of the same model.
    """
    tokens = {
        name: requests[name].fillna(requests[f"invocation_{name}"].astype("float64"))
        for name in ("input_tokens", "output_tokens")
    }
    requests = requests.assign(**tokens)
    untold = requests[requests["cost_usd"].isna()]
    if untold.empty:
        return requests
    alike = _alike(deployments)
    asked = [str(model) for model in untold["model_asked"].unique()]
    charged_as = untold["deployment"].astype(object)
    charged_as = charged_as.where(
        charged_as.isin([d.id for d in deployments]),
        untold["model_asked"].map({model: alike[bare(model)].id for model in asked if bare(model) in alike}),
    )
    price_in = charged_as.map({d.id: d.usd_per_input_token for d in deployments}).astype("float64")
    price_out = charged_as.map({d.id: d.usd_per_output_token for d in deployments}).astype("float64")
    reckoned = untold["input_tokens"] * price_in + untold["output_tokens"] * price_out
    return requests.assign(cost_usd=requests["cost_usd"].fillna(reckoned))


def _alike(deployments: Sequence[RunDeployment]) -> dict[str, RunDeployment]:
    """Bedrock's model id → a deployment of that model which knows its price."""
    return {bare(d.model_id): d for d in deployments if d.usd_per_input_token is not None}


def _sum_or_none(values: pd.Series) -> float | None:
    return float(values.sum()) if values.notna().any() else None


def _consumer(pattern: str, consumer: str, part: pd.DataFrame) -> ConsumerRow:
    outcome = part["outcome"].value_counts()
    answered = part[part["outcome"] == Outcome.ANSWERED]
    streaming_s = (answered["latency_ms"] - answered["queued_ms"] - answered["ttft_ms"]) / 1000
    errors = part["error_type"].value_counts()
    wasted = part[(part["outcome"] == Outcome.FAILED) & (part["output_tokens"] > 0)]
    return ConsumerRow(
        pattern=pattern,
        consumer=consumer,
        sent=len(part),
        answered=int(outcome[Outcome.ANSWERED]),
        refused_by_gateway=int(outcome[Outcome.REFUSED_BY_GATEWAY]),
        refused_by_bedrock=int(outcome[Outcome.REFUSED_BY_BEDROCK]),
        failed=int(outcome[Outcome.FAILED]),
        latency_ms=distribution(answered["latency_ms"]),
        queued_ms=distribution(part["queued_ms"]),
        ttft_ms=distribution(answered["ttft_ms"]),
        gap_mean_ms=distribution(answered["gap_mean_ms"]),
        gap_p50_ms=distribution(answered["gap_p50_ms"]),
        gap_p95_ms=distribution(answered["gap_p95_ms"]),
        gap_p99_ms=distribution(answered["gap_p99_ms"]),
        output_tokens_per_s=distribution((answered["output_tokens"] / streaming_s)[streaming_s > 0]),
        overhead_ms=distribution(answered["gateway_overhead_ms"]),
        input_tokens=int(part["input_tokens"].sum()),
        output_tokens=int(part["output_tokens"].sum()),
        cost_usd=_sum_or_none(part["cost_usd"]),
        wasted_tokens=int(wasted["output_tokens"].sum()),
        wasted_usd=_sum_or_none(wasted["cost_usd"]),
        retries=int(part["retries"].sum()),
        fallbacks=int(part["fallbacks"].sum()),
        invocations=int((part["side"] == "both").sum()),
        errors={str(kind): int(n) for kind, n in errors.items() if n and kind},
        unpriced=int((part["cost_usd"].isna() & (part["output_tokens"] > 0)).sum()),
    )


@dataclass(frozen=True, slots=True)
class RegionRow:
    """Where Bedrock served."""

    region: str
    invocations: Proportion
    latency_ms: Distribution  # Bedrock's own


def regions(rows: pd.DataFrame) -> list[RegionRow]:
    """Successful invocations by inference Region, most first; not those of which CloudWatch does not tell it."""
    told = (rows["side"] != "record") & (rows["error_code"] == "") & (rows["inference_region"] != "")
    served = rows.loc[told, ["inference_region", "invocation_latency_ms"]]
    groups = served.groupby("inference_region", observed=True)["invocation_latency_ms"]
    found = [RegionRow(str(r), Proportion(len(part), len(served)), distribution(part)) for r, part in groups]
    return sorted(found, key=lambda row: (-row.invocations.count, row.region))


@dataclass(frozen=True, slots=True)
class ServedRow:
    """What one deployment answered."""

    pattern: str
    deployment: str  # "" when the gateway did not say
    requests: Proportion
    latency_ms: Distribution


def served_by(rows: pd.DataFrame) -> list[ServedRow]:
    """Answered requests by pattern and deployment, most first within a pattern."""
    answered = rows.loc[rows["outcome"] == Outcome.ANSWERED, ["pattern", "deployment", "latency_ms"]]
    totals = answered["pattern"].value_counts()
    groups = answered.groupby(["pattern", "deployment"], sort=False, observed=True)["latency_ms"]
    found = [
        ServedRow(str(pattern), str(deployment), Proportion(len(part), int(totals[pattern])), distribution(part))
        for (pattern, deployment), part in groups
    ]
    order = {row.pattern: position for position, row in reversed(list(enumerate(found)))}
    return sorted(found, key=lambda row: (order[row.pattern], -row.requests.count, row.deployment))


# --- the ledger -------------------------------------------------------------------------------------------------


class Doubt(StrEnum):
    """Why CloudWatch does not confirm an answer."""

    NAMELESS = "nameless"  # without Bedrock's request id
    REPEATED = "repeated"  # another answer has the same request id, and an invocation confirms one
    MISSING = "missing"  # no invocation has its request id
    ERRED = "erred"  # its invocation was logged with an errorCode

    def told(self, count: int, answered: int) -> str:
        """Of so many answers, as a sentence."""
        return _DOUBTS[self].format(f"{count:,} of {answered:,}")


_DOUBTS = {
    Doubt.NAMELESS: "{} answers came without Bedrock's request id, so no invocation confirms them: the gateway gave "
    "them itself, from a cache for instance, or does not hand on Bedrock's headers.",
    Doubt.REPEATED: "{} answers have the request id of another answer, and an invocation confirms one only: the "
    "gateway may have answered from a cache.",
    Doubt.MISSING: "CloudWatch has no invocation for {} answered requests.",
    Doubt.ERRED: "CloudWatch logged an error for {} answered requests.",
}


def doubts(rows: pd.DataFrame) -> pd.Categorical:
    """Of each row the Doubt; no category where an answer is confirmed, and for what is no answer."""
    kinds = list(Doubt)
    answered, alone = rows["outcome"] == Outcome.ANSWERED, rows["side"] == "record"
    codes = np.full(len(rows), -1, dtype="int8")
    codes[answered & (rows["side"] == "both") & (rows["error_code"] != "")] = kinds.index(Doubt.ERRED)
    ids = rows["request_id"][answered & alone]
    if len(ids):
        repeated = ids.duplicated() | ids.isin(rows["request_id"][~alone])
        codes[answered & alone] = np.select(
            [ids == "", repeated],
            [kinds.index(Doubt.NAMELESS), kinds.index(Doubt.REPEATED)],
            default=kinds.index(Doubt.MISSING),
        )
    return pd.Categorical.from_codes(codes, categories=[str(kind) for kind in kinds])


@dataclass(frozen=True, slots=True)
class Ledger:
    """Four counts of the same requests: the records, Locust's own, the gateway's and CloudWatch's."""

    sent: int
    answered: int
    refused_by_gateway: int
    refused_by_bedrock: int
    failed: int
    locust_sent: int | None  # None: Locust wrote no statistics
    gateway_saw: int | None  # by its own log, whatever it answered; None: its log is not ours to read
    gateway_answered: int  # records of requests that went through it and got an HTTP status
    fetched: bool
    doubts: Mapping[Doubt, int]  # how many answers CloudWatch does not confirm
    strays: int  # records that are another run's, or of a consumer or pattern that the run does not have
    invocations: int
    unmatched_invocations: int  # attempts whose id no client got: retried, fallen back from, broken off
    differences: tuple[tuple[str, int, int], ...]  # consumer, its records, Locust's count, where they differ

    @property
    def closes(self) -> bool:
        return not self.problems()

    @property
    def answered_matched(self) -> int:
        """Answered requests that CloudWatch confirms."""
        return self.answered - sum(self.doubts.values())

    @property
    def amplification(self) -> float | None:
        """Invocations per request that reached Bedrock: above 1, the gateway tried more than once."""
        reached = self.invocations - self.unmatched_invocations
        return self.invocations / reached if reached else None

    def problems(self) -> list[str]:
        """Why it does not close, as sentences; nothing when it does."""
        found = []
        if self.sent != self.answered + self.refused_by_gateway + self.refused_by_bedrock + self.failed:
            found.append("The records' outcomes do not add up to what was sent.")
        if problem := self.stray_problem():
            found.append(problem)
        if self.locust_sent is None:
            found.append("Locust's statistics are missing, so nothing confirms that the records are complete.")
        found += [
            f"Locust counted {counted:,} requests of {consumer}, and the records hold {recorded:,}."
            for consumer, recorded, counted in self.differences
        ]
        if problem := self.gateway_problem():
            found.append(problem)
        if not self.fetched:
            found.append("CloudWatch was never asked.")
        found += [
            doubt.told(count, self.answered)
            for doubt, count in self.doubts.items()
            if count and (self.fetched or doubt is not Doubt.MISSING)
        ]
        return found

    def stray_problem(self) -> str:
        """Records that cannot be the run's; "" when there are none."""
        if not self.strays:
            return ""
        records = "1 record is" if self.strays == 1 else f"{self.strays:,} records are"
        return f"{records} another run's, or of a consumer or pattern that this run does not have."

    def gateway_problem(self) -> str:
        """Answers of the gateway that its own log does not know of; "" when there are none."""
        if self.gateway_saw is None or self.gateway_saw >= self.gateway_answered:
            return ""
        saw = f"The gateway's own log has {self.gateway_saw:,} request{'' if self.gateway_saw == 1 else 's'}"
        return f"{saw}, and the records hold {self.gateway_answered:,} that it answered."

    def notes(self) -> list[str]:
        """What differs and is no fault of the records."""
        if self.gateway_saw is None or self.gateway_saw <= self.gateway_answered:
            return []
        more = self.gateway_saw - self.gateway_answered
        return [
            f"The gateway's own log has {more:,} more than the records: others use it too, or a request was broken off."
        ]


def ledger(run: Run, rows: pd.DataFrame, locust: pd.DataFrame | None, fetched: bool) -> Ledger:
    """`fetched`: whether CloudWatch was ever asked."""
    requests = sent(rows)
    outcome = requests["outcome"].value_counts()
    side = rows["side"].value_counts()
    doubt = pd.Series(doubts(rows)).value_counts()
    through_gateway = [consumer.name for consumer in run.consumers if consumer.route == "gateway"]
    return Ledger(
        sent=len(requests),
        answered=int(outcome[Outcome.ANSWERED]),
        refused_by_gateway=int(outcome[Outcome.REFUSED_BY_GATEWAY]),
        refused_by_bedrock=int(outcome[Outcome.REFUSED_BY_BEDROCK]),
        failed=int(outcome[Outcome.FAILED]),
        locust_sent=None if locust is None else int(locust[locust_csv.REQUESTS].sum()),
        gateway_saw=run.self_check.get("gateway_requests"),
        gateway_answered=int((requests["consumer"].isin(through_gateway) & (requests["status"] != 0)).sum()),
        fetched=fetched,
        doubts={kind: int(doubt[kind]) for kind in Doubt},
        strays=_strays(run, requests),
        invocations=int(side["both"] + side["invocation"]),
        unmatched_invocations=int(side["invocation"]),
        differences=() if locust is None else tuple(_differences(run, requests, locust)),
    )


def _strays(run: Run, requests: pd.DataFrame) -> int:
    known = {(run.id, consumer.pattern, consumer.name) for consumer in run.consumers}
    counts = requests.groupby(["run_id", "pattern", "consumer"], observed=True).size()
    return sum(int(n) for who, n in counts.items() if who not in known)


def _differences(run: Run, requests: pd.DataFrame, locust: pd.DataFrame) -> Iterable[tuple[str, int, int]]:
    """Per consumer of the run: somebody's own extra requests, under other names, are no business of the ledger."""
    recorded = requests["consumer"].value_counts()
    counted = locust.groupby(locust_csv.NAME)[locust_csv.REQUESTS].sum()
    for consumer in run.consumers:
        ours, theirs = int(recorded.get(consumer.name, 0)), int(counted.get(consumer.name, 0))
        if ours != theirs:
            yield consumer.name, ours, theirs


# --- accounts ---------------------------------------------------------------------------------------------------


def account_of(run: Run, served_by: RunDeployment | RunConsumer) -> str | None:
    """The account that a deployment, or a consumer of the direct route, invokes in; None: STS did not tell it."""
    own = served_by.account_id if isinstance(served_by, RunDeployment) else None
    return own or run.aws.accounts.get(served_by.profile or "")


def accounts_of(run: Run, consumer: RunConsumer) -> set[str] | None:
    """The accounts that a consumer's requests must be invoked in, as configured; None: STS did not tell them all."""
    if consumer.route == "direct":
        found = {account_of(run, consumer)}
    else:
        found = {account_of(run, deployment) for deployment in run.deployments if deployment.group == consumer.model}
    known = {account for account in found if account}
    return known if known and len(known) == len(found) else None


# --- what it took -----------------------------------------------------------------------------------------------


def bare(model_id: str) -> str:
    """A model or profile id without what an ARN has before it: the log has either."""
    return model_id.rpartition("/")[2]


def distributions(rows: pd.DataFrame, of: str, by: str) -> dict[str, Distribution]:
    """What the column `of` was in answered requests, for each value of the column `by`."""
    answered = rows.loc[rows["outcome"] == Outcome.ANSWERED, [by, of]]
    return {str(name): distribution(part) for name, part in answered.groupby(by, observed=True)[of]}


def first_fallback_ms(run: Run, rows: pd.DataFrame) -> float | None:
    """From when the first of the requests was due to the first answer of another model group than was asked."""
    needed = ["deployment", "model_asked", "intended_at", "latency_ms"]
    answered = rows.loc[rows["outcome"] == Outcome.ANSWERED, needed]
    group = answered["deployment"].map({d.id: d.group for d in run.deployments}).astype(object)
    fell_back = answered[group.notna() & (group != answered["model_asked"].astype(object))]
    if fell_back.empty:
        return None
    ended_ms = fell_back["intended_at"] * 1000 + fell_back["latency_ms"]
    return float(ended_ms.min() - rows["intended_at"].min() * 1000)


@dataclass(frozen=True, slots=True)
class UnheardRow:
    """Attempts at Bedrock whose id no client got: retried, fallen back from, or broken off."""

    account_id: str
    model_id: str
    error_code: str  # "" when they succeeded
    patterns: tuple[str, ...]  # whose they may be: nothing in the log tells
    attempts: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


def unheard(run: Run, rows: pd.DataFrame) -> list[UnheardRow]:
    """By account, model and error, most first."""
    alone = rows.loc[
        rows["side"] == "invocation",
        ["account_id", "model_id", "error_code", "invocation_input_tokens", "invocation_output_tokens"],
    ].astype({"model_id": object})
    alike, reach, found = _alike(run.deployments), _reach(run), []
    alone["model_id"] = alone["model_id"].map(bare)
    for (account, model, error), part in alone.groupby(["account_id", "model_id", "error_code"], observed=True):
        tokens_in, tokens_out = (int(part[f"invocation_{name}"].sum()) for name in ("input_tokens", "output_tokens"))
        found.append(
            UnheardRow(
                account_id=str(account),
                model_id=str(model),
                error_code=str(error),
                patterns=tuple(reach.get((str(account), str(model)), run.patterns)),
                attempts=len(part),
                input_tokens=tokens_in,
                output_tokens=tokens_out,
                cost_usd=_usd(alike.get(str(model)), tokens_in, tokens_out),
            )
        )
    return sorted(found, key=lambda row: -row.attempts)


def _usd(deployment: RunDeployment | None, input_tokens: int, output_tokens: int) -> float | None:
    if deployment is None or deployment.usd_per_input_token is None or deployment.usd_per_output_token is None:
        return None
    return input_tokens * deployment.usd_per_input_token + output_tokens * deployment.usd_per_output_token


def groups_reached(run: Run, consumer: RunConsumer) -> tuple[str, ...]:
    """The model groups that a consumer's requests may come to: the one it asks for, and those that stand in for it."""
    return (consumer.model, *run.fallbacks.get(consumer.model, ())) if consumer.route == "gateway" else ()


def _reach(run: Run) -> dict[tuple[str | None, str], dict[str, None]]:
    """Account and model → the patterns whose requests may be tried there, as configured."""
    found: dict[tuple[str | None, str], dict[str, None]] = {}
    for tenant in run.consumers:
        if tenant.route == "direct":
            places = [(account_of(run, tenant), tenant.model)]
        else:
            groups = groups_reached(run, tenant)
            places = [(account_of(run, d), d.model_id) for d in run.deployments if d.group in groups]
        for account, model in places:
            found.setdefault((account, bare(model)), {})[tenant.pattern] = None
    return found


def amplification(rows: pd.DataFrame, attempts: Sequence[UnheardRow]) -> dict[str, float]:
    """Pattern → invocations for each of its requests that reached Bedrock, where it is known whose they were.

    `attempts`: those that no client heard of.
    """
    heard = rows.loc[rows["side"] == "both", "pattern"].value_counts()
    shared = {pattern for row in attempts if len(row.patterns) > 1 for pattern in row.patterns}
    unheard_of = Counter[str]()
    for row in attempts:
        unheard_of.update(dict.fromkeys(row.patterns, row.attempts))
    return {str(p): 1 + unheard_of[str(p)] / int(n) for p, n in heard.items() if n and p not in shared}
