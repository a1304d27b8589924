"""Quota windows: what was admitted and what was rate-limited in each, and whether a sound gateway can explain it.

How LiteLLM 1.106 counts, read in its source:

- Keys, `_PROXY_MaxParallelRequestsHandler_v3`, and deployments under `enable_pre_call_checks`, `Router._update_usage`
  and `_pre_call_checks`: a count begins with the first request that it serves, is kept for 60 s, and begins anew with
  the next one it serves after that. The minutes of the clock play no part, though keys' clock is cut to whole seconds.
- Deployments under `optional_pre_call_checks: [enforce_model_rate_limits]`, `ModelRateLimitingCheck`: by UTC minute.
- Deployments of one group with an `order`: the lowest first, and the next only while those are full; one without an
  order comes last (`get_order_filtered_deployments`, which sees those that are not full).
- When all of a group are full, the request falls back or is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.model import Answer, Outcome, Run, RunConsumer, RunDeployment, worst
from analysis.numbers.window_search import (
    Chain,
    Quota,
    Times,
    chain_from_first_request,
    chain_of_clock_minutes,
)
from analysis.rows import Rows

MODELLED = "simple-shuffle"  # the strategy that asks any deployment which is not full, and nothing more


@dataclass(frozen=True)
class Windows:
    """What one quota was asked for: that of a key, or those of all the deployments of a model group."""

    offered: int
    chains: tuple[Chain, ...]

    @property
    def answer(self) -> Answer:
        return worst([chain.answer for chain in self.chains])


@dataclass(frozen=True)
class _Place:
    """A deployment's quota and its turn among those of its group."""

    quota: Quota
    turn: float
    reserve: bool


def _turn(deployment: RunDeployment) -> float:
    return math.inf if deployment.order is None else deployment.order


def _limited(deployment: RunDeployment) -> bool:
    return deployment.rpm is not None and deployment.limited


def _places(run: Run, group: str) -> list[_Place]:
    """Those that hand requests on when they are full: limited, and with none in turn before or beside them that is not.

    None of them: requests never have to leave the group's first deployments.
    """
    deployments = run.deployments_of(group)
    never_full = min((_turn(each) for each in deployments if not _limited(each)), default=None)
    first = min(map(_turn, deployments), default=0.0)
    return [
        _Place(Quota(each.id, each.rpm, each.tpm), _turn(each), _turn(each) > first)
        for each in deployments
        if each.rpm is not None and each.limited and (never_full is None or _turn(each) < never_full)
    ]


def deployment_windows(run: Run, rows: Rows, group: str) -> Windows | None:
    """What a group was asked for and what each of its deployments admitted. None: the group has no quota."""
    places = _places(run, group)
    if not places:
        return None
    names = [place.quota.name for place in places]
    requests = rows.requests
    asking = [name for (name,) in requests.counts("model_asked") if run.group_of(name) == group]
    here = requests.where(
        requests.is_in("model_asked", asking) | (requests.admitted & requests.is_in("deployment", names))
    )
    codes = here.codes("deployment", names)
    codes[~here.admitted] = -1
    times, codes = _in_order(here.started_at, codes)
    turns = np.array([*(place.turn for place in places), math.inf])[codes]  # -1 is nobody of them: the last
    chains = []
    for number, place in enumerate(places):
        away = times[(codes == -1) | (turns > place.turn)]
        chain = _chain(run, place.quota, times[codes == number], away)
        chains.append(replace(chain, reserve=place.reserve))
    return Windows(len(times), tuple(chains))


def _chain(run: Run, quota: Quota, served: Times, away: Times) -> Chain:
    """Its windows as the gateway counts them, and what they come to where it does not route by them alone."""
    routing = run.routing
    by_minute = "model_rate_limits" in routing.limits
    count: Callable[[Quota, Times, Times], Chain] = chain_of_clock_minutes if by_minute else chain_from_first_request
    chain = count(quota, served, away)
    unmodelled = "" if routing.strategy == MODELLED else f"routing strategy {routing.strategy}"
    if by_minute and "pre_call_checks" in routing.limits:
        unmodelled = unmodelled or "two limits at once, by the clock's minute and from the first request,"
    if not unmodelled or chain.answer is Answer.PASS:
        return chain
    if routing.limits and count(quota, served, away[:0]).answer is Answer.FAIL:
        return chain  # more than the quota, which no strategy may admit
    return replace(chain, answer=Answer.UNKNOWN, unmodelled=unmodelled)


def consumer_windows(run: Run, rows: Rows, consumer: RunConsumer) -> Windows | None:
    """What a consumer was admitted, answered or not: by its key's quota, else by its group's. None: it has none."""
    if consumer.quota_rpm is None:
        return None if consumer.route == "direct" else deployment_windows(run, rows, run.group_of(consumer.model))
    here = rows.requests.of(consumer.pattern, [consumer.name])
    codes = np.where(here.is_("outcome", Outcome.REFUSED_BY_GATEWAY), -1, 0)
    times, codes = _in_order(here.started_at, codes)
    own = Quota(consumer.name, consumer.quota_rpm, consumer.quota_tpm)
    return Windows(len(times), (chain_from_first_request(own, times[codes == 0], times[codes == -1]),))


def _in_order(times: Times, codes: NDArray[np.intp]) -> tuple[Times, NDArray[np.intp]]:
    order = np.argsort(times, kind="stable")
    return times[order], codes[order]
