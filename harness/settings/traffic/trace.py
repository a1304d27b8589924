from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from common.yaml_file import ConfigError
from harness.settings.traffic.kind import Kind


class Trace(Kind):
    """Recorded arrivals: a CSV file with one column `seconds`, ascending from the start of the run."""

    kind: Literal["trace"]
    file: str

    def once(self, seed: int) -> Iterator[float]:
        return _read(Path(self.file))

    @property
    def length_s(self) -> float:
        return max(_read(Path(self.file)), default=0.0) + 1e-3  # its last arrival belongs to it

    def check(self) -> None:
        if sum(1 for _ in _read(Path(self.file))) == 0:
            raise ConfigError(f"{self.file}: the trace has no arrivals")


def _read(path: Path) -> Iterator[float]:
    """The column `seconds` of a CSV file. Raises ConfigError naming the line that is no ascending number."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield from _ascending(path, csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: the trace cannot be read: {problem}") from None


def _ascending(path: Path, rows: Any) -> Iterator[float]:
    header: list[str] = next(rows, [])
    if header != ["seconds"]:
        raise ConfigError(f"{path}:1: a trace has one column, headed `seconds`, and this is {','.join(header)!r}")
    previous = 0.0
    for row in rows:
        if not row:
            raise ConfigError(f"{path}:{rows.line_num}: is empty; a trace has no gaps. Remove the line.")
        try:
            (cell,) = row
            at = float(cell)
        except ValueError:
            raise ConfigError(f"{path}:{rows.line_num}: {','.join(row)!r} is not one number of seconds") from None
        if not math.isfinite(at) or at < previous:
            raise ConfigError(
                f"{path}:{rows.line_num}: {cell} comes after {previous:g}; a trace ascends from 0. Sort it."
            )
        previous = at
        yield at
