"""What every service of the embedded AWS receives, returns and raises; no service knows HTTP beyond this."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `path` and `query` are raw, still percent-encoded; header names are lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    received_at: float  # epoch seconds on the world's clock


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed a request, for which service and Region."""

    access_key_id: str
    account_id: str
    principal_arn: str  # arn:aws:iam::…:user/… or arn:aws:sts::…:assumed-role/ROLE/SESSION
    user_id: str  # GetCallerIdentity's UserId: AIDA… or AROA…:SESSION
    region: str
    service: str


Frames = Generator[tuple[float, bytes], None, None]  # each with when it is due, on the monotonic clock


@dataclass(frozen=True, slots=True)
class Response:
    """`body` is bytes, or frames that are written as they become due."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Frames = b""


class AwsError(Exception):
    """An error that AWS itself would answer; each service renders it in its own protocol."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
