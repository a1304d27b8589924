"""Reads table.tsv: each model's mode and limits."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("table.tsv")


@dataclass(frozen=True, slots=True)
class Limits:
    """In tokens; None where nobody says."""

    max_input_tokens: int | None
    max_output_tokens: int | None


@cache
def limits() -> dict[str, Limits]:
    """Foundation-model id → its limits."""
    with FILE.open(encoding="utf-8", newline="") as file:
        next(file)  # what it is
        rows = csv.DictReader(file, delimiter="\t")
        return {row["id"]: Limits(_count(row["max_input_tokens"]), _count(row["max_output_tokens"])) for row in rows}


def _count(cell: str) -> int | None:
    return int(cell) if cell else None
