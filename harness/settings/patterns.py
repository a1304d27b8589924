"""patterns.yaml: who asks, for what, how often, and what must come out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from common.fields import Count, Strict, VariableName
from common.places import CONFIG_DIR
from common.yaml_file import At, ConfigError, nearest, read, validate
from gateway.keys import MASTER_KEY, KeyUse, Limits, key_table
from gateway.litellm.config import Config
from gateway.litellm.sections import AwsSettings, CrisSettings, FetchSettings, LiteLlmSettings
from harness.settings.claims import Claim
from harness.settings.prompt import Prompt
from harness.settings.traffic import Traffic

Route = Literal["gateway", "direct"]  # through the gateway, or straight to Bedrock


class Consumer(Strict):
    """Who asks: its key and quota, the model it asks for, its fixed users and its named traffics."""

    route: Route | None = None  # absent: the pattern's
    model: str | None = None  # a model group; absent on the direct route: cris.model_id
    profile: str | None = None  # the direct route's AWS profile; absent: the model group's, else aws.profile_name
    key: VariableName = MASTER_KEY  # the environment variable that holds its key
    quota_rpm: Count | None = None
    quota_tpm: Count | None = None
    users: Count
    stream: bool = False
    prompt: Prompt | None = None
    traffic: Annotated[dict[str, Traffic], Field(min_length=1)]


class Pattern(Strict):
    title: str
    route: Route = "gateway"
    consumers: Annotated[dict[str, Consumer], Field(min_length=1)]
    claims: Annotated[list[Claim], Field(min_length=1)]

    def route_of(self, consumer: Consumer) -> Route:
        """A consumer's own, else the pattern's."""
        return consumer.route or self.route


class Patterns(Strict):
    """patterns.yaml: the patterns, each with its consumers, their traffic and the claims."""

    seed: int = 1
    prompt: Prompt = Prompt(text="Hi!")
    aws: AwsSettings | None = None  # these four are read with the gateway's configuration: see gateway.litellm.sections
    litellm: LiteLlmSettings | None = None
    cris: CrisSettings | None = None
    fetch: FetchSettings | None = None
    patterns: Annotated[dict[str, Pattern], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_fit(self) -> Patterns:
        seen: dict[str, str] = {}
        for name, pattern in self.patterns.items():
            for consumer in pattern.consumers:
                if consumer in seen:
                    raise At(
                        ("patterns", name, "consumers", consumer),
                        f"is a consumer of {seen[consumer]!r} too: consumers' names must be unique",
                    )
                seen[consumer] = name
            for position, claim in enumerate(pattern.claims):
                if claim in pattern.claims[:position]:
                    raise At(("patterns", name, "claims", position), "stands here twice. Remove one.")
                for consumer in claim.consumers:
                    if consumer not in pattern.consumers:
                        raise At(
                            ("patterns", name, "claims", position, "consumers"),
                            f"names {consumer!r}, which is no consumer of this pattern"
                            f"{nearest(consumer, pattern.consumers)}",
                        )
        return self

    def key_table(self) -> dict[str, Limits]:
        """What the gateway is to allow each consumer's key."""
        return key_table(
            KeyUse(name, consumer.key, consumer.quota_rpm, consumer.quota_tpm)
            for pattern in self.patterns.values()
            for name, consumer in pattern.consumers.items()
        )


def load_patterns(path: Path | None, config: Config) -> Patterns:
    """patterns.yaml, its model groups looked up in `config`. Raises ConfigError naming file, line and key."""
    document = read(path or CONFIG_DIR / "patterns.yaml")
    patterns = validate(document, Patterns)
    for keys, problem in _unknown_groups(patterns, config):
        raise ConfigError(f"{document.where(keys)}: {problem}")
    return patterns


def fit(path: Path, config: Config) -> bool:
    """Whether all model groups that a patterns file asks for exist in `config` by name: a wildcard takes anything.

    Raises ConfigError for a faulty file.
    """
    patterns = validate(read(path), Patterns).patterns.values()
    asked = {consumer.model for pattern in patterns for consumer in pattern.consumers.values() if consumer.model}
    return asked <= config.groups.keys() | config.aliases.keys()


def _unknown_groups(patterns: Patterns, config: Config) -> Iterator[tuple[list[str | int], str]]:
    """The keys of each consumer of the gateway that asks for nothing that is there, and what is wrong."""
    for pattern_name, pattern in patterns.patterns.items():
        for name, consumer in pattern.consumers.items():
            keys: list[str | int] = ["patterns", pattern_name, "consumers", name]
            if pattern.route_of(consumer) != "gateway":
                continue
            if consumer.model is None:
                yield keys, "has no model: name a model group of the gateway's configuration"
            elif config.group_of(consumer.model) is None:
                yield (
                    [*keys, "model"],
                    f"is {consumer.model!r}, which is not a model group of {config.document.path.name}"
                    f"{nearest(consumer.model, [*config.groups, *config.aliases])}",
                )
