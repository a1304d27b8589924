"""patterns.yaml: who asks, for what, how often, and what must come out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from common.fields import Count, Strict, VariableName
from common.places import CONFIG_DIR
from common.yaml_file import At, ConfigError, nearest, read, validate
from gateway.demand import Demand
from gateway.keys import MASTER_KEY, KeyUse, Limits, key_table
from gateway.litellm.config import Config
from gateway.litellm.sections import AwsSettings, CrisSettings, FetchSettings, LiteLlmSettings
from harness.settings.traffic import Traffic


class Between(Strict):
    """A number drawn anew for each request: any of min to max, both included, is as likely as any other."""

    min: Count
    max: Count

    @model_validator(mode="after")
    def _ordered(self) -> Between:
        if self.max < self.min:
            raise At(("max",), f"is {self.max}, below min, which is {self.min}")
        return self


class Prompt(Strict):
    """What is asked. One of `text`, `words` (so many, at random) and `file` (JSONL, a list of messages a line)."""

    text: str | None = None
    words: Count | Between | None = None
    file: str | None = None
    max_tokens: Count | Between = 64

    @model_validator(mode="after")
    def _one_source(self) -> Prompt:
        if sum(source is not None for source in (self.text, self.words, self.file)) != 1:
            raise ValueError("takes exactly one of text, words and file")
        return self


class Consumer(Strict):
    """A tenant: its key and quota, the model it asks for, its fixed users and its named traffics."""

    route: Literal["gateway", "direct"] | None = None  # absent: the pattern's
    model: str | None = None  # a model group; absent on the direct route: cris.model_id
    profile: str | None = None  # the direct route's AWS profile; absent: the model group's, else aws.profile_name
    key: VariableName = MASTER_KEY  # the environment variable that holds its key
    quota_rpm: Count | None = None
    quota_tpm: Count | None = None
    users: Count
    stream: bool = False
    prompt: Prompt | None = None
    traffic: Annotated[dict[str, Traffic], Field(min_length=1)]


ClaimName = Literal[
    "all_answered",
    "regions_at_least",
    "shards_separate",
    "primaries_filled",
    "overflow_answered_by_fallback",
    "limited_to_quota",
    "neighbours_unharmed",
]


class Claim(Strict):
    """A sentence to be proved, by its name in analysis.claims."""

    claim: ClaimName
    consumers: list[str] = Field(default_factory=list)  # absent: every consumer of the pattern
    at_least: Count | None = None


class Pattern(Strict):
    title: str
    route: Literal["gateway", "direct"] = "gateway"
    consumers: Annotated[dict[str, Consumer], Field(min_length=1)]
    claims: Annotated[list[Claim], Field(min_length=1)]


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

    def demand(self, config: Config) -> Demand:
        """What all of its consumers together ask of the gateway and of AWS."""
        groups, profiles, models = set(), {}, set()
        for name, pattern in self.patterns.items():
            for who, consumer in pattern.consumers.items():
                if (consumer.route or pattern.route) == "gateway":
                    groups |= {consumer.model} if consumer.model else set()
                elif consumer.model and not config.entries_of(consumer.model):
                    models.add(consumer.model)
                if consumer.profile:
                    profiles[f"patterns.{name}.consumers.{who}.profile"] = consumer.profile
        return Demand(self.key_table(), frozenset(groups), profiles, frozenset(models))


def load_patterns(path: Path | None, config: Config) -> Patterns:
    """patterns.yaml, its model groups looked up in `config`."""
    document = read(path or CONFIG_DIR / "patterns.yaml")
    patterns = validate(document, Patterns)
    for name, pattern in patterns.patterns.items():
        for consumer_name, consumer in pattern.consumers.items():
            if (consumer.route or pattern.route) != "gateway":
                continue
            keys = ["patterns", name, "consumers", consumer_name]
            if consumer.model is None:
                problem = "has no model: name a model group of the gateway's configuration"
            elif config.group_of(consumer.model) is None:
                keys.append("model")
                problem = (
                    f"is {consumer.model!r}, which is not a model group of {config.document.path.name}"
                    f"{nearest(consumer.model, [*config.groups, *config.aliases])}"
                )
            else:
                continue
            raise ConfigError(f"{document.where(keys)}: {problem}")
    return patterns
