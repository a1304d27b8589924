"""Bedrock serves the requests in no other Region than the allowed ones: where data may be processed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from analysis.claims.about import About
from analysis.claims.case import Case
from analysis.claims.claim import KNOWN_BY_CLOUDWATCH, Claim, Counts, Parameters, Shows, Standing
from analysis.model import INVOCATIONS_CSV, Cause, Verdict
from analysis.numbers.accounts import bare, patterns_by_place
from analysis.wording import listing, plural

Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d+$")]


class Allowed(Parameters):
    regions: Annotated[list[Region], Field(min_length=1)]


class RegionsOnly(Claim[Allowed]):
    name = "regions_only"
    proves = "Bedrock serves the requests, failed attempts too, in the listed inference Regions only."
    needs = "CloudWatch has an invocation, with its Region, for each answer, and it is known whose other attempts are."
    rests_on = frozenset()  # one invocation in another Region is enough
    shows = (Shows.REGIONS,)
    example = Allowed(regions=["eu-central-1", "eu-west-1"])
    parameters = Allowed

    def sentence(self, about: About, parameters: Allowed) -> str:
        return f"Bedrock serves the requests in {listing(parameters.regions, most=99)} only."

    def standing(self, counts: Counts, parameters: Allowed) -> Standing:
        return KNOWN_BY_CLOUDWATCH

    def judge(self, case: Case, parameters: Allowed) -> Verdict:
        matched, expected = case.requests.matched, f"only {listing(parameters.regions, most=99)}"
        if not len(case.requests):
            return case.nothing_sent(expected)
        if not (n := len(matched)):
            return case.no_invocations(expected)
        counts = {region: count for (region,), count in matched.counts("inference_region").items()}
        observed = ", ".join(f"{region or 'unknown Region'} {count:,}" for region, count in sorted(counts.items()))
        elsewhere = {region: count for region, count in counts.items() if region not in ("", *parameters.regions)}
        if elsewhere:
            there = matched.where(matched.is_in("inference_region", elsewhere))
            reason = f"{len(there):,} of {plural(n, 'invocation')} were elsewhere: {_where(elsewhere)}."
            return case.fails(observed, expected, n, reason, (INVOCATIONS_CSV, *there.ids()))
        attempts, own = _attempts_elsewhere(case, parameters)
        if strange := {region: count for region, count in attempts.items() if region}:
            reason = f"Attempts that no client knows were elsewhere: {_where(strange)}."
            if own:
                return case.fails(observed, expected, n, reason, (INVOCATIONS_CSV,))
            reason += " Nothing shows whose they are."
            return case.unknown(Cause.AMBIGUOUS, reason, expected, n, observed, (INVOCATIONS_CSV,))
        if unknown := counts.get("", 0) + attempts.get("", 0):
            reason = f"CloudWatch does not say the Region of {plural(unknown, 'invocation')}."
            return case.unknown(Cause.REGION_UNKNOWN, reason, expected, n, observed)
        return case.passes(observed, expected, n, (INVOCATIONS_CSV, *matched.one_id_of_each_place()))


def _where(counts: Mapping[str, int]) -> str:
    return listing([f"{count:,} in {region}" for region, count in sorted(counts.items())])


def _attempts_elsewhere(case: Case, parameters: Allowed) -> tuple[dict[str, int], bool]:
    """Region that is not allowed → attempts there that may be the claim's, and whether they can only be its own."""
    places, pattern = patterns_by_place(case.run), case.claim.pattern
    found: dict[str, int] = {}
    own = not case.others
    attempts = case.findings.rows.unmatched_invocations.counts("account_id", "model_id", "inference_region")
    for (account, model, region), count in attempts.items():
        patterns = places.get((account, bare(model)), case.run.patterns)
        if pattern in patterns and region not in parameters.regions:
            found[region] = found.get(region, 0) + count
            own = own and (patterns == (pattern,) or not region)
    return found, own
