"""Which model groups take over for which, as LiteLLM looks them up.

Source: LiteLLM 1.106.2, `router_utils/fallback_event_handlers.py` (`get_fallback_model_group`) and `Router.__init__`:
a group's own entry, else the one of "*", which default_fallbacks add; of router_settings, else of litellm_settings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

EVERY = "*"
KINDS = {"": "fallbacks", "context_window": "context_window_fallbacks", "content_policy": "content_policy_fallbacks"}

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
    default = router.get("default_fallbacks") or others.get("default_fallbacks") or []
    if not kind and default:
        found[EVERY] = _names(default)
    return found


def entries(written: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The pairs of a list of mappings, or of names, which count for every group."""
    for entry in written if isinstance(written, Sequence) and not isinstance(written, str) else ():
        if isinstance(entry, Mapping):
            for group, names in entry.items():
                yield str(group), _names(names)
        elif isinstance(entry, str):
            yield EVERY, (entry,)


def reached(direct: Direct, groups: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Group → all groups that may answer for it, in order, with those that take over for these. A cycle ends."""

    def of(group: str) -> tuple[str, ...]:
        found = [group]
        for one in found:
            found += [name for name in direct.get(one, direct.get(EVERY, ())) if name not in found]
        return tuple(found[1:])

    return {group: names for group in groups if (names := of(group))}


def _names(written: Any) -> tuple[str, ...]:
    """Names, or mappings with the name under `model`; one name may stand alone."""
    if isinstance(written, str):
        return (written,)
    if not isinstance(written, Sequence):
        return ()
    names = [entry.get("model") if isinstance(entry, Mapping) else entry for entry in written]
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))
