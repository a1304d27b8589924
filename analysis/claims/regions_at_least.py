"""Bedrock serves the requests from several Regions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from analysis.claims.about import About
from analysis.claims.case import Case
from analysis.claims.claim import KNOWN_BY_CLOUDWATCH, Claim, Counts, Evidence, Parameters, Shows, Standing
from analysis.model import INVOCATIONS_CSV, Cause, Verdict
from analysis.wording import listing, plural


class Regions(Parameters):
    at_least: Annotated[int, Field(ge=1)] = 1


class RegionsAtLeast(Claim[Regions]):
    name = "regions_at_least"
    proves = "CloudWatch shows invocations of the requests in at least so many inference Regions."
    needs = "CloudWatch has an invocation, with its Region, for each answer, or shows enough Regions without."
    rests_on = frozenset({Evidence.ALL_RECORDS, Evidence.REGIONS})
    shows = (Shows.REGIONS,)
    example = Regions(at_least=2)
    parameters = Regions

    def sentence(self, about: About, parameters: Regions) -> str:
        return f"Bedrock serves the requests from at least {plural(parameters.at_least, 'Region')}."

    def standing(self, counts: Counts, parameters: Regions) -> Standing:
        return KNOWN_BY_CLOUDWATCH

    def judge(self, case: Case, parameters: Regions) -> Verdict:
        expected = f"at least {plural(parameters.at_least, 'Region')}"
        found = case.findings.regions(case.claim.pattern, case.names)
        n = sum(region.invocations.count for region in found)
        if not n:
            return case.no_invocations(expected) if len(case.requests) else case.nothing_sent(expected)
        counts = ", ".join(f"{region.region} {region.invocations.count:,}" for region in found)
        observed = f"{plural(len(found), 'Region')}: {counts}"
        matched = case.requests.matched
        if len(found) >= parameters.at_least:
            return case.passes(observed, expected, n, (INVOCATIONS_CSV, *matched.one_id_of_each_place()))
        evidence = (INVOCATIONS_CSV, *matched.ids())
        if missing := len(case.requests.answered.unmatched_requests):
            answers = plural(missing, "answered request")
            reason = f"CloudWatch has no invocation for {answers}, and may show more Regions."
            return case.unknown(Cause.NOT_CONFIRMED, reason, expected, n, observed, evidence)
        reason = f"All {plural(n, 'invocation')} were served in {listing([region.region for region in found])}."
        return case.fails(observed, expected, n, reason, evidence)
