"""Every request is answered."""

from __future__ import annotations

from analysis.claims.about import About
from analysis.claims.case import Case
from analysis.claims.claim import Claim, Counts, Parameters, Standing, by_answers
from analysis.claims.outcomes import what_else, why
from analysis.model import Cause, Verdict
from analysis.wording import listing


class AllAnswered(Claim[Parameters]):
    name = "all_answered"
    proves = "Every request of the pattern, or of the named consumers, is answered."
    needs = "Each of them sends something."
    rests_on = frozenset()  # a request that was not answered is enough
    parameters = Parameters

    def sentence(self, about: About, parameters: Parameters) -> str:
        of_whom = f" of {listing(about.claim.consumers)}" if about.claim.consumers else ""
        return f"Every request{of_whom} is answered."

    def standing(self, counts: Counts, parameters: Parameters) -> Standing:
        return by_answers(counts)

    def judge(self, case: Case, parameters: Parameters) -> Verdict:
        requests, bad = case.requests, case.requests.unanswered
        n = len(requests)
        expected = f"{n:,} of {n:,} answered"
        if not n:
            return case.nothing_sent("every request answered")
        observed = f"{n - len(bad):,} of {n:,} answered{what_else(bad)}"
        if len(bad):
            return case.fails(observed, expected, n, why(bad), case.files + bad.ids())
        if silent := case.silent():
            return case.unknown(Cause.SILENT_CONSUMER, silent, expected, n, observed)
        return case.passes(observed, expected, n, case.files + requests.ids())
