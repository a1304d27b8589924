"""Other services that LiteLLM asks, or is asked to pass requests on to."""

from __future__ import annotations

from typing import Any

from gateway.litellm.containment.draft import Draft

# Source: LiteLLM 1.106.2, `load_config` in `proxy/proxy_server.py`, and what its proxy reads of general_settings.
SECTIONS = ("mcp_servers", "mcp_tools", "vector_store_registry", "search_tools", "sandbox_tools", "assistant_settings",
            "files_settings", "finetune_settings", "agents", "agent_list", "worker_registry",
            "default_vertex_config")  # fmt: skip
GENERAL = ("pass_through_endpoints", "plugins", "search_tools", "public_mcp_servers", "control_plane_url",
           "enable_mcp_registry", "password_policy_check_breached_passwords")  # fmt: skip
IDENTITY = ("enable_jwt_auth", "litellm_jwtauth", "enable_oauth2_auth", "enable_oauth2_proxy_auth",
            "oauth2_config_mappings", "custom_sso", "litellm_license")  # fmt: skip
SETTINGS = ("mcp_servers", "mcp_semantic_tool_filter", "vector_store_registry", "search_tools",
            "websearch_interception_params", "global_bitbucket_config", "global_gitlab_config", "use_litellm_proxy",
            "prompt_integration")  # fmt: skip
ROUTER = ("search_tools", "assistants_config", "guardrail_list")
LOCAL_PROMPTS = ("dotprompt",)
_OFF = "another machine would be asked, so it is switched off"
_IDENTITY = "no other machine is asked who somebody is"


def switch_off(draft: Draft) -> None:
    draft.drop_all(draft.file, "", SECTIONS, _OFF)
    draft.drop_all(draft.section("general_settings"), "general_settings", GENERAL, _OFF)
    draft.drop_all(draft.section("general_settings"), "general_settings", IDENTITY, _IDENTITY)
    draft.drop_all(draft.section("litellm_settings"), "litellm_settings", SETTINGS, _OFF)
    draft.drop_all(draft.section("router_settings"), "router_settings", ROUTER, _OFF)
    _prompts(draft)


def _prompts(draft: Draft) -> None:
    """Prompts that are kept elsewhere: by Langfuse, in a repository."""
    if not isinstance(written := draft.file.get("prompts"), list):
        draft.drop(draft.file, "", "prompts", _OFF)
        return
    kept = []
    for position, prompt in enumerate(written):
        if _is_local(prompt):
            kept.append(prompt)
        else:
            draft.report(f"prompts[{position}]", _OFF)
    draft.file["prompts"] = kept


def _is_local(prompt: Any) -> bool:
    params = prompt.get("litellm_params") if isinstance(prompt, dict) else None
    return isinstance(params, dict) and params.get("prompt_integration") in LOCAL_PROMPTS
