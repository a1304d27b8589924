"""What can go wrong on purpose: one small class a fault, the first does nothing, and the board that runs them.

A fault says whom it concerns (account, model, source Region, share of the calls) and when: `start_s` after the
embedded AWS started, or after it was posted, for `duration_s`, or until it is stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from common.fields import Seconds, Strict
from embedded_aws.wire import AwsError

Share = Annotated[float, Field(gt=0, le=1)]

UNEXPECTED = "The system encountered an unexpected error during processing. Try your request again."
UNAVAILABLE = "Bedrock is unable to process your request."

# Status and text of each modelled error. Those that nobody has published say so in README.md.
ERRORS: dict[str, tuple[int, str]] = {
    "ThrottlingException": (429, "Too many requests, please wait before trying again."),
    "ServiceUnavailableException": (503, UNAVAILABLE),
    "ModelNotReadyException": (429, "The model specified in the request is not ready to serve inference requests."),
    "ModelTimeoutException": (408, "The request took too long to process. Processing time exceeded the model timeout."),
    "ModelErrorException": (424, UNEXPECTED),
    "InternalServerException": (500, UNEXPECTED),
    "ServiceQuotaExceededException": (400, "Your request exceeds the service quota for your account."),
    "AccessDeniedException": (403, "You don't have access to the model with the specified model ID."),
    "ValidationException": (400, "The provided model identifier is invalid."),
    "ResourceNotFoundException": (404, "The specified resource ARN was not found."),
    "ExpiredTokenException": (403, "The security token included in the request is expired"),
    "UnrecognizedClientException": (403, "The security token included in the request is invalid."),
}
ErrorCode = Literal[
    "ThrottlingException",
    "ServiceUnavailableException",
    "ModelNotReadyException",
    "ModelTimeoutException",
    "ModelErrorException",
    "InternalServerException",
    "ServiceQuotaExceededException",
    "AccessDeniedException",
    "ValidationException",
    "ResourceNotFoundException",
    "ExpiredTokenException",
    "UnrecognizedClientException",
]
# What a stream may carry as an exception frame: the members of botocore's ResponseStream and ConverseStreamOutput.
StreamErrorCode = Literal[
    "internalServerException",
    "modelStreamErrorException",
    "modelTimeoutException",
    "serviceUnavailableException",
    "throttlingException",
    "validationException",
]


class ConnectionIsReset(Exception):
    """Raised instead of an answer: the server resets the connection."""


def modelled(code: str, message: str | None = None) -> AwsError:
    """The error AWS would answer under this code, with its own text or the one given."""
    status, text = ERRORS[code]
    return AwsError(status, code, message or text)


@dataclass(frozen=True, slots=True)
class Call:
    """What a fault is matched against. `model` is the id without a Region: profile or foundation model."""

    account_id: str
    region: str
    model: str = ""
    foundation_model: str = ""
    provider: str = ""  # "": AWS


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an answer comes."""

    first_token_ms: float
    per_token_ms: float  # between one token and the next


@dataclass(frozen=True, slots=True)
class StreamBreak:
    """Where a stream ends too early, and how: with an exception frame, in silence, or with the connection reset."""

    after_tokens: int
    exception: str | None = None
    reset: bool = False


class Fault(Strict):
    """Does nothing: a mark on the timeline. Every other fault changes one or two of these answers."""

    kind: Literal["none"] = "none"
    name: str = ""
    account: str | None = None
    model: str | None = None
    region: str | None = None
    provider: Literal["openai", "azure", "anthropic"] | None = None  # absent: AWS
    share: Share = 1.0
    start_s: Seconds = 0.0
    duration_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    def concerns(self, call: Call) -> bool:
        return (
            (self.provider or "") == call.provider
            and (self.account is None or self.account == call.account_id)
            and (self.region is None or self.region == call.region)
            and (self.model is None or self.model in (call.model, call.foundation_model))
        )

    def refuse_caller(self) -> AwsError | None:
        """Before any service looks at the request."""
        return None

    def refuse(self) -> AwsError | None:
        """When an invocation has been authorised, and before it counts against a quota."""
        return None

    def pace(self, pace: Pace) -> Pace:
        return pace

    def stream_break(self) -> StreamBreak | None:
        return None

    def resets(self) -> bool:
        """Whether the connection is reset instead of answered."""
        return False

    def log_delay_s(self) -> float | None:
        """Seconds that the invocation log comes later; infinity if it is lost."""
        return None

    def closes_region(self, region: str) -> bool:
        """Whether no inference is served in that Region."""
        return False

    def refuses_connections(self) -> bool:
        return False


