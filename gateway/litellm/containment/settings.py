"""Settings that LiteLLM applies to all calls: addresses, keys and headers of its module."""

from __future__ import annotations

from gateway.litellm.containment.draft import Draft

# `litellm_settings` sets whatever it names on the module `litellm` (`load_config` in LiteLLM 1.106.2's proxy). These
# endings are what its keys and addresses there have in common.
_ENDINGS = ("_key", "api_base", "_url", "_callback_params", "_headers", "_tenant_id", "_credentials")
_NAMES = ("api_key", "headers", "organization", "project", "vertex_project", "proxy_auth", "token", "email")
# Settings that end so and say nothing of either.
_FINE = frozenset(
    {"filter_invalid_headers", "add_user_information_to_llm_headers", "extra_spend_tag_headers",
     "return_response_headers"}
)  # fmt: skip
_WHAT = "it would hold for every call: addresses and keys are this machine's"


def strip(draft: Draft) -> None:
    settings = draft.section("litellm_settings")
    names = [name for name in map(str, settings) if (name.endswith(_ENDINGS) or name in _NAMES) and name not in _FINE]
    draft.drop_all(settings, "litellm_settings", names, _WHAT)
