"""Requests to other providers: which protocol, whose quota, which faults; answers at the pace of a model."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import orjson

from embedded_aws.bedrock.bodies import read_json
from embedded_aws.bedrock.language import answer
from embedded_aws.faults import UNEXPECTED, Call, ConnectionIsReset, Fault, Pace, StreamBreak
from embedded_aws.providers import anthropic, chat, openai
from embedded_aws.providers.chat import Asked
from embedded_aws.providers.errors import ProviderError, bad_request, no_key, of_fault, rate_limited, too_long
from embedded_aws.providers.openai import Reply
from embedded_aws.quotas import MINUTE_S, WINDOWS, Window
from embedded_aws.settings import Provider
from embedded_aws.wire import AwsError, Frames, Request, Response
from embedded_aws.world import World

PREFIX = "/_providers/"
REMEMBERED = 1_000  # request ids, the newest
_JSON = {"content-type": "application/json"}
_STREAM = {"content-type": "text/event-stream; charset=utf-8"}


@dataclass(frozen=True)
class _Protocol:
    """How a provider is spoken to. `format` writes whole answers, pieces of a stream and errors."""

    name: str
    format: ModuleType
    id_header: str


PROTOCOLS = {
    "openai": _Protocol("openai", openai, "x-request-id"),
    "azure": _Protocol("azure", openai, "x-request-id"),
    "anthropic": _Protocol("anthropic", anthropic, "request-id"),
}


class Providers:
    """Answers requests under /_providers/. Any key that is not empty is taken."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._quotas: dict[tuple[str, str], tuple[Window | None, Window | None]] = {}
        self._counts: Counter[tuple[str, str, int]] = Counter()
        self._ids: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)

    def calls(self) -> dict[str, Any]:
        """How many calls each provider, model and status had, and the newest request ids."""
        counts = [
            {"provider": provider, "model": model, "status": status, "calls": count}
            for (provider, model, status), count in sorted(self._counts.items())
        ]
        return {"calls": counts, "request_ids": [{"provider": name, "id": one} for name, one in self._ids]}

    async def handle(self, request: Request) -> Response:
        """Raises ConnectionIsReset where a fault says so."""
        name, _, path = unquote(request.path.removeprefix(PREFIX)).partition("/")
        protocol = PROTOCOLS.get(name)
        if protocol is None:
            return Response(404, _JSON, b'{"error": {"message": "there is: openai, azure, anthropic"}}')
        request_id = f"req_{uuid4().hex}"
        model = ""
        try:
            _check_key(request)
            model, action = _route(protocol, path)
            response = await self._answer(protocol, request, model, action, request_id)
        except ProviderError as error:
            response = _refusal(protocol, error)
        headers = {**response.headers, protocol.id_header: request_id}
        if protocol.name == "azure":
            headers["apim-request-id"] = request_id
        self._counts[protocol.name, model or _model_of(request), response.status] += 1
        self._ids.append((protocol.name, request_id))
        return Response(response.status, headers, response.body)

    async def _answer(
        self, protocol: _Protocol, request: Request, model: str, action: str, request_id: str
    ) -> Response:
        if action == "models":
            return Response(200, _JSON, orjson.dumps(openai.models(list(self._settings(protocol).models))))
        content = _content(request)
        model = model or str(content.get("model") or "")
        if not model:
            raise bad_request("you must provide a model parameter", "model")
        faults = self._struck_by(protocol, model, request.received_at)
        if action == "embeddings":
            body, tokens = openai.embeddings(content, model)
            limits = self._admit(protocol, model, tokens, request.received_at)
            return Response(200, {**_JSON, **limits}, orjson.dumps(body))
        asked = chat.of_anthropic(content) if protocol.format is anthropic else chat.of_openai(content, model)
        settings = self._settings(protocol)
        if asked.ask.input_tokens > settings.max_input_tokens:
            raise too_long(asked.ask.input_tokens, settings.max_input_tokens)
        reserved = asked.ask.input_tokens + (asked.ask.max_tokens or 0)
        limits = self._admit(protocol, model, reserved, request.received_at)
        return await self._given(protocol, asked, faults, limits, request_id, request.received_at)

    async def _given(
        self,
        protocol: _Protocol,
        asked: Asked,
        faults: Sequence[Fault],
        limits: Mapping[str, str],
        request_id: str,
        now: float,
    ) -> Response:
        pace, stream_break = self._world.pace_of(protocol.name, asked.model), None
        for fault in faults:
            pace = fault.pace(pace)
            stream_break = stream_break or fault.stream_break()
        length = self._world.settings.answer_tokens
        reply = Reply(request_id.removeprefix("req_"), int(now), asked, answer(asked.ask, (length.min, length.max)))
        if asked.stream:
            return Response(200, {**_STREAM, **limits}, _frames(protocol, reply, pace, stream_break))
        latency_ms = pace.first_token_ms + pace.per_token_ms * max(0, reply.output_tokens - 1)
        await asyncio.sleep(latency_ms / 1000)
        headers = {**_JSON, **limits}
        if protocol.format is openai:
            headers["openai-processing-ms"] = str(round(latency_ms))
        return Response(200, headers, orjson.dumps(protocol.format.whole(reply)))

    def _settings(self, protocol: _Protocol) -> Provider:
        return self._world.provider(protocol.name)

    def _struck_by(self, protocol: _Protocol, model: str, now: float) -> Sequence[Fault]:
        call = Call("", "", model, model, protocol.name)
        try:
            faults = self._world.struck_by(call, now)
            for fault in faults:
                if error := fault.refuse():
                    raise error
        except AwsError as error:
            raise of_fault(error) from None
        return faults

    def _admit(self, protocol: _Protocol, model: str, tokens: int, now: float) -> dict[str, str]:
        """Takes from the model's quotas; the headers that say what is left. Raises ProviderError."""
        settings = self._settings(protocol)
        if (windows := self._quotas.get((protocol.name, model))) is None:
            make = WINDOWS[self._world.settings.quota_window]
            windows = (
                make(settings.rpm, MINUTE_S) if settings.rpm else None,
                make(settings.tpm, MINUTE_S) if settings.tpm else None,
            )
            self._quotas[protocol.name, model] = windows
        asked = (1, tokens)
        reset_s = math.ceil(MINUTE_S - now % MINUTE_S)
        rooms = [None if window is None else math.floor(window.room(now)) for window in windows]
        limits = (settings.rpm, settings.tpm)
        for room, amount, limit, what in zip(rooms, asked, limits, ("requests", "tokens"), strict=True):
            if room is not None and limit is not None and room < amount:
                headers = protocol.format.limits(*_left(limits, rooms), reset_s, now)
                raise rate_limited(model, what, limit, reset_s, headers)
        for window, amount in zip(windows, asked, strict=True):
            if window is not None:
                window.take(amount, now)
        rooms = [None if room is None else room - amount for room, amount in zip(rooms, asked, strict=True)]
        return dict(protocol.format.limits(*_left(limits, rooms), reset_s, now))


