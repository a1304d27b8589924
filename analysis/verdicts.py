"""Judges a run: a verdict on each of its claims, which holds only as far as what it rests on does.

No claim passes on records that Locust, the gateway or CloudWatch contradict or do not confirm, on a run that did not
end, or on a client that was too slow: then it is open, and the reason says what to do.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from analysis.claims.about import About
from analysis.claims.case import Case
from analysis.claims.claim import Claim
from analysis.claims.registry import claims
from analysis.findings import Findings
from analysis.model import Answer, Cause, Run, RunClaim, Verdict
from analysis.scrutiny import weighed
from analysis.wording import UNKNOWN, listing


def judge(findings: Findings, known: Mapping[str, Claim[Any]] | None = None) -> list[Verdict]:
    """One verdict per claim of the run, in its order, then one per pattern without any.

    `known`: the claims that there are; without it, all of the registry.
    """
    run, known = findings.run, claims() if known is None else known
    claimed = {claim.pattern for claim in run.claims}
    return [
        *(_verdict(findings, About(run, claim), known.get(claim.claim)) for claim in run.claims),
        *(_unclaimed(run, pattern) for pattern in run.patterns if pattern not in claimed),
    ]


def _verdict(findings: Findings, about: About, claim: Claim[Any] | None) -> Verdict:
    if claim is None:
        return _not_judged(about.claim, Cause.UNKNOWN_CLAIM, _unknown_claim(about.claim.claim))
    try:
        parameters = claim.parameters.model_validate(about.claim.parameters)
    except ValidationError as error:
        fault = error.errors()[0]
        what = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        return _not_judged(about.claim, Cause.UNKNOWN_CLAIM, f"The claim does not take these parameters: {what}.")
    try:
        case = Case(about.run, about.claim, findings, claim.sentence(about, parameters))
        return weighed(case, claim.rests_on, claim.judge(case, parameters))
    except Exception as error:  # a judge that crashes has proved nothing, and must not hide the others' verdicts
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"The judge crashed at {Path(where.filename).name}:{where.lineno}: {type(error).__name__}: {error}"
        return _not_judged(about.claim, Cause.CRASHED, reason)


def _unclaimed(run: Run, pattern: str) -> Verdict:
    """A run keeps the claims whose consumers all took part: of some users alone, a pattern may claim nothing."""
    users = list(dict.fromkeys(consumer.user_class for consumer in run.consumers if consumer.pattern == pattern))
    reason = f"None of its claims is about {listing(users) or 'nobody'} alone. Run its other users too."
    return Verdict(
        pattern, "", "The pattern holds.", Answer.UNKNOWN, Cause.NO_CLAIM, UNKNOWN, "a claim to judge", 0, reason
    )


def _unknown_claim(name: str) -> str:
    known = list(claims())
    nearest = get_close_matches(name, known, 1)
    likely = f": is it {nearest[0]}" if nearest else ""
    return f"No claim is called {name!r}{likely}. Known are {listing(known, most=len(known))}."


def _not_judged(claim: RunClaim, cause: Cause, reason: str) -> Verdict:
    words = claim.claim.replace("_", " ")
    return Verdict(
        claim.pattern, claim.claim, words, Answer.UNKNOWN, cause, UNKNOWN, "", 0, reason,
        consumers=claim.consumers, parameters=claim.parameters,
    )  # fmt: skip
