"""Reads a run folder, and says which file and line is at fault when it cannot."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, TypeAdapter, ValidationError

from analysis.folder import locust_csv
from analysis.folder.csv_files import TIMES, read_csv
from analysis.folder.errors import RunFolderError
from analysis.folder.locust_csv import LocustEntry
from analysis.model import (
    FAULTS_JSON,
    FETCH_JSON,
    INVOCATIONS_CSV,
    LOCUST_STATS_CSV,
    REQUESTS_CSV,
    RUN_JSON,
    Fault,
    Invocation,
    Record,
    Run,
)
from analysis.wording import command


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


_Time = Annotated[float, Field(ge=TIMES[0], le=TIMES[1])]


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


_FAULTS = TypeAdapter(tuple[Fault, ...])


@dataclass(frozen=True)
class RunFolder:
    """A run's files, read."""

    path: Path
    run: Run
    records: pd.DataFrame
    invocations: pd.DataFrame | None  # None: never fetched
    locust: tuple[LocustEntry, ...] | None  # locust_stats.csv; None: not written
    fetch: FetchLog | None
    faults: tuple[Fault, ...]


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
            invocations=read_csv(invocations, Invocation) if invocations.exists() else None,
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
        written = run.model_dump(exclude={"settings"})
        _Plausible.model_validate(written)
    except ValidationError as error:
        raise RunFolderError(f"{file}: {_first_fault(error)}") from None
    if endless := next(_not_finite(written), None):
        raise RunFolderError(f"{file}: {endless}: is not a number")
    return run


def read_records(path: Path) -> pd.DataFrame:
    return read_csv(path / REQUESTS_CSV, Record)


def read_invocations(path: Path) -> pd.DataFrame | None:
    """None when they were never fetched."""
    file = path / INVOCATIONS_CSV
    return read_csv(file, Invocation) if file.exists() else None


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
    said = fault["msg"].removeprefix("Value error, ")  # one of ours
    return f"{keys}: {said}" if keys else said


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


def _read_faults(path: Path) -> tuple[Fault, ...]:
    file = path / FAULTS_JSON
    if not file.exists():
        return ()
    try:
        faults = json.loads(_read_text(file))
    except json.JSONDecodeError as error:
        raise RunFolderError(f"{file}:{error.lineno}: is not JSON: {error.msg}") from None
    if not (isinstance(faults, list) and all(isinstance(fault, dict) for fault in faults)):
        raise RunFolderError(f"{file}: must hold a list of faults")
    try:
        return _FAULTS.validate_python(faults)
    except ValidationError as error:
        raise RunFolderError(f"{file}: {_first_fault(error)}") from None
