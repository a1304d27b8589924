"""The format of run.json, and how an older one is read."""

from __future__ import annotations

from typing import Any

FORMAT = 2  # of run.json. 1 had no number, and the claim's parameter `at_least` beside its name


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """run.json of any known format, in today's. Raises ValueError for a format that is yet to come."""
    number = content.get("format", 1)
    if not isinstance(number, int) or isinstance(number, bool):
        return content  # which is wrong, and is said to be
    if number > FORMAT:
        by = f"version {content['made_by']}" if content.get("made_by") else "the version"
        raise ValueError(
            f"it is of format {number}, and this version reads formats up to {FORMAT}: use {by} of the harness that "
            "made it, or a later one"
        )
    claims = content.get("claims")
    if number != 1 or not isinstance(claims, list | tuple):
        return content
    return content | {"format": FORMAT, "claims": [_claim_of_format_1(claim) for claim in claims]}


def _claim_of_format_1(claim: Any) -> Any:
    if not (isinstance(claim, dict) and "at_least" in claim):
        return claim
    others = {name: value for name, value in claim.items() if name != "at_least"}
    return others if claim["at_least"] is None else others | {"parameters": {"at_least": claim["at_least"]}}
