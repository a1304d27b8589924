"""A chat-completions server that knows the truth: when each request arrived, and when each piece of its answer left.

    python tests/benchmarks/truth_server.py --port 8000 --delay-ms 50

It speaks what the load tests need of a LiteLLM proxy: chat completions, whole or as server-sent events, with LiteLLM's
headers, `/health/liveliness` and `/v1/models`. Every answer carries a request id (`llm_provider-x-amzn-requestid`), by
which a client's records are matched with the truth. The rest is for the benchmarks:

    PUT /truth/behaviour   {"delay_ms": 0, "gap_ms": 10, "tokens": 20, "freeze_after_s": null, "freeze_s": 1}
                           changes what is given, and forgets all requests so far
    GET /truth/count       how many requests have arrived
    GET /truth             {"freeze": [from, to] or null, "requests": [{"request_id", "arrived_at", "content_at": [...],
                           "ended_at"}]}, epoch seconds; content_at and ended_at are taken just before the bytes leave
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import click
import httptools
import orjson
import uvloop

MODEL = "load"
_ANCHOR = time.time() - time.perf_counter()

# What LiteLLM 1.106 sends with an answer from Bedrock.
_HEADERS = (
    b"HTTP/1.1 200 OK\r\n"
    b"date: Sun, 22 Nov 2026 10:00:00 GMT\r\n"
    b"server: uvicorn\r\n"
    b"x-litellm-call-id: 0f2d3a77-5a59-4bb0-a3d9-3c7f5b1f2a10\r\n"
    b"x-litellm-model-id: truth\r\n"
    b"x-litellm-model-group: load\r\n"
    b"x-litellm-version: 1.106.2\r\n"
    b"x-litellm-attempted-retries: 0\r\n"
    b"x-litellm-attempted-fallbacks: 0\r\n"
    b"x-litellm-response-cost: 0.000345\r\n"
    b"x-litellm-response-duration-ms: 51.25\r\n"
    b"x-litellm-overhead-duration-ms: 1.75\r\n"
    b"x-litellm-key-spend: 0.0\r\n"
)


def now() -> float:
    """Epoch seconds that never jump."""
    return _ANCHOR + time.perf_counter()


@dataclass(frozen=True)
class Behaviour:
    delay_ms: float = 0.0  # until the answer, or the first token of a stream
    gap_ms: float = 10.0  # between the tokens of a stream
    tokens: int = 20
    freeze_after_s: float | None = None  # from the first request on
    freeze_s: float = 1.0


@dataclass
class Truth:
    request_id: str
    arrived_at: float
    content_at: list[float] = field(default_factory=list)
    ended_at: float | None = None  # None: not answered yet


@dataclass
class World:
    """What the server does, and what it did."""

    behaviour: Behaviour
    requests: list[Truth] = field(default_factory=list)
    freeze: tuple[float, float] | None = None

    def behave(self, changes: dict[str, Any]) -> None:
        self.behaviour = replace(self.behaviour, **changes)
        self.requests, self.freeze = [], None

    def arrived(self, at: float) -> Truth:
        if not self.requests and self.behaviour.freeze_after_s is not None:
            asyncio.get_running_loop().call_later(self.behaviour.freeze_after_s, self._freeze)
        truth = Truth(f"{len(self.requests):08d}", at)
        self.requests.append(truth)
        return truth

    def _freeze(self) -> None:
        """The whole server stands still: it reads nothing, accepts nothing, answers nothing."""
        since = now()
        time.sleep(self.behaviour.freeze_s)
        self.freeze = (since, now())


class Connection(asyncio.Protocol):
    def __init__(self, world: World) -> None:
        self.world = world
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def data_received(self, data: bytes) -> None:
        self._read_at = now()
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        match self._parser.get_method(), self._path:
            case b"POST", "/v1/chat/completions" | "/chat/completions":
                self._complete_chat(body)
            case b"GET", "/health/liveliness":
                self._answer("I'm alive!")
            case b"GET", "/v1/models":
                self._answer({"object": "list", "data": [{"id": MODEL, "object": "model"}]})
            case b"PUT", "/truth/behaviour":
                self.world.behave(orjson.loads(body))
                self._answer(asdict(self.world.behaviour))
            case b"GET", "/truth/count":
                self._answer(len(self.world.requests))
            case b"GET", "/truth":
                requests = [asdict(truth) for truth in self.world.requests]
                self._answer({"freeze": self.world.freeze, "requests": requests})
            case _:
                self._answer({"error": {"message": f"there is no {self._path}"}}, b"404 Not Found")

    def _answer(self, content: Any, status: bytes = b"200 OK") -> None:
        body = orjson.dumps(content)
        self.transport.write(
            b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)
        )

    def _complete_chat(self, body: bytes) -> None:
        truth = self.world.arrived(self._read_at)
        behaviour = self.world.behaviour
        tell = self._begin_stream if orjson.loads(body).get("stream") else self._tell_whole
        if behaviour.delay_ms:
            self._loop.call_later(behaviour.delay_ms / 1000, tell, truth, behaviour)
        else:
            tell(truth, behaviour)

    def _tell_whole(self, truth: Truth, behaviour: Behaviour) -> None:
        body = orjson.dumps(
            _completion("chat.completion", truth)
            | {
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": "word " * behaviour.tokens},
                    }
                ],
                "usage": _usage(behaviour.tokens),
            }
        )
        truth.ended_at = now()
        self.transport.write(
            _HEADERS
            + b"content-type: application/json\r\nllm_provider-x-amzn-requestid: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (truth.request_id.encode(), len(body), body)
        )

    def _begin_stream(self, truth: Truth, behaviour: Behaviour) -> None:
        """LiteLLM, too, sends the headers only when the first token is there."""
        headers = _HEADERS + (
            b"content-type: text/event-stream; charset=utf-8\r\nllm_provider-x-amzn-requestid: %b\r\n"
            b"transfer-encoding: chunked\r\n\r\n" % truth.request_id.encode()
        )
        self._tell_token(headers, truth, behaviour, self._loop.time())

    def _tell_token(self, before: bytes, truth: Truth, behaviour: Behaviour, due_at: float) -> None:
        if self.transport.is_closing():
            return
        event = _event(truth, [{"index": 0, "delta": {"role": "assistant", "content": "word "}}])
        truth.content_at.append(now())
        self.transport.write(before + event)
        next_at = due_at + behaviour.gap_ms / 1000  # on a grid: one late token does not delay the rest
        if len(truth.content_at) < behaviour.tokens:
            self._loop.call_at(next_at, self._tell_token, b"", truth, behaviour, next_at)
        else:
            self._end_stream(truth, behaviour)

    def _end_stream(self, truth: Truth, behaviour: Behaviour) -> None:
        end = _event(truth, [{"index": 0, "delta": {}, "finish_reason": "stop"}])
        usage = _event(truth, [], usage=_usage(behaviour.tokens))
        truth.ended_at = now()
        self.transport.write(end + usage + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


def _completion(kind: str, truth: Truth) -> dict[str, Any]:
    return {"id": f"chatcmpl-{truth.request_id}", "object": kind, "created": 1795341600, "model": MODEL}


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens}


def _event(truth: Truth, choices: list[dict[str, Any]], **more: Any) -> bytes:
    event = _completion("chat.completion.chunk", truth) | {"choices": choices} | more
    return _chunk(b"data: " + orjson.dumps(event) + b"\n\n")


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


async def serve(port: int, world: World) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(world), "127.0.0.1", port, backlog=2048)
    click.echo(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await server.serve_forever()


@click.command()
@click.option("--port", default=0, help="0 takes a free one; the first line of the output tells the address.")
@click.option("--delay-ms", default=Behaviour.delay_ms, show_default=True, help="Until the answer, or its first token.")
@click.option("--gap-ms", default=Behaviour.gap_ms, show_default=True, help="Between the tokens of a stream.")
@click.option("--tokens", default=Behaviour.tokens, show_default=True)
def main(port: int, delay_ms: float, gap_ms: float, tokens: int) -> None:
    uvloop.run(serve(port, World(Behaviour(delay_ms, gap_ms, tokens))))


if __name__ == "__main__":
    main()
