"""LiteLLM's own configuration file, with our sections beside LiteLLM's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from common.fields import Count, Positive, Strict
from common.places import CONFIG_DIR
from common.yaml_file import At, load, nearest


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
    general_settings: dict[str, Any] = Field(default_factory=dict)
    environment_variables: dict[str, str] = Field(default_factory=dict)

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


def load_config(path: Path | None = None) -> Config:
    return load(path or CONFIG_DIR / "config.yaml", Config)
