"""Numbers as honest text, for the terminal and the report: what is unknown is —, and only all of it is 100 %."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from analysis.metrics import Proportion

UNKNOWN = "—"


def percent(proportion: Proportion) -> str:
    """99.9 % for 999 of 1,000 and for 99,999 of 100,000: rounding never reaches 0 % or 100 % (as coverage.py does)."""
    count, of = proportion.count, proportion.of
    if of == 0:
        return UNKNOWN
    if count in (0, of):
        return "100 %" if count else "0 %"
    tenths = min(max(round(1000 * count / of), 1), 999)
    return f"{tenths / 10:.1f} %"


def interval(proportion: Proportion) -> str:
    """The 95 % confidence interval, as 72.2–100 %."""
    bounds = proportion.interval
    if bounds is None:
        return UNKNOWN
    low, high = (f"{100 * bound:.1f}".removesuffix(".0") for bound in bounds)
    return f"{low}–{high} %"


def seconds(milliseconds: float | None) -> str:
    """0.412 s, 12.3 s, 3 min 5 s."""
    if milliseconds is None or math.isnan(milliseconds):
        return UNKNOWN
    value = milliseconds / 1000
    if abs(value) < 10:
        return f"{value:.3f} s"
    if value < 100:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def count(n: float | None) -> str:
    """12,345."""
    return UNKNOWN if n is None or math.isnan(n) else f"{round(n):,}"


def dollars(amount: float | None) -> str:
    """$0.0042: four digits that count, and never $0 for something."""
    if amount is None or math.isnan(amount):
        return UNKNOWN
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4g}"


def plural(n: int, noun: str) -> str:
    """1 request, 12,345 requests."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def listing(names: Sequence[str], conjunction: str = "and", most: int = 6) -> str:
    """A, B and C; of many the first ones, and how many more there are."""
    if len(names) > most:
        names = [*names[:most], f"{len(names) - most} more"]
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {conjunction} {names[-1]}"


def location(path: Path) -> str:
    """As short as it can be typed: from the working directory when it is below it."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def clock(at: float) -> str:
    """2026-11-22 10:34:05 UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
