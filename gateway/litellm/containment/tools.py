"""What calls other services while a request is under way: guardrails, MCP servers, vector stores, pass-through."""

from __future__ import annotations

from typing import Any

from gateway.litellm.containment.change import Draft

# Guardrails of LiteLLM 1.106.2 that decide within its process (`litellm/proxy/guardrails/guardrail_hooks`).
IN_PROCESS_GUARDRAILS = frozenset({"hide-secrets", "litellm_content_filter", "tool_permission", "block_code_execution"})
_SECTIONS = ("mcp_servers", "mcp_tools", "vector_store_registry", "vector_stores", "search_tools", "assistant_settings",
             "files_settings", "finetune_settings", "prompts", "agents", "policies", "sandbox",
             "callback_settings")  # fmt: skip
_GENERAL = ("pass_through_endpoints", "public_mcp_servers", "image_generation_model", "user_mcp_management_mode",
            "enable_jwt_auth", "litellm_jwtauth", "enable_oauth2_auth", "enable_oauth2_proxy_auth",
            "background_health_checks", "ui_access_mode")  # fmt: skip
_OFF = "it would ask another machine, and is switched off"


def switch_off(draft: Draft) -> None:
    for name in _SECTIONS:
        draft.drop(draft.file, "", name, _OFF)
    general = draft.section("general_settings")
    for name in _GENERAL:
        draft.drop(general, "general_settings", name, _OFF)
    settings = draft.section("litellm_settings")
    for name in ("mcp_servers", "vector_store_registry", "guardrails"):
        draft.drop(settings, "litellm_settings", name, _OFF)
    guardrails = draft.file.get("guardrails")
    if isinstance(guardrails, list):
        kept = [one for one in guardrails if _in_process(one)]
        for position, one in enumerate(guardrails):
            if one not in kept:
                draft.report(f"guardrails[{position}]", _OFF)
        draft.file["guardrails"] = kept
        if not kept:
            del draft.file["guardrails"]


def _in_process(guardrail: Any) -> bool:
    params = guardrail.get("litellm_params") if isinstance(guardrail, dict) else None
    kind = params.get("guardrail") if isinstance(params, dict) else None
    return isinstance(kind, str) and (kind in IN_PROCESS_GUARDRAILS or "." in kind)
