"""Bodies of Converse and ConverseStream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import orjson

from embedded_aws import shapes
from embedded_aws.bedrock import eventstream
from embedded_aws.bedrock.bodies import Event, Reply, invalid, padding, read_json
from embedded_aws.bedrock.language import Ask, Tool, count_tokens, json_text
from embedded_aws.wire import AwsError

# What a conversation costs beside its texts: the turns' own marks. Made up, like all counts here, and constant.
TOKENS_PER_REQUEST = 4
TOKENS_PER_MESSAGE = 4
TOKENS_PER_ATTACHMENT = 1_200  # an image or a document page, in the order of what providers state
TOKENS_PER_TOOL = 40

_check = shapes.input_check("bedrock-runtime", "Converse", without=("modelId",))


def parse(body: bytes, max_output_tokens: int) -> tuple[Ask, dict[str, Any]]:
    try:
        content = read_json(body or b"{}")
    except ValueError:
        raise AwsError(400, "SerializationException", "The request body is not a JSON object.") from None
    shapes.validate(content, _check)
    check_conversation(content)
    return ask(content, max_output_tokens), content


def check_conversation(content: dict[str, Any]) -> None:
    """What Bedrock itself asks of the turns, beyond their shapes. Texts as Bedrock answers them."""
    messages = content.get("messages") or []
    if not messages or messages[0]["role"] != "user":
        raise invalid(
            "A conversation must start with a user message. Try again with a conversation that starts with a user "
            "message."
        )
    called: list[str] = []  # tools that the previous turn called and this one has to answer
    for number, message in enumerate(messages):
        where = f"messages.{number}"
        if not message["content"]:
            raise invalid(
                f"The content field in the Message object at {where} is empty. Add a ContentBlock object to the "
                "content field and try again."
            )
        if number and message["role"] == messages[number - 1]["role"]:
            raise invalid(
                "A conversation must alternate between user and assistant roles. Make sure the conversation "
                "alternates between user and assistant roles and try again."
            )
        for index, block in enumerate(message["content"]):
            _check_block(block, f"{where}.content.{index}", content)
        answered = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        if missing := [tool_use_id for tool_use_id in called if tool_use_id not in answered]:
            raise invalid(f"Expected toolResult blocks at {where}.content for the following Ids: {', '.join(missing)}")
        if len(answered) > len(called):
            raise invalid(
                f"The number of toolResult blocks at {where}.content exceeds the number of toolUse blocks of previous "
                "turn."
            )
        called = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]


def _check_block(block: dict[str, Any], where: str, content: dict[str, Any]) -> None:
    if not block:
        raise invalid(f"The ContentBlock object at {where} must set one of its keys.")
    if "text" in block and not block["text"].strip():
        raise invalid(
            f"The text field in the ContentBlock object at {where} is blank. Add text to the text field, and try again."
        )
    if ("toolUse" in block or "toolResult" in block) and not content.get("toolConfig"):
        raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")


def ask(content: dict[str, Any], max_output_tokens: int) -> Ask:
    config = content.get("inferenceConfig") or {}
    max_tokens = config.get("maxTokens")
    if max_tokens is not None and max_tokens > max_output_tokens:
        raise invalid(
            f"The maximum tokens you requested exceeds the model limit of {max_output_tokens}. Try again with a "
            f"maximum tokens value that is lower than {max_output_tokens}."
        )
    input_tokens = TOKENS_PER_REQUEST
    prompt = ""
    for message in content["messages"]:
        input_tokens += TOKENS_PER_MESSAGE
        for block in message["content"]:
            input_tokens += _block_tokens(block)
            if message["role"] == "user" and "text" in block:
                prompt = block["text"]
    for block in content.get("system") or ():
        input_tokens += _block_tokens(block)
    tool_config = content.get("toolConfig") or {}
    for tool in tool_config.get("tools") or ():
        input_tokens += TOKENS_PER_TOOL + count_tokens(json_text(tool))
    return Ask(
        input_tokens=input_tokens,
        prompt=prompt,
        max_tokens=max_tokens,
        stop_sequences=config.get("stopSequences") or (),
        tool=_tool(tool_config, content["messages"][-1]["content"]),
    )


def _block_tokens(block: dict[str, Any]) -> int:
    if "text" in block:
        return count_tokens(block["text"])
    if "toolUse" in block:
        return count_tokens(json_text(block["toolUse"]["input"]))
    if "toolResult" in block:
        return sum(map(_block_tokens, block["toolResult"]["content"]))
    if "json" in block:
        return count_tokens(json_text(block["json"]))
    if "cachePoint" in block:
        return 0
    return TOKENS_PER_ATTACHMENT


def _tool(tool_config: dict[str, Any], last_turn: Sequence[dict[str, Any]]) -> Tool | None:
    """The tool the answer calls: the one that was chosen; or the first, until its result is there."""
    tools = tool_config.get("tools") or ()
    specs = {tool["toolSpec"]["name"]: tool["toolSpec"] for tool in tools if "toolSpec" in tool}
    if not specs:
        return None
    choice = tool_config.get("toolChoice") or {"auto": {}}
    if chosen := choice.get("tool"):
        if chosen["name"] not in specs:
            raise invalid(f"The toolChoice field names {chosen['name']}, which is not in the tools field.")
        spec = specs[chosen["name"]]
    elif "auto" in choice and any("toolResult" in block for block in last_turn):
        return None
    else:
        spec = next(iter(specs.values()))
    return Tool(spec["name"], spec["inputSchema"].get("json"))


def response(reply: Reply) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": [content_block(reply)]}},
        "stopReason": reply.answer.stop_reason,
        "usage": usage(reply),
        "metrics": {"latencyMs": reply.latency_ms},
    }


def content_block(reply: Reply) -> dict[str, Any]:
    answer = reply.answer
    if answer.tool_name is None:
        return {"text": answer.text}
    return {
        "toolUse": {"toolUseId": tool_use_id(reply), "name": answer.tool_name, "input": answer.tool_input},
    }


def tool_use_id(reply: Reply) -> str:
    return f"tooluse_{reply.request_id.replace('-', '')[:22]}"


def usage(reply: Reply) -> dict[str, int]:
    return {
        "inputTokens": reply.input_tokens,
        "outputTokens": reply.output_tokens,
        "totalTokens": reply.input_tokens + reply.output_tokens,
        "cacheReadInputTokens": reply.cache_read_tokens,
        "cacheWriteInputTokens": reply.cache_write_tokens,
    }


def opening(reply: Reply) -> Sequence[Event]:
    return [_event(name, content) for name, content in opening_events(reply)]


def opening_events(reply: Reply) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "messageStart", {"role": "assistant"}
    if reply.answer.tool_name is not None:
        start = {"toolUse": {"toolUseId": tool_use_id(reply), "name": reply.answer.tool_name}}
        yield "contentBlockStart", {"start": start, "contentBlockIndex": 0}


def token(reply: Reply, text: str) -> Event:
    return _token(text, reply.answer.tool_name is not None)


@lru_cache(maxsize=4_096)
def _token(text: str, of_tool: bool) -> Event:
    """Answers say the same words again and again, and a stream has no time to lose."""
    return _event("contentBlockDelta", delta(text, of_tool))


def delta(text: str, of_tool: bool) -> dict[str, Any]:
    return {"contentBlockIndex": 0, "delta": {"toolUse": {"input": text}} if of_tool else {"text": text}}


def closing(reply: Reply) -> Sequence[Event]:
    return [
        _event("contentBlockStop", {"contentBlockIndex": 0}),
        _event("messageStop", {"stopReason": reply.answer.stop_reason}),
        _event("metadata", {"usage": usage(reply), "metrics": {"latencyMs": reply.latency_ms}}),
    ]


def _event(event_type: str, content: dict[str, Any]) -> Event:
    encoded = orjson.dumps(content)
    payload = b'%b,"p":"%b"}' % (encoded[:-1], padding(len(encoded)))
    return Event({event_type: content}, eventstream.event(event_type, payload))
