"""What is wrong with quotas: numbers that limit nothing, or not what they seem to."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.adopt.findings.finding import Finding
from gateway.adopt.survey import ENFORCING, Survey


def not_limits(survey: Survey) -> Iterator[Finding]:
    """`rpm` or `tpm` where nothing makes it a limit: then it only weighs how requests are dealt."""
    config = survey.config
    if config.limits_enforced:
        return
    places = [place for place, entry in enumerate(config.model_list) if entry.quota_rpm or entry.quota_tpm]
    if places:
        name = "rpm" if config.model_list[places[0]].quota_rpm else "tpm"
        more = f", nor do those of {len(places) - 1} more" if len(places) > 1 else ""
        what = f"limits nothing{more}: it only weighs how requests are dealt within a group"
        advice = "`enable_pre_call_checks: true` in router_settings makes rpm a limit."
        yield Finding(limit_at(survey, places[0], name), what, advice)


def per_replica(survey: Survey) -> Iterator[Finding]:
    """Limits that each process counts for itself."""
    config = survey.config
    if not any(group.capacity is not None for group in survey.groups.values()):
        return
    redis = any(name in config.router_settings for name in ("redis_host", "redis_url"))
    if survey.enforces and redis:
        return
    advice = f"`optional_pre_call_checks: [{ENFORCING}]` with Redis in router_settings counts once for all replicas."
    for name in ("enable_pre_call_checks", "optional_pre_call_checks", "routing_strategy"):
        if name in config.router_settings:
            what = "limits are counted by each process for itself: two replicas or workers let twice as much through"
            yield Finding(("router_settings", name), what, advice)
            return


def after_choice(survey: Survey) -> Iterator[Finding]:
    """Limits that are checked on the chosen deployment, though another of the group may have room."""
    limited = [group.name for group in survey.groups.values() if group.several and group.capacity is not None]
    if survey.exact or not limited:
        return
    name = "routing_strategy" if survey.by_usage else "optional_pre_call_checks"
    what = f"a full deployment of {', '.join(limited)} may be chosen, and turn a request away that another had room for"
    yield Finding(("router_settings", name), what, "Give such a group a fallback, or a retry, which chooses anew.")


def limit_at(survey: Survey, place: int, name: str) -> tuple[str | int, ...]:
    """Where a deployment's rpm or tpm stands: in litellm_params, or beside them."""
    params = survey.config.model_list[place].litellm_params
    inside = getattr(params, name) is not None
    return ("model_list", place, "litellm_params", name) if inside else ("model_list", place, name)
