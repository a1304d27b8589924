"""The CloudWatch Logs Insights query language: text → Query. Pure; the grammar is in insights.lark.

What AWS would not understand, and what is not understood here, is a MalformedQuery: nothing is ever ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import regex
from lark import Lark, Token, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken, VisitError
from lark.visitors import Transformer_NonRecursive

from gateway.embedded_aws.insights_functions import AGGREGATES, FUNCTIONS, Period, Value, number

LIMIT_MAX = 100_000
_DEPTH_MAX = 100  # of nested expressions
_COPIES_MAX = 100_000  # in a regular expression: a tenth of a second to compile


class MalformedQuery(ValueError):
    """The text of AWS's MalformedQueryException."""


@dataclass(frozen=True, slots=True)
class Field:
    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    value: Value | Period | regex.Pattern[str]


@dataclass(frozen=True, slots=True)
class Call:
    """An operator (`=`, `and`, `like`), a function or an aggregate, in lower case."""

    function: str
    arguments: tuple[Expression, ...]
    depth: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        depth = 1 + max((a.depth for a in self.arguments if isinstance(a, Call)), default=0)
        if depth > _DEPTH_MAX:
            raise MalformedQuery(f"Expressions are nested more than {_DEPTH_MAX} deep")
        object.__setattr__(self, "depth", depth)


Expression = Field | Literal | Call


@dataclass(frozen=True, slots=True)
class Item:
    """One column: an expression and its name, which is the alias or else the expression as it was written."""

    name: str
    expression: Expression
    position: int = field(compare=False, default=0)  # of its first character in the query


@dataclass(frozen=True, slots=True)
class Fields:
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Display:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    condition: Expression


