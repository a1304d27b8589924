"""Bodies of InvokeModel for models other than Claude and Nova, by the family's `body`."""

from __future__ import annotations

from collections.abc import Mapping

from embedded_aws.bedrock.bodies import Format
from embedded_aws.bedrock.native import chats, completions

FORMATS: Mapping[str, Format] = {
    "claude-text": completions.CLAUDE_TEXT,
    "llama": completions.LLAMA,
    "mistral": completions.MISTRAL,
    "mistral-chat": chats.MISTRAL_CHAT,
    "titan": completions.TITAN,
    "cohere": completions.COHERE,
    "cohere-chat": chats.COHERE_CHAT,
    "openai": chats.OPENAI,
    "deepseek": completions.DEEPSEEK,
    "j2": completions.JURASSIC,
    "converse": chats.OPENAI,  # where no body is documented
}
