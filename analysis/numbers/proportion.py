"""A count of a whole, kept as integers: the share is derived."""

from __future__ import annotations

import math
from dataclasses import dataclass

_Z = 1.959963984540054  # the normal distribution's 97.5 % quantile


@dataclass(frozen=True, slots=True)
class Proportion:
    """`count` of `of`."""

    count: int
    of: int

    @property
    def share(self) -> float | None:
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's score interval at 95 %: right for small n and for 0 and 100 %, where the usual one is not."""
        if not self.of:
            return None
        n, p = self.of, self.count / self.of
        scale = 1 + _Z**2 / n
        centre = (p + _Z**2 / (2 * n)) / scale
        half = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2)) / scale
        return (0.0 if self.count == 0 else centre - half, 1.0 if self.count == n else centre + half)
