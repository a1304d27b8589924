"""Logs Insights: a Query over events → rows of text. Pure.

Events are columns, and columns are dictionary-encoded: the distinct values, and one small integer an event. An
expression is therefore computed once for each distinct combination of the fields it reads, not once an event; a
million invocations have a handful of models, Regions and runs. Counting the combinations is numpy's work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import regex

from embedded_aws.logs.insights.aggregates import AGGREGATES
from embedded_aws.logs.insights.functions import (
    FUNCTIONS,
    OPERATORS,
    REGEX_TIMEOUT_S,
    Timestamp,
    Value,
    sort_key,
    text,
    truth,
)
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
    Parse,
    Query,
    Sort,
    Stats,
    fields_of,
)

LIMIT_DEFAULT = 10_000  # when neither the query nor the request gives one

_PART = 65_536  # rows for which an expression is computed at once

Index = npt.NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Column:
    """Row i holds values[codes[i]]. Values may repeat, and need not all be in use."""

    codes: Index
    values: Sequence[Value]


class Source(Protocol):
    """Events, numbered in some order of the source's own."""

    def rows(self, newest_first: bool) -> Index: ...

    def load(self, names: Sequence[str], rows: Index) -> list[Column]:
        """The named fields of those events, None where an event has no such field."""


class Stopped(Exception):
    """The caller's `stop` said so."""


@dataclass(frozen=True, slots=True)
class Result:
    """`rows` hold text, or None for a cell that has no value; `matched` events passed the filters."""

    names: tuple[str, ...]
    rows: list[tuple[str | None, ...]]
    matched: int


def _never() -> bool:
    return False


def evaluate(query: Query, source: Source, limit: int | None = None, stop: Callable[[], bool] = _never) -> Result:
    """`limit` is the request's: it cuts the rows after the query's own. Raises Stopped, and TimeoutError where a
    regular expression of the query backtracks without end."""
    table = _Table(source.rows(newest_first=not query.aggregates), source, {}, stop)
    shown: list[str] = []
    displayed: list[str] = []
    matched = None
    for command in query.commands:
        if matched is None and isinstance(command, Stats | Limit | Dedup):
            matched = table.size
        table = _apply(command, table)
        if isinstance(command, Display):
            displayed = list(command.names)
        elif isinstance(command, Stats):
            shown, displayed = [item.name for item in command.groups + command.items], []
        elif isinstance(command, Fields):
            shown += [item.name for item in command.items]
        elif isinstance(command, Parse):
            shown = (shown or ["@timestamp", "@message"]) + list(command.names)
    limited = any(isinstance(command, Limit) for command in query.commands)
    kept = table.take(np.arange(min(table.size, limit or (LIMIT_MAX if limited else LIMIT_DEFAULT))))
    names = tuple(dict.fromkeys(displayed or shown or ["@timestamp", "@message"]))
    if not query.aggregates:
        names = (*(name for name in names if name != "@ptr"), "@ptr")
    return Result(names, kept.texts(names), table.size if matched is None else matched)


@dataclass(frozen=True, slots=True)
class _Table:
    rows: Index  # the events that are left, or the groups of stats
    source: Source | None
    columns: dict[str, Column] = field(default_factory=dict)  # those computed or loaded so far
    stop: Callable[[], bool] = _never

    @property
    def size(self) -> int:
        return len(self.rows)

    def load(self, names: Iterable[str]) -> list[Column]:
        names = list(names)
        missing = [name for name in dict.fromkeys(names) if name not in self.columns]
        if missing and self.source is not None:
            self.columns.update(zip(missing, self.source.load(missing, self.rows), strict=True))
        return [self.columns[name] for name in names]

    def take(self, index: npt.NDArray[np.bool_] | Index) -> _Table:
        columns = {name: Column(column.codes[index], column.values) for name, column in self.columns.items()}
        return _Table(self.rows[index], self.source, columns, self.stop)

    def having(self, columns: dict[str, Column]) -> _Table:
        return _Table(self.rows, self.source, self.columns | columns, self.stop)

    def texts(self, names: Sequence[str]) -> list[tuple[str | None, ...]]:
        cells = []
        for column in self.load(names):
            codes, first = _distinct([column], self.size)
            values = _at(column, first)
            printed = [None if value is None else text(value) for value in values]
            cells.append([printed[code] for code in codes.tolist()])
        return list(zip(*cells, strict=True))


