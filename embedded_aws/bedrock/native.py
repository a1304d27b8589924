"""Bodies of InvokeModel for models that take a prompt, or OpenAI's messages: Llama, Mistral, Titan, Cohere, gpt-oss, …

Source: Amazon Bedrock User Guide, "Inference request parameters and response fields for foundation models": the pages
of each maker. What is read of a request is the prompt, the limit of tokens and the stop sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embedded_aws.bedrock.bodies import Event, Reply, chunk, invalid
from embedded_aws.bedrock.language import Ask, count_tokens
from embedded_aws.bedrock.nova import read_body

Json = dict[str, Any]
_MALFORMED = "Malformed input request: {}, please reformat your input and try again."


@dataclass(frozen=True)
class NativeFormat:
    """A `bodies.Format` made of three functions: what is asked, a whole answer, and one piece of a stream.

    A piece is (reply, its text, whether it is the last); `limit` is where a request says how long an answer may be.
    """

    ask: Callable[[Json], tuple[str, Any, Any]]  # prompt, limit of tokens, stop sequences
    whole: Callable[[Reply], Json]
    piece: Callable[[Reply, str, bool], Json]

    def parse(self, body: bytes, max_output_tokens: int) -> tuple[Ask, Json]:
        content = read_body(body)
        prompt, limit, stops = self.ask(content)
        if limit is not None and (type(limit) is not int or limit < 1):
            raise invalid(_MALFORMED.format("the limit of tokens is not a whole number above 0"))
        if limit is not None and limit > max_output_tokens:
            raise invalid(_MALFORMED.format(f"expected maximum tokens not to be above {max_output_tokens}"))
        texts = stops if isinstance(stops, list) else [stops] if stops else []
        return Ask(count_tokens(prompt), prompt, limit, tuple(text for text in texts if isinstance(text, str))), content

    def response(self, reply: Reply) -> Json:
        return self.whole(reply)

    def opening(self, reply: Reply) -> Sequence[Event]:
        return ()

    def token(self, reply: Reply, text: str) -> Event:
        return chunk(self.piece(reply, text, False))

    def closing(self, reply: Reply) -> Sequence[Event]:
        metrics = {
            "inputTokenCount": reply.input_tokens,
            "outputTokenCount": reply.output_tokens,
            "invocationLatency": reply.latency_ms,
            "firstByteLatency": reply.first_token_ms,
        }
        return [chunk({**self.piece(reply, "", True), "amazon-bedrock-invocationMetrics": metrics})]


def _text(content: Json, name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(_MALFORMED.format(f"#: required key [{name}] not found"))
    return value


def _ended(reply: Reply, whole: str, cut: str) -> str:
    return cut if reply.answer.stop_reason == "max_tokens" else whole


# --- Meta Llama ---------------------------------------------------------------------------------------------------


def _llama_piece(reply: Reply, text: str, last: bool) -> Json:
    return {
        "generation": text,
        "prompt_token_count": reply.input_tokens,
        "generation_token_count": reply.output_tokens,
        "stop_reason": _ended(reply, "stop", "length") if last else None,
    }


LLAMA = NativeFormat(
    lambda content: (_text(content, "prompt"), content.get("max_gen_len"), ()),
    lambda reply: _llama_piece(reply, reply.answer.text, True),
    _llama_piece,
)


# --- Mistral ------------------------------------------------------------------------------------------------------


def _mistral_piece(reply: Reply, text: str, last: bool) -> Json:
    return {"outputs": [{"text": text, "stop_reason": _ended(reply, "stop", "length") if last else None}]}


MISTRAL = NativeFormat(
    lambda content: (
        _text(content, "prompt") if "prompt" in content else _of_messages(content),
        content.get("max_tokens"),
        content.get("stop"),
    ),
    lambda reply: _mistral_piece(reply, reply.answer.text, True),
    _mistral_piece,
)


# --- Amazon Titan text --------------------------------------------------------------------------------------------


def _titan_ask(content: Json) -> tuple[str, Any, Any]:
    config = content.get("textGenerationConfig") or {}
    return _text(content, "inputText"), config.get("maxTokenCount"), config.get("stopSequences")


def _titan_whole(reply: Reply) -> Json:
    result = {
        "tokenCount": reply.output_tokens,
        "outputText": reply.answer.text,
        "completionReason": _ended(reply, "FINISH", "LENGTH"),
    }
    return {"inputTextTokenCount": reply.input_tokens, "results": [result]}


def _titan_piece(reply: Reply, text: str, last: bool) -> Json:
    return {
        "outputText": text,
        "index": 0,
        "totalOutputTextTokenCount": reply.output_tokens if last else None,
        "completionReason": _ended(reply, "FINISH", "LENGTH") if last else None,
        "inputTextTokenCount": reply.input_tokens,
    }


TITAN = NativeFormat(_titan_ask, _titan_whole, _titan_piece)


# --- Cohere Command -----------------------------------------------------------------------------------------------


def _cohere_whole(reply: Reply) -> Json:
    generation = {
        "id": reply.request_id,
        "text": reply.answer.text,
        "finish_reason": _ended(reply, "COMPLETE", "MAX_TOKENS"),
    }
    return {
        "id": reply.request_id,
        "generations": [generation],
        "text": reply.answer.text,
        "generation_id": reply.request_id,
        "finish_reason": generation["finish_reason"],
    }


def _cohere_piece(reply: Reply, text: str, last: bool) -> Json:
    if last:
        return {"is_finished": True, "finish_reason": _ended(reply, "COMPLETE", "MAX_TOKENS")}
    return {"text": text, "is_finished": False}


COHERE = NativeFormat(
    lambda content: (
        _text(content, "message" if "message" in content else "prompt"),
        content.get("max_tokens"),
        content.get("stop_sequences"),
    ),
    _cohere_whole,
    _cohere_piece,
)


# --- OpenAI's chat completions ------------------------------------------------------------------------------------


def _of_messages(content: Json) -> str:
    messages = content.get("messages")
    if not isinstance(messages, list) or not messages:
        raise invalid(_MALFORMED.format("#: required key [messages] not found"))
    return "\n".join(_of_message(message) for message in messages)


def _of_message(message: Any) -> str:
    written = message.get("content") if isinstance(message, Mapping) else None
    if isinstance(written, list):
        return "\n".join(str(part.get("text", "")) for part in written if isinstance(part, Mapping))
    return written if isinstance(written, str) else ""


def _openai_whole(reply: Reply) -> Json:
    message = {"role": "assistant", "content": reply.answer.text}
    return {
        "id": f"chatcmpl-{reply.request_id}",
        "object": "chat.completion",
        "model": reply.model_id,
        "choices": [{"index": 0, "message": message, "finish_reason": _ended(reply, "stop", "length")}],
        "usage": {
            "prompt_tokens": reply.input_tokens,
            "completion_tokens": reply.output_tokens,
            "total_tokens": reply.input_tokens + reply.output_tokens,
        },
    }


def _openai_piece(reply: Reply, text: str, last: bool) -> Json:
    choice = {
        "index": 0,
        "delta": {} if last else {"role": "assistant", "content": text},
        "finish_reason": _ended(reply, "stop", "length") if last else None,
    }
    return {
        "id": f"chatcmpl-{reply.request_id}",
        "object": "chat.completion.chunk",
        "model": reply.model_id,
        "choices": [choice],
    }


OPENAI = NativeFormat(
    lambda content: (
        _of_messages(content),
        content.get("max_completion_tokens") or content.get("max_tokens"),
        content.get("stop"),
    ),
    _openai_whole,
    _openai_piece,
)
