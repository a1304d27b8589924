"""Whom a claim is about, their requests, and how what became of them is told."""

from __future__ import annotations

import pandas as pd

from analysis.model import INVOCATIONS_CSV, REQUESTS_CSV, Outcome, Run, RunClaim, RunConsumer
from analysis.wording import listing, plural

_EXAMPLES = 3  # request ids given as evidence


def consumers_of(run: Run, claim: RunClaim) -> list[RunConsumer]:
    """Whom the claim is about: the named consumers, else all of its pattern."""
    return [
        consumer
        for consumer in run.consumers
        if consumer.pattern == claim.pattern and (not claim.consumers or consumer.name in claim.consumers)
    ]


def groups_of(run: Run, claim: RunClaim) -> list[str]:
    """The model groups that they ask."""
    return list(dict.fromkeys(tenant.model for tenant in consumers_of(run, claim) if tenant.route == "gateway"))


def requests_of(rows: pd.DataFrame, consumers: set[str], outcome: Outcome | None, pattern: str) -> pd.DataFrame:
    chosen = (rows["pattern"] == pattern) & rows["consumer"].isin(list(consumers))
    return rows[chosen if outcome is None else chosen & (rows["outcome"] == outcome)]


_OUTCOME_WORDS = {
    Outcome.REFUSED_BY_GATEWAY: "refused by the gateway",
    Outcome.REFUSED_BY_BEDROCK: "refused by Bedrock",
    Outcome.FAILED: "failed",
}


def _outcome_counts(bad: pd.DataFrame) -> list[tuple[Outcome, int]]:
    counts = bad["outcome"].value_counts()
    return [(outcome, int(counts.get(outcome, 0))) for outcome in _OUTCOME_WORDS if counts.get(outcome, 0)]


def what_else(bad: pd.DataFrame) -> str:
    return "".join(f", {count:,} {_OUTCOME_WORDS[outcome]}" for outcome, count in _outcome_counts(bad))


def why(bad: pd.DataFrame) -> str:
    """How requests went wrong, with the most frequent error; "" when none did."""
    if bad.empty:
        return ""
    parts = [f"{plural(count, 'request')} {_OUTCOME_WORDS[outcome]}" for outcome, count in _outcome_counts(bad)]
    kinds = bad["error_type"].astype(object).value_counts()
    statuses = sorted({int(status) for status in bad["status"]})
    most = [f"{kind} {count:,}" for kind, count in kinds.items() if kind][:3]
    status = listing([str(code) if code else "no answer" for code in statuses], "or")
    return f"{listing(parts)} (HTTP {status}{'; ' if most else ''}{', '.join(most)})."


def files_of(rows: pd.DataFrame) -> tuple[str, ...]:
    return (REQUESTS_CSV, INVOCATIONS_CSV) if (rows["side"] == "both").any() else (REQUESTS_CSV,)


def ids(part: pd.DataFrame) -> tuple[str, ...]:
    return tuple(str(i) for i in part["request_id"].head(1000) if i)[:_EXAMPLES]


def one_of_each(matched: pd.DataFrame) -> tuple[str, ...]:
    """A request id for each Region and account."""
    return ids(matched.drop_duplicates(["account_id", "inference_region"]))
