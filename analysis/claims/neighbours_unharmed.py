"""Consumers are answered in full while another one is over its quota."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.claims.about import About
from analysis.claims.case import Case
from analysis.claims.claim import Claim, Counts, Evidence, Parameters, Shows, Standing, by_answers
from analysis.claims.outcomes import why
from analysis.model import Cause, Outcome, RunConsumer, Verdict
from analysis.wording import listing

if TYPE_CHECKING:
    from analysis.rows import Rows

Span = tuple[float, float]  # from and to, epoch seconds


class NeighboursUnharmed(Claim[Parameters]):
    name = "neighbours_unharmed"
    proves = "The named consumers are answered in full while another consumer of the pattern is over its quota."
    needs = "Another consumer that asks for more than its quota, while each of the named ones sends something."
    rests_on = frozenset({Evidence.ALL_RECORDS})
    shows = (Shows.CONSUMERS,)
    parameters = Parameters

    def sentence(self, about: About, parameters: Parameters) -> str:
        verb = "is" if len(about.names) == 1 else "are"
        return f"{listing(about.names)} {verb} answered in full while {_noisy(about)} is over its quota."

    def standing(self, counts: Counts, parameters: Parameters) -> Standing:
        return by_answers(counts)

    def judge(self, case: Case, parameters: Parameters) -> Verdict:
        requests, bad, n = case.requests, case.requests.unanswered, len(case.requests)
        if not n:
            return case.nothing_sent("every request answered")
        sent, lost = requests.counts("consumer"), bad.counts("consumer")
        counts = [(name, sent.get((name,), 0), lost.get((name,), 0)) for name in case.names]
        expected = "; ".join(f"{name}: {of:,} of {of:,} answered" for name, of, _ in counts)
        observed = "; ".join(f"{name}: {of - missed:,} of {of:,} answered" for name, of, missed in counts)
        if silent := case.silent():
            return case.unknown(Cause.SILENT_CONSUMER, silent, expected, n, observed)
        if reason := _not_tested(case):
            return case.unknown(Cause.NOT_TESTED, reason, expected, n, observed)
        if len(bad):
            greedy = [consumer.name for consumer in case.consumers if _over_quota(case, consumer)]
            reason, refused = why(bad), bad.with_outcome(Outcome.REFUSED_BY_GATEWAY)
            if len(refused) == len(bad) and bad.consumers <= set(greedy):
                also = f"{listing(greedy)} asked for more than the own quota too, so these refusals do not show it."
                return case.unknown(Cause.AMBIGUOUS, f"{also} {reason}", expected, n, observed)
            return case.fails(observed, expected, n, reason, case.files + bad.ids())
        return case.passes(observed, expected, n, case.files + requests.ids())


def _noisy(about: About) -> str:
    return listing([consumer.name for consumer in about.others]) or "another consumer"


def _not_tested(case: Case) -> str:
    """Why nobody could be harmed, as a sentence; "" where somebody could."""
    who = _noisy(case)
    over = [span for consumer in case.others for span in _over_quota(case, consumer)]
    if not over:
        return f"{who} never asked for more than its quota, so isolation was not put to the test. Send more."
    by_consumer = case.requests.split("consumer")
    apart = [name for name in case.names if not _overlaps(by_consumer[name,], over)]
    if apart:
        return f"{listing(apart)} sent nothing while {who} was over its quota, so isolation was not put to the test."
    return ""


def _over_quota(case: Case, consumer: RunConsumer) -> Sequence[Span]:
    """When it asked for more than its quota. One of tokens is known by its refusals only."""
    seen = case.findings.consumer_windows(consumer.name)
    spans = [span for chain in seen.chains for span in chain.over_quota()] if seen else []
    if consumer.quota_tpm is not None and not spans:
        mine = case.findings.requests(consumer.pattern, (consumer.name,))
        refused = mine.with_outcome(Outcome.REFUSED_BY_GATEWAY).started_at
        return [(refused.min(), refused.max())] if len(refused) else []
    return spans


def _overlaps(requests: Rows, spans: Sequence[Span]) -> bool:
    from analysis.numbers.window_search import TOLERANCE_S  # which loads numpy, and only judges need it

    times = requests.started_at
    return any(((times >= start - TOLERANCE_S) & (times <= end + TOLERANCE_S)).any() for start, end in spans)
