"""Other providers than Bedrock: answered on this machine, beside the embedded AWS, or refused before the run."""

from __future__ import annotations

import re

from gateway.litellm.containment import provider_table
from gateway.litellm.containment.draft import Draft, mappings, name_of
from gateway.litellm.model_id import BEDROCK

FOLDER = "_providers"  # below the embedded side's address
HARMLESS_KEY = "sk-not-a-real-key"
# Source: LiteLLM 1.106.2, `CredentialLiteLLMParams` and what `main.py` takes out of a call's parameters.
ADDRESSES = ("api_base", "base_url", "azure_endpoint", "azure_ad_token_provider", "azure_scope", "use_litellm_proxy",
             "use_xai_oauth")  # fmt: skip
SECRETS = ("api_key", "azure_ad_token", "client_secret", "client_id", "tenant_id", "azure_username", "azure_password",
           "organization", "vertex_credentials", "vertex_project", "watsonx_token", "extra_headers", "headers",
           "anthropic_federation_rule_id", "anthropic_organization_id", "provider_affinity_header")  # fmt: skip
_ADDRESS = "its requests are answered on this machine instead"
_SECRET = "it is not sent, not even to this machine"
_AZURE_OPENAI = re.compile(r"gpt-(?!oss)|chatgpt-|o\d|text-embedding-")


def lead_to_the_embedded_side(draft: Draft) -> None:
    """Addresses and keys of all deployments that are not Bedrock's; those that nobody answers here are refused."""
    own_code = {str(entry.get("provider")) for entry in mappings(draft.section("litellm_settings").get(
        "custom_provider_map"))}  # fmt: skip
    for where, params in draft.deployments():
        name = name_of(params)
        if name.provider == BEDROCK:
            continue
        draft.drop_all(params, where, ADDRESSES, _ADDRESS)
        draft.drop_all(params, where, SECRETS, _SECRET)
        if name.provider in own_code | provider_table.IN_PROCESS or params.get("mock_response"):
            continue  # nothing is sent, or it is the user's own code that sends it: the guard watches
        if name.wildcard and name.provider in ("", "*"):
            _open(draft, where)
        elif path := _path(name.provider, name.id):
            params |= {"api_base": f"{draft.base_url}/{FOLDER}/{path}", "api_key": HARMLESS_KEY}
            draft.report(where, f"{name.provider} is answered on this machine, beside the embedded AWS")
        else:
            draft.refusals.append((f"{where}.model", _refusal(str(params.get("model")), name.provider)))
    _strip_shared(draft)
    for variable, path in provider_table.VARIABLES.items():
        draft.environment[variable] = f"{draft.base_url}/{FOLDER}/{path}"


def _strip_shared(draft: Draft) -> None:
    """Addresses and keys that deployments name instead of having them."""
    shared = [("router_settings.default_litellm_params", draft.section("router_settings", "default_litellm_params"))]
    for position, entry in draft.listed("credential_list"):
        if isinstance(values := entry.get("credential_values"), dict):
            shared.append((f"credential_list[{position}].credential_values", values))
    for where, params in shared:
        draft.drop_all(params, where, ADDRESSES, _ADDRESS)
        draft.drop_all(params, where, SECRETS, _SECRET)


def _open(draft: Draft, where: str) -> None:
    """A wildcard for every provider: each request says which. Variables lead it, and the guard stops the others."""
    draft.environment |= dict.fromkeys(provider_table.KEYS, HARMLESS_KEY)
    draft.report(
        f"{where}.model",
        "the request says which provider is meant: Bedrock and those that take OpenAI's, Azure's or Anthropic's "
        "requests are answered on this machine, any other is refused",
    )


def _path(provider: str, model: str) -> str | None:
    """Where a provider's requests are answered; None where nobody does. Azure AI speaks another protocol for some."""
    if model.startswith("responses/"):
        return None
    if provider == "azure_ai":
        if model.startswith("claude"):
            return provider_table.ANTHROPIC
        if _AZURE_OPENAI.match(model):
            return provider_table.AZURE
    return provider_table.PATHS.get(provider)


def _refusal(model: str, provider: str) -> str:
    whose = f"the provider {provider!r}" if provider else "a provider that its name does not say"
    if provider in provider_table.PATHS:
        whose = f"{provider}'s Responses API"
    advice = "" if provider else " Write the provider before it, as in openai/NAME."
    return (
        f"{model!r} is of {whose}, which nothing on the embedded side answers for.{advice} "
        "Leave this deployment out, or run against the real one with --aws live."
    )
