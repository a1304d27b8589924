"""The primaries serve as much as their quotas allow, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.claims.about import About
from analysis.claims.case import Case
from analysis.claims.claim import KNOWN_AT_THE_END, Claim, Counts, Evidence, Parameters, Shows, Standing
from analysis.claims.quotas import by_windows, observed_in_words, quota_in_words
from analysis.model import Answer, Cause, Verdict
from analysis.wording import listing

if TYPE_CHECKING:
    from analysis.numbers.windows import Windows


class PrimariesFilled(Claim[Parameters]):
    name = "primaries_filled"
    proves = (
        "In every quota window each deployment of the model group that is asked answers what its rpm allows, none "
        "answers more, and those of a higher order only what the lower ones leave."
    )
    needs = "An rpm that the gateway enforces, and traffic that uses it up."
    rests_on = frozenset({Evidence.ALL_RECORDS, Evidence.SERVED_BY})
    shows = (Shows.SERVED_BY, Shows.GROUP_WINDOWS)
    parameters = Parameters

    def sentence(self, about: About, parameters: Parameters) -> str:
        return "In every quota window the primaries answer what their quotas allow, and none answers more."

    def standing(self, counts: Counts, parameters: Parameters) -> Standing:
        return KNOWN_AT_THE_END

    def judge(self, case: Case, parameters: Parameters) -> Verdict:
        found = [seen for group in case.groups if (seen := case.findings.group_windows(group)) is not None]
        if loose := _not_enforced(case):
            return case.unknown(Cause.NOT_ENFORCED, loose)
        if not found:
            reason = f"No deployment of {listing(case.groups) or 'the pattern'} has an rpm."
            return case.unknown(Cause.NOT_CONFIGURED, _some_without_rpm(case) or reason)
        expected = "; ".join(map(quota_in_words, found))
        n = sum(seen.offered for seen in found)
        if not n:
            return case.nothing_sent(expected)
        observed = "; ".join(map(observed_in_words, found))
        verdict = by_windows(case, observed, expected, n, found, case.files)
        if verdict.answer is Answer.PASS and (idle := _idle(found)):
            reason = f"The quota of {listing(idle)} was never used up, so this was not put to the test. Send more."
            return case.unknown(Cause.NOT_TESTED, reason, expected, n, observed)
        return verdict


def _idle(found: Sequence[Windows]) -> list[str]:
    """The deployments whose quota was never used up, but for reserves, which serve what others leave."""
    return [chain.name for seen in found for chain in seen.chains if not chain.filled and not chain.reserve]


def _not_enforced(case: Case) -> str:
    """Which rpm is no limit, as a sentence; "" where each is one."""
    if not case.unenforced:
        return ""
    return (
        f"Nothing makes the rpm of {listing(case.unenforced)} a limit, so it is a weight at most: set "
        "router_settings.enable_pre_call_checks: true, or optional_pre_call_checks: [enforce_model_rate_limits]."
    )


def _some_without_rpm(case: Case) -> str:
    """Which deployments are never full beside others that have an rpm, as a sentence; "" where none has one."""
    deployments = [each for group in case.groups for each in case.run.deployments_of(group)]
    without = [each.id for each in deployments if each.rpm is None]
    if len(without) == len(deployments):
        return ""
    verb = "has" if len(without) == 1 else "have"
    return f"{listing(without)} {verb} no rpm, so the group is never full, and nothing has to fill the others."
