"""Quota windows: what was served and what was turned away in each of them, and whether a sound gateway can explain it.

LiteLLM counts a deployment's rpm and a key's rpm alike (read in its 1.106 source): a count begins with the first
request that it serves, is kept for 60 s, and begins anew with the next one it serves after that. So every deployment
and every key has a chain of windows of its own; the minutes of the clock play no part.

- Deployments, `Router._update_usage` and `_pre_call_checks`: a request is counted when a deployment is chosen for it,
  and one that is full is not chosen. When all of a group are full, the request falls back or is refused.
- Keys, `_PROXY_MaxParallelRequestsHandler_v3`: the same, on a clock cut to whole seconds, so up to 1 s less.

A client knows when it sent a request, and not when or in which order the gateway counted it. What it saw is therefore
held against every chain of windows that such a gateway can have had if it counted each request within `TOLERANCE_S`:
no window may have served more than the quota, and what was turned away must have come while a window was full.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.metrics import sent
from analysis.model import Answer, Outcome, Run, RunConsumer, worst

WINDOW_S = 60.0
TOLERANCE_S = 2.0  # between a request's start and its being counted, at most
_ENOUGH_WINDOWS = 3  # from here on, edges that explain every window are no coincidence

_Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Window:
    """One quota window, by the client's clock."""

    starts_at: float
    served: int  # let in, whether or not the answer arrived whole
    turned_away: int  # meanwhile: refused, or answered by a fallback
    over_at: float | None = None  # when the first request over the quota came; None: none did

    @property
    def offered(self) -> int:
        return self.served + self.turned_away


@dataclass(frozen=True)
class Chain:
    """The windows of one deployment or key, one after another."""

    name: str
    quota_rpm: int
    windows: tuple[Window, ...]
    answer: Answer  # PASS: a sound gateway explains them; UNKNOWN: it may; FAIL: never
    quota_tpm: int | None = None  # where it explains what the quota of requests does not

    @property
    def served(self) -> int:
        return sum(window.served for window in self.windows)

    @property
    def excess(self) -> int:
        """How many more it served than it may."""
        return sum(max(0, window.served - self.quota_rpm) for window in self.windows)

    def expected(self, window: Window) -> int:
        return min(window.offered, self.quota_rpm)

    def holds(self, window: Window) -> bool:
        return window.served == self.expected(window)

    def over_quota(self) -> list[tuple[float, float]]:
        """When more was asked for than the quota allows: in each window from the first such request to its end."""
        return [(window.over_at, window.starts_at + WINDOW_S) for window in self.windows if window.over_at is not None]

    @property
    def filled(self) -> bool:
        """Whether the quota was used up in any window."""
        return any(window.served >= self.quota_rpm for window in self.windows)


@dataclass(frozen=True)
class Windows:
    """What one quota was asked for: that of a key, or those of all the deployments of a model group."""

    offered: int
    chains: tuple[Chain, ...]

    @property
    def answer(self) -> Answer:
        return worst([chain.answer for chain in self.chains])


@dataclass(frozen=True)
class _Quota:
    """What a deployment or key may serve in a window."""

    name: str
    rpm: int
    tpm: int | None


def _group_quotas(run: Run, group: str) -> list[_Quota] | None:
    """Those of its deployments; None when one of them has no rpm, which makes the group unlimited."""
    deployments = [deployment for deployment in run.deployments if deployment.group == group]
    quotas = [_Quota(each.id, each.rpm, each.tpm) for each in deployments if each.rpm is not None]
    return quotas if quotas and len(quotas) == len(deployments) else None


def let_in(requests: pd.DataFrame) -> pd.Series:
    """Whether each was let in where it was sent: answered, or begun to be. A stream that broke off has used quota."""
    return requests["status"].between(200, 299)


