"""Each consumer resolved once: by which route it asks, for what, as whom, and which quota holds for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from common.yaml_file import ConfigError
from gateway.demand import Demand
from gateway.litellm.config import Config
from gateway.litellm.deployments import ModelEntry
from harness.settings.patterns import Consumer, Pattern, Patterns, Route


@dataclass(frozen=True)
class ResolvedConsumer:
    """What patterns.yaml and the gateway's configuration together say of a consumer."""

    pattern: str
    name: str
    written: Consumer  # as patterns.yaml has it
    route: Route
    model: str  # a model group, or Bedrock's model id on the direct route
    asked_as: str  # what is sent to the gateway: the group, an alias of it, or a name that its wildcard takes
    profile: str | None  # the direct route's AWS profile
    region: str  # where the direct route asks
    limited: bool  # whether the gateway counts a quota for what it asks: its key's, or a deployment's
    tagged: bool  # whether its requests carry the run's id into Bedrock's log; not all that may answer takes it

    @property
    def where(self) -> str:
        """Its place in patterns.yaml."""
        return _where(self.pattern, self.name)


def resolve(config: Config, pattern_name: str, pattern: Pattern, name: str) -> ResolvedConsumer:
    """Raises ConfigError for a consumer of the direct route that has no model to ask for."""
    consumer = pattern.consumers[name]
    entries = config.entries_of(consumer.model) if consumer.model else []
    if pattern.route_of(consumer) == "direct":
        return _direct(config, pattern_name, name, consumer, entries)
    own = consumer.quota_rpm or consumer.quota_tpm
    return ResolvedConsumer(
        pattern=pattern_name,
        name=name,
        written=consumer,
        route="gateway",
        model=config.group_of(consumer.model or "") or "",
        asked_as=consumer.model or "",
        profile=None,
        region=config.region,
        limited=bool(own or any(entry.quota_rpm or entry.quota_tpm for entry in entries)),
        tagged=config.takes_request_metadata(consumer.model or ""),
    )


def _direct(config: Config, pattern: str, name: str, consumer: Consumer, entries: list[ModelEntry]) -> ResolvedConsumer:
    """Straight to Bedrock as the model group's first Bedrock deployment asks, or for a model id as it is written."""
    entry = next((entry for entry in entries if entry.is_bedrock and not entry.name.wildcard), None)
    if entries and not entry and all(not entry.is_bedrock for entry in entries):
        raise ConfigError(
            f"{_where(pattern, name)}: the direct route goes to Bedrock, and {consumer.model!r} has no deployment "
            "there. Name another model, or take the gateway's route."
        )
    model = entry.bedrock_model_id if entry else consumer.model or (config.cris.model_id if config.cris else "")
    if not model:
        raise ConfigError(
            f"{_where(pattern, name)}: the direct route needs a model. Give it one, or a section cris with a model_id, "
            "in the patterns file or beside LiteLLM's own sections."
        )
    return ResolvedConsumer(
        pattern=pattern,
        name=name,
        written=consumer,
        route="direct",
        model=model,
        asked_as="",
        profile=consumer.profile or (entry.profile if entry else None) or config.profile,
        region=(entry.region if entry else None) or config.region,
        limited=False,
        tagged=True,
    )


def _where(pattern: str, name: str) -> str:
    return f"patterns.{pattern}.consumers.{name}"


def all_resolved(config: Config, patterns: Patterns) -> Iterator[ResolvedConsumer]:
    """Every consumer that has something to ask for; one that has not is only a fault of a run that it takes part in."""
    for pattern_name, pattern in patterns.patterns.items():
        for name in pattern.consumers:
            with suppress(ConfigError):
                yield resolve(config, pattern_name, pattern, name)


def demand(config: Config, patterns: Patterns, *, with_gateway: bool = True) -> Demand:
    """What all of its consumers together ask of the gateway and of AWS."""
    consumers = list(all_resolved(config, patterns))
    return Demand(
        keys=patterns.key_table(),
        groups=frozenset(consumer.asked_as for consumer in consumers if consumer.route == "gateway"),
        profiles={
            f"{consumer.where}.profile": consumer.written.profile for consumer in consumers if consumer.written.profile
        },
        models=frozenset(consumer.model for consumer in consumers if consumer.route == "direct"),
        with_gateway=with_gateway,
    )
