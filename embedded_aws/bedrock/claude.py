"""Bodies of InvokeModel for Anthropic's Claude: the Messages API, without `model` and `stream`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from embedded_aws.bedrock.bodies import Event, Reply, chunk, invalid
from embedded_aws.bedrock.converse import (
    TOKENS_PER_ATTACHMENT,
    TOKENS_PER_MESSAGE,
    TOKENS_PER_REQUEST,
    TOKENS_PER_TOOL,
)
from embedded_aws.bedrock.language import Ask, Tool, count_tokens, json_text
from embedded_aws.bedrock.nova import read_body

_KEYS = frozenset(
    {
        "anthropic_version", "anthropic_beta", "max_tokens", "messages", "system", "stop_sequences", "temperature",
        "top_p", "top_k", "tools", "tool_choice", "thinking", "metadata", "context_management", "output_config",
        "output_format", "service_tier", "cache_control",
    }
)  # fmt: skip
_VERSION = "bedrock-2023-05-31"


def parse(body: bytes, max_output_tokens: int) -> tuple[Ask, dict[str, Any]]:
    content = read_body(body)
    _check(content, max_output_tokens)
    input_tokens = TOKENS_PER_REQUEST
    prompt = ""
    for message in content["messages"]:
        input_tokens += TOKENS_PER_MESSAGE
        for block in _blocks(message["content"]):
            input_tokens += _block_tokens(block)
            if message["role"] == "user" and block["type"] == "text":
                prompt = block["text"]
    for block in _blocks(content.get("system") or []):
        input_tokens += _block_tokens(block)
    for tool in content.get("tools") or ():
        input_tokens += TOKENS_PER_TOOL + count_tokens(json_text(tool))
    return Ask(
        input_tokens=input_tokens,
        prompt=prompt,
        max_tokens=content["max_tokens"],
        stop_sequences=content.get("stop_sequences") or (),
        tool=_tool(content),
    ), content


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _block_tokens(block: dict[str, Any]) -> int:
    match block["type"]:
        case "text":
            return count_tokens(block["text"])
        case "tool_use":
            return count_tokens(json_text(block.get("input")))
        case "tool_result":
            return sum(map(_block_tokens, _blocks(block.get("content") or [])))
        case _:
            return TOKENS_PER_ATTACHMENT


def _check(content: dict[str, Any], max_output_tokens: int) -> None:
    """The Messages API's own faults, in its words: the path, a colon, and what should be there."""
    for name in ("anthropic_version", "max_tokens", "messages"):
        if name not in content:
            raise invalid(f"{name}: Field required")
    for name in content:
        if name not in _KEYS:
            raise invalid(f"{name}: Extra inputs are not permitted")
    if content["anthropic_version"] != _VERSION:
        raise invalid(f"anthropic_version: Input should be '{_VERSION}'")
    max_tokens = content["max_tokens"]
    if type(max_tokens) is not int:
        raise invalid("max_tokens: Input should be a valid integer")
    if max_tokens < 1:
        raise invalid("max_tokens: Input should be greater than or equal to 1")
    if max_tokens > max_output_tokens:
        raise invalid(
            f"max_tokens: {max_tokens} > {max_output_tokens}, which is the maximum allowed number of output tokens"
        )
    for name, (kind, text) in _KINDS.items():
        if content.get(name) is not None and not isinstance(content[name], kind):
            raise invalid(f"{name}: Input should be {text}")
    for name in ("temperature", "top_p"):
        if (value := content.get(name)) is not None and not 0 <= value <= 1:
            raise invalid(f"{name}: range: 0..1")
    for number, sequence in enumerate(content.get("stop_sequences") or ()):
        if not isinstance(sequence, str):
            raise invalid(f"stop_sequences.{number}: Input should be a valid string")
        if not sequence.strip():
            raise invalid("stop_sequences: each stop sequence must contain non-whitespace")
    _check_tools(content)
    _check_blocks(content.get("system") or [], "system")
    _check_messages(content["messages"])


_KINDS: dict[str, tuple[Any, str]] = {
    "messages": (list, "a valid list"),
    "system": ((str, list), "a valid string or list"),
    "stop_sequences": (list, "a valid list"),
    "tools": (list, "a valid list"),
    "tool_choice": (dict, "a valid dictionary"),
    "temperature": ((int, float), "a valid number"),
    "top_p": ((int, float), "a valid number"),
}


def _check_tools(content: dict[str, Any]) -> None:
    for number, tool in enumerate(content.get("tools") or ()):
        if not isinstance(tool, dict):
            raise invalid(f"tools.{number}: Input should be a valid dictionary or object to extract fields from")
        if not isinstance(tool.get("name"), str):
            raise invalid(f"tools.{number}.name: Field required")
        # Tools of Anthropic's own carry a type instead of a schema.
        if "type" not in tool and not isinstance(tool.get("input_schema"), dict):
            raise invalid(f"tools.{number}.input_schema: Field required")
    choice = content.get("tool_choice") or {}
    if choice.get("type") == "tool" and not isinstance(choice.get("name"), str):
        raise invalid("tool_choice.tool.name: Field required")


