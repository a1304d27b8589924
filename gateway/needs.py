"""What the embedded AWS must have so that a configuration works on it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.demand import Demand
from gateway.litellm.config import Config
from gateway.litellm.model_id import BEDROCK, account_of_arn, parse


def needs(
    config: Config, entries: Iterable[Mapping[str, Any]], profiles: Iterable[str], demand: Demand
) -> dict[str, Any]:
    """The body of `POST /_embedded/needs`.

    `entries` is model_list as LiteLLM will read it, `profiles` those that stand in the place of credentials.
    """
    aws = config.aws
    accounts: dict[str, str | None] = {}
    for profile in (aws.profile_name, aws.secondary_profile_name, *demand.profiles.values(), *profiles):
        if profile:
            accounts.setdefault(profile, None)
    models: dict[str, str | None] = dict.fromkeys(demand.models)
    regions = {str(aws.region_name): None}
    roles: dict[str, None] = {}
    for entry in entries:
        params, info = entry["litellm_params"], entry.get("model_info") or {}
        name = parse(str(params["model"]), params.get("custom_llm_provider"))
        if name.provider != BEDROCK:
            continue
        model = str(params.get("model_id") or name.id)
        if not name.wildcard:
            models[model] = info.get("base_model") or params.get("base_model") or models.get(model)
        if region := params.get("aws_region_name") or name.region:
            regions[str(region)] = None
        role, profile = params.get("aws_role_name"), params.get("aws_profile_name")
        if role:
            roles[str(role)] = None
        if profile:
            own = None if role else account_of_arn(model)
            accounts[str(profile)] = own or accounts.get(str(profile))
    if config.cris:
        models.setdefault(config.cris.model_id, None)
    return {
        "profiles": {name: {"account": account} for name, account in accounts.items()},
        "default_profile": aws.profile_name,
        "roles": list(roles),
        "regions": list(regions),
        "log_groups": [aws.bedrock_log_group_name],
        "models": models,
    }
