"""What the models of one maker have in common. Data, with what AWS does not publish marked as chosen.

Sources: Amazon Bedrock User Guide, "Inference request parameters and response fields for foundation models",
"Supported foundation models", "Supported Regions and models for inference profiles", and "Token burndown".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from embedded_aws.models import table

Body = Literal["claude", "nova", "llama", "mistral", "titan", "cohere", "openai", "converse", "embedding"]


@dataclass(frozen=True)
class Family:
    """`names`: their ids. `profile_only`: those of them that no Region serves on demand."""

    names: re.Pattern[str]
    body: Body
    burndown: int = 1
    profile_only: re.Pattern[str] | None = None
    max_input_tokens: int = 128_000  # where the table has none
    max_output_tokens: int = 8_192


def _family(names: str, body: Body, burndown: int = 1, profile_only: str | None = None) -> Family:
    return Family(re.compile(names), body, burndown, re.compile(profile_only) if profile_only else None)


# The first that fits counts.
FAMILIES = (
    _family(r"amazon\.titan-embed-[\w.:-]+|cohere\.embed-[\w.:-]+|amazon\.nova-2-multimodal-embeddings-[\w.:-]+",
            "embedding"),
    _family(r"anthropic\.claude-(v\d|instant|3-(?!7))[\w.:-]*", "claude"),
    _family(r"anthropic\.claude-[\w.:@-]+", "claude", burndown=5, profile_only=r".*"),
    _family(r"amazon\.nova-(lite|micro|pro)-v1:0", "nova"),
    _family(r"amazon\.nova-[\w.:-]+", "nova", profile_only=r".*"),
    _family(r"amazon\.titan-(text|tg1)[\w.:-]*", "titan"),
    _family(r"meta\.llama[\w.:-]+", "llama", profile_only=r"meta\.llama4-[\w.:-]+"),  # 3: on demand in some Regions
    _family(r"mistral\.[\w.:-]+", "mistral", profile_only=r"mistral\.pixtral-[\w.:-]+"),
    _family(r"cohere\.command[\w.:-]+", "cohere"),
    _family(r"openai\.gpt-[\w.:-]+", "openai", profile_only=r"openai\.gpt-\d[\w.:-]*"),
    _family(r"deepseek\.[\w.:-]+", "openai", profile_only=r"deepseek\.r1[\w.:-]*"),
    _family(r"(qwen|google|minimax|moonshot|moonshotai|nvidia|zai|xai)\.[\w.:-]+", "openai"),
    _family(r"writer\.[\w.:-]+", "openai", profile_only=r"writer\.palmyra-x[\w.:-]*"),
    _family(r"ai21\.jamba[\w.:-]+", "openai"),
    _family(r"(ai21|twelvelabs)\.[\w.:-]+", "converse"),
)  # fmt: skip


_VERSIONED = re.compile(r".+-v\d+(:\d+)?(:\w+)?")


def family_of(model_id: str) -> Family | None:
    """The family of a model that is in the table, or has a version as Bedrock's ids have; None for any other text."""
    if model_id not in table.limits() and not _VERSIONED.fullmatch(model_id):
        return None
    return next((family for family in FAMILIES if family.names.fullmatch(model_id)), None)
