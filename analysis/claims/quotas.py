"""Quota windows in the judges' words, and what a claim comes to that rests on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.claims.case import Case
from analysis.model import Answer, Cause, Verdict, worst
from analysis.wording import clock, listing, plural

if TYPE_CHECKING:
    from analysis.numbers.window_search import Chain
    from analysis.numbers.windows import Windows


def by_windows(
    case: Case, observed: str, expected: str, n: int, found: Sequence[Windows], evidence: tuple[str, ...]
) -> Verdict:
    """PASS where a sound gateway explains all windows, FAIL where it never does."""
    answer = worst([seen.answer for seen in found])
    if answer is Answer.PASS:
        return case.passes(observed, expected, n, evidence)
    chain = next(chain for seen in found for chain in seen.chains if chain.answer is answer)
    reason = _what_is_off(chain)
    if answer is Answer.FAIL:
        return case.fails(observed, expected, n, reason, evidence)
    cause, excuse = _excuse(chain)
    return case.unknown(cause, f"{reason} {excuse}", expected, n, observed, evidence)


def _excuse(chain: Chain) -> tuple[Cause, str]:
    """What may explain windows that are not as they should be."""
    if chain.quota_tpm is not None:
        tokens = f"Its quota of {chain.quota_tpm:,} tokens a minute may explain it"
        return Cause.AMBIGUOUS, f"{tokens}, which counts of requests do not show."
    if chain.unmodelled:
        return Cause.NOT_MODELLED, f"The gateway's {chain.unmodelled} may explain it, which quota windows do not show."
    return Cause.AMBIGUOUS, "Requests at the very edge of a quota window may count in either; run it again."


def _what_is_off(chain: Chain) -> str:
    for window in chain.windows:
        if not chain.holds(window):
            counts = f"{chain.name} {window.admitted:,} of {window.offered:,} offered"
            due = chain.expected(window)
            return f"In the window from {clock(window.starts_at)}: {counts}, where the quota makes it {due:,}."
    return f"{chain.name} refused requests before its quota was used up, or after it was free again."


def observed_in_words(seen: Windows) -> str:
    parts = ", ".join(f"{chain.name} {chain.admitted:,}" for chain in seen.chains)
    most = max(len(chain.windows) for chain in seen.chains)
    return f"{parts} of {seen.offered:,} in {plural(most, 'window')}"


def quota_in_words(seen: Windows) -> str:
    limits = listing([f"{chain.name} at most {chain.quota_rpm:,}" for chain in seen.chains])
    return f"{limits} a window; the rest elsewhere, while they are full"
