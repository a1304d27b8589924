"""What may stand in config.yaml and patterns.yaml, and whether the one fits the other."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway.config_file import At, ConfigError, dotted, load, locate, nearest

CONFIG_DIR = Path(__file__).resolve().parent.parent / "config"
MASTER_KEY = "LITELLM_MASTER_KEY"
PATTERNS_FILE = "GATEWAY_PATTERNS_FILE"  # tells the gateway's process where the consumers' quotas stand


class Strict(BaseModel):
    """A settings section: unknown keys are errors, and nothing is coerced from another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _positive(value: float) -> float:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError("must be a number greater than 0")
    return value


def _variable_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*", value, re.ASCII):
        raise ValueError("must name an environment variable that holds the key, such as CONSUMER_A_KEY")
    return value


VariableName = Annotated[str, AfterValidator(_variable_name)]
Positive = Annotated[float, AfterValidator(_positive)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


# --- config.yaml ------------------------------------------------------------------------------------------------


class AwsSettings(Strict):
    endpoint: Literal["embedded"] | None = None  # absent: the real AWS
    profile_name: str
    secondary_profile_name: str
    region_name: str
    bedrock_log_group_name: str


class LiteLlmSettings(Strict):
    port: Annotated[int, Field(ge=1, le=65535)] = 4000


class CrisSettings(Strict):
    model_id: str


class FetchSettings(Strict):
    """How long to wait for invocation logs; AWS publishes no figure for their delay."""

    deadline_s: Positive = 300.0
    poll_s: Positive = 2.0


class LiteLlmParams(BaseModel):
    """LiteLLM's own; only what the harness relies on is checked, the rest is LiteLLM's to judge."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    model: str
    aws_profile_name: str | None = None
    aws_region_name: str | None = None
    aws_role_name: str | None = None  # the ARN of a role that LiteLLM assumes for it
    rpm: Count | None = None
    tpm: Count | None = None


class ModelInfo(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    id: str | None = None


class ModelEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())
    model_name: str
    litellm_params: LiteLlmParams
    model_info: ModelInfo = ModelInfo()
    rpm: Count | None = None
    tpm: Count | None = None

    @property
    def quota_rpm(self) -> int | None:
        return self.litellm_params.rpm or self.rpm

    @property
    def quota_tpm(self) -> int | None:
        return self.litellm_params.tpm or self.tpm

    @property
    def bedrock_model_id(self) -> str:
        """Bedrock's id of the model: LiteLLM's name for it, without the provider and route in front."""
        model = self.litellm_params.model
        for prefix in ("bedrock/", "converse/", "invoke/"):
            model = model.removeprefix(prefix)
        return model


# What the proxy of LiteLLM 1.106.2 hands on to its Router; anything else there it ignores, with a line in its log.
_ROUTER_SETTINGS = """
    alerting_config allowed_fails allowed_fails_policy background_health_check_model_groups cache_kwargs cache_responses
    caching_groups client_ttl content_policy_fallbacks context_window_fallbacks cooldown_time debug_level
    default_fallbacks default_litellm_params default_max_parallel_requests default_priority
    deployment_affinity_ttl_seconds disable_cooldowns enable_health_check_routing enable_pre_call_checks
    enable_tag_filtering enable_weighted_failover fallbacks guardrail_list health_check_ignore_transient_errors
    health_check_staleness_threshold max_fallbacks model_group_affinity_config model_group_alias
    model_group_retry_policy num_retries optional_pre_call_checks plugins polling_interval provider_budget_config
    redis_db redis_host redis_password redis_port redis_url retry_after retry_policy routing_groups routing_strategy
    routing_strategy_args set_verbose stream_timeout tag_filtering_match_any tag_routing_prefix timeout
"""
ROUTER_SETTINGS = frozenset(_ROUTER_SETTINGS.split())


class WithFallbacks(BaseModel):
    """A section of LiteLLM's that may say which model groups stand in for which; all else is LiteLLM's to judge."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    fallbacks: list[dict[str, list[str]]] = []
    default_fallbacks: list[str] = []


class RouterSettings(WithFallbacks):
    """LiteLLM's Router arguments, whose names are checked too."""

    @model_validator(mode="after")
    def _names_known(self) -> RouterSettings:
        for name in self.model_extra or ():
            if name not in ROUTER_SETTINGS:
                raise At((name,), f"is not a setting of LiteLLM's router{nearest(name, ROUTER_SETTINGS)}")
        return self


class Config(Strict):
    """config.yaml: the file that LiteLLM itself reads, with our sections beside LiteLLM's."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())
    aws: AwsSettings
    litellm: LiteLlmSettings = LiteLlmSettings()
    model_list: Annotated[list[ModelEntry], Field(min_length=1)]
    cris: CrisSettings
    router_settings: RouterSettings = RouterSettings()
    fetch: FetchSettings = FetchSettings()
    litellm_settings: WithFallbacks = WithFallbacks()
    general_settings: dict[str, Any] = {}
    environment_variables: dict[str, str] = {}

    @property
    def groups(self) -> dict[str, list[ModelEntry]]:
        """Model group → its deployments, in the order of the file."""
        groups: dict[str, list[ModelEntry]] = {}
        for entry in self.model_list:
            groups.setdefault(entry.model_name, []).append(entry)
        return groups

    def deployments(self) -> Iterator[tuple[str, ModelEntry]]:
        """Every deployment with its id: the configured one, else its group's name, numbered in a group of several."""
        for group, entries in self.groups.items():
            for number, entry in enumerate(entries, 1):
                yield entry.model_info.id or (group if len(entries) == 1 else f"{group}-{number}"), entry

    def stand_ins(self) -> dict[str, tuple[str, ...]]:
        """Model group → the groups that stand in for it, in order, with those that stand in for these.

        As LiteLLM 1.106 looks them up (`get_fallback_model_group`, `Router.__init__`): a group's own entry, else the
        one of "*", else the default fallbacks; of router_settings, else of litellm_settings.
        """
        router, others = self.router_settings, self.litellm_settings
        entries = router.fallbacks or others.fallbacks
        direct = {group: groups for entry in reversed(entries) for group, groups in entry.items()}
        default = router.default_fallbacks or others.default_fallbacks or direct.get("*", [])

        def reached(group: str) -> tuple[str, ...]:
            found = [group]
            for one in found:
                found += [name for name in direct.get(one, default) if name not in found]
            return tuple(found[1:])

        return {group: stand_ins for group in self.groups if (stand_ins := reached(group))}

    @model_validator(mode="after")
    def _groups_exist(self) -> Config:
        for where, names in self._named_groups():
            for name in names:
                if name not in self.groups and name != "*":
                    problem = f"names model group {name!r}, which is not in model_list{nearest(name, self.groups)}"
                    raise At(where, problem)
        ids = [deployment for deployment, _ in self.deployments()]
        for position, deployment in enumerate(ids):
            if deployment in ids[:position]:
                raise At(("model_list", position), f"has the id {deployment!r}, which another deployment has too")
        return self

    def _named_groups(self) -> Iterator[tuple[tuple[str | int, ...], list[str]]]:
        """Where fallbacks name model groups, and which."""
        for section, of in (("router_settings", self.router_settings), ("litellm_settings", self.litellm_settings)):
            for position, entry in enumerate(of.fallbacks):
                for group, stand_ins in entry.items():
                    yield (section, "fallbacks", position, group), [group, *stand_ins]
            yield (section, "default_fallbacks"), of.default_fallbacks


# --- patterns.yaml ----------------------------------------------------------------------------------------------


class Burst(Strict):
    """So many requests at once, again every `every_s` as long as the run lasts."""

    kind: Literal["burst"]
    requests: Count
    repeat: Count = 1
    every_s: Positive = 65.0  # a window of LiteLLM lasts 60 s from the first request that it counts


class Constant(Strict):
    """Evenly spaced requests."""

    kind: Literal["constant"]
    rate_per_s: Positive
    duration_s: Positive
    start_s: Seconds = 0.0


class Poisson(Strict):
    """Independent arrivals with exponentially distributed gaps."""

    kind: Literal["poisson"]
    rate_per_s: Positive
    duration_s: Positive
    start_s: Seconds = 0.0


class Ramp(Strict):
    """A rate that changes linearly."""

    kind: Literal["ramp"]
    from_per_s: Seconds
    to_per_s: Seconds
    duration_s: Positive

    @model_validator(mode="after")
    def _not_nothing(self) -> Ramp:
        if self.from_per_s == self.to_per_s == 0:
            raise At(("to_per_s",), "is 0 like from_per_s: the ramp would send nothing")
        return self


class Step(Strict):
    rate_per_s: Positive
    duration_s: Positive


class Steps(Strict):
    """One constant rate after another."""

    kind: Literal["steps"]
    steps: Annotated[list[Step], Field(min_length=1)]


class Trace(Strict):
    """Recorded arrivals: a CSV file with one column `seconds`, ascending from the start of the run."""

    kind: Literal["trace"]
    file: str


class Phases(Strict):
    """Several kinds one after another."""

    kind: Literal["phases"]
    phases: Annotated[list[Traffic], Field(min_length=1)]


Traffic = Annotated[
    Burst | Constant | Poisson | Ramp | Steps | Trace | Phases,
    Field(discriminator="kind"),
]


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
    consumers: list[str] = []  # absent: every consumer of the pattern
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


# --- reading ----------------------------------------------------------------------------------------------------


def load_config(path: Path | None = None) -> Config:
    return load(path or CONFIG_DIR / "config.yaml", Config)


def load_patterns(path: Path | None, config: Config) -> Patterns:
    """patterns.yaml, its model groups looked up in `config`."""
    path = path or CONFIG_DIR / "patterns.yaml"
    patterns = load(path, Patterns)
    root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    for name, pattern in patterns.patterns.items():
        for consumer_name, consumer in pattern.consumers.items():
            route = consumer.route or pattern.route
            keys: list[str | int] = ["patterns", name, "consumers", consumer_name]
            if route == "gateway":
                problem = None
                if consumer.model is None:
                    problem = "has no model: name a model group of config.yaml"
                elif consumer.model not in config.groups:
                    keys.append("model")
                    problem = (
                        f"is {consumer.model!r}, which is not a model group of config.yaml"
                        f"{nearest(consumer.model, config.groups)}"
                    )
                if problem:
                    line, written = locate(root, keys)
                    raise ConfigError(f"{path}:{line}: {dotted(written)}: {problem}")
    return patterns
