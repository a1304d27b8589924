"""What one request came to, read from the bytes that the gateway sends. Pure but for `read_stream`'s clock."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from gevent import GreenletExit
from geventhttpclient.response import HTTPParseError

from harness.users.response import MESSAGE_LENGTH, Response

BROKEN_STREAM = "broken_stream"  # ended without its end mark
STREAM_ERROR = "stream_error"  # an error event after content
NOT_JSON = "invalid_json"
TIMEOUT = "timeout"
CONNECTION_LOST = "connection_lost"  # before the whole answer was there
UNREADABLE = "unreadable_answer"  # not what its headers promise
UNANSWERED = "unanswered_at_stop"  # the run was stopped, and waited in vain

# How providers name the id of a request in their headers: Bedrock, then OpenAI and Azure, then Anthropic. LiteLLM
# passes them on with its prefix; a refusal of its own has none.
_REQUEST_IDS = ("llm_provider-x-amzn-requestid", "llm_provider-x-request-id", "llm_provider-request-id")


def _request_id(headers: Mapping[str, str]) -> str:
    return next(filter(None, map(headers.get, _REQUEST_IDS)), "")


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


def add_headers(response: Response, status: int, headers: Mapping[str, str]) -> None:
    """The status line and LiteLLM's headers. Upstream headers pass through LiteLLM as `llm_provider-…`."""
    response.begin(status, _request_id(headers))
    response.through(
        deployment=headers.get("x-litellm-model-id") or "",
        retries=_count(headers, "x-litellm-attempted-retries"),
        fallbacks=_count(headers, "x-litellm-attempted-fallbacks"),
        cost_usd=_number(headers, "x-litellm-response-cost"),
        overhead_ms=_number(headers, "x-litellm-overhead-duration-ms"),
    )
    if not 200 <= status < 300:
        aws_type = (headers.get("llm_provider-x-amzn-errortype") or "").split(":")[0]
        response.fail(aws_type or f"http_{status}")


def add_failure(response: Response, error: BaseException | None, *, stream: bool) -> None:
    """What was raised in place of the whole response. What had come before it stays: an error status says more."""
    error = getattr(error, "original", error)  # geventhttpclient's RetriesExceeded, which we allow none of
    response.fail(response.error_type or _kind(response, error, stream), response.message or str(error))


def _kind(response: Response, error: BaseException | None, stream: bool) -> str:
    if isinstance(error, GreenletExit):
        return UNANSWERED
    if any("Timeout" in kind.__name__ for kind in type(error).__mro__):  # the socket's, urllib3's, botocore's
        return TIMEOUT
    if response.status == 0:
        return type(error).__name__
    if stream:
        return BROKEN_STREAM
    return CONNECTION_LOST if isinstance(error, (OSError, HTTPParseError)) else UNREADABLE


def add_body(response: Response, body: bytes) -> None:
    """The token usage, or the error's type and text, of a complete body."""
    try:
        content = orjson.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        response.fail(response.error_type or NOT_JSON, body[:MESSAGE_LENGTH].decode(errors="replace"))
    elif response.error_type:
        _add_error(response, content.get("error"))
    else:
        _add_usage(response, content.get("usage"))


def _add_usage(response: Response, usage: Any) -> None:
    if isinstance(usage, dict):
        response.use(_tokens(usage.get("prompt_tokens")), _tokens(usage.get("completion_tokens")))
        cost = usage.get("cost")  # LiteLLM gives a stream's here, and any other's in a header
        if isinstance(cost, float):
            response.cost(cost)


def _tokens(count: Any) -> int | None:
    return count if type(count) is int else None


def _add_error(response: Response, error: Any) -> None:
    """Its text, and its type where the status alone is known."""
    kind = response.error_type
    if not isinstance(error, dict):
        response.fail(kind, str(error))
        return
    named = error.get("type")
    if kind.startswith("http_") and isinstance(named, str) and named not in ("", "None"):
        kind = named
    response.fail(kind, str(error.get("message", "")))


def read_stream(response: Response, lines: Iterable[bytes], now: Callable[[], float]) -> None:
    """Server-sent events as they arrive: when content came, the usage at the end, and whether it ended well.

    A good stream ends with `data: [DONE]`. LiteLLM reports a failure after the first content as a `data: {"error": …}`
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
            response.fail(NOT_JSON if line.endswith(b"\n") else BROKEN_STREAM)
            return
        if event.get("error"):
            response.fail(STREAM_ERROR)
            _add_error(response, event["error"])
            return
        if _has_content(event):
            response.piece(arrived_at)
        _add_usage(response, event.get("usage"))
    if not done:
        response.fail(BROKEN_STREAM)


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
