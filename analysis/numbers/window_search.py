"""Windows of one quota, found in what a client saw: whether any that a sound gateway may have had explains it.

A client knows when it sent a request, and not when or in which order the gateway counted it. What it saw is therefore
held against every chain of windows that such a gateway can have had if it counted each request within `TOLERANCE_S`:
no window may have admitted more than the quota, and what was rate-limited must have come while a window was full.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.model import Answer

WINDOW_S = 60.0
TOLERANCE_S = 2.0  # between a request's start and its being counted, at most
_ENOUGH_WINDOWS = 3  # from here on, edges that explain every window are no coincidence

Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """One quota window, by the client's clock."""

    starts_at: float
    admitted: int  # whether or not the answer arrived whole
    rate_limited: int  # meanwhile: refused, or answered by a fallback
    over_at: float | None = None  # when the first request over the quota came; None: none did

    @property
    def offered(self) -> int:
        return self.admitted + self.rate_limited


@dataclass(frozen=True)
class Chain:
    """The windows of one deployment or key, one after another."""

    name: str
    quota_rpm: int
    windows: tuple[Window, ...]
    answer: Answer  # PASS: a sound gateway explains them; UNKNOWN: it may; FAIL: never
    quota_tpm: int | None = None  # where it explains what the quota of requests does not
    reserve: bool = False  # asked only while deployments of a lower order are full, so that it may stay empty
    unmodelled: str = ""  # what of the gateway's routing decides in a way that windows do not explain

    @property
    def admitted(self) -> int:
        return sum(window.admitted for window in self.windows)

    @property
    def excess(self) -> int:
        """How many more it admitted than it may."""
        return sum(max(0, window.admitted - self.quota_rpm) for window in self.windows)

    def expected(self, window: Window) -> int:
        return min(window.offered, self.quota_rpm)

    def holds(self, window: Window) -> bool:
        return window.admitted == self.expected(window)

    def over_quota(self) -> list[tuple[float, float]]:
        """When more was asked for than the quota allows: in each window from the first such request to its end."""
        return [(window.over_at, window.starts_at + WINDOW_S) for window in self.windows if window.over_at is not None]

    @property
    def filled(self) -> bool:
        """Whether the quota was used up in any window."""
        return any(window.admitted >= self.quota_rpm for window in self.windows)


@dataclass(frozen=True)
class Quota:
    """What a deployment or key may admit in a window."""

    name: str
    rpm: int
    tpm: int | None


def chain_from_first_request(limit: Quota, admitted: Times, away: Times) -> Chain:
    """Windows that open with the first request that is `admitted`; `away` is what was rate-limited meanwhile."""
    name, quota = limit.name, limit.rpm
    begins = _run_out(admitted)
    if _holds(admitted, away, quota, begins):
        return Chain(name, quota, _explained(admitted, away, quota, begins), Answer.PASS)
    explained = _explanation(admitted, away, quota)
    if explained is not None and len(explained) >= _ENOUGH_WINDOWS:
        return Chain(name, quota, _explained(admitted, away, quota, explained), Answer.PASS)
    windows = _as_they_should_have_been(admitted, away, quota)
    if explained is not None:
        return Chain(name, quota, windows, Answer.UNKNOWN)
    if limit.tpm is not None and _explanation(admitted, away[:0], quota) is not None:  # none admitted too many requests
        return Chain(name, quota, windows, Answer.UNKNOWN, limit.tpm)
    return Chain(name, quota, windows, Answer.FAIL)


