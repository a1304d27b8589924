"""Quota isolation: one consumer over its quota is refused, and its neighbours notice nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gateway.adopt import sizes
from gateway.adopt.draft import Draft
from gateway.adopt.proposal import ALL_ANSWERED, LIMITED, UNHARMED, Claim, Consumer, Proposal
from gateway.adopt.survey import Group

TITLE = "Quota isolation"
_MOST = 10  # consumers in one pattern
_CONSUMER_WORDS = {"consumer", "tenant", "team", "customer", "client", "user", "dept", "department", "app", "project",
                   "service", "org", "unit"}  # fmt: skip
_SHARD_WORDS = {"shard", "account", "acct", "region", "primary", "secondary", "backup", "fallback"}
_KEYED = (("A", 3), ("B", 10), ("C", 10))  # consumer → its quota of requests a minute
_KEYED_NEED = 20  # what their patterns send to one group in a window, with room
_BLIND = "neighbours that become slower and are still answered, nor a quota in AWS that all of them share."


def mark(draft: Draft) -> list[list[Group]]:
    """The sets of groups that differ by their consumer only; other patterns leave these alone."""
    able = [group for group in draft.survey.groups.values() if not group.has_role]
    sets = [found for same in _by_models(able) for found in _alike(same) if _by_consumer(found)]
    draft.shared |= {group.name for groups in sets for group in groups}
    return sets


def propose(draft: Draft, sets: Sequence[Sequence[Group]]) -> None:
    """By model name where the file tells consumers apart so, else by key."""
    many = len(sets) > 1
    found = [_by_model_name(draft, groups, many) for groups in sets]
    draft.proposals += found
    if not found:
        _by_key(draft)


def _by_models(groups: Iterable[Group]) -> list[list[Group]]:
    found: dict[object, list[Group]] = {}
    for group in groups:
        found.setdefault(group.models, []).append(group)
    return list(found.values())


def _alike(groups: Sequence[Group]) -> list[list[Group]]:
    """Names that differ in one word only, or begin or end with the same word; the largest sets first, none twice."""
    found: dict[tuple[str, ...], list[Group]] = {}
    for group in groups:
        for shape in _shapes(_words(group.name)):
            found.setdefault(shape, []).append(group)
    taken: set[str] = set()
    sets = []
    for same in sorted(found.values(), key=len, reverse=True):
        free = [group for group in same if group.name not in taken]
        if len(free) > 1:
            sets.append(free)
            taken |= {group.name for group in free}
    return sets


def _shapes(words: list[str]) -> set[tuple[str, ...]]:
    """What of a name others may have too: `*` stands for a word, `…` for any number of them."""
    one_word = {(*words[:place], "*", *words[place + 1 :]) for place in range(len(words))}
    return one_word | ({(words[0], "…"), ("…", words[-1])} if len(words) > 1 else set())


def _by_consumer(groups: Sequence[Group]) -> bool:
    """Whether these are consumers' own groups, and not shards: called so, or with a quota each in one account."""
    words = {word.rstrip("s") for group in groups for word in _words(group.name)}
    if words & _SHARD_WORDS or not any(group.fillable for group in groups):
        return False
    if words & _CONSUMER_WORDS:
        return True
    accounts = [group.account.identity if group.account else "" for group in groups]
    return len(set(accounts)) < len(accounts) and (all(group.fillable for group in groups) or _lettered(groups))


def _lettered(groups: Sequence[Group]) -> bool:
    """A, B and C; or longer names of which one word differs."""
    names = [_words(group.name) for group in groups]
    if any(len(words) != len(names[0]) for words in names):
        return False
    if len(names[0]) == 1:
        return all(len(group.name) == 1 for group in groups)
    return sum(len(set(place)) > 1 for place in zip(*names, strict=True)) == 1


def _words(name: str) -> list[str]:
    """consumer-a, consumerA and consumer1 → consumer, and what follows."""
    return re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W_]+", name.replace("_", " "))


