"""What is wrong, or probably not meant, in a LiteLLM file: one function a finding, all in `FINDINGS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.adopt.findings import fallbacks, limits, reach
from gateway.adopt.findings.finding import Finding
from gateway.adopt.survey import Survey

FINDINGS: tuple[Callable[[Survey], Iterator[Finding]], ...] = (
    fallbacks.unknown_groups,
    fallbacks.cycles,
    fallbacks.to_no_chat,
    fallbacks.too_small,
    fallbacks.retries_multiply,
    limits.not_limits,
    limits.per_replica,
    limits.after_choice,
    reach.shadowed_groups,
    reach.weights,
    reach.orders,
    reach.shared_ids,
    reach.wildcards,
)


def of(survey: Survey) -> list[Finding]:
    return [finding for find in FINDINGS for finding in find(survey)]
