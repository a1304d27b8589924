"""What the models of one maker have in common. Data, with what AWS does not publish marked as chosen.

Sources: Amazon Bedrock User Guide, "Inference request parameters and response fields for foundation models",
"Supported foundation models" (in which Region a model is served on demand), "Supported Regions and models for
inference profiles", and "How tokens are counted" (burndown).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from embedded_aws.models import table

# What InvokeModel takes and gives. `converse`: no body is documented, OpenAI's messages are taken. `none`: images,
# speech, ranking, of which the embedded AWS knows that they exist.
Body = Literal[
    "claude", "claude-text", "nova", "llama", "mistral", "mistral-chat", "titan", "cohere", "cohere-chat", "openai",
    "deepseek", "j2", "converse", "embedding", "none",
]  # fmt: skip

EVERYWHERE, NOWHERE = None, ()


@dataclass(frozen=True)
class Family:
    """`names`: their ids. `on_demand`: the Regions that serve the bare id; any other serves them by profile only."""

    names: re.Pattern[str]
    body: Body
    on_demand: tuple[str, ...] | None = EVERYWHERE
    burndown: int = 1
    max_input_tokens: int = 128_000  # where the table has none: chosen
    max_output_tokens: int = 8_192


def _family(names: str, body: Body, on_demand: tuple[str, ...] | None = EVERYWHERE, *limits: int) -> Family:
    """`limits`: burndown, max_input_tokens, max_output_tokens."""
    return Family(re.compile(names), body, on_demand, *limits)


_NOVA_1 = ("us-east-1", "ap-northeast-1", "ap-southeast-2", "eu-north-1", "eu-west-2")

# The first that fits counts.
FAMILIES = (
    _family(r"(amazon\.titan-embed|cohere\.embed|amazon\.nova-2-multimodal-embeddings|twelvelabs\.marengo-embed)"
            r"-[\w.:-]+", "embedding"),
    _family(r"amazon\.(titan-image|nova-canvas|nova-reel|nova(-\d)?-sonic|rerank)[\w.:-]*", "none"),
    _family(r"(stability|luma|twelvelabs)\.[\w.:-]+|cohere\.rerank[\w.:-]+", "none"),
    _family(r"anthropic\.claude-(v\d|instant)[\w.:-]*", "claude-text"),
    _family(r"anthropic\.claude-3-(?!7)[\w.:-]*", "claude", EVERYWHERE, 1, 200_000, 4_096),
    _family(r"anthropic\.claude-[\w.:-]+", "claude", NOWHERE, 5, 200_000, 64_000),
    _family(r"amazon\.nova-(lite|micro|pro)-v1:0[\w:]*", "nova", _NOVA_1),
    _family(r"amazon\.nova-[\w.:-]+", "nova", NOWHERE),
    _family(r"amazon\.titan-(text|tg1)[\w.:-]*", "titan"),
    _family(r"meta\.llama4-[\w.:-]+", "llama", NOWHERE),  # 3: on demand in some Regions
    _family(r"meta\.llama[\w.:-]+", "llama"),
    _family(r"mistral\.(mistral-7b|mixtral|mistral-(large|small)-2402)[\w.:-]*", "mistral"),
    _family(r"mistral\.pixtral-[\w.:-]+", "mistral-chat", NOWHERE),
    _family(r"mistral\.[\w.:-]+", "mistral-chat"),
    _family(r"cohere\.command-r[\w.:-]+", "cohere-chat"),
    _family(r"cohere\.command[\w.:-]+", "cohere"),
    _family(r"openai\.gpt-\d[\w.:-]*", "openai", NOWHERE),
    _family(r"openai\.gpt-[\w.:-]+", "openai"),
    _family(r"deepseek\.r1[\w.:-]*", "deepseek", NOWHERE),
    _family(r"deepseek\.v3-[\w.:-]+", "deepseek"),
    _family(r"(deepseek|qwen|google|minimax|moonshot|moonshotai|nvidia|zai|xai)\.[\w.:-]+", "openai"),
    _family(r"writer\.palmyra-x[\w.:-]*", "openai", NOWHERE),
    _family(r"writer\.[\w.:-]+", "openai"),
    _family(r"ai21\.jamba[\w.:-]+", "openai"),
    _family(r"ai21\.j2[\w.:-]+", "j2"),
)  # fmt: skip

# How Bedrock's ids end: -v1, -v1:0, -1:0, with a context length after it or not. Claude's from 4.6 on, and GPT's, have
# a number and nothing after it; the first Titan a size.
_VERSIONED = re.compile(r".+-v?\d+:\d+(:\w+)?|.+-v\d+")
_NUMBERED = re.compile(
    r"amazon\.titan-tg1-[a-z]+|anthropic\.claude-[a-z]+-(4-[6-9]|[5-9](-\d{1,2})?)|openai\.gpt-(\d+(\.\d+)?(-[a-z]+)?|oss-[a-z\d-]+)"
)


def family_of(model_id: str) -> Family | None:
    """The family of a model that is in the table or named as Bedrock names its models; None for any other text."""
    if model_id not in table.limits() and not _VERSIONED.fullmatch(model_id) and not _NUMBERED.fullmatch(model_id):
        return None
    return next((family for family in FAMILIES if family.names.fullmatch(model_id)), None)
