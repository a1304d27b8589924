"""How a body of InvokeModel is described: what is asked, a whole answer, and one piece of a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embedded_aws.bedrock.bodies import Event, Reply, chunk, invalid
from embedded_aws.bedrock.language import Ask, count_tokens
from embedded_aws.bedrock.nova import read_body
from embedded_aws.wire import AwsError

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is read of a request: the prompt, how long an answer may be, and what ends it; as they came."""

    prompt: str
    max_tokens: Any = None
    stop: Any = None


@dataclass(frozen=True)
class NativeFormat:
    """A `bodies.Format` made of three functions. A piece is (reply, its text, whether it is the last)."""

    wish: Callable[[Json], Wish]
    whole: Callable[[Reply], Json]
    piece: Callable[[Reply, str, bool], Json]

    def parse(self, body: bytes, max_output_tokens: int) -> tuple[Ask, Json]:
        content = read_body(body)
        wish = self.wish(content)
        limit = wish.max_tokens
        if limit is not None and (type(limit) is not int or limit < 1):
            raise malformed("the limit of tokens is not a whole number above 0")
        if limit is not None and limit > max_output_tokens:
            raise malformed(f"expected maximum tokens not to be above {max_output_tokens}")
        stops = wish.stop if isinstance(wish.stop, list) else [wish.stop]
        texts = tuple(text for text in stops if isinstance(text, str) and text)
        return Ask(count_tokens(wish.prompt), wish.prompt, limit, texts), content

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


def malformed(problem: str) -> AwsError:
    return invalid(f"Malformed input request: {problem}, please reformat your input and try again.")


def required_text(content: Json, name: str) -> str:
    """Raises AwsError where there is none."""
    value = content.get(name)
    if not isinstance(value, str) or not value:
        raise malformed(f"#: required key [{name}] not found")
    return value


def texts_of_messages(content: Json) -> str:
    """What OpenAI's messages say. Raises AwsError where there are none."""
    messages = content.get("messages")
    if not isinstance(messages, list) or not messages:
        raise malformed("#: required key [messages] not found")
    return "\n".join(map(_text_of_message, messages))


def _text_of_message(message: Any) -> str:
    written = message.get("content") if isinstance(message, Mapping) else None
    if isinstance(written, list):
        return "\n".join(str(part.get("text", "")) for part in written if isinstance(part, Mapping))
    return written if isinstance(written, str) else ""


def ended(reply: Reply, whole: str, cut: str) -> str:
    """`cut` where the limit of tokens ended the answer."""
    return cut if reply.answer.stop_reason == "max_tokens" else whole
