"""Reads requests.csv and invocations.csv, and says which line is at fault when it cannot.

Frames have the columns of `model.Record` and `model.Invocation`. Texts are categories, for few of them are distinct,
but for `request_id`, which is object; "" stays "". Numbers that may be missing are float64, and NaN when they are:
token counts stay exact up to 2**53.
"""

from __future__ import annotations

import csv
import math
import os
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.folder.errors import RunFolderError
from analysis.model import Invocation, Record

TIMES = (946_684_800.0, 4_102_444_800.0)  # epoch seconds: 2000 to 2100
_LONGEST_MS = 30 * 86_400_000.0
_EXACT = 2.0**53  # up to here whole numbers are exact in a float64


@dataclass(frozen=True)
class _Column:
    """How a column of a dataclass stands in its CSV file."""

    name: str
    type: type  # str, float, int or bool
    optional: bool

    @property
    def dtype(self) -> Any:
        if self.type is str:
            return object  # not category: reading those, pandas makes numbers of account ids
        return "float64" if self.optional else {float: "float64", int: "int64", bool: "bool"}[self.type]

    @property
    def is_float(self) -> bool:
        return self.dtype == "float64"

    @property
    def _range(self) -> tuple[float, float, str]:
        """The least and the most that it may hold, and what is said of anything else."""
        if self.name == "at" or self.name.endswith("_at"):
            return *TIMES, "is no time between 2000 and 2100"
        if self.name.endswith("_ms"):
            return -_LONGEST_MS, _LONGEST_MS, "is longer than 30 days"
        return -_EXACT, _EXACT, "is too large"

    def holds(self, values: pd.Series) -> bool:
        """Whether all of them are as they should be, once pandas has read them."""
        if self.type in (str, bool):
            return True
        low, high, _ = self._range
        numbers = values.to_numpy()
        return not ((numbers < low) | (numbers > high)).any() and (self.optional or not pd.isna(numbers).any())

    def fault(self, cell: str) -> str | None:
        """What is wrong with a cell; None if nothing is."""
        if self.type is str or (self.optional and cell == ""):
            return None
        if self.type is bool:
            return None if cell in ("True", "False") else f"{cell!r} is neither True nor False"
        low, high, otherwise = self._range
        try:
            number = float(cell) if self.is_float else int(cell)
        except ValueError:
            return f"{cell!r} is not a number"
        if not math.isfinite(number):
            return f"{cell!r} is not a number"
        return None if low <= number <= high else f"{cell!r} {otherwise}"


def _columns(row: type[Record] | type[Invocation]) -> Iterator[_Column]:
    hints = typing.get_type_hints(row)
    for field in fields(row):
        kinds = set(typing.get_args(hints[field.name])) or {hints[field.name]}
        optional = type(None) in kinds
        (kind,) = kinds - {type(None)}
        yield _Column(field.name, kind, optional)


def read_csv(file: Path, row: type[Record] | type[Invocation]) -> pd.DataFrame:
    columns = list(_columns(row))
    _check_ends(file, row)
    try:
        frame = pd.read_csv(
            file,
            dtype={column.name: column.dtype for column in columns},
            keep_default_na=False,  # a model may be called "NA"
            na_values={column.name: [""] for column in columns if column.is_float},
            encoding="utf-8",
        )
    except (ValueError, OverflowError) as error:  # pandas' ParserError and UnicodeDecodeError are ValueErrors
        raise RunFolderError(_locate_fault(file, columns) or f"{file}: cannot be read: {error}") from None
    if not all(column.holds(frame[column.name]) for column in columns):
        raise RunFolderError(_locate_fault(file, columns) or f"{file}: cannot be read")
    # Request ids are all distinct: as categories they would cost more than they save.
    texts = (column.name for column in columns if column.type is str and column.name != "request_id")
    return frame.assign(**{name: _categories(frame[name]) for name in texts})


def _categories(values: pd.Series) -> pd.Categorical:
    codes, distinct = pd.factorize(values)
    return pd.Categorical.from_codes(codes, categories=distinct)


def _check_ends(file: Path, row: type[Record] | type[Invocation]) -> None:
    """The first line is the header and the last one is whole: pandas would fill a cut line up with nothing."""
    try:
        with file.open("rb") as stream:
            first = stream.readline()
            stream.seek(-min(file.stat().st_size, 1), os.SEEK_END)
            last = stream.read(1)
    except FileNotFoundError:
        raise RunFolderError(f"{file}: is missing. Is {file.parent} a run folder?") from None
    except OSError as error:
        raise RunFolderError(f"{file}: cannot be read: {error.strerror}") from None
    if not first:
        raise RunFolderError(f"{file}: is empty, not even a header stands in it: the run was cut short.")
    header = first.decode("utf-8", "replace").rstrip("\r\n")
    if header != row.header_line().rstrip():
        raise RunFolderError(f"{file}:1: {_wrong_header(header.split(','), row.columns())}")
    if last != b"\n":
        raise RunFolderError(f"{file}:{_count_lines(file)}: the last line is cut off: the file is truncated.")


def _wrong_header(found: list[str], expected: tuple[str, ...]) -> str:
    for position, (one, other) in enumerate(zip(found, expected, strict=False), 1):
        if one != other:
            return f"column {position} of the header is {one[:40]!r}, not {other!r}: another version wrote this file."
    missing = ", ".join(expected[len(found) :])
    return f"the header lacks {missing}." if missing else "the header has more columns than are known."


def _count_lines(file: Path) -> int:
    with file.open("rb") as stream:
        return sum(1 for _ in stream)


def _locate_fault(file: Path, columns: list[_Column]) -> str | None:
    """The first line that is not as it should be, found by reading again, slowly. None: there is none."""
    with file.open(encoding="utf-8", errors="replace", newline="") as stream:
        lines = csv.reader(stream)
        try:
            next(lines)
            for cells in lines:
                if fault := _line_fault(cells, columns):
                    return f"{file}:{lines.line_num}: {fault}"
        except csv.Error as error:
            return f"{file}:{lines.line_num}: {error}"
    return None


def _line_fault(cells: list[str], columns: list[_Column]) -> str | None:
    if len(cells) != len(columns):
        return f"{len(cells)} cells, where the header has {len(columns)}."
    checks: list[tuple[str, Callable[[str], str | None], str]] = [
        (column.name, column.fault, cell) for column, cell in zip(columns, cells, strict=True)
    ]
    return next((f"{name}: {fault}." for name, check, cell in checks if (fault := check(cell))), None)
