"""The documentation's table of claims, as Markdown, from the registry."""

from __future__ import annotations

from typing import Any

from analysis.claims.claim import Claim
from analysis.claims.registry import claims


def table() -> str:
    """A line for each claim, in alphabetical order."""
    lines = ["| claim | Its own keys | PASS says | It needs, or else it is UNKNOWN |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {_keys(claim)} | {claim.proves} | {claim.needs} |".replace("|  |", "| |")
        for name, claim in claims().items()
    ]
    return "\n".join(lines) + "\n"


def _keys(claim: Claim[Any]) -> str:
    return ", ".join(
        f"`{name}`" if field.is_required() else f"`{name}`, else {field.default}"
        for name, field in claim.parameters.model_fields.items()
    )
