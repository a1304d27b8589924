"""Anthropic's protocol: messages. Pure: bodies and server-sent events out.

Source: Anthropic's API reference, "Messages", "Streaming Messages", "Errors", "Rate limits".
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import orjson

from embedded_aws.providers.errors import ProviderError
from embedded_aws.providers.openai import Left, Reply

Json = dict[str, Any]
_KINDS = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 503: "overloaded_error", 504: "timeout_error",
    529: "overloaded_error",
}  # fmt: skip
OVERLOADED = 529  # what Anthropic answers where others say 503


def stop_reason(reply: Reply) -> str:
    return "tool_use" if reply.calls_tool else reply.answer.stop_reason


def usage(reply: Reply, output_tokens: int) -> Json:
    return {
        "input_tokens": reply.asked.ask.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
    }


def whole(reply: Reply) -> Json:
    if reply.calls_tool:
        block: Json = {"type": "tool_use", "id": f"toolu_{reply.id[-12:]}", "name": reply.answer.tool_name,
                       "input": dict(reply.answer.tool_input)}  # fmt: skip
    else:
        block = {"type": "text", "text": reply.answer.text}
    return _message(reply, [block], stop_reason(reply), reply.output_tokens)


def _message(reply: Reply, content: list[Json], reason: str | None, output_tokens: int) -> Json:
    return {
        "id": f"msg_{reply.id}",
        "type": "message",
        "role": "assistant",
        "model": reply.asked.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": reply.answer.stop_sequence if reason else None,
        "usage": usage(reply, output_tokens),
    }


def opening(reply: Reply) -> bytes:
    block: Json = {"type": "text", "text": ""}
    if reply.calls_tool:
        block = {"type": "tool_use", "id": f"toolu_{reply.id[-12:]}", "name": reply.answer.tool_name, "input": {}}
    return _event({"type": "message_start", "message": _message(reply, [], None, 1)}) + _event(
        {"type": "content_block_start", "index": 0, "content_block": block}
    )


def token(reply: Reply, text: str) -> bytes:
    delta = (
        {"type": "input_json_delta", "partial_json": text} if reply.calls_tool else {"type": "text_delta", "text": text}
    )
    return _event({"type": "content_block_delta", "index": 0, "delta": delta})


def closing(reply: Reply) -> bytes:
    delta = {"stop_reason": stop_reason(reply), "stop_sequence": reply.answer.stop_sequence}
    return (
        _event({"type": "content_block_stop", "index": 0})
        + _event({"type": "message_delta", "delta": delta, "usage": usage(reply, reply.output_tokens)})
        + _event({"type": "message_stop"})
    )


def _event(content: Json) -> bytes:
    return b"event: " + content["type"].encode() + b"\ndata: " + orjson.dumps(content) + b"\n\n"


def error_body(error: ProviderError) -> Json:
    message = error.message
    if error.code == "context_length_exceeded":
        message = f"prompt is too long: {message}"
    return {"type": "error", "error": {"type": _KINDS.get(error.status, "api_error"), "message": message}}


def error_event(error: ProviderError) -> bytes:
    return _event(error_body(error))


def limits(requests: Left | None, tokens: Left | None, reset_s: int, now: float) -> dict[str, str]:
    """The rate-limit headers: how much of each there is, how much is left, and when all of it will be."""
    reset = datetime.fromtimestamp(math.ceil(now) + reset_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {}
    for name, left in (("requests", requests), ("tokens", tokens)):
        if left is not None:
            headers[f"anthropic-ratelimit-{name}-limit"] = str(left[0])
            headers[f"anthropic-ratelimit-{name}-remaining"] = str(max(0, left[1]))
            headers[f"anthropic-ratelimit-{name}-reset"] = reset
    return headers
