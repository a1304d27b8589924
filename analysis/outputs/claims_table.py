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
    """Each key with an example of its value, and what holds without it."""
    return ", ".join(
        f"`{name}: {_written(getattr(claim.example, name))}`"
        + ("" if field.is_required() else f", else {field.default}")
        for name, field in claim.parameters.model_fields.items()
    )


def _written(value: Any) -> str:
    """As in YAML."""
    return f"[{', '.join(map(_written, value))}]" if isinstance(value, list) else str(value)
