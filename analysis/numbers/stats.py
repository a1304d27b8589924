"""Shares and distributions, with what can honestly be said of few samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Distribution:
    """Exact percentiles: each is a value that was measured (nearest rank). None: too few samples to tell."""

    n: int
    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


def samples_needed(percentile: float) -> int:
    """The least n at which the largest sample lies above the true percentile with 95 % confidence.

    5 for the median, 59 for p95, 299 for p99 (Wilks 1941: 1 - p**n >= 0.95). Below it, no sample bounds the percentile.
    """
    return math.ceil(math.log(1 - _CONFIDENCE) / math.log(percentile / 100))


def distribution(values: NDArray[np.float64]) -> Distribution:
    """Of the values that were measured; NaN was not."""
    known = np.asarray(values, dtype="float64")
    known = known[~np.isnan(known)]
    n = len(known)
    if not n:
        return Distribution(0, None, None, None, None, None)
    ranks = {p: math.ceil(n * p / 100) - 1 for p in (50, 95, 99) if n >= samples_needed(p)}
    ordered = np.partition(known, list(ranks.values())) if ranks else known
    p50, p95, p99 = (float(ordered[ranks[p]]) if p in ranks else None for p in (50, 95, 99))
    return Distribution(n, float(known.mean()), p50, p95, p99, float(known.max()))


def sum_or_none(values: NDArray[np.float64]) -> float | None:
    """Of the values that are known; None when none is."""
    known = values[~np.isnan(values)]
    return float(known.sum()) if len(known) else None