def deployment_windows(run: Run, rows: pd.DataFrame, group: str) -> Windows | None:
    """What a group was asked for and what each of its deployments let in. None: the group has no quota."""
    quotas = _group_quotas(run, group)
    if quotas is None:
        return None
    names = [quota.name for quota in quotas]
    requests = sent(rows)
    here = requests[(requests["model_asked"] == group) | (let_in(requests) & requests["deployment"].isin(names))]
    codes = pd.Index(names).get_indexer(here["deployment"].astype(object))
    codes[~let_in(here).to_numpy()] = -1
    return _windows(here["started_at"].to_numpy(), codes, quotas)


def consumer_windows(run: Run, rows: pd.DataFrame, consumer: RunConsumer) -> Windows | None:
    """What a consumer was let through, answered or not: by its key's quota, else by its group's. None: it has none."""
    if consumer.quota_rpm is None:
        return None if consumer.route == "direct" else deployment_windows(run, rows, consumer.model)
    here = sent(rows)
    here = here[(here["pattern"] == consumer.pattern) & (here["consumer"] == consumer.name)]
    codes = np.where(here["outcome"] == Outcome.REFUSED_BY_GATEWAY, -1, 0)
    own = _Quota(consumer.name, consumer.quota_rpm, consumer.quota_tpm)
    return _windows(here["started_at"].to_numpy(), codes, [own])


def _windows(times: _Times, codes: NDArray[np.int_], quotas: Sequence[_Quota]) -> Windows:
    """`codes`: the place of who served each request among the quotas; -1: nobody of them."""
    order = np.argsort(times, kind="stable")
    times, codes = times[order], codes[order]
    away = times[codes == -1]
    chains = (_chain(quota, times[codes == place], away) for place, quota in enumerate(quotas))
    return Windows(len(times), tuple(chains))


def _chain(limit: _Quota, served: _Times, away: _Times) -> Chain:
    """The windows of who `served` these requests while all like it turned those `away`."""
    name, quota = limit.name, limit.rpm
    begins = _run_out(served)
    if _holds(served, away, quota, begins):
        return Chain(name, quota, _told(served, away, quota, begins), Answer.PASS)
    explained = _explanation(served, away, quota)
    if explained is not None and len(explained) >= _ENOUGH_WINDOWS:
        return Chain(name, quota, _told(served, away, quota, explained), Answer.PASS)
    windows = _as_they_should_have_been(served, away, quota)
    if explained is not None:
        return Chain(name, quota, windows, Answer.UNKNOWN)
    if limit.tpm is not None and _explanation(served, away[:0], quota) is not None:  # none served too many requests
        return Chain(name, quota, windows, Answer.UNKNOWN, limit.tpm)
    return Chain(name, quota, windows, Answer.FAIL)


def _as_they_should_have_been(served: _Times, away: _Times, quota: int) -> tuple[Window, ...]:
    """Whoever is turned away with no window open would have opened one."""
    times = np.sort(np.concatenate([served, away]))
    begins = _run_out(times)
    starts, ends = times[begins], [*begins[1:], len(times)]
    over_at = [
        float(times[begin + quota]) if begin + quota < end else None for begin, end in zip(begins, ends, strict=True)
    ]
    counts = (_counts(served, starts).tolist(), _counts(away, starts).tolist())
    return tuple(Window(*window) for window in zip(starts.tolist(), *counts, over_at, strict=True))


def _run_out(times: _Times) -> list[int]:
    """Where windows begin that are as long as they should be, each with the first request after the one before."""
    begins = [0] if len(times) else []
    while begins and (following := int(np.searchsorted(times, times[begins[-1]] + WINDOW_S))) < len(times):
        begins.append(following)
    return begins


def _holds(served: _Times, away: _Times, quota: int, begins: list[int]) -> bool:
    """Whether no window served more than the quota, and each request turned away came while one was full."""
    sizes = np.diff([*begins, len(served)])
    if (sizes > quota).any():
        return False
    opened = np.array(begins, dtype="int64")[sizes == quota]
    if not len(opened):
        return not len(away)
    latest = np.searchsorted(_full_from(served, quota, opened), away, side="right") - 1
    return bool((latest >= 0).all() and (away <= served[opened[latest]] + WINDOW_S).all())


