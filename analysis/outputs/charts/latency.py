"""How long answers took, as dots or histograms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from analysis.numbers.stats import Distribution
from analysis.outputs.charts.svg import Figure, Scale, axis, circle, line_of_text, rect, rule, svg, text
from analysis.wording import count, seconds

MOST_DOTS = 250  # above it a chart counts in bins


def latency(title: str, samples: Mapping[str, tuple[NDArray[np.float64], Distribution]]) -> Figure | None:
    """How long answers took: a dot each, or a histogram of many. `samples`: consumer → values in ms, their numbers."""
    samples = {name: pair for name, pair in samples.items() if pair[1].n}
    if not samples:
        return None
    many = sum(distribution.n for _, distribution in samples.values()) > MOST_DOTS
    lowest = min(float(values.min()) for values, _ in samples.values())
    highest = max(float(values.max()) for values, _ in samples.values())
    # Logarithmic where equal bins would squeeze everything but the tail into the first of them.
    logarithmic = many and highest > 4 * max(lowest, 1)
    scale = Scale(max(lowest, 1) * 0.95 if logarithmic else 0, highest * 1.05, logarithmic)
    row, marks, words = 84, [], []
    for place, (name, (values, distribution)) in enumerate(samples.items()):
        top = place * row
        named = (("p50", distribution.p50), ("p95", distribution.p95), ("p99", distribution.p99))
        known = [(quantile, value) for quantile, value in named if value is not None]
        shown = " · ".join(f"{quantile} {seconds(value)}" for quantile, value in known)
        words.append(f"{name}: n {count(distribution.n)}{f' · {shown}' if shown else ''}")
        marks += line_of_text(top + 12, name, f"n {count(distribution.n)}")
        if shown:
            marks.append(text(0, top + 27, shown, "value"))
        marks += _histogram(values, scale, top + 74) if many else _dots(values, scale, top + 44)
        marks += [
            rule(scale(value), top + 36, top + 76, "ink", f"{name}: {quantile} {seconds(value)}")
            for quantile, value in known
        ]
    height = row * len(samples)
    ticks = axis(Scale(scale.low / 1000, scale.high / 1000, logarithmic), height, "s")
    return Figure(
        title,
        svg([*ticks, *marks], height + 20, f"{title}. {'; '.join(words)}"),
        "Of answered requests. Upright lines mark p50, p95 and p99 where there are enough samples to tell.",
    )


def _dots(values: NDArray[np.float64], scale: Scale, top: float) -> list[Markup]:
    """A strip of dots, spread by the golden ratio so that neighbours stay apart."""
    return [
        circle(scale(value), top + 24 * (place * 0.618034 % 1), seconds(value))
        for place, value in enumerate(np.sort(values).tolist())
    ]


def _histogram(values: NDArray[np.float64], scale: Scale, bottom: float) -> list[Markup]:
    edges = scale.bins(60)
    counts = np.histogram(np.clip(values, scale.low, scale.high), edges)[0]
    heights = 36 * counts / max(counts.max(), 1)
    return [
        rect(
            scale(edges[i]), scale(edges[i + 1]) - scale(edges[i]), bottom - heights[i], heights[i], "answered",
            f"{seconds(edges[i])} to {seconds(edges[i + 1])}: {count(int(counts[i]))}",
        )
        for i in np.flatnonzero(counts)
    ]  # fmt: skip
