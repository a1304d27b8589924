"""Epoch seconds that never jump: the wall clock read once, then the monotonic one."""

from __future__ import annotations

import time

SAME_CLOCK_S = 0.05  # clocks closer than this are left alone: a message takes some milliseconds too

_wall = time.time() - time.perf_counter()
_anchor = _wall


def now() -> float:
    """Epoch seconds, UTC, unmoved by later steps of the wall clock; on a worker the master's."""
    return _anchor + time.perf_counter()


def follow(master_now: float) -> None:
    """Takes over the master's clock, where this machine's differs."""
    global _anchor
    if abs(master_now - now()) > SAME_CLOCK_S:
        _anchor = master_now - time.perf_counter()


def step_ms() -> float:
    """By how much this machine's wall clock has moved away from the monotonic one since this process started."""
    return (time.time() - time.perf_counter() - _wall) * 1000
