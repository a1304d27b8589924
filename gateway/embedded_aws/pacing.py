"""How late frames were sent: the embedded AWS's own proof that it kept its schedule."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import Any

_STEP_MS = 0.1
_STEPS = 10_000  # up to a second; later counts as the last step


class Lateness:
    """A histogram of (sent - due) in steps of 0.1 ms; its memory stays the same."""

    _counts: list[int]
    _max_s: float

    def __init__(self) -> None:
        self.reset()

    def record(self, late_s: float) -> None:
        step = int(late_s * (1000 / _STEP_MS)) if late_s > 0 else 0
        self._counts[step if step < _STEPS else _STEPS] += 1
        if late_s > self._max_s:
            self._max_s = late_s

    def reset(self) -> None:
        self._counts = [0] * (_STEPS + 1)
        self._max_s = 0.0

    def summary(self) -> dict[str, Any]:
        """Milliseconds; percentiles are upper bounds of their step, None when nothing was sent."""
        frames = sum(self._counts)
        return {
            "frames": frames,
            "late_p50_ms": self._percentile(0.50, frames),
            "late_p99_ms": self._percentile(0.99, frames),
            "late_max_ms": round(self._max_s * 1000, 3) if frames else None,
        }

    def _percentile(self, share: float, frames: int) -> float | None:
        if not frames:
            return None
        step = bisect_left(list(accumulate(self._counts)), share * frames)
        return round((step + 1) * _STEP_MS, 1)
