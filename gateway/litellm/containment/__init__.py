"""With the embedded AWS nothing leaves the machine, whatever a configuration says: what is led where instead. Pure.

Each rule takes the file as LiteLLM would read it and says what it changed. What a rule has missed is stopped by
`gateway.litellm.connect_guard`, in LiteLLM's own process.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from common.yaml_file import ConfigError
from gateway.litellm.containment import (
    bedrock,
    callbacks,
    environment,
    fallbacks,
    guardrails,
    providers,
    services,
    settings,
    stores,
    sweep,
)
from gateway.litellm.containment.draft import Contained, Draft

RULES: tuple[Callable[[Draft], None], ...] = (
    environment.lead_here,
    bedrock.lead_to_the_embedded_aws,
    providers.lead_to_the_embedded_side,
    fallbacks.strip,
    callbacks.switch_off,
    guardrails.switch_off,
    stores.switch_off,
    services.switch_off,
    settings.strip,
    sweep.take_out_what_is_left,
    environment.clear,
)


class Refused(ConfigError):
    """`refusals`: under which key stands what nothing here answers for, and a sentence about it."""

    def __init__(self, refusals: Sequence[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{where}: {problem}" for where, problem in refusals))
        self.refusals = tuple(refusals)


def contain(
    file: Mapping[str, Any], base_url: str, profile: str, region: str, variables: Mapping[str, str]
) -> Contained:
    """`file` is what LiteLLM would read, `base_url` the embedded side's address.

    `profile` and `region` are those of deployments that name none; `variables` is the environment that LiteLLM's
    process would have. Raises Refused, with a line for each, where a provider is not known on the embedded side.
    """
    draft = Draft(copy.deepcopy(dict(file)), base_url.rstrip("/"), profile, region, dict(variables))
    for rule in RULES:
        rule(draft)
    if draft.refusals:
        raise Refused(draft.refusals)
    return draft.contained()
