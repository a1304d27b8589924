"""Invocation logs that come late, or never."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from embedded_aws.faults.fault import Fault


class SlowLogs(Fault):
    does: ClassVar[str] = "invocation logs that much later"

    kind: Literal["slow_logs"] = "slow_logs"  # type: ignore[assignment]
    delay_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    def log_delay_s(self) -> float | None:
        return self.delay_s


class LostLogs(Fault):
    does: ClassVar[str] = "no invocation logs"

    kind: Literal["lost_logs"] = "lost_logs"  # type: ignore[assignment]

    def log_delay_s(self) -> float | None:
        return math.inf
