"""What the body formats have in common: what a body asks for, what a reply needs, and what each format provides.

Converse is a format for any model; what InvokeModel takes is the family's. Claude's, Nova's and Converse's are modules
with the functions of `Format`, all others in `native`; pure.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

import orjson

from embedded_aws.bedrock import eventstream
from embedded_aws.bedrock.language import Answer, Ask
from embedded_aws.wire import AwsError

_MAX_DEPTH = 100  # far beyond any real body, and well below what writing it again takes
# A string or a bracket, and only of a bracket the text. Possessive, for a string may have megabytes: what could be
# taken back is remembered with a hundred bytes for each of its own.
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|([\[\]{}])', re.DOTALL)
_STEPS = {b"{": 1, b"[": 1, b"}": -1, b"]": -1, b"": 0}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with the numbers that go out beside it."""

    answer: Answer
    request_id: str
    model_id: str  # the foundation model's, without a Region
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    latency_ms: int
    first_token_ms: int


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream: as the log keeps it, and as a frame on the wire."""

    content: dict[str, Any]
    frame: bytes


class Format(Protocol):
    def parse(self, body: bytes, max_output_tokens: int) -> tuple[Ask, dict[str, Any]]:
        """What is asked for, and the body itself; AwsError as AWS refuses what is wrong with it."""

    def response(self, reply: Reply) -> dict[str, Any]: ...

    def opening(self, reply: Reply) -> Sequence[Event]:
        """Sent with the first token; there may be none."""

    def token(self, reply: Reply, text: str) -> Event: ...

    def closing(self, reply: Reply) -> Sequence[Event]:
        """Sent after the last token."""


def read_json(body: bytes) -> dict[str, Any]:
    """A JSON object; ValueError says what else it is."""
    if body.count(b"{") + body.count(b"[") > _MAX_DEPTH and _depth(body) > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    content = orjson.loads(body)
    if type(content) is not dict:
        raise ValueError("not an object")
    return content


def _depth(body: bytes) -> int:
    """How deep brackets go, those inside strings not counted."""
    return max(accumulate(_STEPS[bracket] for bracket in _BRACKETS.findall(body)), default=0)


def chunk(content: dict[str, Any]) -> Event:
    """An event of InvokeModelWithResponseStream: the model's own JSON, in base64."""
    payload = b'{"bytes":"%b","p":"%b"}' % (b64encode(encoded := orjson.dumps(content)), padding(len(encoded)))
    return Event(content, eventstream.event("chunk", payload))


_PADDING = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def padding(size: int) -> bytes:
    """The member `p` that real events carry so that their length does not give the text away."""
    return _PADDING[: 1 + size * 7 % len(_PADDING)]


def invalid(message: str) -> AwsError:
    return AwsError(400, "ValidationException", message)


def too_many_tokens(tokens: int, most: int) -> str:
    """How Titan says it."""
    return f"400 Bad Request: Too many input tokens. Max input tokens: {most}, request input token count: {tokens}"
