"""Quota windows: what was offered and what was let through, in each of them.

LiteLLM counts in two ways (read in its 1.106 source): a deployment's rpm by the minute of the clock, and a key's rpm in
a window of 60 s that opens with the key's first request and again with the first one after it has run out. Both clocks
are the gateway's and cut to whole seconds, so a client cannot know to which window a request near an edge belongs.
`check` therefore asks whether edges exist, within `TOLERANCE_S` of where they should be, that explain what was seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.metrics import sent
from analysis.model import Answer, Outcome, Run, RunConsumer

WINDOW_S = 60.0
TOLERANCE_S = 2.0
_ENOUGH_WINDOWS = 3  # from here on, edges that explain every window are no coincidence


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One quota window: its edges by the client's clock."""

    starts_at: float
    offered: int
    served: Mapping[str, int]  # by deployment, or by the consumer itself
    quotas: Mapping[str, int]

    @property
    def expected(self) -> int:
        return min(self.offered, sum(self.quotas.values()))

    @property
    def holds(self) -> bool:
        total = sum(self.served.values())
        return total == self.expected and all(n <= self.quotas[name] for name, n in self.served.items())


@dataclass(frozen=True)
class Windows:
    """Requests of one quota in the order of time, and the windows that they nominally fall in."""

    rows: tuple[WindowRow, ...]
    answer: Answer  # PASS: every window holds; UNKNOWN: it hangs on requests at an edge

    @property
    def offered(self) -> int:
        return sum(row.offered for row in self.rows)

    @property
    def served(self) -> int:
        return sum(sum(row.served.values()) for row in self.rows)

    @property
    def expected(self) -> int:
        return sum(row.expected for row in self.rows)


def quota_of(run: Run, consumer: RunConsumer) -> int | None:
    """Requests a minute: the key's own quota, else that of its model group when all its deployments have one."""
    if consumer.quota_rpm is not None or consumer.route == "direct":
        return consumer.quota_rpm
    quotas = group_quotas(run, consumer.model)
    return sum(quotas.values()) if quotas else None


def group_quotas(run: Run, group: str) -> dict[str, int] | None:
    """Deployment → rpm of a model group; None when one of them has none, which makes the group unlimited."""
    deployments = [deployment for deployment in run.deployments if deployment.group == group]
    quotas = {deployment.id: deployment.rpm for deployment in deployments if deployment.rpm is not None}
    return quotas if quotas and len(quotas) == len(deployments) else None


def deployment_windows(run: Run, rows: pd.DataFrame, group: str) -> Windows | None:
    """What a group was asked for and what each of its deployments answered. None: the group has no quota."""
    quotas = group_quotas(run, group)
    if quotas is None:
        return None
    requests = sent(rows)
    answered = requests["outcome"] == Outcome.ANSWERED
    here = requests[(requests["model_asked"] == group) | (answered & requests["deployment"].isin(list(quotas)))]
    codes = pd.Index(list(quotas)).get_indexer(here["deployment"].astype(object))
    codes[(here["outcome"] != Outcome.ANSWERED).to_numpy()] = -1
    return _windows(here["started_at"].to_numpy(), codes, quotas, by_clock=True)


def consumer_windows(run: Run, rows: pd.DataFrame, consumer: RunConsumer) -> Windows | None:
    """What a consumer asked for and was let through, answered or not. None: it has no quota."""
    quota = quota_of(run, consumer)
    if quota is None:
        return None
    here = sent(rows)
    here = here[(here["pattern"] == consumer.pattern) & (here["consumer"] == consumer.name)]
    codes = np.where(here["outcome"] == Outcome.REFUSED_BY_GATEWAY, -1, 0)
    by_clock = consumer.quota_rpm is None
    return _windows(here["started_at"].to_numpy(), codes, {consumer.name: quota}, by_clock=by_clock)


def _windows(times: np.ndarray, codes: np.ndarray, quotas: Mapping[str, int], *, by_clock: bool) -> Windows:
    order = np.argsort(times, kind="stable")
    history = _History(times[order], codes[order], quotas)
    cuts, starts = _clock_cuts(history) if by_clock else _key_cuts(history)
    rows = tuple(
        WindowRow(starts_at, int(end - begin), history.served(begin, end), quotas)
        for starts_at, begin, end in zip(starts, cuts[:-1], cuts[1:], strict=True)
        if end > begin
    )
    return Windows(rows, _check(history, rows, by_clock))


