"""Fallback, load balancing, and a quota alone: what becomes of the requests over a model group's quota."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.adopt import sizes
from gateway.adopt.draft import Draft
from gateway.adopt.proposal import ALL_ANSWERED, FILLED, LIMITED, OVERFLOW, Claim, Consumer, Proposal, Traffic
from gateway.adopt.sizes import Budget
from gateway.adopt.survey import Group

_TITLES = {"fallback": "Fallback", "load_balancing": "Load balancing", "quota": "Quota of a model group",
           "answers": "Answers"}  # fmt: skip
_CONSUMERS = {"fallback": "fallback", "load_balancing": "load-balanced", "quota": "limited", "answers": "asking"}
_PLAIN_PER_S = 1.0  # of groups that are only asked whether they answer
_AT_A_TIME = 10
_DOZEN = 12


@dataclass(frozen=True)
class _Plan:
    """What is sent to a group, what is claimed of it, and what is not."""

    demo: Traffic
    sustained: Traffic
    claims: tuple[str, ...]
    without: tuple[str, ...] = ()


def propose(draft: Draft, kind: str) -> None:
    """The patterns of one kind: "fallback" (one deployment), "load_balancing" (several) or "quota" (no fallback)."""
    _propose(draft, kind, [group for group in draft.survey.groups.values() if _kind(draft, group) == kind])


def propose_answers(draft: Draft) -> None:
    """Where there is nothing else to show: that the groups answer."""
    _propose(draft, "answers", draft.idle)


def _propose(draft: Draft, kind: str, groups: Sequence[Group]) -> None:
    for place, group in enumerate(groups):
        plan = _plan(draft, group, place)
        if plan is None:
            continue
        of = group.name if len(groups) > 1 else ""
        consumer = Consumer(
            name=draft.names.consumer(_CONSUMERS[kind], of),
            users=max(sizes.users(plan.demo, plan.sustained), 1),
            demo=plan.demo,
            sustained=plan.sustained,
            model=group.name,
        )
        draft.asked.add(group.name)
        draft.proposals.append(
            Proposal(
                name=draft.names.pattern(kind, of),
                title=f"{_TITLES[kind]} of {of}" if of else _TITLES[kind],
                why=_why(group),
                blind=_blind(draft, group, plan),
                consumers=(consumer,),
                claims=tuple(Claim(claim) for claim in plan.claims),
                without=plan.without,
            )
        )


def _kind(draft: Draft, group: Group) -> str | None:
    if group.several:
        return "load_balancing"
    if group.fallbacks:
        return "fallback"
    alone = group.name not in draft.sharded | draft.shared and not group.is_fallback
    return "quota" if group.capacity is not None and alone else None


def _plan(draft: Draft, group: Group, place: int) -> _Plan | None:
    if group.capacity is None:
        return _plain(group, place)
    if not group.counted:
        return _within(draft, group, "its quota is not one of requests a minute alone, and claims count requests")
    return _over_with_fallback(draft, group) if group.fallbacks else _over(draft, group)


def _over_with_fallback(draft: Draft, group: Group) -> _Plan | None:
    """More than the group's quota, and no more than its fallbacks can take."""
    quota = group.quota or 0
    room = _room(draft.demo.room(group.fallbacks), quota - _sure(draft.demo, group))
    requests = sizes.over(quota, room, sizes.USUAL, draft.most)
    if requests is None:
        return _within(draft, group, _too_much(draft, group, quota))
    demo, sustained = draft.at_once(requests), _steadily_over(draft, group, requests)
    _take(draft, group, requests)
    if group.fillable:
        return _Plan(demo, sustained, (ALL_ANSWERED, FILLED, OVERFLOW))
    return _Plan(demo, sustained, (ALL_ANSWERED, OVERFLOW), (f"{FILLED}: {_NOT_EXACT}",))


_NOT_EXACT = (
    "by this file a limit is checked on the deployment that was chosen, so requests are turned away while there is room"
)


def _sure(budget: Budget, group: Group) -> int:
    """How many requests the group itself surely takes of what comes at once."""
    return (budget.room([group.name]) or 0) if group.fillable else 0


def _room(room: int | None, taken: int) -> int | None:
    """What fallbacks have left for this group's overflow, of whose own quota others have taken so much."""
    return None if room is None else max(0, room - taken)


def _over(draft: Draft, group: Group) -> _Plan | None:
    """More than the group's quota, where nothing takes over."""
    if not group.fillable:
        return _within(draft, group, _NOT_EXACT)
    requests = sizes.over(group.quota or 0, None, sizes.USUAL, draft.most)
    if requests is None or draft.demo.room([group.name]) != group.capacity:
        return _within(draft, group, _too_much(draft, group, group.quota or 0))
    rate = _over_per_minute(group.quota or 0) / sizes.WINDOW_S
    sustained = sizes.steady(rate) if draft.steadily and rate <= sizes.MOST_PER_S else sizes.again(requests)
    _take(draft, group, requests)
    refused = f"{ALL_ANSWERED}: nothing takes over, so what is over the quota is refused"
    return _Plan(draft.at_once(requests), sustained, (FILLED, LIMITED), (refused,))


