"""The values of Logs Insights and its functions on them: pure, one value in, one value out.

A value is a str, an int, a float, a Timestamp, or None for a field that an event does not have. Functions answer
None, never an exception, where their arguments make no sense (`abs("x")`, `1 / 0`): one odd event must not end a query.
Comparisons with None are None, and a filter keeps only what is true: an event without the field matches neither
`x = 1` nor `x != 1` nor `not (x = 1)`. (AWS does not document this; `ispresent` tells the two apart.)

Source: "Boolean, comparison, numeric, datetime, and other functions" in the CloudWatch Logs user guide.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import regex

Value = str | int | float | None

# CPU time for one match; a pattern that needs more backtracks without end. It is short because the interpreter is held
# for as long: `concurrent=True` would let go of it, and then wait for it again, after each of a million matches.
REGEX_TIMEOUT_S = 0.25

TEXT_MAX = 1 << 20  # characters that a function may make: an event of CloudWatch Logs is not longer either

_NUMBER = regex.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", regex.A)
_CHUNKS = regex.compile(r"\d+|\D+", regex.A)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timestamp(int):
    """Epoch milliseconds that print as a date."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Period:
    """`5m`: a count and one of ms, s, m, h, d, w, mo, q, y."""

    count: int
    unit: str


def text(value: Value) -> str:
    """As GetQueryResults prints it: 2026-11-22 10:00:00.000 for timestamps, 1 and 0 for booleans, no needless ".0"."""
    if type(value) is str:
        return value
    if isinstance(value, Timestamp):
        return _date(value)
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def number(value: Value) -> int | float | None:
    """The number that a value is, or that its text spells; None if neither."""
    if not isinstance(value, str):
        return value
    if not _NUMBER.fullmatch(value):
        return None
    if len(value) < 18 and value.lstrip("+-").isdigit():
        return int(value)
    spelt = float(value)
    return spelt if math.isfinite(spelt) else None


def sort_key(value: Value) -> tuple[object, ...]:
    """Ascending as `sort` orders: what is no number first, digits within it by length and then value; then numbers."""
    numeric = number(value)
    if numeric is not None:
        return (1, numeric)
    chunks = _CHUNKS.findall(text(value))
    return (0, tuple((0, "", len(c), c) if c[0].isdigit() else (1 if c[0] > "9" else -1, c, 0, "") for c in chunks))


def compare(left: Value, right: Value) -> int | None:
    """-1, 0 or 1; None if either is missing, or one is a number and the other cannot be."""
    if left is None or right is None:
        return None
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    a, b = number(left), number(right)
    if a is None or b is None:
        return None
    return (a > b) - (a < b)


def _equal(left: Value, right: Value) -> bool | None:
    if left is None or right is None:
        return None
    return compare(left, right) == 0


def _comparison(holds: Callable[[int], bool]) -> Callable[[Value, Value], bool | None]:
    def operator(left: Value, right: Value) -> bool | None:
        order = compare(left, right)
        return None if order is None else holds(order)

    return operator


def truth(value: Value) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    numeric = number(value)
    return None if numeric is None else numeric != 0


def _not(value: Value) -> bool | None:
    condition = truth(value)
    return None if condition is None else not condition


def _and(*values: Value) -> bool | None:
    conditions = [truth(value) for value in values]
    return False if False in conditions else None if None in conditions else True


def _or(*values: Value) -> bool | None:
    conditions = [truth(value) for value in values]
    return True if True in conditions else None if None in conditions else False


def _in(value: Value, *members: Value) -> bool | None:
    return None if value is None else any(_equal(value, member) for member in members)


def _like(value: Value, pattern: str | regex.Pattern[str]) -> bool | None:
    if value is None:
        return None
    if isinstance(pattern, str):
        return pattern in text(value)
    return pattern.search(text(value), timeout=REGEX_TIMEOUT_S) is not None


def _numeric(function: Callable[..., int | float]) -> Callable[..., Value]:
    """Arguments as numbers; None where one is none, and where the result is none (division by zero, overflow, √-1)."""

    def operator(*values: Value) -> Value:
        numbers = [number(value) for value in values]
        return None if None in numbers else bounded_result(function, *numbers)

    return operator


def bounded_result(function: Callable[..., int | float], *arguments: Any) -> int | float | None:
    try:
        return _bounded(function(*arguments))
    except (ArithmeticError, ValueError):
        return None


def _bounded(result: int | float) -> int | float | None:
    """64-bit integers, as AWS has them; beyond those floats, and None for infinity."""
    if isinstance(result, int) and abs(result) >= 2**63:
        result = float(result)
    return result if math.isfinite(result) else None


def _divide(a: float, b: float) -> int | float:
    return a // b if a % b == 0 else a / b


def _power(a: float, b: float) -> float:
    # By way of floats, as in AWS: an integer power of 10,000 digits would take forever.
    return math.pow(a, b)


def _texts(function: Callable[..., Value]) -> Callable[..., Value]:
    """Arguments as text; None where the first is missing."""

    def operator(*values: Value) -> Value:
        if values[0] is None:
            return None
        return function(*("" if value is None else text(value) for value in values))

    return operator


def _concat(*values: Value) -> str | None:
    parts = ["" if value is None else text(value) for value in values]
    return "".join(parts) if sum(map(len, parts)) <= TEXT_MAX else None


def _replace(string: str, old: str, new: str) -> str | None:
    return string.replace(old, new) if len(string) + string.count(old) * len(new) <= TEXT_MAX else None


