"""What came back to one request, or in its place, filled in as it arrives."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.redaction import text_without_secrets

MESSAGE_LENGTH = 10_000  # at most; what is shown of it is cut once secrets are left out, so that none is cut in two


@dataclass
class Response:
    """The fields of a Record that only the far side knows."""

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

    def begin(self, status: int, request_id: str) -> None:
        """The status line and the provider's own id of the request."""
        self.status, self.request_id = status, request_id

    def through(
        self,
        deployment: str,
        retries: int | None,
        fallbacks: int | None,
        cost_usd: float | None,
        overhead_ms: float | None,
    ) -> None:
        """What the gateway says of its part in it."""
        self.deployment, self.retries, self.fallbacks = deployment, retries, fallbacks
        self.cost_usd, self.gateway_overhead_ms = cost_usd, overhead_ms

    def use(self, input_tokens: int | None, output_tokens: int | None) -> None:
        self.input_tokens, self.output_tokens = input_tokens, output_tokens

    def cost(self, usd: float) -> None:
        """Unless it is known already."""
        if self.cost_usd is None:
            self.cost_usd = usd

    def piece(self, arrived_at: float) -> None:
        """A piece of a stream's content."""
        self.content_at.append(arrived_at)

    def end(self, at: float, length: int = 0) -> None:
        """All of it is there."""
        self.ended_at, self.bytes = at, length

    def fail(self, error_type: str, message: str | None = None) -> None:
        """It is no answer; a message of before stays where there is no other."""
        self.error_type = error_type
        if message is not None:
            self.message = message[:MESSAGE_LENGTH]

    def leave_out(self, secret: str) -> None:
        """A proxy's error page may quote the request."""
        self.error_type = text_without_secrets(self.error_type, secret)
        self.message = text_without_secrets(self.message, secret)