def _over_per_minute(quota: int) -> int:
    return 2 * quota + _DOZEN


def _steadily_over(draft: Draft, group: Group, requests: int) -> Traffic:
    """At a steady rate over the quota in each window; where that cannot be, a burst in each."""
    quota = group.quota or 0
    own = draft.sustained.room([group.name]) or 0
    taken = max(0, quota * 4 // 5 - own)
    room = _room(draft.sustained.room(group.fallbacks), taken)
    per_minute = _over_per_minute(quota)
    if room is not None:
        per_minute = min(per_minute, quota + room)
    rate = per_minute / sizes.WINDOW_S
    if per_minute <= quota or rate > sizes.MOST_PER_S or not draft.steadily:
        draft.sustained.take(group.fallbacks, requests - quota)
        return sizes.again(requests)
    draft.sustained.take(group.fallbacks, per_minute - quota + taken)
    verb = "fits" if quota == 1 else "fit"
    return sizes.steady(rate, note=f"{per_minute} a minute: {quota} {verb}, {per_minute - quota} fall back")


def _take(draft: Draft, group: Group, requests: int) -> None:
    own = _sure(draft.demo, group)
    draft.demo.take([group.name], requests)
    draft.sustained.take([group.name], requests)
    draft.demo.take(group.fallbacks, max(0, requests - own))


def _within(draft: Draft, group: Group, why: str) -> _Plan | None:
    """No more than the quotas left allow: whether the group answers, and nothing about its quota."""
    claims = [FILLED, OVERFLOW] if group.fallbacks else [FILLED, LIMITED]
    room = draft.demo.room([group.name])
    requests = min(sizes.USUAL, (sizes.USUAL if room is None else room) * 4 // 5)
    if not requests:
        draft.missing.append(f"A pattern for {group.name}: {why}.")
        return None
    draft.demo.take([group.name], requests)
    per_minute = min(sizes.USUAL, requests)
    demo = sizes.steady(_PLAIN_PER_S, requests / _PLAIN_PER_S)
    return _Plan(demo, sizes.steady(per_minute / sizes.WINDOW_S), (ALL_ANSWERED,), (f"{' and '.join(claims)}: {why}",))


def _too_much(draft: Draft, group: Group, quota: int) -> str:
    if sizes.over(quota, None, sizes.USUAL, draft.most) is not None:
        return "its fallbacks have no room for what is over the quota, or other patterns use it at the same time"
    return (
        f"it takes more than {quota:,} requests within a minute to exceed the quota, and {draft.most} are "
        "what one gateway process is asked for here. With a smaller `rpm` in a copy of the file it can be shown"
    )


def _plain(group: Group, place: int) -> _Plan:
    """Nothing limits the group, so nothing but its answers can be claimed."""
    if not group.several and not group.fallbacks:
        without = f"{FILLED} and {LIMITED}: nothing limits the group"
    elif not group.fallbacks:
        without = f"{FILLED}: nothing limits its deployments, and how evenly they share is nobody's promise"
    else:
        without = f"{FILLED} and {OVERFLOW}: nothing limits the group, so nothing overflows. Set `rpm` and what makes "
        without += "it a limit, or break the primary on purpose"
    start_s = place * sizes.USUAL / _PLAIN_PER_S / _AT_A_TIME
    demo = Traffic({"kind": "burst", "requests": sizes.USUAL})
    if place:  # not all groups at the same moment
        demo = sizes.steady(_PLAIN_PER_S, sizes.USUAL / _PLAIN_PER_S, start_s)
    return _Plan(demo, sizes.steady(0.2, start_s=start_s), (ALL_ANSWERED,), (without,))


def _why(group: Group) -> str:
    limit = f", with {group.quota:,} requests a minute together" if group.capacity is not None else ""
    parts = f"{group.name} has {len(group.entries)} deployments{limit}" if group.several else group.name
    if not group.several and group.capacity is not None:
        parts += f" takes {group.quota:,} {'request' if group.quota == 1 else 'requests'} a minute"
    if not group.fallbacks:
        return f"{parts}, and nothing takes over from it."
    takes = ", then ".join(group.fallbacks)
    joint = "; the fallback is" if group.several or group.capacity is not None else " has the fallback"
    return f"{parts}{joint} {takes}."


def _blind(draft: Draft, group: Group, plan: _Plan) -> str:
    if not group.fallbacks:
        return "what happens when a deployment fails, nor how the load is shared below the quota."
    if OVERFLOW in plan.claims:
        slow = "" if draft.survey.config.num_retries == 0 else "; nor that retries make each fallback seconds late"
        return f"what happens when the provider itself throttles or fails: only the gateway's limit is exceeded{slow}."
    return "a fallback that does not work: nothing makes the group fall back in this run."
