"""The grammar of Logs Insights and what is built from it: text → Query."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import regex
from lark import Lark, Token, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken, VisitError
from lark.visitors import Transformer_NonRecursive

from embedded_aws.logs.insights.aggregates import AGGREGATES
from embedded_aws.logs.insights.functions import FUNCTIONS, Period, number
from embedded_aws.logs.insights.query import (
    LIMIT_MAX,
    Call,
    Command,
    Dedup,
    Display,
    Expression,
    Field,
    Fields,
    Filter,
    Item,
    Limit,
    Literal,
    MalformedQuery,
    Parse,
    Query,
    Sort,
    SortKey,
    Stats,
)
from embedded_aws.logs.insights.rules import check

_COPIES_MAX = 100_000  # in a regular expression: a tenth of a second to compile


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
    parsed = Query(commands)
    check(parsed)
    return parsed


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


_PARSER = Lark(
    (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8"),
    parser="lalr",
    propagate_positions=True,
    maybe_placeholders=True,
)
