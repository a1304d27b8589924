"""No answer at all."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from embedded_aws.faults.fault import Fault


class ConnectionRefused(Fault):
    """The port is closed, for everybody: the admin API as well, so it must know when to open again."""

    does: ClassVar[str] = "nobody listens at the port, and open connections are reset; for everybody, this API too"

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
    does: ClassVar[str] = "TCP reset instead of an answer"

    kind: Literal["connection_reset"] = "connection_reset"  # type: ignore[assignment]

    def resets(self) -> bool:
        return True