class Throttle(Fault):
    kind: Literal["throttle"] = "throttle"  # type: ignore[assignment]

    def refuse(self) -> AwsError | None:
        return modelled("ThrottlingException")


class ServiceError(Fault):
    kind: Literal["error"] = "error"  # type: ignore[assignment]
    error: ErrorCode
    message: str | None = None

    def refuse(self) -> AwsError | None:
        return modelled(self.error, self.message)


class Latency(Fault):
    kind: Literal["latency"] = "latency"  # type: ignore[assignment]
    add_ms: Seconds = 0.0
    multiply: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0

    def pace(self, pace: Pace) -> Pace:
        return Pace(pace.first_token_ms * self.multiply + self.add_ms, pace.per_token_ms * self.multiply)


class RegionDown(Fault):
    """The Region serves nobody: profiles go elsewhere, and whoever calls the Region itself is refused."""

    kind: Literal["region_down"] = "region_down"  # type: ignore[assignment]
    region: str

    @model_validator(mode="after")
    def _concerns_everybody(self) -> RegionDown:
        if self.account or self.model or self.share < 1:
            raise ValueError("a Region that is down is down for everybody: leave out account, model and share")
        return self

    def refuse(self) -> AwsError | None:
        return modelled("ServiceUnavailableException")

    def closes_region(self, region: str) -> bool:
        return region == self.region


class AccountSuspended(Fault):
    kind: Literal["account_suspended"] = "account_suspended"  # type: ignore[assignment]
    account: str

    def refuse_caller(self) -> AwsError | None:
        return AwsError(403, "AccessDeniedException", "Your account is not authorized to invoke this API operation.")


class CredentialsExpired(Fault):
    """Every credential of the account is past its time; each service says so in its own words."""

    kind: Literal["credentials_expired"] = "credentials_expired"  # type: ignore[assignment]
    account: str

    @model_validator(mode="after")
    def _concerns_an_account(self) -> CredentialsExpired:
        if self.model or self.region or self.share < 1:
            raise ValueError("credentials belong to an account: leave out model, region and share")
        return self


class ConnectionRefused(Fault):
    """The port is closed, for everybody: the admin API as well, so it must know when to open again."""

    kind: Literal["connection_refused"] = "connection_refused"  # type: ignore[assignment]
    duration_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _concerns_everybody(self) -> ConnectionRefused:
        if self.account or self.model or self.region or self.share < 1:
            raise ValueError("a closed port refuses everybody: leave out account, model, region and share")
        return self

    def refuses_connections(self) -> bool:
        return True


class ConnectionReset(Fault):
    kind: Literal["connection_reset"] = "connection_reset"  # type: ignore[assignment]

    def resets(self) -> bool:
        return True


class StreamCut(Fault):
    """The stream ends after so many tokens, without a word; or with the connection reset."""

    kind: Literal["stream_cut"] = "stream_cut"  # type: ignore[assignment]
    after_tokens: Annotated[int, Field(ge=0)]
    reset: bool = False

    def stream_break(self) -> StreamBreak | None:
        return StreamBreak(self.after_tokens, reset=self.reset)


class StreamError(Fault):
    kind: Literal["stream_error"] = "stream_error"  # type: ignore[assignment]
    after_tokens: Annotated[int, Field(ge=0)]
    error: StreamErrorCode = "modelStreamErrorException"

    def stream_break(self) -> StreamBreak | None:
        return StreamBreak(self.after_tokens, exception=self.error)


