"""Bedrock refuses: too much was asked."""

from __future__ import annotations

from typing import ClassVar, Literal

from embedded_aws.faults.errors import modelled
from embedded_aws.faults.fault import Fault
from embedded_aws.wire import AwsError


class Throttle(Fault):
    does: ClassVar[str] = "ThrottlingException 429"

    kind: Literal["throttle"] = "throttle"  # type: ignore[assignment]

    def refuse(self) -> AwsError | None:
        return modelled("ThrottlingException")
