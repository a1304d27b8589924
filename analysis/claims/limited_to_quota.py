"""A consumer is held to its quota."""

from __future__ import annotations

from analysis.claims.about import About
from analysis.claims.case import Case
from analysis.claims.claim import Claim, Counts, Evidence, Parameters, Shows, Standing, State
from analysis.claims.outcomes import by_whom, what_else, why
from analysis.claims.quotas import by_windows
from analysis.model import Answer, Cause, Outcome, Verdict
from analysis.wording import listing, plural


class LimitedToQuota(Claim[Parameters]):
    name = "limited_to_quota"
    proves = (
        "In every quota window the consumer is admitted up to its quota, its key's or else its model group's, and the "
        "gateway refuses what is over it."
    )
    needs = "A quota_rpm, or an rpm of its model group that the gateway enforces; and more traffic than that allows."
    rests_on = frozenset({Evidence.ALL_RECORDS})
    shows = (Shows.CONSUMERS, Shows.CONSUMER_WINDOWS)
    parameters = Parameters

    def sentence(self, about: About, parameters: Parameters) -> str:
        verb = "is" if len(about.names) == 1 else "are"
        return f"{listing(about.names)} {verb} held to the quota: the gateway refuses what is over it."

    def standing(self, counts: Counts, parameters: Parameters) -> Standing:
        if not counts.sent:
            return Standing(State.OPEN, "nothing sent yet")
        return Standing(State.OPEN, f"{counts.answered:,} admitted, {counts.refused_by_gateway:,} refused")

    def judge(self, case: Case, parameters: Parameters) -> Verdict:
        found = {name: case.findings.consumer_windows(name) for name in case.names}
        limited = {name: seen for name, seen in found.items() if seen is not None}
        if unlimited := [name for name in found if name not in limited]:
            return _without_quota(case, unlimited)
        expected = "; ".join(
            f"{name}: at most {sum(chain.quota_rpm for chain in seen.chains):,} admitted a window, the rest refused"
            for name, seen in limited.items()
        )
        requests, n = case.requests, len(case.requests)
        if not n:
            return case.nothing_sent(expected)
        sent, lost = requests.counts("consumer"), requests.with_outcome(Outcome.REFUSED_BY_GATEWAY).counts("consumer")
        refused = {name: lost.get((name,), 0) for name in case.names}
        observed = "; ".join(
            f"{name}: {sent.get((name,), 0) - refused[name]:,} admitted, {refused[name]:,} refused by the gateway"
            for name in case.names
        )
        if len(broken := requests.with_outcome(Outcome.FAILED, Outcome.REFUSED_BY_BEDROCK)):
            reason = f"Not by the gateway's quota: {why(broken)}"
            return case.fails(observed + what_else(broken), expected, n, reason, case.files + broken.ids())
        by_group = [consumer.name for consumer in case.consumers if consumer.quota_rpm is None]
        members = [chain.name for seen in limited.values() for chain in seen.chains]
        answered = requests.answered
        elsewhere = answered.where(answered.is_in("consumer", by_group) & ~answered.is_in("deployment", members))
        if len(elsewhere):
            over = plural(len(elsewhere), "request")
            reason = f"{over} over the quota answered by {by_whom(elsewhere)}, and not refused."
            return case.fails(observed, expected, n, reason, case.files + elsewhere.ids())
        verdict = by_windows(case, observed, expected, n, list(limited.values()), case.files + answered.ids())
        modest = [
            name for name, seen in limited.items() if not refused[name] and not any(c.excess for c in seen.chains)
        ]
        if modest and verdict.answer is not Answer.FAIL:
            reason = f"{listing(modest)} never asked for more than the quota. Send more than it allows."
            return case.unknown(Cause.NOT_TESTED, reason, "something over the quota", n, observed)
        return verdict


def _without_quota(case: Case, names: list[str]) -> Verdict:
    if case.unenforced:
        reason = f"{listing(names)} has no quota_rpm, and nothing makes the rpm of {listing(case.unenforced)} a limit."
        return case.unknown(Cause.NOT_ENFORCED, reason)
    return case.unknown(Cause.NOT_CONFIGURED, f"{listing(names)} has no quota_rpm, nor has its model group an rpm.")
