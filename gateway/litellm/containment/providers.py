"""Other providers than Bedrock: answered by stand-ins beside the embedded AWS, or refused before the run."""

from __future__ import annotations

from typing import Any

from common.yaml_file import ConfigError
from gateway.litellm.containment.change import Draft
from gateway.litellm.model_id import BEDROCK, parse

STAND_IN = "_providers"
HARMLESS_KEY = "sk-not-a-real-key"
# Provider of LiteLLM's → the stand-in that speaks its protocol. Those that speak OpenAI's take its address as
# api_base. Source: LiteLLM 1.106.2, `constants.py` (openai_compatible_providers) and `get_llm_provider`.
_OPENAI_SHAPED = """
    openai text-completion-openai custom_openai openai_like hosted_vllm vllm llamafile lm_studio litellm_proxy groq
    together_ai fireworks_ai deepseek mistral codestral xai perplexity openrouter deepinfra anyscale nvidia_nim cerebras
    sambanova ai21_chat volcengine friendliai galadriel github nscale nebius novita dashscope moonshot inception
    meta_llama featherless_ai hyperbolic lambda_ai baseten
"""
OPENAI_SHAPED = frozenset(_OPENAI_SHAPED.split())
AZURE = frozenset({"azure", "azure_text"})
ANTHROPIC = frozenset({"anthropic"})
_SECRETS = ("api_key", "azure_ad_token", "client_secret", "tenant_id", "client_id", "azure_username", "azure_password",
            "organization", "extra_headers", "headers")  # fmt: skip
_ADDRESSES = ("api_base", "base_url", "azure_scope")

# Where LiteLLM takes addresses and keys from that a wildcard or a request would need.
VARIABLES = {
    "OPENAI_API_BASE": "openai/v1",
    "OPENAI_BASE_URL": "openai/v1",
    "AZURE_API_BASE": "azure",
    "ANTHROPIC_API_BASE": "anthropic",
    "ANTHROPIC_BASE_URL": "anthropic",
}
KEYS = ("OPENAI_API_KEY", "AZURE_API_KEY", "ANTHROPIC_API_KEY")


def lead_to_stand_ins(draft: Draft) -> None:
    """Addresses and keys of all deployments that are not Bedrock's. Raises ConfigError where nothing stands in."""
    others = False
    for where, params in draft.deployments():
        model = str(params.get("model"))
        provider = parse(model, params.get("custom_llm_provider")).provider
        if provider == BEDROCK:
            continue
        others = True
        if "*" in model:  # the request decides which provider it is: the variables below, and the guard, contain it
            _strip(draft, where, params)
            continue
        path = _stand_in(provider)
        if path is None:
            raise ConfigError(
                f"{where}.model: {model!r}: the embedded side has no stand-in for "
                f"{f'the provider {provider!r}' if provider else 'a provider that its name does not say'}. "
                "Leave this deployment out, or run against the real one with --aws live."
            )
        _strip(draft, where, params)
        params |= {"api_base": f"{draft.base_url}/{STAND_IN}/{path}", "api_key": HARMLESS_KEY}
        draft.report(where, f"{provider} is answered by a stand-in on this machine")
    if others:
        for name, path in VARIABLES.items():
            draft.environment[name] = f"{draft.base_url}/{STAND_IN}/{path}"
        draft.environment |= dict.fromkeys(KEYS, HARMLESS_KEY)


def _stand_in(provider: str) -> str | None:
    if provider in AZURE:
        return "azure"
    if provider in ANTHROPIC:
        return "anthropic"
    return "openai/v1" if provider in OPENAI_SHAPED else None


def _strip(draft: Draft, where: str, params: dict[str, Any]) -> None:
    for name in _ADDRESSES:
        draft.drop(params, where, name, "requests go to a stand-in on this machine instead")
    for name in _SECRETS:
        draft.drop(params, where, name, "it would be sent along: the stand-in needs none")
