"""Reads Locust's own statistics, the second count of what was sent.

Source of the columns: `locust.stats.StatsCSV.requests_csv_columns`. A row is one request Type and Name; the last one,
named Aggregated, is the sum. Its percentiles are Locust's, rounded to two digits; only the counts are relied upon.
"""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

TYPE, NAME, REQUESTS, FAILURES = "Type", "Name", "Request Count", "Failure Count"
AGGREGATED = "Aggregated"


class LocustCsvError(Exception):
    """A statistics file that cannot be used; the text is shown as it is."""


def read(file: Path) -> pd.DataFrame:
    """One row per Type and Name, without the sum; all columns as Locust wrote them, the counts as integers."""
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
