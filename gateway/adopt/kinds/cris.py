"""Cross-Region inference: an inference profile, asked directly, answers from several Regions."""

from __future__ import annotations

from common.inference_profiles import find, is_profile_id, presume
from gateway.adopt import sizes
from gateway.adopt.draft import Draft
from gateway.adopt.proposal import ALL_ANSWERED, REGIONS, Claim, Consumer, Proposal, Traffic

TITLE = "Cross-Region inference"


def propose(draft: Draft) -> None:
    config = draft.survey.config
    name = draft.names.consumer("cris")  # whatever follows: the User class of that name asks directly
    model = config.cris.model_id if config.cris else _profile_used(draft)
    if model is None:
        draft.missing.append(
            f"{TITLE}: no deployment uses an inference profile that can be called from {config.region}. A section "
            "`cris` with a `model_id`, here or beside LiteLLM's own, would bring this pattern."
        )
        return
    regions = regions_of(model, config.region)
    if regions == ():
        draft.missing.append(f"{TITLE}: {model} cannot be called from {config.region}, the Region of this run.")
        return
    if config.cris is None:
        draft.cris_model = model
    draft.proposals.append(_pattern(draft, name, model, regions))


def regions_of(model: str, source: str) -> tuple[str, ...] | None:
    """Where a profile's requests may be served; () if it has no such source Region, None if nobody here knows."""
    profile = presume(model)
    if profile is None:
        return None
    return profile.destinations.get(source, ())


def _profile_used(draft: Draft) -> str | None:
    """The inference profile of a deployment, best one with several destinations."""
    config = draft.survey.config
    used = [
        entry.bedrock_model_id
        for entry in config.model_list
        if entry.is_bedrock and entry.is_chat and is_profile_id(entry.bedrock_model_id)
    ]
    able = [model for model in used if regions_of(model, config.region)]
    return max(able, key=lambda model: len(regions_of(model, config.region) or ()) > 1, default=None)


def _pattern(draft: Draft, name: str, model: str, regions: tuple[str, ...] | None) -> Proposal:
    demo = Traffic({"kind": "burst", "requests": sizes.USUAL})
    sustained = Traffic({"kind": "poisson", "rate_per_s": 1.0, "duration_s": 180})
    consumer = Consumer(name, sizes.users(demo, sustained), demo, sustained)
    claims, without = [Claim(ALL_ANSWERED)], []
    if regions is None:
        why = f"cris.model_id is {model}. Which Regions may serve it cannot be told from that."
        without.append(f"{REGIONS}: add it with `at_least: 2` if the model is a profile over several Regions")
    elif len(regions) < 2:
        why = f"cris.model_id is {model}, which is served in {regions[0]} only when called from there."
        without.append(f"{REGIONS}: there is one Region only")
    else:
        why = f"{model}, called from {draft.survey.config.region}, may be served in {len(regions)} Regions."
        claims.append(Claim(REGIONS, at_least=2))
        if find(model) is None:
            without.append(f"more than {REGIONS} 2: the profile is not in the table here, its Regions are presumed")
    return Proposal(
        name=draft.names.pattern("cris"),
        title=TITLE,
        why=why,
        blind="what the gateway does with this model, as the requests go straight to Bedrock; nor a Region that is "
        "down while others serve.",
        consumers=(consumer,),
        claims=tuple(claims),
        without=tuple(without),
        route="direct",
    )
