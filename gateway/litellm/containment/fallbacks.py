"""Fallbacks that are written as calls of their own, with an address and a key, instead of a model group's name."""

from __future__ import annotations

from typing import Any

from gateway.litellm.containment import bedrock, providers
from gateway.litellm.containment.draft import Draft, as_list

# Source: LiteLLM 1.106.2, `router_utils/fallback_event_handlers.py` (`run_async_fallback` takes a name or a mapping).
NAMES = ("fallbacks", "default_fallbacks", "context_window_fallbacks", "content_policy_fallbacks")
_TAKEN_OUT = (*bedrock.ENDPOINTS, *bedrock.CREDENTIALS, *providers.ADDRESSES, *providers.SECRETS)
_WHAT = "a fallback goes where its model group goes"


def strip(draft: Draft) -> None:
    """Addresses and keys in fallbacks of the router, of litellm_settings and of deployments."""
    places = [(name, draft.section(name)) for name in ("router_settings", "litellm_settings")]
    for where, section in [*places, *draft.deployments()]:
        for name in NAMES:
            for key, call in _calls(section.get(name), f"{where}.{name}"):
                draft.drop_all(call, key, _TAKEN_OUT, _WHAT)


def _calls(written: Any, where: str) -> list[tuple[str, dict[str, Any]]]:
    """The mappings that are calls, with the keys under which they stand."""
    found = []
    for position, one in enumerate(as_list(written)):
        if not isinstance(one, dict):
            continue
        found.append((f"{where}[{position}]", one))
        for group, targets in one.items():
            for number, target in enumerate(targets if isinstance(targets, list) else ()):
                if isinstance(target, dict):
                    found.append((f"{where}[{position}].{group}[{number}]", target))
    return found
