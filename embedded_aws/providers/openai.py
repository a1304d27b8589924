"""OpenAI's protocol: chat completions, embeddings, models. Pure: bytes in, bodies and server-sent events out.

Source: OpenAI's API reference, "Chat", "Embeddings", "Streaming", "Rate limits".
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from struct import pack
from typing import Any

import orjson

from embedded_aws.bedrock.embeddings import vector
from embedded_aws.bedrock.language import Answer, count_tokens
from embedded_aws.providers.chat import Asked
from embedded_aws.providers.errors import ProviderError, bad_request

Json = dict[str, Any]
DONE = b"data: [DONE]\n\n"
Left = tuple[int, int]  # a limit, and what is left of it


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with what goes out beside it."""

    id: str
    created: int  # epoch seconds
    asked: Asked
    answer: Answer

    @property
    def output_tokens(self) -> int:
        return len(self.answer.tokens)

    @property
    def calls_tool(self) -> bool:
        return self.answer.tool_name is not None and not self.asked.as_text

    @property
    def finish_reason(self) -> str:
        if self.calls_tool:
            return "tool_calls"
        return "length" if self.answer.stop_reason == "max_tokens" else "stop"


def usage(reply: Reply) -> Json:
    return {
        "prompt_tokens": reply.asked.ask.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.asked.ask.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def whole(reply: Reply) -> Json:
    message: Json = {"role": "assistant", "content": reply.answer.text, "refusal": None}
    if reply.calls_tool:
        call = {"name": reply.answer.tool_name, "arguments": reply.answer.text}
        message |= {
            "content": None,
            "tool_calls": [{"id": f"call_{reply.id[-12:]}", "type": "function", "function": call}],
        }
    return {
        "id": f"chatcmpl-{reply.id}",
        "object": "chat.completion",
        "created": reply.created,
        "model": reply.asked.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}],
        "usage": usage(reply),
        "service_tier": "default",
        "system_fingerprint": "fp_embedded",
    }


def opening(reply: Reply) -> bytes:
    delta: Json = {"role": "assistant", "content": None if reply.calls_tool else ""}
    if reply.calls_tool:
        call = {"name": reply.answer.tool_name, "arguments": ""}
        delta["tool_calls"] = [{"index": 0, "id": f"call_{reply.id[-12:]}", "type": "function", "function": call}]
    return _chunk(reply, delta)


def token(reply: Reply, text: str) -> bytes:
    if reply.calls_tool:
        return _chunk(reply, {"tool_calls": [{"index": 0, "function": {"arguments": text}}]})
    return _chunk(reply, {"content": text})


def closing(reply: Reply) -> bytes:
    last = _chunk(reply, {}, reply.finish_reason)
    if reply.asked.usage_in_stream:
        last += _event({**_envelope(reply), "choices": [], "usage": usage(reply)})
    return last + DONE


def _envelope(reply: Reply) -> Json:
    return {
        "id": f"chatcmpl-{reply.id}",
        "object": "chat.completion.chunk",
        "created": reply.created,
        "model": reply.asked.model,
        "service_tier": "default",
        "system_fingerprint": "fp_embedded",
    }


def _chunk(reply: Reply, delta: Json, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _event({**_envelope(reply), "choices": [choice]})


def _event(content: Json) -> bytes:
    return b"data: " + orjson.dumps(content) + b"\n\n"


def embeddings(content: Mapping[str, Any], model: str) -> tuple[Json, int]:
    """The answer, and how many tokens the input had. Raises ProviderError."""
    given = content.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise bad_request("'$.input' is invalid: expected a text or a list of texts.", "input")
    size = content.get("dimensions") or (3072 if "large" in model else 1536)
    if type(size) is not int or not 1 <= size <= 4096:
        raise bad_request("Invalid value for 'dimensions'.", "dimensions")
    encode = _base64 if content.get("encoding_format") == "base64" else list
    data = [{"object": "embedding", "index": n, "embedding": encode(vector(t, size))} for n, t in enumerate(texts)]
    tokens = sum(map(count_tokens, texts))
    counts = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": counts}, tokens


def _base64(numbers: list[float]) -> str:
    return b64encode(pack(f"<{len(numbers)}f", *numbers)).decode()


def models(names: Iterable[str]) -> Json:
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 0, "owned_by": "system"} for name in names],
    }


def error_body(error: ProviderError) -> Json:
    return {"error": {"message": error.message, "type": error.kind, "param": error.param, "code": error.code}}


def error_event(error: ProviderError) -> bytes:
    return _event(error_body(error))


def limits(requests: Left | None, tokens: Left | None, reset_s: int, now: float) -> dict[str, str]:
    """The rate-limit headers: how much of each there is, how much is left, and in how many seconds all of it."""
    headers = {}
    for name, left in (("requests", requests), ("tokens", tokens)):
        if left is not None:
            headers[f"x-ratelimit-limit-{name}"] = str(left[0])
            headers[f"x-ratelimit-remaining-{name}"] = str(max(0, left[1]))
            headers[f"x-ratelimit-reset-{name}"] = f"{reset_s}s"
    return headers
