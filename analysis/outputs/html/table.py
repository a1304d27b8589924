"""A table of the page: texts in rows, made from columns that say how each cell reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.wording import UNKNOWN, count, seconds


@dataclass(frozen=True)
class Table:
    """Texts in rows; the first `texts` columns are words, the others numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int = 1


LATENCY_COLUMNS: Mapping[str, Callable[[Any], str]] = {
    "Average": lambda row: seconds(row.latency_ms.mean),
    "p50": lambda row: seconds(row.latency_ms.p50),
    "p95": lambda row: seconds(row.latency_ms.p95),
    "p99": lambda row: seconds(row.latency_ms.p99),
    "Max": lambda row: seconds(row.latency_ms.max),
    "n": lambda row: count(row.latency_ms.n),
}


def saying(columns: Mapping[str, Callable[[Any], str]], lines: Sequence[Any]) -> dict[str, Callable[[Any], str]]:
    """Without those that say nothing in any line."""
    return {name: cell for name, cell in columns.items() if any(cell(line) != UNKNOWN for line in lines)}


def table(
    caption: str, columns: Mapping[str, Callable[[Any], str]], lines: Sequence[Any], texts: int = 1
) -> Table | None:
    if not lines:
        return None
    body = tuple(tuple(cell(line) for cell in columns.values()) for line in lines)
    return Table(caption, tuple(columns), body, texts)
