"""What the grammar of Logs Insights cannot say: which expressions, orders of commands and names make sense."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from embedded_aws.logs.insights.aggregates import AGGREGATES
from embedded_aws.logs.insights.functions import FUNCTIONS, Period
from embedded_aws.logs.insights.query import (
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
    Stats,
    fields_of,
)


def check(query: Query) -> None:
    """Raises MalformedQuery."""
    _check_expressions(query.commands)
    _check_order(query.commands)
    _check_names(query.commands)


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
