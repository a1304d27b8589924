"""What `stats` makes of the values of a group."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from embedded_aws.logs.insights.functions import Timestamp, Value, bounded_result, number, sort_key, text

Weights = Sequence[int]


_Pairs = Sequence[tuple[int | float, int]]


def _numbers(values: Sequence[Value], weights: Weights) -> _Pairs:
    pairs = [(number(value), weight) for value, weight in zip(values, weights, strict=True)]
    return [(numeric, weight) for numeric, weight in pairs if numeric is not None]


def _of_numbers(function: Callable[[_Pairs], int | float]) -> Callable[[Sequence[Value], Weights], Value]:
    """Of the numbers among the values, with their weights; None where there is none, or the result is none."""

    def aggregate(values: Sequence[Value], weights: Weights) -> Value:
        pairs = _numbers(values, weights)
        return bounded_result(function, pairs) if pairs else None

    return aggregate


def _sum(pairs: _Pairs) -> int | float:
    return sum(numeric * weight for numeric, weight in pairs)


def _average(pairs: _Pairs) -> float:
    return _sum(pairs) / sum(weight for _, weight in pairs)


def _deviation(pairs: _Pairs) -> float:
    """Of the population; which one AWS means is not documented."""
    mean = _average(pairs)
    return math.sqrt(_average([((numeric - mean) ** 2, weight) for numeric, weight in pairs]))


def _extreme(pick: Callable[..., Value]) -> Callable[[Sequence[Value], Weights], Value]:
    """Numbers by value, else text; a timestamp comes out as epoch milliseconds, as it does from AWS."""

    def aggregate(values: Sequence[Value], weights: Weights) -> Value:
        if not values:
            return None
        numbers = [numeric for numeric, _ in _numbers(values, weights)]
        if len(numbers) == len(values):
            best = pick(numbers)
            return int(best) if isinstance(best, Timestamp) else best
        return pick(text(value) for value in values)

    return aggregate


def percentile(values: Sequence[Value], weights: Weights, percent: float) -> Value:
    """By nearest rank, exactly; AWS estimates."""
    pairs = sorted(_numbers(values, weights))
    rank = max(1, math.ceil(sum(weight for _, weight in pairs) * percent / 100))
    for numeric, weight in pairs:
        rank -= weight
        if rank <= 0:
            return numeric
    return None


def _count_distinct(values: Sequence[Value], weights: Weights) -> int:
    return len({text(value) for value in values})


@dataclass(frozen=True, slots=True)
class Aggregate:
    call: Callable[..., Value]
    arguments_min: int = 1
    arguments_max: int = 1


AGGREGATES: dict[str, Aggregate] = {
    "count": Aggregate(lambda values, weights: sum(weights), 0, 1),
    "count_distinct": Aggregate(_count_distinct),
    "sum": Aggregate(_of_numbers(_sum)),
    "avg": Aggregate(_of_numbers(_average)),
    "min": Aggregate(_extreme(min)),
    "max": Aggregate(_extreme(max)),
    "stddev": Aggregate(_of_numbers(_deviation)),
    "pct": Aggregate(percentile, 2, 2),
    # The value of the oldest and of the newest event; of the smallest and of the greatest in sort order.
    "earliest": Aggregate(lambda values, weights: values[0] if values else None),
    "latest": Aggregate(lambda values, weights: values[-1] if values else None),
    "sortsfirst": Aggregate(lambda values, weights: min(values, key=sort_key, default=None)),
    "sortslast": Aggregate(lambda values, weights: max(values, key=sort_key, default=None)),
}