def _left(limits: Iterable[int | None], rooms: Iterable[int | None]) -> list[tuple[int, int] | None]:
    """Each limit with what is left of it; None where there is no limit."""
    return [None if limit is None or room is None else (limit, room) for limit, room in zip(limits, rooms, strict=True)]


def _frames(protocol: _Protocol, reply: Reply, pace: Pace, stream_break: StreamBreak | None) -> Frames:
    """The pieces of a stream, each with when it is due."""
    tokens = reply.answer.tokens
    if stream_break is not None and stream_break.after_tokens >= len(tokens):
        stream_break = None
    if stream_break is not None:
        tokens = tokens[: stream_break.after_tokens]
    due = time.monotonic() + pace.first_token_ms / 1000
    gap_s = pace.per_token_ms / 1000
    yield due, protocol.format.opening(reply)
    for text in tokens:
        yield due, protocol.format.token(reply, text)
        due += gap_s
    if stream_break is None:
        yield due - gap_s, protocol.format.closing(reply)
    elif stream_break.exception is not None:
        yield due - gap_s, protocol.format.error_event(ProviderError(500, UNEXPECTED, "server_error"))
    elif stream_break.reset:
        raise ConnectionIsReset


def _route(protocol: _Protocol, path: str) -> tuple[str, str]:
    """The model that the path names, and what is asked. Raises ProviderError for what is not there."""
    model = ""
    if protocol.name == "azure" and path.startswith("openai/deployments/"):
        model, _, path = path.removeprefix("openai/deployments/").partition("/")
    path = path.removeprefix("openai/").removeprefix("v1/")
    for action in ("chat/completions", "embeddings", "models", "messages"):
        if path == action and (action == "messages") == (protocol.name == "anthropic"):
            return model, action
    raise ProviderError(404, f"Unknown request URL: /{path}. There is no such endpoint here.")


def _check_key(request: Request) -> None:
    headers = request.headers
    bearer = headers.get("authorization", "").removeprefix("Bearer").strip()
    if not (bearer or headers.get("api-key") or headers.get("x-api-key")):
        raise no_key()


def _content(request: Request) -> dict[str, Any]:
    if request.method != "POST":
        raise ProviderError(405, f"Not allowed to {request.method} here.")
    try:
        return read_json(request.body)
    except ValueError:
        raise bad_request("We could not parse the JSON body of your request.") from None


def _model_of(request: Request) -> str:
    """For the counts only."""
    try:
        model = read_json(request.body).get("model")
    except ValueError:
        return ""
    return model[:100] if isinstance(model, str) else ""


def _refusal(protocol: _Protocol, error: ProviderError) -> Response:
    headers = {**_JSON, **error.headers}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    status = anthropic.OVERLOADED if protocol.format is anthropic and error.status == 503 else error.status
    return Response(status, headers, orjson.dumps(protocol.format.error_body(error)))
