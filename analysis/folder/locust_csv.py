"""Reads Locust's own statistics, the second count of what was sent.

Source of the columns: `locust.stats.StatsCSV.requests_csv_columns`. A row is one request Type and Name; the last one,
named Aggregated, is the sum. Its percentiles are Locust's, rounded to two digits; only the counts are relied upon.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

TYPE, NAME, REQUESTS, FAILURES = "Type", "Name", "Request Count", "Failure Count"
MEDIAN, P95, MAX, PER_S = "Median Response Time", "95%", "Max Response Time", "Requests/s"
AGGREGATED = "Aggregated"


class LocustCsvError(Exception):
    """A statistics file that cannot be used; the text is shown as it is."""


@dataclass(frozen=True, slots=True)
class LocustEntry:
    """What Locust counted of one Type and Name."""

    type: str
    name: str
    requests: int
    failures: int
    median_ms: float | None
    p95_ms: float | None
    max_ms: float | None
    requests_per_s: float | None


def read(file: Path) -> tuple[LocustEntry, ...]:
    """One entry per Type and Name, without the sum. Raises LocustCsvError."""
    return tuple(_entry(line) for line in _read(file).to_dict("records"))


def _entry(line: dict[Hashable, Any]) -> LocustEntry:
    def number(column: str) -> float | None:
        value = line.get(column)
        return None if value is None or math.isnan(value) else float(value)

    return LocustEntry(
        str(line[TYPE]), str(line[NAME]), int(line[REQUESTS]), int(line[FAILURES]),
        number(MEDIAN), number(P95), number(MAX), number(PER_S),
    )  # fmt: skip


def _read(file: Path) -> pd.DataFrame:
    try:
        frame = pd.read_csv(file, dtype={TYPE: object, NAME: object}, keep_default_na=False, na_values=["N/A", ""])
    except (ValueError, OSError) as error:
        raise LocustCsvError(f"{file}: cannot be read as Locust's statistics: {str(error).strip()}") from None
    missing = [column for column in (TYPE, NAME, REQUESTS, FAILURES) if column not in frame]
    if missing:
        raise LocustCsvError(f"{file}:1: the header lacks {missing[0]!r}: these are not Locust's statistics.")
    if frame.empty or frame[NAME].iloc[-1] != AGGREGATED:
        raise LocustCsvError(f"{file}: the last line is not Locust's sum, {AGGREGATED!r}: the file is truncated.")
    for column in (REQUESTS, FAILURES):
        if not pd.api.types.is_integer_dtype(frame[column]):
            line = 2 + int(pd.to_numeric(frame[column], errors="coerce").isna().to_numpy().argmax())
            raise LocustCsvError(f"{file}:{line}: {column}: {frame[column].iloc[line - 2]!r} is not a count.")
    for column in frame.columns.drop([TYPE, NAME, REQUESTS, FAILURES]):
        numbers = pd.to_numeric(frame[column], errors="coerce")
        wrong = (numbers.isna() & frame[column].notna()) | numbers.isin([math.inf, -math.inf])
        if wrong.any():
            line = 2 + int(wrong.to_numpy().argmax())
            raise LocustCsvError(f"{file}:{line}: {column}: {frame[column].iloc[line - 2]!r} is not a number.")
    frame[TYPE] = frame[TYPE].fillna("")
    return frame[frame[NAME] != AGGREGATED].reset_index(drop=True)
