"""What the embedded AWS must have so that a configuration works on it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.demand import Demand
from gateway.litellm.config import Config
from gateway.litellm.model_id import BEDROCK, ModelName, account_of_arn, parse, region_of_arn


def needs(
    config: Config, entries: Iterable[Mapping[str, Any]], profiles: Iterable[str], demand: Demand
) -> dict[str, Any]:
    """The body of `POST /_embedded/needs`.

    `entries` is model_list as LiteLLM will read it, `profiles` those that stand in the place of credentials.
    """
    aws, found = config.aws, _Found(config.profile, dict.fromkeys(demand.models), {config.region: None})
    for profile in (aws.profile_name, aws.secondary_profile_name, *demand.profiles.values(), *profiles):
        if profile:
            found.accounts.setdefault(profile, None)
    for entry in entries:
        found.add(entry["litellm_params"], entry.get("model_info") or {})
    if config.cris:
        found.models.setdefault(config.cris.model_id, None)
    return {
        "profiles": {name: {"account": account} for name, account in found.accounts.items()},
        "default_profile": aws.profile_name,
        "roles": list(found.roles),
        "regions": list(found.regions),
        "log_groups": [aws.bedrock_log_group_name],
        "models": found.models,
    }


@dataclass
class _Found:
    """What the deployments need; all keep the order in which they were found. `profile`: who calls if none is named."""

    profile: str
    models: dict[str, str | None]  # id or ARN → the model behind an ARN, where that is said
    regions: dict[str, None]
    accounts: dict[str, str | None] = field(default_factory=dict)  # profile → the account that it must be in
    roles: dict[str, None] = field(default_factory=dict)

    def add(self, params: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        """One deployment's; another provider's needs nothing."""
        name = parse(str(params["model"]), params.get("custom_llm_provider"))
        if name.provider != BEDROCK:
            return
        model = str(params.get("model_id") or name.id)
        if not name.wildcard:
            self.models[model] = _behind(model, params, info, name) or self.models.get(model)
        if region := params.get("aws_region_name") or name.region or region_of_arn(model):
            self.regions[str(region)] = None
        if role := params.get("aws_role_name"):
            self.roles[str(role)] = None
        profile = str(params.get("aws_profile_name") or self.profile)
        own = None if role else account_of_arn(model)  # an ARN is called from its own account
        self.accounts[profile] = own or self.accounts.get(profile)


# What LiteLLM is told that a model looks like inside, where only its ARN is known → one that does.
# Source: LiteLLM 1.106.2, `llms/bedrock/chat/invoke_transformations`.
_LOOKS_LIKE = {
    **dict.fromkeys(("llama", "deepseek_r1", "qwen2", "qwen3"), "meta.llama3-1-70b-instruct-v1:0"),
    "nova": "amazon.nova-pro-v1:0",
    "nova-2": "amazon.nova-2-lite-v1:0",
    "moonshot": "moonshot.kimi-k2-thinking",
    "openai": "openai.gpt-oss-120b-1:0",
}


def _behind(model: str, params: Mapping[str, Any], info: Mapping[str, Any], name: ModelName) -> str | None:
    """The model behind an ARN, where the file says it: outright, beside `model_id`, or by what it looks like."""
    said = info.get("base_model") or params.get("base_model")
    if not said and name.id != model:
        said = name.id
    return str(said) if said else _LOOKS_LIKE.get(name.looks_like or name.route)


def named_at(config: Config, name: str) -> str | None:
    """`FILE:LINE: KEYS` of the first deployment that names a model, Region, role or profile; None where none does."""
    for position, entry in enumerate(config.model_list):
        params = entry.litellm_params
        for key, value in (
            ("model_id", params.model_id),
            ("model", entry.name.id),
            ("aws_region_name", entry.region),
            ("aws_role_name", entry.role),
            ("aws_profile_name", entry.profile),
        ):
            if value == name and entry.is_bedrock:
                written = key if getattr(params, key) is not None else "model"  # a Region may stand in the name
                return config.document.where(["model_list", position, "litellm_params", written])
    for keys in (
        ("aws", "profile_name"),
        ("aws", "secondary_profile_name"),
        ("aws", "region_name"),
        ("cris", "model_id"),
    ):
        section = getattr(config, keys[0])
        if section is not None and getattr(section, keys[1]) == name:
            return config.document.where(keys)
    return None