def chain_of_clock_minutes(limit: Quota, admitted: Times, away: Times) -> Chain:
    """Windows that are the minutes of the clock. What was counted after the minute in which it was sent may be either.

    Requests this close before the end of a minute may count in the next one, so a minute fails only by those that
    cannot, and by turning requests away too early only if those that can would not fill it.
    """
    name, quota = limit.name, limit.rpm
    starts = np.unique(np.floor(np.concatenate([admitted, away]) / WINDOW_S)) * WINDOW_S
    counted, offered_away = (_in_minutes(times, starts, 0, WINDOW_S) for times in (admitted, away))
    windows = tuple(
        Window(start, int(n), int(out), _first_over(admitted, away, start, quota) if out or n > quota else None)
        for start, n, out in zip(starts.tolist(), counted, offered_away, strict=True)
    )
    if all(window.admitted <= quota and (not window.rate_limited or window.admitted == quota) for window in windows):
        return Chain(name, quota, windows, Answer.PASS)
    surely = _in_minutes(admitted, starts, 0, WINDOW_S - TOLERANCE_S)
    possibly = _in_minutes(admitted, starts, -TOLERANCE_S, WINDOW_S)
    surely_away = _in_minutes(away, starts, 0, WINDOW_S - TOLERANCE_S)
    too_many = bool((surely > quota).any())
    too_early = bool(((surely_away > 0) & (possibly < quota)).any())
    if too_early and not too_many and limit.tpm is not None:
        return Chain(name, quota, windows, Answer.UNKNOWN, limit.tpm)
    return Chain(name, quota, windows, Answer.FAIL if too_many or too_early else Answer.UNKNOWN)


def _in_minutes(times: Times, starts: Times, begin_s: float, end_s: float) -> NDArray[np.int64]:
    """How many of the times lie between begin and end of each minute, in seconds after it starts."""
    return np.searchsorted(times, starts + end_s) - np.searchsorted(times, starts + begin_s)


def _first_over(admitted: Times, away: Times, start: float, quota: int) -> float | None:
    """When the minute's first request over the quota came."""
    times = np.sort(np.concatenate([admitted, away]))
    times = times[np.searchsorted(times, start) : np.searchsorted(times, start + WINDOW_S)]
    return float(times[quota]) if len(times) > quota else float(times[-1])


def _as_they_should_have_been(admitted: Times, away: Times, quota: int) -> tuple[Window, ...]:
    """Whoever is rate-limited with no window open would have opened one."""
    times = np.sort(np.concatenate([admitted, away]))
    begins = _run_out(times)
    starts, ends = times[begins], [*begins[1:], len(times)]
    over_at = [
        float(times[begin + quota]) if begin + quota < end else None for begin, end in zip(begins, ends, strict=True)
    ]
    counts = (_counts(admitted, starts).tolist(), _counts(away, starts).tolist())
    return tuple(Window(*window) for window in zip(starts.tolist(), *counts, over_at, strict=True))


def _run_out(times: Times) -> list[int]:
    """Where windows begin that are as long as they should be, each with the first request after the one before."""
    begins = [0] if len(times) else []
    while begins and (following := int(np.searchsorted(times, times[begins[-1]] + WINDOW_S))) < len(times):
        begins.append(following)
    return begins


def _holds(admitted: Times, away: Times, quota: int, begins: list[int]) -> bool:
    """Whether no window admitted more than the quota, and each request rate-limited came while one was full."""
    sizes = np.diff([*begins, len(admitted)])
    if (sizes > quota).any():
        return False
    opened = np.array(begins, dtype="int64")[sizes == quota]
    if not len(opened):
        return not len(away)
    latest = np.searchsorted(_full_from(admitted, quota, opened), away, side="right") - 1
    return bool((latest >= 0).all() and (away <= admitted[opened[latest]] + WINDOW_S).all())