class _History:
    """Requests of one quota, sorted by time, with running counts of who served them."""

    def __init__(self, times: np.ndarray, codes: np.ndarray, quotas: Mapping[str, int]) -> None:
        self.times = times
        self.names = list(quotas)
        self.limits = np.array(list(quotas.values()), dtype="int64")
        served = codes[:, None] == np.arange(len(self.names))
        self.counts = np.vstack([np.zeros(len(self.names), dtype="int64"), served.cumsum(axis=0)])

    def __len__(self) -> int:
        return len(self.times)

    def served(self, begin: int, end: int) -> dict[str, int]:
        return {name: int(n) for name, n in zip(self.names, self.counts[end] - self.counts[begin], strict=True)}

    def ends_that_hold(self, begin: int, first: int, last: int) -> np.ndarray:
        """Those of the cuts first … last at which a window from `begin` has served what it had to."""
        ends = np.arange(first, last + 1)
        served = self.counts[first : last + 1] - self.counts[begin]
        expected = np.minimum(ends - begin, self.limits.sum())
        return ends[(served <= self.limits).all(axis=1) & (served.sum(axis=1) == expected)]


def _clock_cuts(history: _History) -> tuple[np.ndarray, np.ndarray]:
    """Where each minute begins in the history, with the end after the last one, and when that is."""
    if not len(history):
        return np.zeros(1, dtype="int64"), np.zeros(0)
    minutes = np.arange(history.times[0] // WINDOW_S, history.times[-1] // WINDOW_S + 1)
    starts = minutes * WINDOW_S
    return np.append(np.searchsorted(history.times, starts), len(history)), starts


def _key_cuts(history: _History) -> tuple[np.ndarray, np.ndarray]:
    cuts = [0]
    while cuts[-1] < len(history):
        cuts.append(int(np.searchsorted(history.times, history.times[cuts[-1]] + WINDOW_S)))
    return np.array(cuts), history.times[cuts[:-1]]


def _check(history: _History, rows: tuple[WindowRow, ...], by_clock: bool) -> Answer:
    if all(row.holds for row in rows):
        return Answer.PASS
    if len(rows) >= _ENOUGH_WINDOWS:
        return Answer.PASS if _explained(history, by_clock) else Answer.FAIL
    return Answer.UNKNOWN if _hangs_on_an_edge(history, by_clock) else Answer.FAIL


def _hangs_on_an_edge(history: _History, by_clock: bool) -> bool:
    """Whether the totals would be right if requests near an edge of a window were counted in its neighbour."""
    first, last = history.times[0], history.times[-1]
    if by_clock:
        edges = np.arange(first // WINDOW_S, last // WINDOW_S + 2) * WINDOW_S
        windows = (last + TOLERANCE_S) // WINDOW_S - (first - TOLERANCE_S) // WINDOW_S + 1
    else:  # the first one opened with the very first request, and so has one edge only
        edges = history.times[_key_cuts(history)[0][:-1]] + WINDOW_S
        windows = (last - first + TOLERANCE_S) // WINDOW_S + 1
    if np.abs(history.times[:, None] - edges).min() > TOLERANCE_S:
        return False
    served, offered, quota = history.counts[-1], len(history), history.limits.sum()
    fits = (served <= history.limits * windows).all()
    return bool(fits and min(offered, quota) <= served.sum() <= min(offered, quota * windows))


def _explained(history: _History, by_clock: bool) -> bool:
    """Whether cuts exist, each near an edge, between which every window holds."""
    reached = {0}
    edge = (history.times[0] // WINDOW_S) * WINDOW_S
    while reached:
        edge += WINDOW_S
        following: set[int] = set()
        for begin in reached:
            end_at = edge if by_clock else history.times[begin] + WINDOW_S
            first, last = np.searchsorted(history.times, [end_at - TOLERANCE_S, end_at + TOLERANCE_S])
            following.update(history.ends_that_hold(begin, max(int(first), begin), int(last)).tolist())
        if len(history) in following:
            return True
        reached = following
    return False