def _by_model_name(draft: Draft, groups: Sequence[Group], many: bool) -> Proposal:
    limited = sorted((group for group in groups if group.fillable), key=lambda group: group.capacity or 0)
    noisy = limited[0]
    chosen = [noisy, *(group for group in groups if group is not noisy)][:_MOST]
    chosen.sort(key=list(groups).index)
    requests = sizes.over(noisy.capacity or 0, None, sizes.FEW, draft.most)
    consumers = []
    for place, group in enumerate(chosen):
        name = draft.names.consumer(group.name)
        loud = group is noisy and requests is not None
        consumers.append(
            _loud(name, group, requests or 0, draft.steadily) if loud else _quiet(name, group, place, len(chosen))
        )
        draft.asked.add(group.name)
    quiet = [consumer.name for consumer, group in zip(consumers, chosen, strict=True) if group is not noisy]
    loud_name = next(consumer.name for consumer, group in zip(consumers, chosen, strict=True) if group is noisy)
    claims: tuple[Claim, ...] = (Claim(LIMITED, (loud_name,)), Claim(UNHARMED, tuple(quiet)))
    without = [f"more than {_MOST} of its {len(groups)} consumers: take others by hand"] if len(groups) > _MOST else []
    if requests is None:
        claims = (Claim(ALL_ANSWERED),)
        without.append(
            f"{LIMITED} and {UNHARMED}: the smallest quota is {noisy.capacity:,} a minute, and a run here sends at "
            f"most {draft.most} within one"
        )
    over = f"; {loud_name} has the smallest quota and asks for more" if requests is not None else ""
    return Proposal(
        name=draft.names.pattern("quota_isolation", groups[0].name if many else ""),
        title=f"{TITLE} of {', '.join(group.name for group in chosen)}" if many else TITLE,
        why=f"These groups ask the same model and differ by their consumer only, with one key for all{over}.",
        blind=_BLIND,
        consumers=tuple(consumers),
        claims=claims,
        without=tuple(without),
    )


def _loud(name: str, group: Group, requests: int, steadily: bool) -> Consumer:
    quota = group.capacity or 0
    demo = sizes.at_once(requests, f"{quota} fit" if quota != 1 else "1 fits")
    per_minute = min(4 * quota, 2 * quota + 12)
    rate = per_minute / sizes.WINDOW_S
    if steadily and rate <= sizes.MOST_PER_S:
        sustained = sizes.steady(rate, note=f"{per_minute} a minute, and {quota} {'fits' if quota == 1 else 'fit'}")
    else:
        sustained = sizes.again(requests)
    return Consumer(name, sizes.users(demo, sustained), demo, sustained, model=group.name)


def _quiet(name: str, group: Group, place: int, of: int) -> Consumer:
    capacity = group.capacity
    few = sizes.FEW if capacity is None else max(1, min(sizes.FEW, capacity // 2))
    demo = sizes.at_once(few)
    rate = min(0.1, 0.1 if capacity is None else capacity * 0.6 / sizes.WINDOW_S)
    sustained = sizes.steady(rate, start_s=round(place / of / rate))
    return Consumer(name, sizes.users(demo, sustained), demo, sustained, model=group.name)


def _by_key(draft: Draft) -> None:
    config = draft.survey.config
    if "custom_auth" in config.general_settings:
        draft.missing.append(f"{TITLE}: general_settings.custom_auth decides about keys, so none are made here.")
        return
    able = [group for group in draft.survey.groups.values() if _takes_keyed(draft, group)]
    group = min(able, key=lambda group: (not group.traced, group not in draft.idle), default=None)
    if group is None:
        draft.missing.append(f"{TITLE}: no model group has room for three consumers with keys of their own.")
        return
    for budget in (draft.demo, draft.sustained):
        budget.take([group.name], _KEYED_NEED)
    draft.asked.add(group.name)
    consumers = tuple(_keyed(draft, group, place) for place in range(len(_KEYED)))
    names = [consumer.name for consumer in consumers]
    draft.proposals.append(
        Proposal(
            name=draft.names.pattern("quota_isolation"),
            title=TITLE,
            why=f"The file holds no consumers, so three are made up that share {group.name}, each with a key and a "
            "quota of its own. The gateway gets the keys from the harness, which makes them.",
            blind=f"{_BLIND} The quotas are these consumers', not those of keys in a database of yours.",
            consumers=consumers,
            claims=(Claim(LIMITED, (names[0],)), Claim(UNHARMED, tuple(names[1:]))),
        )
    )


def _takes_keyed(draft: Draft, group: Group) -> bool:
    room = draft.demo.room([group.name])
    return room is None or (room >= _KEYED_NEED and group in draft.idle)


def _keyed(draft: Draft, group: Group, place: int) -> Consumer:
    letter, quota = _KEYED[place]
    demo = sizes.at_once(sizes.FEW)
    if place == 0:
        sustained = sizes.steady(4 * quota / sizes.WINDOW_S, note=f"{4 * quota} a minute, four times its quota")
    else:
        sustained = sizes.steady(0.1, start_s=(place - 1) * 5)
    return Consumer(
        name=draft.names.consumer(letter),
        users=sizes.users(demo, sustained),
        demo=demo,
        sustained=sustained,
        model=group.name,
        key=f"CONSUMER_{letter}_KEY",
        quota_rpm=quota,
    )
