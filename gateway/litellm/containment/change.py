"""One thing that containment changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One thing that LiteLLM does not get as the file says it. Never holds a value that may be a secret."""

    where: str  # a key of the file, such as model_list[0].litellm_params.api_base
    what: str