def _told(served: _Times, away: _Times, quota: int, begins: list[int]) -> tuple[Window, ...]:
    """The windows that explain everything. What was turned away near an edge is told of the one that was full."""
    sizes = np.diff([*begins, len(served)])
    full = np.flatnonzero(sizes == quota)
    full_from = _full_from(served, quota, np.array(begins, dtype="int64")[full])
    first_away = np.searchsorted(away, full_from).tolist()
    turned_away = dict(zip(full.tolist(), _counts(away, full_from).tolist(), strict=True))
    over_at = {
        place: float(away[first])
        for (place, count), first in zip(turned_away.items(), first_away, strict=True)
        if count
    }
    return tuple(
        Window(at, size, turned_away.get(place, 0), over_at.get(place))
        for place, (at, size) in enumerate(zip(served[begins].tolist(), sizes.tolist(), strict=True))
    )


def _full_from(served: _Times, quota: int, opened: NDArray[np.int64]) -> _Times:
    """From when on the windows that opened there may have been full."""
    return served[opened + quota - 1] - TOLERANCE_S


def _counts(times: _Times, starts: _Times) -> NDArray[np.int64]:
    """How many of the times lie between each start and the next."""
    return np.diff(np.append(np.searchsorted(times, starts), len(times)))


def _explanation(served: _Times, away: _Times, quota: int) -> list[int] | None:
    """Where windows may have begun, each edge within the tolerance, so that all is explained; None: nowhere.

    One pass over what was served, in which `until` is the time up to which everything turned away is explained, at
    best, when a window begins there: the later, the better, whatever comes after. As no two requests are told apart
    but by whether they were served, the order in which they were counted may be taken to be that of their starts.
    """
    n, times, turned_away = len(served), served.tolist(), [*away.tolist(), math.inf]
    if not n:
        return None if len(away) else []
    earliest_end = np.searchsorted(served, served + WINDOW_S - TOLERANCE_S).tolist()
    latest_end = np.searchsorted(served, served + WINDOW_S + TOLERANCE_S, side="right").tolist()
    after_full: dict[int, tuple[float, int]] = {}  # where a full window ends → until, its begin
    # Windows with room left may end anywhere between two places: first end, last end, until, begin.
    coming: deque[tuple[int, int, float, int]] = deque()
    ending: deque[tuple[int, int, float, int]] = deque()  # those that may end here, the best first
    came_from = [-1] * (n + 1)
    until = -math.inf
    for begin in range(n + 1):
        while coming and coming[0][0] <= begin:
            window = coming.popleft()
            while ending and ending[-1][2] <= window[2]:
                ending.pop()  # it is not better, and may not end later either
            ending.append(window)
        while ending and ending[0][1] < begin:
            ending.popleft()
        if begin:
            reached = after_full.pop(begin, None)
            if ending and (reached is None or ending[0][2] > reached[0]):
                reached = ending[0][2:]
            if reached is None:
                continue
            until, came_from[begin] = reached
        unexplained = turned_away[bisect_right(turned_away, until)]
        if begin == n:
            return _way(came_from) if unexplained == math.inf else None
        if unexplained < times[begin] - TOLERANCE_S:
            continue  # no window that begins here or later explains it
        end = begin + quota
        if earliest_end[begin] <= end <= latest_end[begin] and times[end - 1] - TOLERANCE_S <= unexplained:
            after_full[end] = (times[begin] + WINDOW_S + TOLERANCE_S, begin)
        coming.append((earliest_end[begin], min(latest_end[begin], end - 1), until, begin))
    return None


def _way(came_from: list[int]) -> list[int]:
    begins = []
    at = came_from[-1]
    while at >= 0:
        begins.append(at)
        at = came_from[at]
    return begins[::-1]