def _check_messages(messages: list[Any]) -> None:
    if not messages:
        raise invalid("messages: at least one message is required")
    called: set[str] = set()
    for number, message in enumerate(messages):
        where = f"messages.{number}"
        if not isinstance(message, dict):
            raise invalid(f"{where}: Input should be a valid dictionary or object to extract fields from")
        if message.get("role") not in ("user", "assistant"):
            raise invalid(f"{where}.role: Input should be 'user' or 'assistant'")
        if not isinstance(message.get("content"), str | list):
            raise invalid(f"{where}.content: Input should be a valid list")
        _check_blocks(message["content"], f"{where}.content")
        if not message["content"] and (number + 1 < len(messages) or message["role"] == "user"):
            raise invalid(f"{where}: user messages must have non-empty content")
        blocks = _blocks(message["content"])
        answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        if missing := sorted(called - answered):
            raise invalid(
                f"messages.{number - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        if unexpected := sorted(answered - called):
            raise invalid(
                f"{where}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {unexpected[0]}. Each "
                "`tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        called = {block["id"] for block in blocks if block["type"] == "tool_use"}
    if messages[0]["role"] != "user":
        raise invalid('messages: first message must use the "user" role')


# What each kind of block must have as a text.
_TEXTS: dict[str, tuple[str, ...]] = {
    "text": ("text",),
    "tool_use": ("id", "name"),
    "tool_result": ("tool_use_id",),
}


def _check_blocks(content: Any, where: str) -> None:
    for number, block in enumerate(_blocks(content)):
        at = where if isinstance(content, str) else f"{where}.{number}"
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise invalid(f"{at}.type: Field required")
        for name in _TEXTS.get(block["type"], ()):
            if not isinstance(block.get(name), str):
                raise invalid(f"{at}.{block['type']}.{name}: Field required")
        if block["type"] == "text" and not block["text"]:
            raise invalid("messages: text content blocks must be non-empty")
        if block["type"] == "tool_result" and not isinstance(block.get("content", ""), str | list):
            raise invalid(f"{at}.tool_result.content: Input should be a valid list")
        if block["type"] == "tool_result":
            _check_blocks(block.get("content") or [], f"{at}.content")


def _tool(content: dict[str, Any]) -> Tool | None:
    tools = {tool["name"]: tool for tool in content.get("tools") or ()}
    choice = content.get("tool_choice") or {"type": "auto"}
    if not tools or choice.get("type") == "none":
        return None
    if choice.get("type") == "tool":
        if choice["name"] not in tools:
            raise invalid(f"Tool '{choice['name']}' not found in provided tools")
        tool = tools[choice["name"]]
    elif choice.get("type") == "auto" and any(
        block["type"] == "tool_result" for block in _blocks(content["messages"][-1]["content"])
    ):
        return None
    else:
        tool = next(iter(tools.values()))
    return Tool(tool["name"], tool.get("input_schema"))


def response(reply: Reply) -> dict[str, Any]:
    return {
        **_message(reply),
        "content": [_content_block(reply)],
        "stop_reason": reply.answer.stop_reason,
        "stop_sequence": reply.answer.stop_sequence,
        "usage": _usage(reply, reply.output_tokens),
    }


def _message(reply: Reply) -> dict[str, Any]:
    return {
        # "anthropic.claude-sonnet-4-6" is "claude-sonnet-4-6" to the model itself.
        "model": reply.model_id.partition(".")[2].partition("-v1")[0],
        "id": f"msg_bdrk_01{reply.request_id.replace('-', '')[:22]}",
        "type": "message",
        "role": "assistant",
    }


def _content_block(reply: Reply) -> dict[str, Any]:
    answer = reply.answer
    if answer.tool_name is None:
        return {"type": "text", "text": answer.text}
    return {"type": "tool_use", "id": _tool_use_id(reply), "name": answer.tool_name, "input": answer.tool_input}


def _tool_use_id(reply: Reply) -> str:
    return f"toolu_bdrk_01{reply.request_id.replace('-', '')[:22]}"


def _usage(reply: Reply, output_tokens: int) -> dict[str, int]:
    return {
        "input_tokens": reply.input_tokens,
        "cache_creation_input_tokens": reply.cache_write_tokens,
        "cache_read_input_tokens": reply.cache_read_tokens,
        "output_tokens": output_tokens,
    }


def opening(reply: Reply) -> Sequence[Event]:
    block = (
        {"type": "text", "text": ""}
        if reply.answer.tool_name is None
        else {"type": "tool_use", "id": _tool_use_id(reply), "name": reply.answer.tool_name, "input": {}}
    )
    message = {
        **_message(reply), "content": [], "stop_reason": None, "stop_sequence": None, "usage": _usage(reply, 1)
    }  # fmt: skip
    return [
        chunk({"type": "message_start", "message": message}),
        chunk({"type": "content_block_start", "index": 0, "content_block": block}),
    ]


def token(reply: Reply, text: str) -> Event:
    return _token(text, reply.answer.tool_name is not None)


@lru_cache(maxsize=4_096)
def _token(text: str, of_tool: bool) -> Event:
    delta = {"type": "input_json_delta", "partial_json": text} if of_tool else {"type": "text_delta", "text": text}
    return chunk({"type": "content_block_delta", "index": 0, "delta": delta})


def closing(reply: Reply) -> Sequence[Event]:
    stop = {"stop_reason": reply.answer.stop_reason, "stop_sequence": reply.answer.stop_sequence}
    metrics = {
        "inputTokenCount": reply.input_tokens,
        "outputTokenCount": reply.output_tokens,
        "invocationLatency": reply.latency_ms,
        "firstByteLatency": reply.first_token_ms,
        "cacheReadInputTokenCount": reply.cache_read_tokens,
        "cacheWriteInputTokenCount": reply.cache_write_tokens,
    }
    return [
        chunk({"type": "content_block_stop", "index": 0}),
        chunk({"type": "message_delta", "delta": stop, "usage": {"output_tokens": reply.output_tokens}}),
        chunk({"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics}),
    ]
