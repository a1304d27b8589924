"""Streams that break."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from embedded_aws.faults.errors import StreamErrorCode
from embedded_aws.faults.fault import Fault, StreamBreak


class StreamCut(Fault):
    """The stream ends after so many tokens, without a word; or with the connection reset."""

    does: ClassVar[str] = "the stream ends in silence; with `reset: true` by TCP reset"

    kind: Literal["stream_cut"] = "stream_cut"  # type: ignore[assignment]
    after_tokens: Annotated[int, Field(ge=0)]
    reset: bool = False

    def stream_break(self) -> StreamBreak | None:
        return StreamBreak(self.after_tokens, reset=self.reset)


class StreamError(Fault):
    does: ClassVar[str] = "an exception frame in the stream"

    kind: Literal["stream_error"] = "stream_error"  # type: ignore[assignment]
    after_tokens: Annotated[int, Field(ge=0)]
    error: StreamErrorCode = "modelStreamErrorException"

    def stream_break(self) -> StreamBreak | None:
        return StreamBreak(self.after_tokens, exception=self.error)
