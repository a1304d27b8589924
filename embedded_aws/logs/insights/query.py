"""What a query of Logs Insights is: commands, and expressions in them."""

from __future__ import annotations

from dataclasses import dataclass, field

import regex

from embedded_aws.logs.insights.functions import Period, Value

LIMIT_MAX = 100_000  # rows of a query
_DEPTH_MAX = 100  # of nested expressions


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


def fields_of(expression: Expression) -> frozenset[str]:
    if isinstance(expression, Field):
        return frozenset((expression.name,))
    if isinstance(expression, Call):
        return frozenset().union(*map(fields_of, expression.arguments))
    return frozenset()
