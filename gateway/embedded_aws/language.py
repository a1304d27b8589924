"""The model's side of a conversation: counting tokens and answering. Pure and repeatable: the same text has the
same tokens, and the same question gets the same answer."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Any, Literal
from zlib import crc32

import orjson

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]

# Word pieces of up to six letters, each with the space before it, or one other sign: about what a real tokenizer
# yields for prose. No provider publishes its tokenizer, so no count here claims to be theirs.
_TOKEN = re.compile(r"\s*(?:\w{1,6}|[^\w\s])|\s+$")

# Every word of at most six letters: with its space it is one token, so an answer of n words is n tokens.
_WORDS = (
    "the", "gate", "holds", "and", "each", "call", "finds", "its", "way", "while", "one", "Region", "rests",
    "and", "others", "share", "the", "load", "so", "that", "no", "client", "waits", "long", "for", "a", "reply",
    "we", "count", "what", "was", "sent", "what", "came", "back", "and", "who", "served", "it", "then", "tell",
    "you", "plain",
)  # fmt: skip
_SENTENCE_WORDS = 11


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request wants of the model, whatever format its body had."""

    input_tokens: int
    prompt: str  # the last user text: what an answer depends on
    max_tokens: int | None
    stop_sequences: Sequence[str] = ()
    tool: Tool | None = None  # the tool the answer shall call


@dataclass(frozen=True, slots=True)
class Answer:
    """`tokens` joined is the text; with `tool_name` they are the JSON of the tool's input."""

    tokens: Sequence[str]
    stop_reason: StopReason
    stop_sequence: str | None = None
    tool_name: str | None = None
    tool_input: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "".join(self.tokens)


def split_tokens(text: str) -> list[str]:
    """The text in tokens; joined they are the text again."""
    return _TOKEN.findall(text)


@lru_cache(maxsize=1024)
def count_tokens(text: str) -> int:
    return len(split_tokens(text))


def answer(ask: Ask, length: tuple[int, int]) -> Answer:
    """Answers in prose of a length in tokens within `length` (inclusive), or with a call of the tool asked for;
    `max_tokens` and stop sequences end it early."""
    if ask.tool is not None:
        return _call(ask.tool, ask)
    low, high = length
    wanted = low if high == low else Random(crc32(ask.prompt.encode(errors="replace"))).randint(low, high)
    tokens = _prose(wanted)
    if ask.max_tokens is not None and ask.max_tokens < wanted:
        return _stopped(ask, tokens[: ask.max_tokens]) or Answer(tokens[: ask.max_tokens], "max_tokens")
    return _stopped(ask, tokens) or Answer(tokens, "end_turn")


@lru_cache(maxsize=256)
def _prose(length: int) -> tuple[str, ...]:
    tokens: list[str] = []
    while len(tokens) < length:
        word = _WORDS[len(tokens) * 7 % len(_WORDS)]
        if len(tokens) % (_SENTENCE_WORDS + 1) == _SENTENCE_WORDS:
            tokens.append(".")
        elif len(tokens) % (_SENTENCE_WORDS + 1) == 0:
            tokens.append(f" {word.capitalize()}" if tokens else word.capitalize())
        else:
            tokens.append(f" {word}")
    return tuple(tokens)


def _stopped(ask: Ask, tokens: Sequence[str]) -> Answer | None:
    """The answer cut before the first stop sequence in it, if there is one; the sequence itself is not given."""
    if not ask.stop_sequences:
        return None
    text = "".join(tokens)
    at, sequence = min(
        ((at, sequence) for sequence in ask.stop_sequences if (at := text.find(sequence)) >= 0), default=(0, None)
    )
    if sequence is None:
        return None
    ends = list(accumulate(map(len, tokens)))
    whole = bisect_left(ends, at + 1)  # tokens that end at or before the cut
    start = ends[whole - 1] if whole else 0
    kept = [*tokens[:whole], *([text[start:at]] if at > start else [])]
    return Answer(kept, "stop_sequence", stop_sequence=sequence)


def _call(tool: Tool, ask: Ask) -> Answer:
    arguments = example(tool.schema, ask.prompt)
    tokens = split_tokens(orjson.dumps(arguments).decode())
    if ask.max_tokens is not None and ask.max_tokens < len(tokens):
        return Answer(tokens[: ask.max_tokens], "max_tokens", tool_name=tool.name, tool_input={})
    return Answer(tokens, "tool_use", tool_name=tool.name, tool_input=arguments)


def example(schema: Mapping[str, Any], text: str) -> Any:
    """A value that fits a JSON schema's types: strings echo the text, the rest is the least that is valid."""
    if enum := schema.get("enum"):
        return enum[0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0] if kind else "string"
    match kind:
        case "object":
            properties = schema.get("properties") or {}
            return {name: example(properties.get(name, {}), text) for name in schema.get("required", properties)}
        case "array":
            return [example(schema.get("items") or {}, text) for _ in range(schema.get("minItems", 0))]
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return text[:256]


def json_text(value: Any) -> str:
    """A JSON value as the text a model reads."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