def _apply(command: Command, table: _Table) -> _Table:
    match command:
        case Fields(items):
            for item in items:
                if item.expression != Field(item.name):
                    table = table.having({item.name: _compute(item.expression, table)})
            return table
        case Filter(condition):
            column = _compute(condition, table)
            holds = np.array([truth(value) is True for value in column.values], dtype=bool)
            return table.take(holds[column.codes])
        case Parse(source, _, names):
            columns = _by_parts(lambda part: _extract(command, part), [source], table)
            return table.having(dict(zip(names, columns, strict=True)))
        case Stats(items, groups):
            return _aggregate(items, groups, table)
        case Sort(keys):
            sorting = zip(table.load(key.name for key in keys), keys, strict=True)
            ranks = [_rank(column, table.size, key.descending) for column, key in sorting]
            return table.take(np.lexsort(ranks[::-1]))
        case Limit(rows):
            return table.take(np.arange(min(rows, table.size)))
        case Dedup(names):
            return table.take(_first_of_each(table.load(names), table.size))
    return table  # Display chooses columns, not rows


def _compute(expression: Expression, table: _Table) -> Column:
    if isinstance(expression, Field):
        return table.load([expression.name])[0]
    names = sorted(fields_of(expression))
    function = _compiled(expression, names)
    if not names:
        return Column(np.zeros(table.size, dtype=np.int64), [function(())])
    return _by_parts(lambda part: [Column(*_map(function, names, part))], names, table)[0]


def _map(function: Callable[[tuple[Value, ...]], T], names: Sequence[str], table: _Table) -> tuple[Index, list[T]]:
    """(the number of the result that each row has, the results)"""
    columns = table.load(names)
    codes, first = _distinct(columns, table.size)
    results = []
    for number, arguments in enumerate(zip(*(_at(column, first) for column in columns), strict=True)):
        if number % 64 == 0 and table.stop():
            raise Stopped
        results.append(function(arguments))
    return codes, results


def _by_parts(compute: Callable[[_Table], list[Column]], names: Sequence[str], table: _Table) -> list[Column]:
    """The columns that `compute` makes of `names`, part by part: no more than a part of all messages is in memory."""
    parts = []
    for start in range(0, max(1, table.size), _PART):
        rows = slice(start, start + _PART)
        loaded = {name: table.columns[name] for name in names if name in table.columns}
        columns = {name: Column(column.codes[rows], column.values) for name, column in loaded.items()}
        parts.append(compute(_Table(table.rows[rows], table.source, columns, table.stop)))
    return [_joined(columns) for columns in zip(*parts, strict=True)]


def _joined(parts: Sequence[Column]) -> Column:
    values: list[Value] = []
    codes = []
    for part in parts:
        codes.append(part.codes + len(values))
        values += part.values
    return Column(np.concatenate(codes), values)


def _compiled(expression: Expression, names: Sequence[str]) -> Callable[[tuple[Value, ...]], Value]:
    """A function of the values of the fields called `names`."""
    if isinstance(expression, Field):
        position = names.index(expression.name)
        return lambda values: values[position]
    if isinstance(expression, Literal):
        constant = expression.value
        return lambda values: constant  # type: ignore[return-value]  # a Period or a pattern is an argument, no result
    call = OPERATORS[expression.function] if expression.function in OPERATORS else FUNCTIONS[expression.function].call
    arguments = [_compiled(argument, names) for argument in expression.arguments]
    return lambda values: call(*[argument(values) for argument in arguments])


def _at(column: Column, rows: Index) -> list[Value]:
    return [column.values[code] for code in column.codes[rows].tolist()]


def _distinct(columns: Sequence[Column], size: int) -> tuple[Index, Index]:
    """(the number of the combination that each row has, the first row that has each combination)."""
    codes = np.zeros(size, dtype=np.int64)
    for column in columns:
        codes = _compact(codes * max(1, len(column.values)) + column.codes)
    count = int(codes.max()) + 1 if size else 0
    first = np.zeros(count, dtype=np.int64)
    first[codes[::-1]] = np.arange(size - 1, -1, -1)  # of several assignments to one place the last one stays
    return codes, first


def _compact(codes: Index) -> Index:
    """The same partition of the rows, numbered from 0 without gaps."""
    if not len(codes):
        return codes
    width = int(codes.max()) + 1
    if width > 4 * len(codes) + 65_536:
        return np.unique(codes, return_inverse=True)[1].astype(np.int64)
    used = np.zeros(width, dtype=np.int64)
    used[codes] = 1
    return (np.cumsum(used) - 1)[codes]


