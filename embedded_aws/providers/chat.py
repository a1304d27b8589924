"""A conversation as OpenAI and Anthropic write it → what is asked. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from embedded_aws.bedrock.language import Ask, Tool, count_tokens
from embedded_aws.providers.errors import bad_request

TOKENS_PER_MESSAGE = 4
TOKENS_PER_ATTACHMENT = 1_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to a provider: `as_text` where the tool stands for a JSON schema of the answer itself."""

    model: str
    ask: Ask
    stream: bool
    usage_in_stream: bool = False
    as_text: bool = False


def of_openai(content: Mapping[str, Any], model: str) -> Asked:
    """Chat completions. Raises ProviderError."""
    messages = _messages(content)
    tool, as_text = _tool_of_openai(content)
    options = content.get("stream_options") or {}
    stops = content.get("stop") or ()
    return Asked(
        model,
        Ask(
            input_tokens=_tokens(messages) + count_tokens(_json(content.get("tools"))),
            prompt=_last_user_text(messages),
            max_tokens=_limit(content, "max_completion_tokens", "max_tokens"),
            stop_sequences=(stops,) if isinstance(stops, str) else tuple(stops),
            tool=tool,
        ),
        bool(content.get("stream")),
        bool(isinstance(options, Mapping) and options.get("include_usage")),
        as_text,
    )


def of_anthropic(content: Mapping[str, Any]) -> Asked:
    """Messages. Raises ProviderError."""
    model = content.get("model")
    if not isinstance(model, str) or not model:
        raise bad_request("model: Field required")
    limit = _limit(content, "max_tokens")
    if limit is None:
        raise bad_request("max_tokens: Field required")
    messages = _messages(content)
    system = _text(content.get("system"))
    tools = [tool for tool in content.get("tools") or () if isinstance(tool, Mapping) and "name" in tool]
    choice = content.get("tool_choice") or {}
    chosen = next((tool for tool in tools if tool["name"] == choice.get("name")), tools[0] if tools else None)
    asks_tool = chosen is not None and choice.get("type") != "none" and not _has_tool_result(messages)
    return Asked(
        model,
        Ask(
            input_tokens=_tokens(messages) + count_tokens(system) + count_tokens(_json(content.get("tools"))),
            prompt=_last_user_text(messages),
            max_tokens=limit,
            stop_sequences=tuple(content.get("stop_sequences") or ()),
            tool=Tool(chosen["name"], chosen.get("input_schema") or {}) if asks_tool and chosen else None,
        ),
        bool(content.get("stream")),
    )


def _messages(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    messages = content.get("messages")
    if not isinstance(messages, list) or not messages:
        raise bad_request("Missing required parameter: 'messages'.", "messages")
    for position, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise bad_request(f"Invalid type for 'messages[{position}]': expected an object with a role.", "messages")
    return messages


def _limit(content: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        if (value := content.get(name)) is not None:
            if type(value) is not int or value < 1:
                raise bad_request(f"Invalid value for '{name}': expected a whole number above 0.", name)
            return int(value)
    return None


def _tool_of_openai(content: Mapping[str, Any]) -> tuple[Tool | None, bool]:
    """The tool that the answer calls, and whether it stands for the answer's own JSON schema."""
    tools = [
        tool["function"] for tool in content.get("tools") or () if isinstance(tool, Mapping) and "function" in tool
    ]
    choice = content.get("tool_choice")
    if tools and choice != "none" and not _has_tool_result(_messages(content)):
        name = choice["function"].get("name") if isinstance(choice, Mapping) and "function" in choice else None
        chosen = next((tool for tool in tools if tool.get("name") == name), tools[0])
        return Tool(str(chosen.get("name")), chosen.get("parameters") or {}), False
    wanted = content.get("response_format")
    if isinstance(wanted, Mapping) and wanted.get("type") == "json_schema":
        schema = wanted.get("json_schema") or {}
        return Tool(str(schema.get("name") or "answer"), schema.get("schema") or {}), True
    if isinstance(wanted, Mapping) and wanted.get("type") == "json_object":
        return Tool("answer", {"type": "object", "properties": {"answer": {"type": "string"}}}), True
    return None, False


def _has_tool_result(messages: Sequence[Mapping[str, Any]]) -> bool:
    last = messages[-1]
    return last["role"] == "tool" or any(part.get("type") == "tool_result" for part in _parts(last.get("content")))


def _parts(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    elif isinstance(content, list):
        yield from (part for part in content if isinstance(part, Mapping))


def _text(content: Any) -> str:
    return "\n".join(str(part.get("text") or "") for part in _parts(content))


def _tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    total = 0
    for message in messages:
        total += TOKENS_PER_MESSAGE + count_tokens(_json(message.get("tool_calls")))
        for part in _parts(message.get("content")):
            kind = part.get("type")
            total += count_tokens(str(part["text"])) if "text" in part else TOKENS_PER_ATTACHMENT
            total += count_tokens(_json(part.get("input"))) if kind == "tool_use" else 0
    return total


def _last_user_text(messages: Sequence[Mapping[str, Any]]) -> str:
    return next((_text(message.get("content")) for message in reversed(messages) if message["role"] == "user"), "")


def _json(value: Any) -> str:
    return "" if not value else orjson.dumps(value).decode()
