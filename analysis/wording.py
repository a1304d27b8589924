"""Numbers as honest text, for the terminal and the report: what is unknown is —, and only all of it is 100 %."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from analysis.model import Outcome
from analysis.numbers.proportion import Proportion

UNKNOWN = "—"
OUTCOME_WORDS = {
    Outcome.ANSWERED: "answered",
    Outcome.REFUSED_BY_GATEWAY: "refused by the gateway",
    Outcome.REFUSED_BY_BEDROCK: "refused by Bedrock",
    Outcome.FAILED: "failed",
}


def percent(proportion: Proportion) -> str:
    """66.7 %, and 99.999 % for 99,999 of 100,000: only all of it is 100 %, and only nothing 0 %."""
    share = proportion.share
    if share is None:
        return UNKNOWN
    return f"{_per_cent(share, round)} %"


def interval(proportion: Proportion) -> str:
    """The 95 % confidence interval, as 72.2–100 %; rounded outwards, so that it holds the share as printed too."""
    bounds = proportion.interval
    if bounds is None:
        return UNKNOWN
    low, high = bounds
    return f"{_per_cent(low, math.floor)}–{_per_cent(high, math.ceil)} %"


def _per_cent(share: float, rounded: Callable[[float], int]) -> str:
    """A share of 1 in per cent, with one decimal, or as many as tell it from 0 and 100 where it is neither."""
    if share in (0, 1):
        return f"{100 * share:.0f}"
    decimals = next(n for n in range(1, 17) if 0 < rounded(share * 10 ** (n + 2)) < 10 ** (n + 2))
    return f"{rounded(share * 10 ** (decimals + 2)) / 10**decimals:.{decimals}f}"


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
    """$12.30, $0.0042: below a dollar four digits that count, and never $0 for something."""
    if amount is None or math.isnan(amount):
        return UNKNOWN
    if amount == 0 or round(amount, 4) >= 1:
        return f"${amount:,.2f}"
    decimals = 3 - math.floor(math.log10(amount))
    return f"${amount:.{decimals}f}".rstrip("0")


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


def command(name: str, folder: Path) -> str:
    """What to type for a command of the analysis."""
    return f"uv run python -m analysis {name} {shlex.quote(location(folder))}"


def clock(at: float) -> str:
    """2026-11-22 10:34:05 UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
