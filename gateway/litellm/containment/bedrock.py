"""Bedrock's deployments: their own endpoints and credentials lead to the embedded AWS."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from gateway.litellm.containment.draft import Draft, name_of
from gateway.litellm.environment import PREFIX
from gateway.litellm.model_id import BEDROCK, region_of_arn

# Source: LiteLLM 1.106.2, `llms/bedrock/base_aws_llm.py` and `CredentialLiteLLMParams` in `types/router.py`.
ENDPOINTS = ("aws_bedrock_runtime_endpoint", "aws_sts_endpoint", "aws_bedrock_endpoint", "aws_s3_endpoint_url",
             "s3_endpoint_url", "api_base", "base_url")  # fmt: skip
CREDENTIALS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_bearer_token", "api_key",
               "aws_web_identity_token", "s3_access_key_id", "s3_secret_access_key")  # fmt: skip
_NAMING = ("aws_access_key_id", "aws_bearer_token", "api_key", "aws_web_identity_token")  # which tell whose they are
_DEFAULTS = "router_settings.default_litellm_params"
_IDENTITY = ("aws_profile_name", "aws_role_name", "aws_region_name")
_ENDPOINT = "requests go to the embedded AWS instead"
_CREDENTIAL = "the embedded AWS does not know it, and gives it an account: the profile {profile} takes its place"
_UNUSED = "it is not used: the profile or role beside it is the embedded AWS's own"


@dataclass
class _Credentials:
    """The profiles that take the place of credentials: one for each, named after its variable, never its value."""

    draft: Draft
    literal: dict[str, str] = field(default_factory=dict, repr=False)  # a key in the file → the profile in its place

    def profile_for(self, params: dict[str, Any]) -> str | None:
        """None where there are no credentials."""
        named = next((str(params[name]) for name in _NAMING if params.get(name)), None)
        if named is None:
            return None
        if named.startswith(PREFIX):
            variable = re.sub(r"[^\w.-]", "-", named.removeprefix(PREFIX))
            return f"keys-{variable}"
        return self.literal.setdefault(named, f"keys-{len(self.literal) + 1}")

    def take_out(self, where: str, params: dict[str, Any]) -> str | None:
        """Endpoints and keys of `params`; the profile in the place of keys that counted. A role or profile goes first.

        As LiteLLM does it in `get_credentials`: a role, else a profile, else keys.
        """
        self.draft.drop_all(params, where, ENDPOINTS, _ENDPOINT)
        profile = self.profile_for(params)
        counts = not (params.get("aws_profile_name") or params.get("aws_role_name"))
        what = _CREDENTIAL.format(profile=profile) if counts and profile else _UNUSED
        self.draft.drop_all(params, where, CREDENTIALS, what)
        return profile if counts else None


def lead_to_the_embedded_aws(draft: Draft) -> None:
    """Each Bedrock deployment without an address of its own; with a profile, a role or both, and a Region."""
    credentials = _Credentials(draft)
    of_bedrock = [(where, params) for where, params in draft.deployments() if name_of(params).provider == BEDROCK]
    named = _named_credentials(
        draft, credentials, {str(params.get("litellm_credential_name")) for _, params in of_bedrock}
    )
    defaults = draft.section("router_settings", "default_litellm_params")
    in_place_of_keys: dict[str, Any] = {}
    if _is_of_aws(defaults) and (profile := credentials.take_out(_DEFAULTS, defaults)):
        in_place_of_keys = {"aws_profile_name": profile}
    for where, params in of_bedrock:
        own = _identity(params, credentials.take_out(where, params))
        name = str(defaults.get("litellm_credential_name") or params.get("litellm_credential_name"))
        found = {**in_place_of_keys, **named.get(name, {}), **own, **_identity(defaults, None)}  # as LiteLLM joins them
        if found.get("aws_role_name"):
            draft.roles.append(str(found["aws_role_name"]))
        elif not found.get("aws_profile_name"):
            found["aws_profile_name"] = draft.profile
        region = name_of(params).region or region_of_arn(str(params.get("model_id")))
        if not found.get("aws_region_name") and not region:
            found["aws_region_name"] = draft.region
        params |= found
        if str(profile := found.get("aws_profile_name", "")).startswith("keys-"):
            draft.profiles.append(str(profile))


def _is_of_aws(params: dict[str, Any]) -> bool:
    return any(str(name).startswith(("aws_", "s3_")) for name in params)


def _named_credentials(draft: Draft, credentials: _Credentials, used: set[str]) -> dict[str, dict[str, Any]]:
    """Name of an entry of credential_list → whose it is in AWS. A deployment that names one gets that itself."""
    found = {}
    for position, entry in draft.listed("credential_list"):
        values = entry.get("credential_values")
        if isinstance(values, dict) and (_is_of_aws(values) or str(entry.get("credential_name")) in used):
            where = f"credential_list[{position}].credential_values"
            found[str(entry.get("credential_name"))] = _identity(values, credentials.take_out(where, values))
    return found


def _identity(params: dict[str, Any], profile: str | None) -> dict[str, Any]:
    found = {name: params[name] for name in _IDENTITY if params.get(name)}
    return {**found, "aws_profile_name": profile} if profile else found
