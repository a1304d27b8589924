"""The Logs Insights language under generated queries: they survive printing and parsing, agree with a row-by-row
reference, and whatever is typed ends in a result or a MalformedQuery."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded_aws.logs.insights import MalformedQuery, Query, Timestamp, Value, evaluate, parse
from embedded_aws.logs.insights.query import (
    Call,
    Dedup,
    Expression,
    Field,
    Fields,
    Filter,
    Item,
    Limit,
    Literal,
    Sort,
    SortKey,
    Stats,
)
from tests.embedded_aws.test_insights import Listed

NAMES = ("a", "b.c", "d.0.e", "@x")


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
small = st.one_of(st.integers(0, 3), st.sampled_from([0.5, 2.5]), st.sampled_from(["", "x", "y", "2", "0.5", "ab"]))
literals = st.one_of(st.integers(0, 9), st.sampled_from([0.5, 2.25]), texts).map(Literal)
fields = st.sampled_from(NAMES).map(Field)


def calls(operands: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    def call(function: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Expression]:
        return st.tuples(*arguments).map(lambda given: Call(function, given))

    operators = ("=", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "^")
    lists = st.lists(operands, min_size=1, max_size=3)
    return st.one_of(
        *(call(operator, operands, operands) for operator in operators),
        call("and", operands, operands),
        call("or", operands, operands),
        call("not", operands),
        call("negative", operands),
        call("ispresent", operands),
        call("strlen", operands),
        st.builds(lambda values: Call("coalesce", tuple(values)), lists),
        st.builds(lambda value, members: Call("in", (value, *members)), operands, lists),
        st.builds(lambda value, text: Call("like", (value, Literal(text))), operands, texts),
    )


expressions: st.SearchStrategy[Expression] = st.recursive(st.one_of(literals, fields), calls, max_leaves=8)


# --- printing -------------------------------------------------------------------------------------------------------


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def printed(expression: Expression) -> str:
    match expression:
        case Field(name):
            return name
        case Literal(value):
            return quoted(value) if isinstance(value, str) else str(value)
        case Call("not", (condition,)):
            return f"(not {printed(condition)})"
        case Call("negative", (value,)):
            return f"(-{printed(value)})"
        case Call("in", (value, *members)):
            return f"({printed(value)} in [{', '.join(map(printed, members))}])"
        case Call(function, arguments) if function.isalpha() and function not in ("and", "or", "like"):
            return f"{function}({', '.join(map(printed, arguments))})"
        case Call(operator, arguments):
            return "(" + f" {operator} ".join(map(printed, arguments)) + ")"
    raise AssertionError(expression)


@given(expressions)
def test_a_printed_expression_is_parsed_to_itself(expression: Expression):
    assert parse(f"filter {printed(expression)}") == Query((Filter(expression),))
    assert parse(f"fields {printed(expression)} as z") == Query((Fields((Item("z", expression),)),))


# --- evaluation -----------------------------------------------------------------------------------------------------

events_of = st.lists(st.dictionaries(st.sampled_from(NAMES), small), max_size=12)


def numbered(events: Sequence[Mapping[str, Value]]) -> list[dict[str, Value]]:
    return [{**event, "@timestamp": Timestamp(row), "@ptr": str(row)} for row, event in enumerate(events)]


def number(value: Value) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def order(left: Value, right: Value) -> int | None:
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    a, b = number(left), number(right)
    return None if a is None or b is None else (a > b) - (a < b)


def row_by_row(expression: Expression, event: Mapping[str, Value]) -> Any:
    """What an expression is for one event, written down once more, as plainly as can be."""
    match expression:
        case Field(name):
            return event.get(name)
        case Literal(value):
            return value
        case Call(function, arguments):
            values = [row_by_row(argument, event) for argument in arguments]
            return REFERENCE[function](*values)


def holds(value: Value) -> bool | None:
    return None if number(value) is None else number(value) != 0


def reference_and(*values: Value) -> bool | None:
    known = [holds(value) for value in values]
    return False if False in known else (None if None in known else True)


def reference_in(value: Value, *members: Value) -> bool | None:
    return None if value is None else any(member is not None and order(value, member) == 0 for member in members)


def arithmetic(operation: Callable[[float, float], float]) -> Callable[[Value, Value], float | None]:
    def operator(left: Value, right: Value) -> float | None:
        a, b = number(left), number(right)
        return None if a is None or b is None else operation(a, b)

    return operator


REFERENCE: dict[str, Callable[..., Any]] = {
    "=": lambda a, b: None if a is None or b is None else order(a, b) == 0,
    "<": lambda a, b: None if order(a, b) is None else order(a, b) == -1,
    ">=": lambda a, b: None if order(a, b) is None else order(a, b) != -1,
    "and": reference_and,
    "or": lambda a, b: None if (r := reference_and(REFERENCE["not"](a), REFERENCE["not"](b))) is None else not r,
    "not": lambda a: None if holds(a) is None else not holds(a),
    "in": reference_in,
    "ispresent": lambda a: a is not None,
    "+": arithmetic(lambda a, b: a + b),
    "*": arithmetic(lambda a, b: a * b),
    "like": lambda a, text: None if a is None else text in str(a),
}

comparable = st.one_of(fields, small.map(Literal))
simple: st.SearchStrategy[Expression] = st.recursive(
    st.one_of(
        st.builds(lambda f, a, b: Call(f, (a, b)), st.sampled_from(["=", "<", ">="]), comparable, comparable),
        st.builds(lambda a, m: Call("in", (a, *m)), fields, st.lists(comparable, min_size=1, max_size=3)),
        st.builds(lambda a: Call("ispresent", (a,)), fields),
        st.builds(lambda a, text: Call("like", (a, Literal(text))), fields, st.sampled_from(["x", "a", ""])),
        st.builds(
            lambda f, a, b, c: Call("<", (Call(f, (a, b)), c)), st.sampled_from(["+", "*"]), fields, fields, comparable
        ),
    ),
    lambda inner: st.one_of(
        st.builds(lambda f, a, b: Call(f, (a, b)), st.sampled_from(["and", "or"]), inner, inner),
        st.builds(lambda a: Call("not", (a,)), inner),
    ),
    max_leaves=5,
)


@given(simple, events_of)
def test_a_filter_keeps_what_the_reference_keeps(condition: Expression, events: list[dict[str, Value]]):
    events = numbered(events)
    result = evaluate(parse(f"filter {printed(condition)} | display a"), Listed(events))
    kept = [event["@ptr"] for event in reversed(events) if row_by_row(condition, event) is True]
    assert [row[-1] for row in result.rows] == kept
    assert result.matched == len(kept)


def shown(value: Value) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else str(value)


@given(st.lists(st.sampled_from(NAMES), max_size=2, unique=True), st.sampled_from(NAMES), events_of)
def test_stats_agree_with_the_reference(groups: list[str], name: str, events: list[dict[str, Value]]):
    by = f" by {', '.join(groups)}" if groups else ""
    query = f"stats count(*), count({name}), count_distinct({name}), sum({name}), min({name}){by}"
    result = evaluate(parse(query), Listed(numbered(events)))

    members: dict[tuple[str | None, ...], list[Value]] = {}
    for event in events:
        members.setdefault(tuple(shown(event.get(group)) for group in groups), []).append(event.get(name))
    expected = []
    for key, values in members.items():
        present = [value for value in values if value is not None]
        numbers = [n for value in present if (n := number(value)) is not None]
        least: Value = None
        if present:
            least = min(numbers) if len(numbers) == len(present) else min(str(shown(value)) for value in present)
        distinct = len({shown(value) for value in present})
        total = sum(numbers) if numbers else None
        expected.append((*key, str(len(values)), str(len(present)), str(distinct), shown(total), shown(least)))
    assert result.rows == expected


@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True), events_of, st.integers(1, 5))
def test_dedup_agrees_with_the_reference(names: list[str], events: list[dict[str, Value]], limit: int):
    events = numbered(events)
    query = Query((Fields((Item("a", Field("a")),)), Dedup(tuple(names)), Limit(limit)))
    assert parse(f"fields a | dedup {', '.join(names)} | limit {limit}") == query
    seen = set()
    kept = []
    for event in reversed(events):
        key = tuple(shown(event.get(name)) for name in names)
        if None in key or key not in seen:
            kept.append(event["@ptr"])
        seen.add(key)
    assert [row[-1] for row in evaluate(query, Listed(events)).rows] == kept[:limit]


@given(st.sampled_from(NAMES), st.booleans(), st.lists(st.integers(-5, 5) | st.none(), max_size=12))
def test_sort_agrees_with_the_reference(name: str, descending: bool, values: list[int | None]):
    events = numbered([{} if value is None else {name: value} for value in values])
    assert parse(f"sort {name} {'desc' if descending else ''}") == Query((Sort((SortKey(name, descending),)),))
    result = evaluate(parse(f"fields {name} | sort {name} {'desc' if descending else 'asc'}"), Listed(events))
    present = sorted((value for value in values if value is not None), reverse=descending)
    assert [row[0] for row in result.rows] == [*map(str, present), *[None] * (len(values) - len(present))]


# --- anything at all ------------------------------------------------------------------------------------------------


@given(expressions, events_of)
def test_no_expression_ends_in_anything_but_values(expression: Expression, events: list[dict[str, Value]]):
    evaluate(Query((Fields((Item("z", expression),)), Filter(expression))), Listed(numbered(events)))
    group = Stats((Item("n", Call("sum", (expression,))),), (Item("z", expression),))
    evaluate(Query((group, Sort((SortKey("n", True), SortKey("z", False))))), Listed(numbered(events)))


WORDS = (
    *("fields", "filter", "stats", "by", "sort", "desc", "limit", "dedup", "parse", "display", "as", "and", "or"),
    *("not", "in", "like", "=~", "=", "!=", "<", "+", "-", "*", "/", "^", "%", "(", ")", "[", "]", ",", "|", "#", "\n"),
    *("a", "b.c", "@timestamp", "`x y`", "count", "count(*)", "sum(a)", "bin(5m)", "pct(a, 95)", "abs", "if"),
    *('"s*"', "'t'", "/r(?<g>.)/", "5", "5m", "0.5", "1e3", "'", '"', "`", "\\"),
)


@given(st.lists(st.sampled_from(WORDS), max_size=25), st.sampled_from(["", " "]), events_of)
def test_words_in_any_order_are_a_query_or_malformed(words: list[str], space: str, events: list[dict[str, Value]]):
    with contextlib.suppress(MalformedQuery):
        evaluate(parse(space.join(words)), Listed(numbered(events)))


@given(st.text(max_size=60))
def test_any_text_is_a_query_or_malformed(text: str):
    with contextlib.suppress(MalformedQuery):
        parse(text)
    with contextlib.suppress(MalformedQuery):
        parse(f"fields a | filter {text}")


@given(st.text(st.sampled_from("()[]{}?*+|\\<>^$.a-z0:=!iP"), max_size=12))
def test_any_regular_expression_is_one_or_malformed(pattern: str):
    with contextlib.suppress(MalformedQuery, TimeoutError):
        evaluate(parse(f"filter a like /{pattern}/"), Listed(numbered([{"a": "ab0"}])))


def test_the_generated_words_do_make_queries():
    """Otherwise the property above would hold for nothing."""
    assert parse(" ".join(("stats", "count(*)", "by", "bin(5m)", "|", "sort", "`count(*)`", "desc"))).aggregates
    with pytest.raises(MalformedQuery):
        parse("stats count(*) by")
