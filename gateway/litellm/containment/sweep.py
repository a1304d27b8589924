"""What the other rules do not know by name: any value that is the address of another machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.litellm.containment.addresses import host_is_elsewhere, is_elsewhere
from gateway.litellm.containment.draft import Draft
from gateway.litellm.containment.variables import leads_away

_WHAT = "it is an address on another machine, and is taken out"
_DESCRIPTIONS = ("model_info", "x-litellm-metadata")  # which nothing is sent by
_HOSTS = ("host", "endpoint", "api_base", "base_url")


def take_out_what_is_left(draft: Draft) -> None:
    """Goes through the whole file, but for what only describes a model."""
    _variables(draft)
    for where, holder, key in reversed(list(_leaves(draft.file, ""))):
        value, name = draft.value(holder[key]), str(key)
        known_as_host = name in _HOSTS or name.endswith(tuple(f"_{host}" for host in _HOSTS))
        if is_elsewhere(value) or (known_as_host and host_is_elsewhere(value)):
            del holder[key]
            draft.report(where, _WHAT)


def _variables(draft: Draft) -> None:
    """`environment_variables`, which LiteLLM sets in its own process."""
    section = draft.section("environment_variables")
    for name in list(section):
        if leads_away(str(name), draft.value(section[name])) or name in draft.environment:
            draft.drop(section, "environment_variables", name, "variables that lead to other machines are not set")
        elif (value := draft.value(section[name])) is not None:
            section[name] = value


def _leaves(holder: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """Each text with its key path, and the mapping or list that holds it under which key."""
    entries = holder.items() if isinstance(holder, dict) else enumerate(holder)
    for key, value in entries:
        path = f"{where}[{key}]" if isinstance(holder, list) else f"{where}.{key}" if where else str(key)
        if isinstance(value, dict | list):
            if key not in _DESCRIPTIONS:
                yield from _leaves(value, path)
        elif isinstance(value, str):
            yield path, holder, key