class SlowLogs(Fault):
    kind: Literal["slow_logs"] = "slow_logs"  # type: ignore[assignment]
    delay_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    def log_delay_s(self) -> float | None:
        return self.delay_s


class LostLogs(Fault):
    kind: Literal["lost_logs"] = "lost_logs"  # type: ignore[assignment]

    def log_delay_s(self) -> float | None:
        return math.inf


AnyFault = Annotated[
    Fault
    | Throttle
    | ServiceError
    | Latency
    | RegionDown
    | AccountSuspended
    | CredentialsExpired
    | ConnectionRefused
    | ConnectionReset
    | StreamCut
    | StreamError
    | SlowLogs
    | LostLogs,
    Field(discriminator="kind"),
]


@dataclass(slots=True)
class Entry:
    """One fault on the board; `stops_at` is infinite until it is known, and before `starts_at` if it was stopped before
    it began. Epoch seconds."""

    name: str
    fault: Fault
    starts_at: float
    stops_at: float

    def state(self, now: float) -> Literal["scheduled", "active", "stopped"]:
        if now >= self.stops_at:
            return "stopped"
        return "active" if now >= self.starts_at else "scheduled"


class FaultBoard:
    """Which faults are active at a time. Entries stay after they stopped: they are the run's history."""

    def __init__(self, faults: Iterable[Fault], now: float, rng: Random) -> None:
        self._entries: list[Entry] = []
        self._rng = rng
        self._active: Sequence[Fault] = ()
        self._valid_until = -math.inf
        for fault in faults:
            self.add(fault, now)

    def add(self, fault: Fault, now: float) -> Entry:
        """Puts a fault on the timeline, relative to `now`; ValueError if one of its name is there at the same time."""
        starts_at = now + fault.start_s
        stops_at = math.inf if fault.duration_s is None else starts_at + fault.duration_s
        names = {entry.name for entry in self._entries}
        name = fault.name or next(
            name for number in count(len(self._entries) + 1) if (name := f"{fault.kind}-{number}") not in names
        )
        if any(e.name == name and e.starts_at < stops_at and starts_at < e.stops_at for e in self._entries):
            raise ValueError(
                f"a fault named {name!r} is on the timeline at that time already: stop it first or choose another name"
            )
        entry = Entry(name, fault, starts_at, stops_at)
        self._entries.append(entry)
        self._valid_until = -math.inf
        return entry

    def stop(self, now: float, name: str | None = None) -> int:
        """Stops the faults of that name, or all; scheduled ones never start. Returns how many there were."""
        stopped = [e for e in self._entries if e.state(now) != "stopped" and name in (None, e.name)]
        for entry in stopped:
            entry.stops_at = now
        self._valid_until = -math.inf
        return len(stopped)

    def active(self, now: float) -> Sequence[Fault]:
        if now >= self._valid_until:
            self._active = tuple(entry.fault for entry in self._entries if entry.state(now) == "active")
            changes = (at for entry in self._entries for at in (entry.starts_at, entry.stops_at))
            self._valid_until = min((at for at in changes if at > now), default=math.inf)
        return self._active

    def concerning(self, call: Call, now: float) -> list[Fault]:
        """The active faults that strike this call; those with a share are drawn for it."""
        return [
            fault
            for fault in self.active(now)
            if fault.concerns(call) and (fault.share >= 1 or self._rng.random() < fault.share)
        ]

    def events(self, now: float) -> list[dict[str, Any]]:
        """What was on the timeline: for the admin API and the run folder. `started_at` is None if it never began."""
        return [
            {
                "name": entry.name,
                "kind": entry.fault.kind,
                "scope": _scope(entry.fault),
                "state": entry.state(now),
                "started_at": entry.starts_at if entry.starts_at < entry.stops_at else None,
                "stopped_at": entry.stops_at if entry.state(now) == "stopped" else None,
            }
            for entry in self._entries
        ]


def _scope(fault: Fault) -> dict[str, Any]:
    return fault.model_dump(exclude={"name", "kind", "start_s", "duration_s"}, exclude_none=True)
