"""Deployments that get no requests, or not those that they seem to."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.adopt.findings.finding import Finding
from gateway.adopt.survey import Survey
from gateway.litellm.config import SHUFFLE, Config
from gateway.litellm.deployments import ModelEntry

Placed = list[tuple[int, ModelEntry]]  # deployments with their places in model_list


def shadowed_groups(survey: Survey) -> Iterator[Finding]:
    """A group whose name is an alias of another: nobody reaches it."""
    for place, entry in enumerate(survey.config.model_list):
        target = survey.config.aliases.get(entry.model_name)
        if target and target != entry.model_name:
            what = f"is never reached: model_group_alias leads {entry.model_name} to {target}"
            yield Finding(("model_list", place, "model_name"), what, "Rename the group or the alias.")


def weights(survey: Survey) -> Iterator[Finding]:
    """Weights that do not do what they say. Source: LiteLLM 1.106.2, `simple_shuffle`."""
    strategy = survey.config.routing_strategy
    for group, placed in _placed(survey.config).items():
        weighted = [place for place, entry in placed if entry.weight is not None]
        if not weighted:
            continue
        at = ("model_list", weighted[0], "litellm_params", "weight")
        if len(placed) == 1:
            yield Finding(at, f"does nothing: {group} has one deployment", "Remove it.")
        elif strategy != SHUFFLE:
            what = f"does nothing: routing_strategy {strategy} knows no weights"
            yield Finding(at, what, f"Remove it, or use {SHUFFLE}.")
        elif not any(entry.weight for _, entry in placed):
            yield Finding(at, f"all weights of {group} are 0, so they are ignored", "Remove them, or give numbers.")
        elif none := [place for place, entry in placed if not entry.weight]:
            what = f"has no weight where others of {group} have one, so it is chosen only when none of them can be"
            yield Finding(("model_list", none[0]), what, "Give each deployment of a group a weight, or none.")


def orders(survey: Survey) -> Iterator[Finding]:
    """Orders that decide nothing, or leave deployments out. Source: `get_order_filtered_deployments`."""
    for group, placed in _placed(survey.config).items():
        ordered = {place: entry.order for place, entry in placed if entry.order is not None}
        if not ordered:
            continue
        at = ("model_list", next(iter(ordered)), "litellm_params", "order")
        if len(placed) == 1:
            yield Finding(at, f"does nothing: {group} has one deployment", "Remove it.")
        elif len(ordered) < len(placed):
            place = next(place for place, _ in placed if place not in ordered)
            what = f"has no order where others of {group} have one, so it is chosen only when none of them can be"
            yield Finding(("model_list", place), what, "Give each deployment of a group an order, or none.")
        elif len(set(ordered.values())) == 1:
            yield Finding(at, f"is the same for all of {group}, so it decides nothing", "Remove it, or number them.")


def shared_ids(survey: Survey) -> Iterator[Finding]:
    """One id for several deployments: LiteLLM counts and names them as one."""
    seen: dict[str, str] = {}
    for place, entry in enumerate(survey.config.model_list):
        name = entry.model_info.id
        if name and name in seen:
            what = f"{name!r} is the id of a deployment of {seen[name]} too: LiteLLM counts and reports both as one"
            yield Finding(("model_list", place, "model_info", "id"), what, "Give it one of its own, as runs here do.")
        elif name:
            seen[name] = entry.model_name


def wildcards(survey: Survey) -> Iterator[Finding]:
    """Groups that take any name: there is no model to ask for."""
    for place, entry in enumerate(survey.config.model_list):
        if "*" in entry.model_name or entry.name.wildcard:
            what = f"{entry.model_name} cannot be tested as such: it takes any name"
            advice = "Give a consumer a `model` that it takes, or the model a deployment of its own."
            yield Finding(("model_list", place, "model_name"), what, advice)


def _placed(config: Config) -> dict[str, Placed]:
    """Group → its deployments with their places."""
    found: dict[str, Placed] = {}
    for place, entry in enumerate(config.model_list):
        found.setdefault(entry.model_name, []).append((place, entry))
    return found
