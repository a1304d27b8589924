"""Bodies of InvokeModel for Amazon Nova: Converse's words, with some of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from embedded_aws import shapes
from embedded_aws.bedrock import converse
from embedded_aws.bedrock.bodies import Event, Reply, chunk, invalid, read_json
from embedded_aws.bedrock.language import Ask
from embedded_aws.wire import AwsError

_KEYS = frozenset(
    {"schemaVersion", "messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields"}
)
_check = shapes.input_check("bedrock-runtime", "Converse", without=("modelId",))


def parse(body: bytes, max_output_tokens: int) -> tuple[Ask, dict[str, Any]]:
    content = read_body(body)
    if "messages" not in content:
        raise _malformed("#: required key [messages] not found")
    for key in content:
        if key not in _KEYS:
            raise _malformed(f"#: extraneous key [{key}] is not permitted")
    try:
        shapes.validate(content, _check)
    except AwsError as error:
        raise _malformed(error.message) from None
    # Nova's own body also takes the snake case that its first documentation used.
    config = content.get("inferenceConfig") or {}
    if "max_new_tokens" in config:
        content = {**content, "inferenceConfig": {**config, "maxTokens": config["max_new_tokens"]}}
        shapes.validate(content, _check)
    converse.check_conversation(content)
    return converse.ask(content, max_output_tokens), content


def read_body(body: bytes) -> dict[str, Any]:
    """InvokeModel's body, whatever model it is for."""
    try:
        return read_json(body)
    except ValueError:
        raise invalid("Malformed input request, please reformat your input and try again.") from None


def _malformed(fault: str) -> AwsError:
    return invalid(f"Malformed input request: {fault}, please reformat your input and try again.")


def response(reply: Reply) -> dict[str, Any]:
    return {
        "output": {"message": {"content": [converse.content_block(reply)], "role": "assistant"}},
        "stopReason": reply.answer.stop_reason,
        "usage": _usage(reply),
    }


def _usage(reply: Reply) -> dict[str, int]:
    return {
        "inputTokens": reply.input_tokens,
        "outputTokens": reply.output_tokens,
        "totalTokens": reply.input_tokens + reply.output_tokens,
        "cacheReadInputTokenCount": reply.cache_read_tokens,
        "cacheWriteInputTokenCount": reply.cache_write_tokens,
    }


def opening(reply: Reply) -> Sequence[Event]:
    return [chunk({name: content}) for name, content in converse.opening_events(reply)]


def token(reply: Reply, text: str) -> Event:
    return _token(text, reply.answer.tool_name is not None)


@lru_cache(maxsize=4_096)
def _token(text: str, of_tool: bool) -> Event:
    return chunk({"contentBlockDelta": converse.delta(text, of_tool)})


def closing(reply: Reply) -> Sequence[Event]:
    metrics = {
        "inputTokenCount": reply.input_tokens,
        "outputTokenCount": reply.output_tokens,
        "invocationLatency": reply.latency_ms,
        "firstByteLatency": reply.first_token_ms,
        "cacheReadInputTokenCount": reply.cache_read_tokens,
        "cacheWriteInputTokenCount": reply.cache_write_tokens,
    }
    return [
        chunk({"contentBlockStop": {"contentBlockIndex": 0}}),
        chunk({"messageStop": {"stopReason": reply.answer.stop_reason}}),
        chunk(
            {
                "metadata": {"usage": _usage(reply), "metrics": {}, "trace": {}},
                "amazon-bedrock-invocationMetrics": metrics,
            }
        ),
    ]
