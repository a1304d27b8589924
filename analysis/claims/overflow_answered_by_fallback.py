"""What the primaries cannot take, a fallback answers."""

from __future__ import annotations

from analysis.claims.about import About
from analysis.claims.case import Case
from analysis.claims.claim import KNOWN_AT_THE_END, Claim, Counts, Evidence, Parameters, Shows, Standing
from analysis.claims.outcomes import by_whom, why
from analysis.model import Answer, Cause, Outcome, Verdict
from analysis.wording import listing, plural


class OverflowAnsweredByFallback(Claim[Parameters]):
    name = "overflow_answered_by_fallback"
    proves = "Every request that its own model group did not take is answered by a deployment of a fallback."
    needs = "More traffic than the quotas of the group allow."
    rests_on = frozenset({Evidence.ALL_RECORDS, Evidence.SERVED_BY})
    shows = (Shows.SERVED_BY,)
    parameters = Parameters

    def sentence(self, about: About, parameters: Parameters) -> str:
        return "Every request over the primaries' quotas is answered by a fallback."

    def standing(self, counts: Counts, parameters: Parameters) -> Standing:
        return KNOWN_AT_THE_END

    def judge(self, case: Case, parameters: Parameters) -> Verdict:
        requests = case.requests
        if not len(requests):
            return case.nothing_sent("every overflow answered by a fallback")
        primaries = [each.id for each in case.run.deployments if each.group in case.groups]
        fallbacks = [each.id for each in case.run.deployments if each.group in case.fallback_groups]
        overflow = requests.where(~(requests.admitted & requests.is_in("deployment", primaries)))
        is_caught = overflow.is_("outcome", Outcome.ANSWERED) & overflow.is_in("deployment", fallbacks)
        caught, rest = overflow.where(is_caught), overflow.where(~is_caught)
        excess = _excess(case)
        n, whom = len(overflow) + excess, listing(fallbacks) or "a fallback"
        expected, observed = (f"{count:,} of {n:,} answered by {whom}" for count in (n, len(caught)))
        if not n:
            sent = plural(len(requests), "request")
            reason = f"{sent} did not exceed the primaries' quotas. Send more than they allow."
            return case.unknown(Cause.NOT_TESTED, reason, "something over the quotas")
        if len(rest):
            elsewhere = rest.answered
            reason = why(rest.unanswered) or f"{plural(len(elsewhere), 'request')} answered by {by_whom(elsewhere)}."
            if not fallbacks:
                reason = f"No fallback is configured for {listing(case.groups)}. {reason}"
            return case.fails(observed, expected, n, reason, case.files + rest.ids())
        if excess:
            reason = f"The primaries answered {plural(len(requests), 'request')}, {excess:,} more than they may."
            return case.fails(observed, expected, n, reason, case.files + requests.ids())
        return case.passes(observed, expected, n, case.files + caught.ids())


def _excess(case: Case) -> int:
    """How many requests the primaries answered beyond their quotas."""
    found = [seen for group in case.groups if (seen := case.findings.group_windows(group)) is not None]
    return sum(chain.excess for seen in found for chain in seen.chains if chain.answer is Answer.FAIL)
