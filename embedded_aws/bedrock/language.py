"""The model's side of a conversation: counting tokens and answering. Pure and repeatable: the same text has the
same tokens, and the same question gets the same answer."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, islice
from random import Random
from typing import Any, Literal
from zlib import crc32

import orjson

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]

# Word pieces of up to six letters, each with the space before it, or one other sign: about what a real tokenizer
# yields for prose. No provider publishes its tokenizer, so no count here claims to be theirs.
_TOKEN = re.compile(r"\s*(?:\w{1,6}|[^\w\s])|\s+$")

_REMEMBERED_CHARACTERS = 2_048  # prompts repeat; what is remembered of them stays below a few megabytes
_COUNTED_CHARACTERS = 65_536

# Every word of at most six letters: with its space it is one token, so an answer of n words is n tokens.
_WORDS = (
    "the", "gate", "holds", "and", "each", "call", "finds", "its", "way", "while", "one", "Region", "rests",
    "and", "others", "share", "the", "load", "so", "that", "no", "client", "waits", "long", "for", "a", "reply",
    "we", "count", "what", "was", "sent", "what", "came", "back", "and", "who", "served", "it", "then", "tell",
    "you", "plain",
)  # fmt: skip
_SENTENCE_WORDS = 11

_EXAMPLE_DEPTH = 8
_EXAMPLE_ITEMS = 8
_EXAMPLE_CHARACTERS = 256  # of a text
_EXAMPLE_PIECES = 256  # of so many characters each: members, items and what they hold, of the whole value


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    schema: Any  # JSON schema, as it came


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


def count_tokens(text: str) -> int:
    """Exact for texts up to 64 Ki characters; beyond that in proportion, so that no text holds others up."""
    if len(text) <= _REMEMBERED_CHARACTERS:
        return _count_tokens(text)
    if len(text) <= _COUNTED_CHARACTERS:
        return len(split_tokens(text))
    return len(split_tokens(text[:_COUNTED_CHARACTERS])) * len(text) // _COUNTED_CHARACTERS


@lru_cache(maxsize=1024)
def _count_tokens(text: str) -> int:
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


def example(schema: Any, text: str) -> Any:
    """A value that fits a JSON schema's types: strings echo the text, the rest is the least that is valid.

    Takes any JSON, as schemas come from outside; what is not understood counts as a string, and what is too deep or
    too long is cut.
    """
    return _example(schema, text[:_EXAMPLE_CHARACTERS], 0, iter(range(_EXAMPLE_PIECES)))


def _example(schema: Any, text: str, depth: int, pieces: Iterator[int]) -> Any:
    if not isinstance(schema, dict) or depth > _EXAMPLE_DEPTH:
        return {}
    if isinstance(enum := schema.get("enum"), list) and enum:
        return _if_left(pieces, enum[0])
    if "const" in schema:
        return _if_left(pieces, schema["const"])
    kind = schema.get("type", "object" if "properties" in schema or depth == 0 else "string")
    if isinstance(kind, list) and kind:
        kind = kind[0]
    match kind:
        case "object":
            properties = schema.get("properties")
            properties = properties if isinstance(properties, dict) else {}
            required = schema.get("required", list(properties))
            names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
            return {
                name: _example(properties.get(name, {}), text, depth + 1, pieces)
                for name in dict.fromkeys(names)
                if _if_left(pieces, name) is not None
            }
        case "array":
            count = schema.get("minItems", 0)
            count = min(count, _EXAMPLE_ITEMS) if isinstance(count, int) else 0
            return [_example(schema.get("items", {}), text, depth + 1, pieces) for _ in islice(pieces, count)]
        case "integer" | "number":
            least = schema.get("minimum", 0)
            return least if isinstance(least, int | float) else 0
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return text


def _if_left(pieces: Iterator[int], value: Any) -> Any:
    """The value, if as many pieces are left as it is long; they are used up."""
    needed = 1 + len(json_text(value)) // _EXAMPLE_CHARACTERS
    return value if len(list(islice(pieces, needed))) == needed else None


def json_text(value: Any) -> str:
    """A JSON value as the text a model reads."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