def _explained(admitted: Times, away: Times, quota: int, begins: list[int]) -> tuple[Window, ...]:
    """The windows that explain everything. What was rate-limited near an edge counts in the one that was full."""
    sizes = np.diff([*begins, len(admitted)])
    full = np.flatnonzero(sizes == quota)
    full_from = _full_from(admitted, quota, np.array(begins, dtype="int64")[full])
    first_away = np.searchsorted(away, full_from).tolist()
    rate_limited = dict(zip(full.tolist(), _counts(away, full_from).tolist(), strict=True))
    over_at = {
        place: float(away[first])
        for (place, count), first in zip(rate_limited.items(), first_away, strict=True)
        if count
    }
    return tuple(
        Window(at, size, rate_limited.get(place, 0), over_at.get(place))
        for place, (at, size) in enumerate(zip(admitted[begins].tolist(), sizes.tolist(), strict=True))
    )


def _full_from(admitted: Times, quota: int, opened: NDArray[np.int64]) -> Times:
    """From when on the windows that opened there may have been full."""
    return admitted[opened + quota - 1] - TOLERANCE_S


def _counts(times: Times, starts: Times) -> NDArray[np.int64]:
    """How many of the times lie between each start and the next."""
    return np.diff(np.append(np.searchsorted(times, starts), len(times)))


def _explanation(admitted: Times, away: Times, quota: int) -> list[int] | None:
    """Where windows may have begun, each edge within the tolerance, so that all is explained; None: nowhere.

    One pass over what was admitted, in which `until` is the time up to which everything rate-limited is explained, at
    best, when a window begins there: the later, the better, whatever comes after. As no two requests are told apart
    but by whether they were admitted, the order in which they were counted may be taken to be that of their starts.
    """
    n, times, rate_limited = len(admitted), admitted.tolist(), [*away.tolist(), math.inf]
    if not n:
        return None if len(away) else []
    earliest_end = np.searchsorted(admitted, admitted + WINDOW_S - TOLERANCE_S).tolist()
    latest_end = np.searchsorted(admitted, admitted + WINDOW_S + TOLERANCE_S, side="right").tolist()
    after_full: dict[int, tuple[float, int]] = {}  # where a full window ends → until, its begin
    with_room = _WithRoom()
    came_from = [-1] * (n + 1)
    until = -math.inf
    for begin in range(n + 1):
        best = with_room.ending_at(begin)
        if begin:
            reached = after_full.pop(begin, None)
            if best and (reached is None or best[0] > reached[0]):
                reached = best
            if reached is None:
                continue
            until, came_from[begin] = reached
        unexplained = rate_limited[bisect_right(rate_limited, until)]
        if begin == n:
            return _way(came_from) if unexplained == math.inf else None
        if unexplained < times[begin] - TOLERANCE_S:
            continue  # no window that begins here or later explains it
        end = begin + quota
        if earliest_end[begin] <= end <= latest_end[begin] and times[end - 1] - TOLERANCE_S <= unexplained:
            after_full[end] = (times[begin] + WINDOW_S + TOLERANCE_S, begin)
        with_room.add(earliest_end[begin], min(latest_end[begin], end - 1), until, begin)
    return None


class _WithRoom:
    """Windows with room left, which may end anywhere between two places: first end, last end, until, begin."""

    def __init__(self) -> None:
        self._coming: deque[tuple[int, int, float, int]] = deque()
        self._ending: deque[tuple[int, int, float, int]] = deque()  # those that may end now, the best first

    def add(self, first_end: int, last_end: int, until: float, begin: int) -> None:
        self._coming.append((first_end, last_end, until, begin))

    def ending_at(self, place: int) -> tuple[float, int] | None:
        """The best of those that may end there: until, begin. Places ascend from call to call."""
        while self._coming and self._coming[0][0] <= place:
            window = self._coming.popleft()
            while self._ending and self._ending[-1][2] <= window[2]:
                self._ending.pop()  # it is not better, and may not end later either
            self._ending.append(window)
        while self._ending and self._ending[0][1] < place:
            self._ending.popleft()
        return self._ending[0][2:] if self._ending else None


def _way(came_from: list[int]) -> list[int]:
    begins = []
    at = came_from[-1]
    while at >= 0:
        begins.append(at)
        at = came_from[at]
    return begins[::-1]
