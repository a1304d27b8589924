"""What each quota admitted in each of its windows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.numbers.window_search import WINDOW_S, Window
from analysis.numbers.windows import Windows
from analysis.outputs.charts.svg import Figure, clock, line_of_text, rect, svg
from analysis.wording import count

MOST_WINDOWS = 180  # above it a bar stands for several quota windows


def windows(title: str, seen: Windows, note: str = "") -> Figure | None:
    """What each quota admitted in each of its windows, against the quota. Of use from the second window on."""
    if all(len(chain.windows) < 2 for chain in seen.chains):
        return None
    row, marks, words = 66, [], []
    together = math.ceil(max(len(chain.windows) for chain in seen.chains) / MOST_WINDOWS)
    for place, chain in enumerate(seen.chains):
        top = place * row
        admitted = [window.admitted for window in chain.windows] or [0]
        most = max(*admitted, chain.quota_rpm)
        value = f"{_least_to_most(admitted)} a window · quota {count(chain.quota_rpm)}"
        words.append(f"{chain.name}: {value}")
        marks += line_of_text(top + 12, chain.name, value)
        bars = [chain.windows[first : first + together] for first in range(0, len(chain.windows), together)]
        step, line = 100 / max(len(bars), 1), top + 55 - 36 * chain.quota_rpm / most
        for number, part in enumerate(bars):
            left, width = (number + 0.1) * step, 0.8 * step
            height = 36 * max(window.admitted for window in part) / most
            marks += [
                rect(left, width, top + 56 - height, height, "answered", f"{chain.name}, {_in_words(part)}"),
                rect(left, width, line, 1.5, "ink"),
            ]
    what = "A bar for each window" if together == 1 else f"A bar for {count(together)} windows, as high as the fullest"
    return Figure(
        title,
        svg(marks, row * len(seen.chains) - 6, f"{title}. {'; '.join(words)}"),
        f"{what}: a window opens with the first request that is admitted, and lasts a minute. The line is the quota."
        f"{note and ' '}{note}",
    )


def _in_words(part: Sequence[Window]) -> str:
    """What one bar shows."""
    if len(part) == 1:
        return f"{clock(part[0].starts_at)}: {count(part[0].admitted)} of {count(part[0].offered)} offered"
    each = _least_to_most([window.admitted for window in part])
    return f"{clock(part[0].starts_at)} to {clock(part[-1].starts_at + WINDOW_S)}: {each} a window"


def _least_to_most(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return count(least) if least == most else f"{count(least)} to {count(most)}"