@dataclass(frozen=True, slots=True)
class Stats:
    items: tuple[Item, ...]
    groups: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class SortKey:
    name: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Sort:
    keys: tuple[SortKey, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    rows: int


@dataclass(frozen=True, slots=True)
class Dedup:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parse:
    """`names[i]` becomes group i + 1 of `pattern`, found anywhere in field `source`."""

    source: str
    pattern: regex.Pattern[str]
    names: tuple[str, ...]


Command = Fields | Display | Filter | Stats | Sort | Limit | Dedup | Parse


@dataclass(frozen=True, slots=True)
class Query:
    commands: tuple[Command, ...]

    @property
    def aggregates(self) -> bool:
        return any(isinstance(command, Stats) for command in self.commands)


def parse(query: str) -> Query:
    """Raises MalformedQuery with AWS's text where AWS's is known."""
    try:
        tree = _PARSER.parse(query)
        commands = _Builder(query).transform(tree)
    except UnexpectedToken as error:
        symbol = "<EOF>" if error.token.type == "$END" else str(error.token)
        raise _unexpected(symbol, query, len(query) if symbol == "<EOF>" else error.token.start_pos or 0) from None
    except UnexpectedCharacters as error:
        raise _unexpected(error.char, query, error.pos_in_stream or 0) from None
    except UnexpectedEOF:
        raise _unexpected("<EOF>", query, len(query)) from None
    except VisitError as error:
        if isinstance(error.orig_exc, MalformedQuery):
            raise error.orig_exc from None
        raise
    _check_expressions(commands)
    _check_order(commands)
    _check_names(commands)
    return Query(commands)


def fields_of(expression: Expression) -> frozenset[str]:
    if isinstance(expression, Field):
        return frozenset((expression.name,))
    if isinstance(expression, Call):
        return frozenset().union(*map(fields_of, expression.arguments))
    return frozenset()


def _unexpected(symbol: str, query: str, offset: int) -> MalformedQuery:
    line = query.count("\n", 0, offset) + 1
    position = offset - (query.rfind("\n", 0, offset) + 1)
    return MalformedQuery(f"unexpected symbol found {symbol} at line {line} and position {position}")


@v_args(inline=True)
class _Builder(Transformer_NonRecursive[Token, tuple[Command, ...]]):
    """Parse tree → commands."""

    def __init__(self, query: str) -> None:
        super().__init__()
        self._query = query

    def start(self, *commands: Command) -> tuple[Command, ...]:
        return commands

    def fields(self, *items: Item) -> Fields:
        return Fields(items)

    def display(self, *names: str) -> Display:
        return Display(names)

    def filter(self, condition: Expression) -> Filter:
        return Filter(condition)

    def stats(self, *parts: Item | tuple[Item, ...] | None) -> Stats:
        *items, groups = cast("list[Item]", parts)
        return Stats(tuple(items), cast("tuple[Item, ...] | None", groups) or ())

    def by(self, *groups: Item) -> tuple[Item, ...]:
        return groups

    def sort(self, *keys: SortKey) -> Sort:
        return Sort(keys)

    def sort_key(self, name: str, order: Token | None) -> SortKey:
        return SortKey(name, order is not None and order.lower() == "desc")

    def limit(self, rows: Token) -> Limit:
        if not rows.isdigit() or not 1 <= float(rows) <= LIMIT_MAX:
            raise MalformedQuery(f"limit must be a whole number between 1 and {LIMIT_MAX}, not {rows}")
        return Limit(int(rows))

    def dedup(self, *names: str) -> Dedup:
        return Dedup(names)

    def parse_glob(self, source: str, glob: Token, *names: str) -> Parse:
        parts = _unquote(glob).split("*")
        if len(parts) != len(names) + 1:
            raise MalformedQuery(f"parse has {len(parts) - 1} wildcards and {len(names)} names")
        # A wildcard takes as little as it can, but the last character of the pattern as much as there is.
        wildcards = ["(.*?)"] * (len(names) - 1) + ["(.*)" if parts[-1] == "" else "(.*?)"]
        pattern = "".join(regex.escape(part) + wild for part, wild in zip(parts, [*wildcards, ""], strict=True))
        return Parse(source, regex.compile(pattern, regex.V1 | regex.DOTALL), names)

    def parse_regex(self, source: str, token: Token) -> Parse:
        pattern = _regex(token)
        if pattern.groups != len(pattern.groupindex) or not pattern.groups:
            raise MalformedQuery("parse needs a regular expression whose groups are all named: (?<name>…)")
        return Parse(source, pattern, tuple(sorted(pattern.groupindex, key=lambda name: pattern.groupindex[name])))

    @v_args(inline=False, meta=True)
    def item(self, meta, children) -> Item:  # type: ignore[no-untyped-def]
        expression, alias = children
        written = self._query[meta.start_pos : meta.end_pos]
        name = alias or (expression.name if isinstance(expression, Field) else written)
        return Item(name, expression, meta.start_pos)

    def name(self, token: Token) -> str:
        return token.replace("`", "")

    def any_of(self, *conditions: Expression) -> Call:
        return Call("or", conditions)

    def all_of(self, *conditions: Expression) -> Call:
        return Call("and", conditions)

    def negate(self, condition: Expression) -> Call:
        return Call("not", (condition,))

    def like(self, value: Expression, pattern: Literal) -> Call:
        return Call("like", (value, pattern))

    def not_like(self, value: Expression, pattern: Literal) -> Call:
        return Call("not", (self.like(value, pattern),))

    def in_list(self, *values: Expression) -> Call:
        return Call("in", values)

    def not_in_list(self, *values: Expression) -> Call:
        return Call("not", (Call("in", values),))

    def operate(self, first: Expression, *rest: Token | Expression) -> Expression:
        for operator, operand in zip(rest[::2], rest[1::2], strict=True):
            first = Call(str(operator), (first, cast("Expression", operand)))
        return first

    def signed(self, sign: Token, value: Expression) -> Expression:
        return Call("negative", (value,)) if sign == "-" else value

    def field(self, token: Token) -> Field:
        return Field(self.name(token))

    def number(self, token: Token) -> Literal:
        value = number(str(token))
        if value is None:
            raise MalformedQuery(f"{token} is too large a number")
        return Literal(value)

    def string(self, token: Token) -> Literal:
        return Literal(_unquote(token))

    def regex(self, token: Token) -> Literal:
        return Literal(_regex(token))

    def period(self, token: Token) -> Literal:
        digits = len(token) - len(token.lstrip("0123456789"))
        return Literal(Period(int(token[:digits]), _UNITS[token[digits:]]))

    def call(self, token: Token, *arguments: Expression | Token | None) -> Call:
        name = token.lower()
        if arguments == (None,) or (name == "count" and arguments == ("*",)):
            arguments = ()
        known = AGGREGATES.get(name) or FUNCTIONS.get(name)
        if known is None or any(isinstance(argument, Token) for argument in arguments):
            raise _unexpected("(" if known is None else "*", self._query, token.end_pos or 0)
        if not known.arguments_min <= len(arguments) <= known.arguments_max:
            raise MalformedQuery(f"Wrong number of arguments for {token}: {len(arguments)}")
        implied = (Field("@timestamp"),) if name == "bin" else ()
        return Call(name, implied + cast("tuple[Expression, ...]", arguments))


_SPELLINGS = {
    "ms": ("millisecond", "milliseconds", "msec", "msecs", "ms"),
    "s": ("second", "seconds", "sec", "secs", "s"),
    "m": ("minute", "minutes", "min", "mins", "m"),
    "h": ("hour", "hours", "hr", "hrs", "h"),
    "d": ("day", "days", "d"),
    "w": ("week", "weeks", "w"),
    "mo": ("month", "months", "mon", "mons", "mo", "mos"),
    "q": ("quarter", "quarters", "qtr", "qtrs", "q"),
    "y": ("year", "years", "yr", "yrs", "y"),
}
_UNITS = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}


