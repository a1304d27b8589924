"""Which model groups take over for which, as LiteLLM looks them up: under the name that a request asks for.

Source: LiteLLM 1.106.2, `router_utils/fallback_event_handlers.py` (`get_fallback_model_group`) and `Router.__init__`:
a name's own entry, else the one without its provider, else the one of "*", which default_fallbacks add; of
router_settings, else of litellm_settings. An alias has none of its group's, and a wildcard's own name nobody asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from gateway.litellm.containment.provider_table import PATHS
from gateway.litellm.model_id import BEDROCK, parse

EVERY = "*"
KINDS = {"": "fallbacks", "context_window": "context_window_fallbacks", "content_policy": "content_policy_fallbacks"}
_PROVIDERS = frozenset({*PATHS, BEDROCK, "vertex_ai", "gemini", "cohere", "sagemaker", "ollama"})

Direct = dict[str, tuple[str, ...]]  # group, or "*" → the groups that are asked next, in order


def direct(router: Mapping[str, Any], others: Mapping[str, Any], kind: str = "") -> Direct:
    """The entries of one kind, the first of a group winning. `others` is litellm_settings."""
    found: Direct = {}
    name = KINDS[kind]
    for group, names in entries(router.get(name) or others.get(name) or []):
        if group == EVERY:
            found[EVERY] = names  # of these the last wins
        else:
            found.setdefault(group, names)
    defaults = [settings.get("default_fallbacks") for settings in (router, others)]
    if not kind and any(names is not None for names in defaults):
        found[EVERY] = _names(defaults[0] or defaults[1])  # an empty list takes the place of "*", too
    return found


def entries(written: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The pairs of a list of mappings, or of names, which count for every group."""
    for entry in written if isinstance(written, Sequence) and not isinstance(written, str) else ():
        if isinstance(entry, Mapping):
            for group, names in entry.items():
                yield str(group), _names(names)
        elif isinstance(entry, str):
            yield EVERY, (entry,)


def following(direct: Direct, name: str) -> tuple[str, ...]:
    """The names that are asked next when a request for `name` fails."""
    provider, slash, rest = name.partition("/")
    bare = rest if slash and provider in _PROVIDERS else None
    prefixed = None if slash else f"{parse(name).provider}/{name}"
    return next((direct[one] for one in (name, bare, prefixed, EVERY) if one in direct), ())


def reached(
    direct: Direct, groups: Collection[str], group_of: Callable[[str], str | None]
) -> dict[str, tuple[str, ...]]:
    """Group → all groups that may answer for it, in order, with those that take over for these. A cycle ends.

    For a wildcard they are those of the first name with an entry of its own that it takes.
    """

    def of(group: str) -> tuple[str, ...]:
        taken = (name for name in direct if "*" not in name and group_of(name) == group) if "*" in group else ()
        asked = [next(iter(taken), EVERY if "*" in group else group)]
        for one in asked:
            asked += [name for name in following(direct, one) if name not in asked]
        answering = dict.fromkeys(group_of(name) or name for name in asked[1:])
        return tuple(name for name in answering if name != group)

    return {group: names for group in groups if (names := of(group))}


def _names(written: Any) -> tuple[str, ...]:
    """Names, or mappings with the name under `model`. In the place of a list LiteLLM reads a text letter by letter."""
    if not isinstance(written, Sequence):
        return ()
    names = [entry.get("model") if isinstance(entry, Mapping) else entry for entry in written]
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))


def texts(written: Any) -> Iterator[tuple[str, str]]:
    """Group → the text that stands where a list of names is meant."""
    for entry in written if isinstance(written, Sequence) and not isinstance(written, str) else ():
        for group, names in entry.items() if isinstance(entry, Mapping) else ():
            if isinstance(names, str):
                yield str(group), names
