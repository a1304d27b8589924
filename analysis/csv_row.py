"""A flat dataclass as a line of CSV, written and read without pandas: a run writes thousands of them a second."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, Self


class _Line:
    """What csv's writer writes to, so that `writerow` returns the line."""

    @staticmethod
    def write(line: str) -> str:
        return f"{line[:-2]}\n"


_csv_line = csv.writer(_Line, lineterminator="\r\n").writerow  # it quotes only the line ends that it writes itself


class CsvRow:
    """A flat dataclass as one CSV line: its field names are the header, None is an empty cell."""

    __slots__ = ()

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        return tuple(f.name for f in fields(cls))  # type: ignore[arg-type]

    @classmethod
    def header_line(cls) -> str:
        return str(_csv_line(cls.columns()))

    def line(self) -> str:
        return str(_csv_line(_values_of(type(self))(self)))  # type: ignore[arg-type]  # a class is hashable

    @classmethod
    def parse_lines(cls, text: str) -> Iterator[Self]:
        """What `line` wrote. Raises ValueError at the first line that is something else."""
        readers = [_READERS[str(f.type)] for f in fields(cls)]  # type: ignore[arg-type]
        for cells in csv.reader(io.StringIO(text, newline="")):
            if len(cells) != len(readers):
                raise ValueError(f"{len(cells)} cells where a {cls.__name__} has {len(readers)}")
            yield cls(*(read(cell) for read, cell in zip(readers, cells, strict=True)))


def _bool(cell: str) -> bool:
    if cell not in ("True", "False"):
        raise ValueError(f"{cell!r} is neither True nor False")
    return cell == "True"


_READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": _bool,
    "int | None": lambda cell: int(cell) if cell else None,
    "float | None": lambda cell: float(cell) if cell else None,
}


@cache
def _values_of(row: type[CsvRow]) -> attrgetter[tuple[Any, ...]]:
    return attrgetter(*row.columns())