def _unquote(token: Token) -> str:
    """Only quotes and backslashes are escaped by a backslash; before anything else it stands for itself."""
    return regex.sub(r"\\([\\\"'])", r"\1", token[1:-1])


def _regex(token: Token) -> regex.Pattern[str]:
    if _copies(token) > _COPIES_MAX:
        raise MalformedQuery(f"Invalid regular expression {token}: it repeats too much")
    # Version 1 of `regex` reads (?<name>…) and a (?i) in mid-pattern as Java does, which is what AWS runs.
    try:
        return regex.compile(token[1:-1].replace("\\/", "/"), regex.V1)
    except (regex.error, RecursionError) as error:
        raise MalformedQuery(f"Invalid regular expression {token}: {error}") from None


def _copies(pattern: str) -> int:
    """An upper bound on how often some part of the pattern is copied when it is compiled, ((a{9}){9}){9} being 729."""
    nested, single = 1, 1
    for group, least, most in regex.findall(r"(\)?)\{(\d+)(?:,(\d*))?\}", pattern, regex.A):
        count = max(1, *(int(digits[:9]) for digits in (least, most) if digits))
        nested, single = (nested * count, single) if group else (nested, max(single, count))
    return nested * single


def _calls(expression: Expression) -> Iterator[Call]:
    if isinstance(expression, Call):
        yield expression
        for argument in expression.arguments:
            yield from _calls(argument)


def _refuse_aggregates(expression: Expression, command: str) -> None:
    for call in _calls(expression):
        if call.function in AGGREGATES:
            raise MalformedQuery(f"{call.function} is an aggregate: it belongs in stats, not in {command}")


def _check_expressions(commands: Iterable[Command]) -> None:
    for command in commands:
        for expression in _expressions(command):
            _check_periods(expression)
            for call in _calls(expression):
                if call.function == "pct":
                    _check_percent(call)
        if isinstance(command, Stats):
            for item in command.items:
                if not any(call.function in AGGREGATES for call in _calls(item.expression)):
                    raise MalformedQuery(f"{item.name} in stats is neither an aggregate nor listed after by")
                _check_aggregated(item.expression)
            for group in command.groups:
                _refuse_aggregates(group.expression, "by")
        else:
            for expression in _expressions(command):
                _refuse_aggregates(expression, type(command).__name__.lower())


def _expressions(command: Command) -> list[Expression]:
    if isinstance(command, Fields):
        return [item.expression for item in command.items]
    if isinstance(command, Stats):
        return [item.expression for item in command.groups + command.items]
    return [command.condition] if isinstance(command, Filter) else []


