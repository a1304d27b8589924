"""What a deployment's `model` says: the provider, the route, the Region, and the model's own id.

Source: LiteLLM 1.106.2, `get_llm_provider` and `llms/bedrock/common_utils.py` (`strip_bedrock_routing_prefix`,
`split_bedrock_region_path`, `get_bedrock_route`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BEDROCK = "bedrock"
_BEDROCK_PROVIDERS = (BEDROCK, "bedrock_converse")

# How LiteLLM calls Bedrock, and what it thinks a model looks like inside; both stand before the id.
_ROUTES = ("converse", "converse_like", "invoke", "async_invoke", "chat_completions", "openai", "mantle", "agent",
           "agentcore", "claude_platform")  # fmt: skip
_SPECIFICATIONS = ("nova", "nova-2", "llama", "deepseek_r1", "qwen2", "qwen3", "stability", "moonshot")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d{1,2}")
# The makers of Bedrock's models, with the geography of an inference profile before them or not.
_BEDROCK_ID = re.compile(
    r"((us|us-gov|eu|apac|jp|au|ca|in|sa|global)\.)?"
    r"(ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|"
    r"stability|twelvelabs|writer|xai|zai)\.[\w.:@-]+|claude-[\w-]+-v\d+:\d+"
)
_OPENAI_NAME = re.compile(r"(gpt-|chatgpt-|o\d|text-embedding-|dall-e|whisper|tts-)")


@dataclass(frozen=True, slots=True)
class ModelName:
    """The parts of a `model`. `provider` is "" where LiteLLM alone knows; `region` and `route` where they are given."""

    provider: str
    id: str
    region: str | None = None
    route: str = ""
    looks_like: str = ""  # what its inside looks like, where only its ARN is known

    @property
    def wildcard(self) -> bool:
        return "*" in self.id


def parse(model: str, provider: str | None = None) -> ModelName:
    """`provider` is the deployment's custom_llm_provider, which wins over the name's own."""
    first, slash, rest = model.partition("/")
    if provider is None and slash and first in _BEDROCK_PROVIDERS:
        return _bedrock(rest)
    if provider in _BEDROCK_PROVIDERS:
        return _bedrock(rest if first in _BEDROCK_PROVIDERS and slash else model)
    if provider is None and (model.startswith("arn:aws") or _BEDROCK_ID.fullmatch(model)):
        return _bedrock(model)
    if provider is not None:
        return ModelName(provider, model.removeprefix(f"{provider}/"))
    if slash:
        return ModelName(first, rest)
    if _OPENAI_NAME.match(model):
        return ModelName("openai", model)
    return ModelName("anthropic" if model.startswith("claude-") else "", model)


def _bedrock(name: str) -> ModelName:
    route, region, looks_like = "", None, ""
    while not name.startswith("arn:"):
        first, slash, rest = name.partition("/")
        if slash and not route and first in _ROUTES:
            route = first
        elif slash and region is None and _REGION.fullmatch(first):
            region = first
        elif slash and first in _SPECIFICATIONS:
            looks_like = first
        else:
            break
        name = rest
    return ModelName(BEDROCK, name, region or region_of_arn(name), route, looks_like)


def region_of_arn(name: str) -> str | None:
    """The Region in an ARN of Bedrock's; None where there is none."""
    parts = name.split(":")
    if name.startswith("arn:") and len(parts) > 5 and _REGION.fullmatch(parts[3]):
        return parts[3]
    return None


def account_of_arn(name: str) -> str | None:
    """The account in an ARN; None where there is none."""
    parts = name.split(":")
    return parts[4] if name.startswith("arn:") and len(parts) > 5 and re.fullmatch(r"\d{12}", parts[4]) else None