def _by_text(column: Column, size: int) -> Column:
    """Values that print alike become one: a group is what one reads."""
    codes, first = _distinct([column], size)
    numbers: dict[str | None, int] = {}
    values: list[Value] = []
    renumbered = np.empty(len(first), dtype=np.int64)
    for code, value in enumerate(_at(column, first)):
        key = None if value is None else text(value)
        renumbered[code] = numbers.setdefault(key, len(values))
        if len(numbers) > len(values):
            values.append(value)
    return Column(renumbered[codes], values)


def _first_of_each(columns: Sequence[Column], size: int) -> Index:
    """Rows that lack one of the fields are no duplicates of one another: they all stay."""
    merged = [_by_text(column, size) for column in columns]
    _, first = _distinct(merged, size)
    keep = np.zeros(size, dtype=bool)
    keep[first] = True
    for column in merged:
        absent = np.array([value is None for value in column.values], dtype=bool)
        keep |= absent[column.codes]
    return np.flatnonzero(keep)


def _rank(column: Column, size: int, descending: bool) -> Index:
    """Numbers that sort the rows; those without a value come last either way."""
    codes, first = _distinct([column], size)
    keys = [None if value is None else sort_key(value) for value in _at(column, first)]
    order = {key: rank for rank, key in enumerate(sorted({key for key in keys if key is not None}, reverse=descending))}
    ranks = np.array([len(order) if key is None else order[key] for key in keys], dtype=np.int64)
    return ranks[codes]


def _extract(command: Parse, table: _Table) -> list[Column]:
    def found(arguments: tuple[Value, ...]) -> regex.Match[str] | None:
        (value,) = arguments
        return None if value is None else command.pattern.search(text(value), timeout=REGEX_TIMEOUT_S)

    codes, matches = _map(found, [command.source], table)
    groups = range(1, len(command.names) + 1)
    return [Column(codes, [match[group] if match else None for match in matches]) for group in groups]


def _aggregate(items: Sequence[Item], groups: Sequence[Item], table: _Table) -> _Table:
    """One row a group, in the order in which the groups turn up; none if there are no events."""
    keys = [_by_text(_compute(group.expression, table), table.size) for group in groups]
    codes, first = _distinct(keys, table.size)
    order = np.argsort(first)
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    group = Column(position[codes], range(len(first)))

    result = _Table(np.arange(len(first)), None, {}, table.stop)
    for item, key in zip(groups, keys, strict=True):
        result.columns[item.name] = Column(np.arange(len(first)), _at(key, first[order]))
    for item in items:
        result.columns[item.name] = _compute(_summarised(item.expression, group, table, result), result)
    return result


def _summarised(expression: Expression, group: Column, table: _Table, result: _Table) -> Expression:
    """The expression with every aggregate in it replaced by a field of `result` that holds its value by group."""
    if not isinstance(expression, Call):
        return expression
    if expression.function not in AGGREGATES:
        return Call(expression.function, tuple(_summarised(a, group, table, result) for a in expression.arguments))
    name = f" {expression!r}"  # no query can spell it
    if name not in result.columns:
        result.columns[name] = Column(np.arange(result.size), _values_by_group(expression, group, table, result.size))
    return Field(name)


def _values_by_group(call: Call, group: Column, table: _Table, groups: int) -> list[Value]:
    function = AGGREGATES[call.function].call
    column = _compute(call.arguments[0], table) if call.arguments else Column(np.zeros(table.size, np.int64), [1])
    ordered = call.function in ("earliest", "latest")
    columns = [group, column, *(table.load(["@timestamp"]) if ordered else [])]
    codes, first = _distinct(columns, table.size)
    counts = np.bincount(codes, minlength=len(first)).tolist()
    facts = list(zip(*(_at(c, first) for c in columns), counts, strict=True))
    if ordered:
        facts.sort(key=lambda fact: fact[2] or 0)
    values: list[list[Value]] = [[] for _ in range(groups)]
    weights: list[list[int]] = [[] for _ in range(groups)]
    for number, value, *_, count in facts:
        if value is not None:
            values[number].append(value)
            weights[number].append(count)
    constants = [argument.value for argument in call.arguments[1:] if isinstance(argument, Literal)]
    results = (function(v, w, *constants) for v, w in zip(values, weights, strict=True))
    # AWS prints the @timestamp of earliest and latest as epoch milliseconds.
    return [int(value) if isinstance(value, Timestamp) else value for value in results]
