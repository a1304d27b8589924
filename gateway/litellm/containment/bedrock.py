"""Bedrock's deployments: their own endpoints and credentials lead to the embedded AWS."""

from __future__ import annotations

from typing import Any

from gateway.litellm.containment.change import Draft
from gateway.litellm.environment import PREFIX
from gateway.litellm.model_id import parse

# Source: LiteLLM 1.106.2, `llms/bedrock/base_aws_llm.py` and `types/router.py`.
ENDPOINTS = ("aws_bedrock_runtime_endpoint", "aws_sts_endpoint", "aws_bedrock_endpoint", "api_base", "base_url",
             "aws_bedrock_project_endpoint", "aws_s3_endpoint_url", "s3_endpoint_url")  # fmt: skip
CREDENTIALS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_bearer_token", "api_key",
               "aws_web_identity_token")  # fmt: skip
_ENDPOINT = "requests go to the embedded AWS instead of this endpoint"


def lead_to_the_embedded_aws(draft: Draft) -> None:
    """Each Bedrock deployment, and each named credential, without an address of its own; keys become profiles."""
    for position, entry in enumerate(draft.section_list("credential_list")):
        values = entry.get("credential_values")
        if isinstance(values, dict):
            _contain(draft, f"credential_list[{position}].credential_values", values)
    for section in ("router_settings",):
        defaults = draft.section(section).get("default_litellm_params")
        if isinstance(defaults, dict):
            _contain(draft, f"{section}.default_litellm_params", defaults)
    for where, params in draft.deployments():
        if parse(str(params.get("model")), params.get("custom_llm_provider")).provider != "bedrock":
            continue
        _contain(draft, where, params)
        if not params.get("litellm_credential_name"):
            params.setdefault("aws_profile_name", draft.profile)
        if not parse(str(params["model"])).region:
            params.setdefault("aws_region_name", draft.region)


def _contain(draft: Draft, where: str, params: dict[str, Any]) -> None:
    for name in ENDPOINTS:
        draft.drop(params, where, name, _ENDPOINT)
    named = next((params[name] for name in CREDENTIALS if params.get(name)), None)
    for name in CREDENTIALS:
        draft.drop(params, where, name, "the embedded AWS has keys of its own, one account for each credential")
    if named is not None and not params.get("aws_profile_name"):
        params["aws_profile_name"] = _profile_for(draft, named)
        draft.profiles.append(params["aws_profile_name"])


def _profile_for(draft: Draft, credential: Any) -> str:
    """A profile in the place of a credential: the same for the same, and named after its variable, never its value."""
    text = str(credential)
    if text.startswith(PREFIX):
        return f"keys-{text.removeprefix(PREFIX)}"
    known = draft.literal_credentials
    return known.setdefault(text, f"keys-{len(known) + 1}")