def _check_aggregated(expression: Expression) -> None:
    """An item of stats is made of aggregates and constants."""
    if isinstance(expression, Field):
        raise MalformedQuery(f"{expression.name} in stats is neither aggregated nor listed after by")
    if isinstance(expression, Call):
        if expression.function in AGGREGATES:
            for argument in expression.arguments:
                _refuse_aggregates(argument, expression.function)
            return
        for argument in expression.arguments:
            _check_aggregated(argument)


def _check_periods(expression: Expression, allowed: bool = False) -> None:
    if isinstance(expression, Literal) and isinstance(expression.value, Period) is not allowed:
        raise MalformedQuery("bin, datefloor and dateceil, and nothing else, take a period such as 5m")
    if isinstance(expression, Field) and allowed:
        raise MalformedQuery(f"{expression.name} is not a period such as 5m")
    if isinstance(expression, Call):
        if allowed:
            raise MalformedQuery(f"{expression.function} is not a period such as 5m")
        function = FUNCTIONS.get(expression.function)
        *others, last = expression.arguments or (Literal(None),)
        for argument in others:
            _check_periods(argument)
        _check_periods(last, allowed=function is not None and function.takes_period)


def _check_percent(call: Call) -> None:
    percent = call.arguments[1]
    if not isinstance(percent, Literal) or not isinstance(percent.value, int | float) or not 0 <= percent.value <= 100:
        raise MalformedQuery("pct takes a field and a number from 0 to 100")


def _check_order(commands: Iterable[Command]) -> None:
    seen: set[type] = set()
    for command in commands:
        if Dedup in seen and not isinstance(command, Limit):
            name = type(command).__name__.lower()
            raise MalformedQuery(f"unexpected symbol found {name}: only limit may follow dedup")
        if isinstance(command, Stats) and seen & {Sort, Limit}:
            raise MalformedQuery("unexpected symbol found stats: sort and limit must come after the last stats")
        seen.add(type(command))


def _check_names(commands: Iterable[Command]) -> None:
    """A made-up name is defined once; after stats there are no fields but its own."""
    defined: set[str] = set()  # by an alias, parse or stats
    shown: set[str] = set()  # event fields listed in `fields`
    known: set[str] | None = None  # what stats left; None while there are events
    for command in commands:
        for name in sorted(_references(command)):
            hidden = isinstance(command, Stats) and name in shown & defined
            if hidden or (known is not None and name not in known):
                raise MalformedQuery(f"Unknown symbols found in or after stats: {name}")
        for item in _definitions(command):
            if item.name in defined:
                end = item.position + len(item.name)
                raise MalformedQuery(f"Ephemeral field is already defined: {item.name} ([{item.position},{end}])")
            if item.expression == Field(item.name):
                shown.add(item.name)
            else:
                defined.add(item.name)
        if isinstance(command, Stats):
            names = [item.name for item in command.groups + command.items]
            if len(names) != len(set(names)):
                raise MalformedQuery(f"Ephemeral field is already defined: {max(names, key=names.count)}")
            known = set(names)
        elif known is not None:
            known |= {item.name for item in _definitions(command)}


def _definitions(command: Command) -> tuple[Item, ...]:
    if isinstance(command, Fields):
        return command.items
    if isinstance(command, Stats):
        return tuple(g for g in command.groups if g.expression != Field(g.name)) + command.items
    if isinstance(command, Parse):
        return tuple(Item(name, Literal(None)) for name in command.names)
    return ()


def _references(command: Command) -> frozenset[str]:
    if isinstance(command, Fields | Stats | Filter):
        return frozenset().union(*map(fields_of, _expressions(command)))
    if isinstance(command, Sort):
        return frozenset(key.name for key in command.keys)
    if isinstance(command, Parse):
        return frozenset((command.source,))
    return frozenset(command.names) if isinstance(command, Display | Dedup) else frozenset()


_PARSER = Lark(
    (Path(__file__).parent / "insights.lark").read_text(encoding="utf-8"),
    parser="lalr",
    propagate_positions=True,
    maybe_placeholders=True,
)
