"""Guardrails that ask another machine about each request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.litellm.containment.addresses import host_is_elsewhere
from gateway.litellm.containment.callbacks import stays
from gateway.litellm.containment.draft import Draft, as_list

# Source: LiteLLM 1.106.2, `SupportedGuardrailIntegrations` in `types/guardrails.py`: those whose code, in
# `proxy/guardrails/guardrail_hooks`, decides in the process, or asks the gateway's own models.
IN_PROCESS = frozenset(
    {"hide-secrets", "litellm_content_filter", "tool_permission", "block_code_execution", "mcp_security",
     "mcp_end_user_permission", "custom_code"}
)  # fmt: skip
_OFF = "it asks another machine about each request, and is switched off"
_POLICY = "its guardrails are switched off"
_ADDRESS_ENDINGS = ("api_base", "base_url", "_url", "endpoint")


def switch_off(draft: Draft) -> None:
    """Guardrails that are not known to decide in the process, unless all their addresses are this machine's."""
    gone = set(_sections(draft))
    for position, entry in enumerate(as_list(draft.section("litellm_settings").get("guardrails"))):
        if not _old_stays(entry):
            gone.add(f"litellm_settings.guardrails[{position}]")
            draft.report(f"litellm_settings.guardrails[{position}]", _OFF)
    if any(name.startswith("litellm_settings.") for name in gone):
        settings = draft.section("litellm_settings")
        settings["guardrails"] = [one for one in as_list(settings["guardrails"]) if _old_stays(one)]
    if gone:
        draft.drop_all(draft.file, "", ("policies", "policy_attachments"), _POLICY)
        for where, params in draft.deployments():
            _unname(draft, where, params, gone)


def _sections(draft: Draft) -> Iterator[str]:
    """Switches off entries of `guardrails`; gives their names."""
    kept = []
    for position, entry in draft.listed("guardrails"):
        params = entry.get("litellm_params")
        if isinstance(params, dict) and _is_in_process(params.get("guardrail")):
            kept.append(entry)
        elif isinstance(params, dict) and _is_here(draft, params):
            draft.fix(params)
            kept.append(entry)
        else:
            draft.report(f"guardrails[{position}]", _OFF)
            yield str(entry.get("guardrail_name"))
    if "guardrails" in draft.file:
        draft.file["guardrails"] = kept
        if not kept:
            del draft.file["guardrails"]


def _is_in_process(kind: Any) -> bool:
    return isinstance(kind, str) and (kind in IN_PROCESS or ("." in kind and "://" not in kind))


def _is_here(draft: Draft, params: dict[str, Any]) -> bool:
    addresses = [draft.value(value) for name, value in params.items() if name.endswith(_ADDRESS_ENDINGS)]
    return bool(addresses) and not any(one is None or host_is_elsewhere(one) for one in addresses)


def _old_stays(entry: Any) -> bool:
    """Of the older way to write them: {name: {callbacks: [...]}}."""
    if not isinstance(entry, dict):
        return False
    inner = [value for value in entry.values() if isinstance(value, dict)]
    return all(stays(one) for value in inner for one in as_list(value.get("callbacks")))


def _unname(draft: Draft, where: str, params: dict[str, Any], gone: set[str]) -> None:
    named = as_list(params.get("guardrails"))
    if kept := [one for one in named if str(one) not in gone]:
        params["guardrails"] = kept
    elif named:
        draft.drop(params, where, "guardrails", _POLICY)
