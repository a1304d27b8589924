"""Frames written when they are due, and how late they were: the embedded AWS's own proof that it kept its schedule."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate
from typing import Any

from embedded_aws.wire import Frames

_BUSY_S = 0.005  # how soon a client that does not read is tried again

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


class Player:
    """Writes the frames of one stream. Timers call straight into it: a task woken for each would cost twice the frame.

    `write` returns False when the client does not keep up; the frame is then offered again.
    """

    def __init__(self, frames: Frames, write: Callable[[bytes], bool], lateness: Lateness) -> None:
        self._frames = frames
        self._write = write
        self._lateness = lateness
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.Handle | None = None
        self._due = 0.0
        self._frame = b""

    async def play(self) -> None:
        """Returns after the last frame. Raises what the frames raise."""
        self._advance()
        try:
            await self._ended
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._frames.close()

    def _advance(self) -> None:
        try:
            self._due, self._frame = next(self._frames)
        except StopIteration:
            self._ended.set_result(None)
        except Exception as error:  # whoever awaits the end shall see it
            self._ended.set_exception(error)
        else:
            delay = self._due - time.monotonic()
            # Even what is overdue waits for the loop's next turn, so that no stream holds up the others.
            self._timer = self._loop.call_later(delay, self._tick) if delay > 0 else self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        if self._write(self._frame):
            self._lateness.record(time.monotonic() - self._due)
            self._advance()
        else:
            self._timer = self._loop.call_later(_BUSY_S, self._tick)
