"""What a fault is: whom it concerns, when, and what it may change. This one changes nothing; every other is a subclass.

A kind of fault is one small class in a file of this folder, found by the registry in `__init__.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from common.fields import Seconds, Strict
from embedded_aws.wire import AwsError

Share = Annotated[float, Field(gt=0, le=1)]


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

    does: ClassVar[str] = "nothing: a mark on the timeline"  # what clients see, for the documentation

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

    def expires_credentials_of(self) -> str | None:
        """The account whose credentials are past their time."""
        return None

    @classmethod
    def own_keys(cls) -> list[str]:
        """The keys that this kind has beside every fault's, or must be given."""
        return [name for name, of in cls.model_fields.items() if name not in Fault.model_fields or of.is_required()]
