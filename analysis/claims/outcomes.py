"""How what became of requests is said, in the judges' reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.model import Outcome
from analysis.wording import OUTCOME_WORDS, listing, plural

if TYPE_CHECKING:
    from analysis.rows import Rows

_UNANSWERED = (Outcome.REFUSED_BY_GATEWAY, Outcome.REFUSED_BY_BEDROCK, Outcome.FAILED)


def _counts(bad: Rows) -> list[tuple[str, int]]:
    counts = bad.counts("outcome")
    return [(OUTCOME_WORDS[outcome], counts[outcome,]) for outcome in _UNANSWERED if (outcome,) in counts]


def what_else(bad: Rows) -> str:
    """What became of requests that were not answered, to follow the number of those that were."""
    return "".join(f", {count:,} {words}" for words, count in _counts(bad))


def why(bad: Rows) -> str:
    """How requests went wrong, with the most frequent errors; "" when none did."""
    if not len(bad):
        return ""
    parts = [f"{plural(count, 'request')} {words}" for words, count in _counts(bad)]
    kinds = sorted(bad.counts("error_type").items(), key=lambda pair: -pair[1])
    statuses = sorted({int(status) for (status,) in bad.counts("status")})
    most = [f"{kind} {count:,}" for (kind,), count in kinds if kind][:3]
    status = listing([str(code) if code else "no answer" for code in statuses], "or")
    return f"{listing(parts)} (HTTP {status}{'; ' if most else ''}{', '.join(most)})."


def by_whom(answered: Rows) -> str:
    """The deployments that answered, as a list of names."""
    return listing(sorted(str(name) or "nobody known" for (name,) in answered.counts("deployment")))
