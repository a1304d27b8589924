"""With the embedded AWS nothing leaves the machine, whatever a configuration says: what is led where instead. Pure.

A rule takes the file as LiteLLM would read it and says what it changed. What a rule has missed is stopped by
`gateway.litellm.connect_guard`, in LiteLLM's own process.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from gateway.litellm.containment import bedrock, environment, observers, providers, stores, tools
from gateway.litellm.containment.change import Contained, Draft

RULES: tuple[Callable[[Draft], None], ...] = (
    bedrock.lead_to_the_embedded_aws,
    providers.lead_to_stand_ins,
    observers.switch_off,
    stores.switch_off,
    tools.switch_off,
    environment.clear,
)


def contain(
    file: Mapping[str, Any], base_url: str, profile: str, region: str, variables: Mapping[str, str]
) -> Contained:
    """`file` is what LiteLLM would read, `base_url` the embedded side's address.

    `profile` and `region` are those of deployments that name none; `variables` is the environment that LiteLLM's
    process would have. Raises ConfigError for a provider that has no stand-in.
    """
    draft = Draft(copy.deepcopy(dict(file)), base_url.rstrip("/"), profile, region, dict(variables))
    for rule in RULES:
        rule(draft)
    return draft.contained()
