"""Bedrock Runtime: rest-json on one side, the world on the other."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import orjson

from embedded_aws.auth.credentials import Credential
from embedded_aws.auth.iam import authorize_invocation
from embedded_aws.bedrock import claude, converse, eventstream, native, nova
from embedded_aws.bedrock.bodies import Event, Format, Reply, invalid, read_json, too_many_tokens
from embedded_aws.bedrock.embeddings import embed
from embedded_aws.bedrock.invocation_log import MAX_INLINE_BODY_BYTES
from embedded_aws.bedrock.language import Answer, Ask, answer
from embedded_aws.bedrock.turns import Turns
from embedded_aws.faults import UNEXPECTED, Call, ConnectionIsReset, Fault, StreamBreak
from embedded_aws.wire import AwsError, Caller, Frames, Request, Response
from embedded_aws.world import Attempt, Invocation, Target, World

_MODELS = "/model/"  # how the path of each operation begins; its last part:
OPERATIONS = {
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "invoke": "InvokeModel",
    "invoke-with-response-stream": "InvokeModelWithResponseStream",
}
_MODEL_FORMATS: Mapping[str, Format] = {"claude": claude, "nova": nova, **native.FORMATS}
_CLAUDE_WITH_A_COUNT = re.compile(r"anthropic\.claude-[a-z]+-(4-[6-9]|[5-9]).*")  # tells how many tokens were too many
_NO_CHAT = "This action doesn't support the model that you provided. Try again with a supported text or chat model."
_STREAMING = {"ConverseStream", "InvokeModelWithResponseStream"}
_ERROR_TYPE_SUFFIX = ":http://internal.amazon.com/coral/com.amazon.bedrock/"


class Bedrock:
    """Answers requests that have been authenticated. Raises AwsError; `error_response` writes it out."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._endings = Turns()

    def close(self) -> None:
        """Ends every stream whose answer is out."""
        self._endings.finish()

    async def handle(self, request: Request, caller: Caller, credential: Credential, request_id: str) -> Response:
        model_id, operation = _route(request)
        streams = operation in _STREAMING
        target = self._world.target(caller.account_id, caller.region, model_id)
        faults = self._world.struck_by(
            Call(caller.account_id, caller.region, target.id, target.foundation_model_id), request.received_at
        )
        action = "bedrock:InvokeModelWithResponseStream" if streams else "bedrock:InvokeModel"
        authorize_invocation(caller, credential.policies, action, model_id)

        if target.model.body == "none":
            raise _not_here(target)
        if target.model.body == "embedding":
            return await self._embed(request, caller, target, operation, request_id, faults)
        body_format, ask, body = _read(request.body, target, operation)
        metadata = _request_metadata(request, body, operation)
        invocation = self._world.begin(
            Attempt(caller, target, operation, request_id, ask.input_tokens, ask.max_tokens, metadata, faults)
        )
        length = self._world.answer_length(target)
        reply = _reply(invocation, answer(ask, (length.min, length.max)))
        logged_input = _logged_input(body, operation) if len(request.body) <= MAX_INLINE_BODY_BYTES else None
        if streams:
            frames = self._stream(invocation, reply, body_format, logged_input)
            return Response(200, _stream_headers(operation, request_id), frames)

        if reply.latency_ms:
            await asyncio.sleep(reply.latency_ms / 1000)
        content = body_format.response(reply)
        encoded = orjson.dumps(content)
        logged_output = content if len(encoded) <= MAX_INLINE_BODY_BYTES else None
        self._world.end(invocation, reply.output_tokens, logged_input, logged_output)
        return Response(200, _headers(operation, reply), encoded)

    async def _embed(
        self, request: Request, caller: Caller, target: Target, operation: str, request_id: str, faults: Sequence[Fault]
    ) -> Response:
        if operation != "InvokeModel":
            raise invalid(_NO_CHAT)
        embedding = embed(target.foundation_model_id, request.body, request_id, target.model.max_input_tokens)
        metadata = _request_metadata(request, embedding.body, operation)
        invocation = self._world.begin(
            Attempt(caller, target, operation, request_id, embedding.input_tokens, 0, metadata, faults)
        )
        latency_ms = round(invocation.pace.first_token_ms)
        await asyncio.sleep(latency_ms / 1000)
        self._world.end(invocation, 0, embedding.body, None)
        headers = {
            "content-type": "application/json",
            "x-amzn-requestid": request_id,
            "x-amzn-bedrock-invocation-latency": str(latency_ms),
            "x-amzn-bedrock-input-token-count": str(embedding.input_tokens),
        }
        return Response(200, headers, orjson.dumps(embedding.response))

    def _stream(self, invocation: Invocation, reply: Reply, body_format: Format, logged_input: Any) -> Frames:
        """The frames of an answer, and when each is due. However it ends, the invocation is ended once."""
        stream_break = invocation.stream_break
        tokens = reply.answer.tokens
        if stream_break is not None and stream_break.after_tokens >= len(tokens):
            stream_break = None
        if stream_break is not None:
            tokens = tokens[: stream_break.after_tokens]
        events: list[Event] = []
        sent = 0
        due = time.monotonic() + invocation.pace.first_token_ms / 1000
        gap_s = invocation.pace.per_token_ms / 1000
        try:
            if opening := body_format.opening(reply):
                events += opening
                yield due, b"".join(event.frame for event in opening)
            for text in tokens:
                event = body_format.token(reply, text)
                events.append(event)
                sent += 1
                yield due, event.frame
                due += gap_s
            due -= gap_s  # what ends the stream goes with its last token
            if stream_break is None:
                closing = body_format.closing(reply)
                events += closing
                yield due, b"".join(event.frame for event in closing)
            elif stream_break.exception is not None:
                yield due, eventstream.exception(stream_break.exception, orjson.dumps({"message": UNEXPECTED}))
            elif stream_break.reset:
                raise ConnectionIsReset
        finally:
            self._endings.add(
                lambda: self._world.end(
                    invocation,
                    sent,
                    logged_input,
                    _logged_stream(reply, body_format, events, sent),
                    _error_code(stream_break),
                )
            )