def _substr(value: Value, start: Value, length: Value = None) -> Value:
    first, count = number(start), number(length)
    if value is None or first is None or first < 0 or (count is not None and count < 0):
        return None
    return text(value)[int(first) :] if count is None else text(value)[int(first) : int(first) + int(count)]


def _date(milliseconds: int) -> str:
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(" ", "milliseconds")[:23]
    except OverflowError:
        return str(int(milliseconds))


def _from_millis(value: Value) -> Value:
    milliseconds = number(value)
    return None if milliseconds is None else Timestamp(milliseconds)


def _to_millis(value: Value) -> Value:
    return int(value) if isinstance(value, Timestamp) else None


_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_CAPS = {"ms": 1_000, "s": 60, "m": 60, "h": 24}  # bin(300s) is bin(60s)
_MONTHS = {"mo": 1, "q": 3, "y": 12}


def _floor(value: Value, period: Period) -> Timestamp | None:
    milliseconds = number(value)
    if milliseconds is None:
        return None
    count = max(1, min(period.count, _CAPS.get(period.unit, period.count)))
    if period.unit in _MONTHS:
        return _floor_months(int(milliseconds), count * _MONTHS[period.unit])
    if period.unit == "w":  # weeks begin on Mondays; 1970 began on a Thursday
        width, offset = count * 7 * _MILLISECONDS["d"], 4 * _MILLISECONDS["d"]
    else:
        width, offset = count * _MILLISECONDS[period.unit], 0
    return Timestamp((int(milliseconds) - offset) // width * width + offset)


def _floor_months(milliseconds: int, months: int) -> Timestamp | None:
    try:
        date = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None
    index = (date.year * 12 + date.month - 1) // months * months
    if index < 12:  # before the year 1
        return None
    return Timestamp((datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1))


def _ceil(value: Value, period: Period) -> Timestamp | None:
    floor = _floor(value, period)
    milliseconds = number(value)
    if floor is None or milliseconds is None or floor == milliseconds:
        return floor
    if period.unit in _MONTHS or period.unit == "w":
        # The next period is the one that holds the moment one longest period later, cut back to its beginning.
        days = 7 * period.count if period.unit == "w" else 31 * period.count * _MONTHS[period.unit]
        return _floor(int(floor) + days * _MILLISECONDS["d"], period)
    count = max(1, min(period.count, _CAPS.get(period.unit, period.count)))
    return Timestamp(floor + count * _MILLISECONDS[period.unit])


@dataclass(frozen=True, slots=True)
class Function:
    call: Callable[..., Value]
    arguments_min: int
    arguments_max: int
    takes_period: bool = False


_MANY = 255

OPERATORS: dict[str, Callable[..., Value]] = {
    "=": _equal,
    "!=": lambda left, right: _not(_equal(left, right)),
    "<": _comparison(lambda order: order < 0),
    "<=": _comparison(lambda order: order <= 0),
    ">": _comparison(lambda order: order > 0),
    ">=": _comparison(lambda order: order >= 0),
    "and": _and,
    "or": _or,
    "not": _not,
    "in": _in,
    "like": _like,
    "+": _numeric(lambda a, b: a + b),
    "-": _numeric(lambda a, b: a - b),
    "*": _numeric(lambda a, b: a * b),
    "/": _numeric(_divide),
    "%": _numeric(math.fmod),
    "^": _numeric(_power),
    "negative": _numeric(lambda a: -a),
}

FUNCTIONS: dict[str, Function] = {
    "abs": Function(_numeric(abs), 1, 1),
    "ceil": Function(_numeric(math.ceil), 1, 1),
    "floor": Function(_numeric(math.floor), 1, 1),
    "round": Function(_numeric(lambda a: math.floor(a + 0.5)), 1, 1),
    "greatest": Function(_numeric(lambda *numbers: max(numbers)), 1, _MANY),
    "least": Function(_numeric(lambda *numbers: min(numbers)), 1, _MANY),
    "log": Function(_numeric(math.log), 1, 1),
    "sqrt": Function(_numeric(math.sqrt), 1, 1),
    "bin": Function(_floor, 1, 1, takes_period=True),  # its first argument, @timestamp, is implied
    "datefloor": Function(_floor, 2, 2, takes_period=True),
    "dateceil": Function(_ceil, 2, 2, takes_period=True),
    "frommillis": Function(_from_millis, 1, 1),
    "tomillis": Function(_to_millis, 1, 1),
    "ispresent": Function(lambda value: value is not None, 1, 1),
    "coalesce": Function(lambda *values: next((v for v in values if v is not None), None), 1, _MANY),
    "if": Function(lambda condition, a, b: a if truth(condition) else b, 3, 3),
    "isempty": Function(lambda value: value is None or text(value) == "", 1, 1),
    "isblank": Function(lambda value: value is None or not text(value).strip(), 1, 1),
    "concat": Function(_concat, 1, _MANY),
    "ltrim": Function(_texts(str.lstrip), 1, 2),
    "rtrim": Function(_texts(str.rstrip), 1, 2),
    "trim": Function(_texts(str.strip), 1, 2),
    "strlen": Function(_texts(len), 1, 1),
    "toupper": Function(_texts(str.upper), 1, 1),
    "tolower": Function(_texts(str.lower), 1, 1),
    "substr": Function(_substr, 2, 3),
    "replace": Function(_texts(_replace), 3, 3),
    "strcontains": Function(_texts(lambda string, part: int(part in string)), 2, 2),
    "startswith": Function(_texts(str.startswith), 2, 2),
    "endswith": Function(_texts(str.endswith), 2, 2),
}


# Aggregates see the distinct values of a group, None left out, and how often each occurs.
