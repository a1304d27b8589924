"""Which deployments answer for the name that a request asks for, as LiteLLM's Router finds them. Pure.

Source: LiteLLM 1.106.2, `Router._common_checks_available_deployment` and `router_utils/pattern_match_deployments.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from gateway.litellm.deployments import ModelEntry
from gateway.litellm.model_id import parse


def answering(name: str, entries: Sequence[ModelEntry], aliases: Mapping[str, str]) -> list[ModelEntry]:
    """The deployments in the order of the file; none where LiteLLM knows nothing of that name.

    In turn: a deployment's own id, an alias (once), a model group, a wildcard, a deployment's `model` as it is written.
    """
    groups = dict.fromkeys(entry.model_name for entry in entries)
    if name not in groups and (owners := [entry for entry in entries if entry.model_info.id == name]):
        return owners[-1:]  # of several with one id LiteLLM finds the last
    name = aliases.get(name, name)
    if name in groups:
        return [entry for entry in entries if entry.model_name == name]
    for asked in (name, f"{parse(name).provider}/{name}"):
        if (pattern := _first_that_fits(asked, groups)) is not None:
            return [entry for entry in entries if entry.model_name == pattern]
    return [entry for entry in entries if entry.litellm_params.model == name]


def _first_that_fits(name: str, groups: Iterable[str]) -> str | None:
    """The most specific wildcard that fits the beginning of a name; of two alike the first."""
    patterns = {_expression(group): group for group in groups if "*" in group}
    specific_first = sorted(patterns, key=lambda pattern: (len(pattern), _signs(pattern)), reverse=True)
    return next((patterns[pattern] for pattern in specific_first if re.match(pattern, name)), None)


def _expression(group: str) -> str:
    return re.escape(group).replace(r"\*", "(.*)")


def _signs(pattern: str) -> int:
    return sum(pattern.count(sign) for sign in "*+?\\^$|()")
