"""Answers that come later."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from common.fields import Seconds
from embedded_aws.faults.fault import Fault, Pace


class Latency(Fault):
    does: ClassVar[str] = "a later first token; `multiply` also stretches the gaps"

    kind: Literal["latency"] = "latency"  # type: ignore[assignment]
    add_ms: Seconds = 0.0
    multiply: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0

    def pace(self, pace: Pace) -> Pace:
        return Pace(pace.first_token_ms * self.multiply + self.add_ms, pace.per_token_ms * self.multiply)
