"""Reads a run folder, and says which file and line is at fault when it cannot.

DataFrames have the columns of `model.Record` and `model.Invocation`. Texts are categories, for few of them are
distinct, but for `request_id`, which is object; "" stays "". Numbers that may be missing are float64, and NaN when
they are: token counts stay exact up to 2**53.
"""

from __future__ import annotations

import csv
import json
import math
import os
import tempfile
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, TypeAdapter, ValidationError

from analysis import locust_csv
from analysis.model import (
    FAULTS_JSON,
    FETCH_JSON,
    INVOCATIONS_CSV,
    LOCUST_STATS_CSV,
    REQUESTS_CSV,
    RUN_JSON,
    Invocation,
    Record,
    Run,
)
from analysis.wording import command

_TIMES = (946_684_800.0, 4_102_444_800.0)  # epoch seconds: 2000 to 2100
_LONGEST_MS = 30 * 86_400_000.0
_EXACT = 2.0**53  # up to here whole numbers are exact in a float64


class RunFolderError(Exception):
    """A run folder that cannot be used; the text is shown as it is."""


class FetchLog(BaseModel):
    """fetch.json: what asking CloudWatch came to."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    fetched_at: float  # epoch seconds, when it ended
    waited_s: float
    window: tuple[int, int]  # the time range asked for: inclusive epoch seconds
    profiles: tuple[str, ...]
    query: str
    queries: int  # how many were started
    invocations: int  # rows of invocations.csv
    answered: int  # records that Bedrock must have an invocation for
    missing: int  # those of them it had none for, yet
    complete: bool
    reason: str  # why it is not complete, and what to do; "" when it is


_Time = typing.Annotated[float, Field(ge=_TIMES[0], le=_TIMES[1])]


class _SelfCheck(BaseModel):
    """What is read of run.json's self_check, whose other members are only shown."""

    model_config = ConfigDict(strict=True)

    gateway_requests: NonNegativeInt | None = None
    bottleneck: str = ""


class _Plausible(BaseModel):
    """What run.json must hold beyond its shape."""

    started_at: _Time
    ended_at: _Time | None
    self_check: _SelfCheck


class _Fault(BaseModel):
    """What is read of a fault in faults.json."""

    name: str
    started_at: FiniteFloat  # epoch seconds
    stopped_at: FiniteFloat | None


_FAULTS = TypeAdapter(list[_Fault])


@dataclass(frozen=True)
class RunFolder:
    """A run's files, read."""

    path: Path
    run: Run
    records: pd.DataFrame
    invocations: pd.DataFrame | None  # None: never fetched
    locust: pd.DataFrame | None  # locust_stats.csv; None: not written
    fetch: FetchLog | None
    faults: list[dict[str, Any]]


def read(path: Path) -> RunFolder:
    """Everything that judging and reporting need. Raises RunFolderError."""
    run = read_run(path)
    invocations = path / INVOCATIONS_CSV
    stats = path / LOCUST_STATS_CSV
    try:
        return RunFolder(
            path=path,
            run=run,
            records=read_records(path),
            invocations=_read_csv(invocations, Invocation) if invocations.exists() else None,
            locust=locust_csv.read(stats) if stats.exists() else None,
            fetch=_read_fetch_log(path),
            faults=_read_faults(path),
        )
    except locust_csv.LocustCsvError as error:
        raise RunFolderError(str(error)) from None


def read_run(path: Path) -> Run:
    """run.json of the run folder `path`."""
    if not path.is_dir():
        others = sorted((p.name for p in path.parent.glob("*") if (p / RUN_JSON).is_file()), reverse=True)
        hint = f" There are: {', '.join(others[:5])}." if others else " A run writes one under runs/."
        raise RunFolderError(f"{path}: there is no such run folder.{hint}")
    file = path / RUN_JSON
    try:
        run = Run.model_validate_json(_read_text(file))
        told = run.model_dump(exclude={"settings"})
        _Plausible.model_validate(told)
    except ValidationError as error:
        raise RunFolderError(f"{file}: {_first_fault(error)}") from None
    if endless := next(_not_finite(told), None):
        raise RunFolderError(f"{file}: {endless}: is not a number")
    return run


def read_records(path: Path) -> pd.DataFrame:
    return _read_csv(path / REQUESTS_CSV, Record)


def read_invocations(path: Path) -> pd.DataFrame | None:
    """None when they were never fetched."""
    file = path / INVOCATIONS_CSV
    return _read_csv(file, Invocation) if file.exists() else None


def write_text(path: Path, text: str) -> None:
    """Writes the whole file or leaves the old one as it was."""
    write_lines(path, [text])


def write_lines(path: Path, lines: typing.Iterable[str]) -> None:
    """Writes the whole file or leaves the old one as it was. `lines` end with their own newline."""
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8", newline=""
        ) as file:
            temporary = file.name
            file.writelines(lines)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        why = f"{path}: cannot be written: {error.strerror}."
        raise RunFolderError(f"{why} Make room, or allow writing there.") from None


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunFolderError(f"{file}: is missing. Is {file.parent} a run folder?") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{file}: cannot be read: {error}") from None


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    keys = ".".join(str(key) for key in fault["loc"])
    return f"{keys}: {fault['msg']}" if keys else fault["msg"]


def _not_finite(value: Any, keys: str = "") -> Iterator[str]:
    """Where a number is none, as keys with dots between them."""
    if isinstance(value, float) and not math.isfinite(value):
        yield keys
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    for key, member in members:
        yield from _not_finite(member, f"{keys}.{key}".lstrip("."))


def _read_fetch_log(path: Path) -> FetchLog | None:
    file = path / FETCH_JSON
    if not file.exists():
        return None
    try:
        return FetchLog.model_validate_json(_read_text(file))
    except ValidationError as error:
        raise RunFolderError(f"{file}: {_first_fault(error)}. Run `{command('fetch', path)}`.") from None


def _read_faults(path: Path) -> list[dict[str, Any]]:
    file = path / FAULTS_JSON
    if not file.exists():
        return []
    try:
        faults = json.loads(_read_text(file))
    except json.JSONDecodeError as error:
        raise RunFolderError(f"{file}:{error.lineno}: is not JSON: {error.msg}") from None
    if not (isinstance(faults, list) and all(isinstance(fault, dict) for fault in faults)):
        raise RunFolderError(f"{file}: must hold a list of faults")
    try:
        _FAULTS.validate_python(faults)
    except ValidationError as error:
        raise RunFolderError(f"{file}: {_first_fault(error)}") from None
    return faults


# --- CSV --------------------------------------------------------------------------------------------------------


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
            return *_TIMES, "is no time between 2000 and 2100"
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


def _read_csv(file: Path, row: type[Record] | type[Invocation]) -> pd.DataFrame:
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
