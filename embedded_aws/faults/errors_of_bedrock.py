"""Bedrock answers with any other of its errors."""

from __future__ import annotations

from typing import ClassVar, Literal

from embedded_aws.faults.errors import ErrorCode, modelled
from embedded_aws.faults.fault import Fault
from embedded_aws.wire import AwsError


class ServiceError(Fault):
    does: ClassVar[str] = "any error of the table below"

    kind: Literal["error"] = "error"  # type: ignore[assignment]
    error: ErrorCode
    message: str | None = None

    def refuse(self) -> AwsError | None:
        return modelled(self.error, self.message)
