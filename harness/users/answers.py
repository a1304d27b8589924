"""What one request came to, read from the bytes of the gateway's answer. Pure but for `read_stream`'s clock."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from gevent import GreenletExit
from geventhttpclient.response import HTTPParseError

BROKEN_STREAM = "broken_stream"  # ended without its end mark
STREAM_ERROR = "stream_error"  # an error event after content
NOT_JSON = "invalid_json"
TIMEOUT = "timeout"
CONNECTION_LOST = "connection_lost"  # before the whole answer was there
UNREADABLE = "unreadable_answer"  # not what its headers promise
UNANSWERED = "unanswered_at_stop"  # the run was stopped, and waited in vain
MESSAGE_LENGTH = 10_000  # at most; what is shown of it is cut once secrets are left out, so that none is cut in two


@dataclass
class Answer:
    """The fields of a Record that only the answer knows."""

    status: int = 0
    deployment: str = ""
    retries: int | None = None
    fallbacks: int | None = None
    request_id: str = ""
    error_type: str = ""
    message: str = ""  # the error's text, for Locust's failures table
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    gateway_overhead_ms: float | None = None
    content_at: list[float] = field(default_factory=list)  # when each piece of a stream's content arrived
    ended_at: float | None = None  # when all of it was there
    bytes: int = 0


def _number(headers: Mapping[str, str], name: str) -> float | None:
    if (text := headers.get(name)) is None:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _count(headers: Mapping[str, str], name: str) -> int | None:
    number = _number(headers, name)
    return None if number is None else int(number)


def add_headers(answer: Answer, status: int, headers: Mapping[str, str]) -> None:
    """The status line and LiteLLM's headers. Upstream headers pass through LiteLLM as `llm_provider-…`."""
    answer.status = status
    answer.deployment = headers.get("x-litellm-model-id") or ""
    answer.retries = _count(headers, "x-litellm-attempted-retries")
    answer.fallbacks = _count(headers, "x-litellm-attempted-fallbacks")
    answer.request_id = headers.get("llm_provider-x-amzn-requestid") or ""
    answer.cost_usd = _number(headers, "x-litellm-response-cost")
    answer.gateway_overhead_ms = _number(headers, "x-litellm-overhead-duration-ms")
    if not 200 <= status < 300:
        aws_type = (headers.get("llm_provider-x-amzn-errortype") or "").split(":")[0]
        answer.error_type = aws_type or f"http_{status}"


def add_failure(answer: Answer, error: BaseException | None, *, stream: bool) -> None:
    """What was raised in place of the whole answer. What had come before it stays: an error status says more."""
    error = getattr(error, "original", error)  # geventhttpclient's RetriesExceeded, which we allow none of
    answer.error_type = answer.error_type or _kind(answer, error, stream)
    answer.message = answer.message or str(error)


def _kind(answer: Answer, error: BaseException | None, stream: bool) -> str:
    if isinstance(error, GreenletExit):
        return UNANSWERED
    if any("Timeout" in kind.__name__ for kind in type(error).__mro__):  # the socket's, urllib3's, botocore's
        return TIMEOUT
    if answer.status == 0:
        return type(error).__name__
    if stream:
        return BROKEN_STREAM
    return CONNECTION_LOST if isinstance(error, (OSError, HTTPParseError)) else UNREADABLE


def add_body(answer: Answer, body: bytes) -> None:
    """The token usage, or the error's type and text, of a complete body."""
    try:
        content = orjson.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        answer.error_type = answer.error_type or NOT_JSON
        answer.message = body[:MESSAGE_LENGTH].decode(errors="replace")
    elif answer.error_type:
        _add_error(answer, content.get("error"))
    else:
        _add_usage(answer, content.get("usage"))


def _add_usage(answer: Answer, usage: Any) -> None:
    if isinstance(usage, dict):
        answer.input_tokens = _tokens(usage.get("prompt_tokens"))
        answer.output_tokens = _tokens(usage.get("completion_tokens"))
        cost = usage.get("cost")  # LiteLLM tells a stream's here, and any other's in a header
        if answer.cost_usd is None and isinstance(cost, float):
            answer.cost_usd = cost


def _tokens(count: Any) -> int | None:
    return count if type(count) is int else None


def _add_error(answer: Answer, error: Any) -> None:
    if isinstance(error, dict):
        answer.message = str(error.get("message", ""))[:MESSAGE_LENGTH]
        named = error.get("type")
        if answer.error_type.startswith("http_") and isinstance(named, str) and named not in ("", "None"):
            answer.error_type = named
    else:
        answer.message = str(error)[:MESSAGE_LENGTH]


def read_stream(answer: Answer, lines: Iterable[bytes], now: Callable[[], float]) -> None:
    """Server-sent events as they arrive: when content came, the usage at the end, and whether it ended well.

    A good stream ends with `data: [DONE]`. LiteLLM tells a failure after the first content as a `data: {"error": …}`
    event under HTTP 200, and a connection that breaks simply stops: both are failures, with what came before counted.
    """
    done = False
    for line in lines:
        if not line.startswith(b"data:"):
            continue
        arrived_at = now()
        payload = line[5:].strip()
        if payload == b"[DONE]":
            done = True
            break
        try:
            event = orjson.loads(payload)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            answer.error_type = NOT_JSON if line.endswith(b"\n") else BROKEN_STREAM
            return
        if event.get("error"):
            answer.error_type = STREAM_ERROR
            _add_error(answer, event["error"])
            return
        if _has_content(event):
            answer.content_at.append(arrived_at)
        _add_usage(answer, event.get("usage"))
    if not done:
        answer.error_type = BROKEN_STREAM


def _has_content(event: Mapping[str, Any]) -> bool:
    match event:
        case {"choices": [{"delta": {"content": str(text)}}, *_]}:
            return text != ""
    return False


def gaps_ms(content_at: list[float]) -> dict[str, float]:
    """Mean and percentiles (nearest rank) of the gaps between pieces of content; empty for fewer than two pieces."""
    if len(content_at) < 2:
        return {}
    gaps = sorted((later - earlier) * 1000 for earlier, later in itertools.pairwise(content_at))
    return {"gap_mean_ms": statistics.fmean(gaps)} | {
        f"gap_p{percent}_ms": gaps[max(0, -(-len(gaps) * percent // 100) - 1)] for percent in (50, 95, 99)
    }