def _read(body: bytes, target: Target, operation: str) -> tuple[Format, Ask, dict[str, Any]]:
    """The format of a body, what it asks for, and the body itself. Raises AwsError for what the model does not take."""
    body_format: Format = converse if operation.startswith("Converse") else _MODEL_FORMATS[target.model.body]
    ask, content = body_format.parse(body, target.model.max_output_tokens)
    if ask.input_tokens > target.model.max_input_tokens:
        raise _too_long(target, ask.input_tokens, operation)
    return body_format, ask, content


def _not_here(target: Target) -> AwsError:
    return invalid(
        f"The embedded AWS answers for models that chat and models that embed, and {target.foundation_model_id} is "
        "neither."
    )


def _too_long(target: Target, tokens: int, operation: str) -> AwsError:
    """What gateways look for before they fall back to a model with a larger window; each family has its own text."""
    model = target.model
    most = model.max_input_tokens
    if _CLAUDE_WITH_A_COUNT.fullmatch(model.id):
        text = f"prompt is too long: {tokens} tokens > {most} maximum"
        return invalid(f"The model returned the following errors: {text}" if operation.startswith("Converse") else text)
    if model.body == "nova":
        return invalid(
            "Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input to try "
            "again."
        )
    if model.body == "titan":
        return invalid(too_many_tokens(tokens, most))
    return invalid("Input is too long for requested model.")


def _route(request: Request) -> tuple[str, str]:
    """Model identifier and operation. The identifier comes percent-encoded from SDKs, and raw from others."""
    identifier, _, verb = request.path.removeprefix(_MODELS).rpartition("/")
    operation = OPERATIONS.get(verb)
    if operation is None or not identifier or not request.path.startswith(_MODELS) or request.method != "POST":
        raise AwsError(404, "UnknownOperationException", "")
    return unquote(identifier), operation


def _reply(invocation: Invocation, given: Answer) -> Reply:
    attempt, pace = invocation.attempt, invocation.pace
    output_tokens = len(given.tokens)
    return Reply(
        answer=given,
        request_id=attempt.request_id,
        model_id=attempt.target.foundation_model_id,
        input_tokens=attempt.input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=0,
        cache_write_tokens=0,
        latency_ms=round(pace.first_token_ms + pace.per_token_ms * max(0, output_tokens - 1)),
        first_token_ms=round(pace.first_token_ms),
    )


def _request_metadata(request: Request, body: dict[str, Any], operation: str) -> dict[str, str] | None:
    if operation.startswith("Converse"):
        return body.get("requestMetadata")
    header = request.headers.get("x-amzn-bedrock-request-metadata")
    if header is None:
        return None
    try:
        metadata = read_json(header.encode())
    except ValueError:
        metadata = {"": None}
    if not all(isinstance(value, str) for value in metadata.values()):
        raise invalid("The request metadata must be a JSON object of strings.")
    return metadata


def _logged_input(body: dict[str, Any], operation: str) -> dict[str, Any]:
    """The log keeps Converse's metadata beside its body, not in it."""
    if operation.startswith("Converse") and "requestMetadata" in body:
        return {name: value for name, value in body.items() if name != "requestMetadata"}
    return body


def _logged_stream(reply: Reply, body_format: Format, events: Sequence[Event], sent: int) -> Any:
    """ConverseStream is logged as one body, InvokeModelWithResponseStream as its events."""
    if sum(len(event.frame) for event in events) > MAX_INLINE_BODY_BYTES:
        return None
    if body_format is not converse:
        return [event.content for event in events]
    if sent < len(reply.answer.tokens):
        reply = replace(reply, answer=replace(reply.answer, tokens=reply.answer.tokens[:sent]), output_tokens=sent)
    return body_format.response(reply)


def _error_code(stream_break: StreamBreak | None) -> str | None:
    if stream_break is None or stream_break.exception is None:
        return None
    return stream_break.exception[0].upper() + stream_break.exception[1:]


def _headers(operation: str, reply: Reply) -> Mapping[str, str]:
    headers = {"content-type": "application/json", "x-amzn-requestid": reply.request_id}
    if operation == "InvokeModel":
        headers["x-amzn-bedrock-invocation-latency"] = str(reply.latency_ms)
        headers["x-amzn-bedrock-input-token-count"] = str(reply.input_tokens)
        headers["x-amzn-bedrock-output-token-count"] = str(reply.output_tokens)
    return headers


def _stream_headers(operation: str, request_id: str) -> Mapping[str, str]:
    headers = {"content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": request_id}
    if operation == "InvokeModelWithResponseStream":
        headers["x-amzn-bedrock-content-type"] = "application/json"
    return headers


def error_response(error: AwsError, request_id: str) -> Response:
    """IAM's denials say `Message`, everything else `message`."""
    if error.code == "UnknownOperationException":
        body: dict[str, Any] = {
            "Output": {"__type": "com.amazon.coral.service#UnknownOperationException"},
            "Version": "1.0",
        }
    else:
        body = {"Message" if error.code == "AccessDeniedException" else "message": error.message}
    headers = {
        "content-type": "application/json",
        "x-amzn-requestid": request_id,
        "x-amzn-errortype": error.code + _ERROR_TYPE_SUFFIX,
    }
    return Response(error.status, headers, orjson.dumps(body))
