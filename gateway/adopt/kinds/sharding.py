"""Account sharding: who asks the group of one AWS account is served there, and in no other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.adopt import sizes
from gateway.adopt.draft import Draft
from gateway.adopt.proposal import ALL_ANSWERED, SHARDS, Claim, Consumer, Proposal, Traffic
from gateway.adopt.survey import Group
from gateway.litellm.sections import AwsSettings

TITLE = "Account sharding"
_MOST = 8  # accounts in one pattern
_DEMO_PER_S, _SUSTAINED_PER_S = 2.0, 0.5
_BLIND = "what happens to one account while the other fails or is throttled: all are well, and within their quotas."


def propose(draft: Draft) -> None:
    sets = _sets(draft, [group for group in draft.survey.groups.values() if not group.has_role])
    if not sets:  # a fallback that nothing triggers changes no account
        sets = _sets(draft, [group for group in draft.survey.groups.values() if group.capacity is None])
    second = _unused_second(draft)
    if not sets and second is None and (others := _one_of_each_account(draft)):
        sets = [others]
    for groups in sets:
        draft.proposals.append(_through_gateway(draft, groups, many=len(sets) > 1))
    if sets:
        return
    if second is not None:
        _directly(draft, *second)
    else:
        draft.missing.append(f"{TITLE}: no two model groups use different AWS accounts, each one only.")


def _sets(draft: Draft, groups: Iterable[Group]) -> list[list[Group]]:
    """Of each model the groups in different accounts, one an account."""
    by_model: dict[object, dict[str, Group]] = {}
    for group in groups:
        if group.account and group.name not in draft.shared and _requests(group) is not None:
            by_model.setdefault(group.models, {}).setdefault(group.account.identity, group)
    return [list(of.values())[:_MOST] for of in by_model.values() if len(of) > 1]


def _one_of_each_account(draft: Draft) -> list[Group]:
    """Groups in different accounts, whatever their models."""
    found: dict[str, Group] = {}
    for group in draft.survey.groups.values():
        if group.account and not group.has_role and group.name not in draft.shared and _requests(group) is not None:
            found.setdefault(group.account.identity, group)
    return list(found.values())[:_MOST] if len(found) > 1 else []


def _requests(group: Group) -> int | None:
    """How many surely fit into its quota; None: none."""
    if group.capacity is None:
        return sizes.USUAL
    return min(sizes.USUAL, group.capacity * 4 // 5) or None


def _through_gateway(draft: Draft, groups: Sequence[Group], many: bool) -> Proposal:
    consumers = []
    for place, group in enumerate(groups):
        requests = _requests(group) or 1
        demo, sustained = _in_turn(place, len(groups), requests, group.capacity)
        name = draft.names.consumer(group.account.label if group.account and not many else group.name)
        consumers.append(Consumer(name, sizes.users(demo, sustained), demo, sustained, model=group.name))
        draft.demo.take([group.name], requests)
        draft.sharded.add(group.name)
        draft.asked.add(group.name)
    same = len({group.models for group in groups}) == 1
    listed = ", ".join(f"{group.name} ({group.account.identity if group.account else ''})" for group in groups)
    what = "the same model" if same else "models"
    return Proposal(
        name=draft.names.pattern("account_sharding", groups[0].name if many else ""),
        title=f"{TITLE} of {', '.join(group.name for group in groups)}" if many else TITLE,
        why=f"These groups ask {what} in different AWS accounts: {listed}.",
        blind=_BLIND,
        consumers=tuple(consumers),
        claims=(Claim(ALL_ANSWERED), Claim(SHARDS)),
    )


def _in_turn(place: int, of: int, requests: int, capacity: int | None) -> tuple[Traffic, Traffic]:
    """One after another, so that no two accounts are asked at the same moment."""
    after = place / of
    note = "in turn with the first" if place == 1 else "in turn with the others" if place else ""
    demo = sizes.steady(_DEMO_PER_S, requests / _DEMO_PER_S, after / _DEMO_PER_S, note)
    rate = _SUSTAINED_PER_S
    if capacity is not None:
        rate = min(rate, capacity * 0.6 / sizes.WINDOW_S)
    return demo, sizes.steady(rate, start_s=after / rate)


def _unused_second(draft: Draft) -> tuple[str, str] | None:
    """The two profiles that section aws names, where it names two."""
    written = draft.survey.config.document.content.get("aws")
    aws: AwsSettings = draft.survey.config.aws
    if not isinstance(written, dict) or not written.get("secondary_profile_name"):
        return None
    first, second = aws.profile_name, aws.secondary_profile_name
    return (first, second) if first and second and first != second else None


def _directly(draft: Draft, *profiles: str) -> None:
    config = draft.survey.config
    model = None
    if config.cris is None and draft.cris_model is None:
        model = next((entry.bedrock_model_id for entry in config.model_list if entry.is_bedrock), None)
        if model is None:
            draft.missing.append(f"{TITLE}: there are two profiles, and no model of Bedrock's to ask with them.")
            return
    consumers = []
    for place, profile in enumerate(profiles):
        demo, sustained = _in_turn(place, len(profiles), sizes.USUAL, None)
        name = draft.names.consumer(profile)
        users = sizes.users(demo, sustained)
        consumers.append(Consumer(name, users, demo, sustained, model=model, profile=profile))
    draft.proposals.append(
        Proposal(
            name=draft.names.pattern("account_sharding"),
            title=TITLE,
            why="Section aws names two profiles, and no two model groups ask one model with a profile each; so the "
            "accounts are asked directly.",
            blind=f"what the gateway does, as the requests go straight to Bedrock; nor {_BLIND}",
            consumers=tuple(consumers),
            claims=(Claim(ALL_ANSWERED), Claim(SHARDS)),
            route="direct",
        )
    )
