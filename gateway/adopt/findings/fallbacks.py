"""What is wrong with fallbacks, and with the retries before them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from common.yaml_file import nearest
from gateway.adopt.findings.finding import Finding
from gateway.adopt.survey import Survey
from gateway.litellm.config import Config
from gateway.litellm.fallback_chains import EVERY, KINDS, entries

LITELLM_RETRIES = 2  # where nobody says another number. Source: LiteLLM 1.106.2, `Router.__init__`
_MOST_FALLBACKS = 5  # `ROUTER_MAX_FALLBACKS`

Keys = tuple[str | int, ...]


def unknown_groups(survey: Survey) -> Iterator[Finding]:
    """A fallback or an alias names a group that does not exist."""
    for keys, name in survey.config.named_groups():
        if survey.config.group_of(name) is None:
            known = nearest(name, [*survey.config.groups, *survey.config.aliases])
            what = f"names model group {name!r}, which is not in model_list{known}"
            yield Finding(keys, what, "LiteLLM takes the file and fails when it gets there: correct the name.")


def cycles(survey: Survey) -> Iterator[Finding]:
    """Groups that take over for one another, so that a request may come back to where it failed."""
    told: set[frozenset[str]] = set()
    direct = survey.config.direct_fallbacks()
    for group in direct:
        if group != EVERY and (cycle := _cycle(direct, group)) and frozenset(cycle) not in told:
            told.add(frozenset(cycle))
            what = f"goes round: {' → '.join((*cycle, cycle[0]))}"
            advice = "Under load each group gets the overflow of the other. End the chain in a group with room."
            yield Finding(where(survey.config, group), what, advice)


def _cycle(direct: Mapping[str, tuple[str, ...]], start: str) -> list[str]:
    """The way from a group back to itself; [] where there is none."""
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:
        for following in direct.get(way[-1], ()):
            if following == start:
                return way
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return []


def to_no_chat(survey: Survey) -> Iterator[Finding]:
    """A chat group falls back to one that cannot answer."""
    for kind in KINDS:
        for group, names in survey.config.direct_fallbacks(kind).items():
            for name in names:
                target = survey.config.group_of(name)
                why = survey.not_askable.get(target or "", "")
                if "chat" in why and (group == EVERY or group in survey.groups):
                    what = f"falls back to {name}, which does not answer chat requests"
                    yield Finding(where(survey.config, group, kind), what, "Name a group of chat models.")


def too_small(survey: Survey) -> Iterator[Finding]:
    """Fallbacks that together have less quota than the group for which they take over."""
    for group in survey.groups.values():
        limits = [survey.groups[name].quota for name in group.fallbacks]
        known = [limit for limit in limits if limit is not None]
        if group.quota is None or not limits or len(known) < len(limits) or sum(known) >= group.quota:
            continue
        what = f"has fallbacks with {sum(known):,} requests a minute for a group that takes {group.quota:,}"
        advice = "When the group fails, the rest is refused: give its fallbacks at least the quota of the group."
        yield Finding(where(survey.config, group.name), what, advice)


def retries_multiply(survey: Survey) -> Iterator[Finding]:
    """Retries in each group of a chain: many calls for one request, and seconds before a fallback."""
    config = survey.config
    retries = LITELLM_RETRIES if config.num_retries is None else config.num_retries
    longest = max(survey.groups.values(), key=lambda group: len(group.fallbacks), default=None)
    if longest is None or not longest.fallbacks or retries < 1:
        return
    asked = 1 + min(len(longest.fallbacks), _MOST_FALLBACKS)
    number = "is not set, so LiteLLM retries twice" if config.num_retries is None else f"is {retries}"
    what = (
        f"num_retries {number}: one request to {longest.name} may become {(1 + retries) * asked} calls, {1 + retries} "
        f"in each of {asked} groups, and waits seconds before each fallback"
    )
    section = next(
        (name for name in ("router_settings", "litellm_settings") if name in config.document.content), "model_list"
    )
    yield Finding(_retries_at(config) or (section,), what, "Where fallbacks exist, `num_retries: 0` is usually right.")


def _retries_at(config: Config) -> Keys | None:
    for section in ("router_settings", "litellm_settings"):
        if isinstance(getattr(config, section).get("num_retries"), int):
            return (section, "num_retries")
    return None


def where(config: Config, group: str, kind: str = "") -> Keys:
    """Where a group's fallbacks are written: its own entry, else the ones for all."""
    name = KINDS[kind]
    for section, settings in (
        ("router_settings", config.router_settings),
        ("litellm_settings", config.litellm_settings),
    ):
        written = settings.get(name)
        for wanted in (group, EVERY):
            for position, entry in enumerate(written if isinstance(written, list) else ()):
                if any(named == wanted for named, _ in entries([entry])):
                    return (
                        (section, name, position, wanted) if isinstance(entry, Mapping) else (section, name, position)
                    )
        if settings.get("default_fallbacks"):
            return (section, "default_fallbacks")
    return ("router_settings",)
