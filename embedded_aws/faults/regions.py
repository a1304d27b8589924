"""A Region that serves nobody."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from embedded_aws.faults.errors import modelled
from embedded_aws.faults.fault import Fault
from embedded_aws.wire import AwsError


class RegionDown(Fault):
    """The Region serves nobody: profiles go elsewhere, and whoever calls the Region itself is refused."""

    does: ClassVar[str] = "callers of the Region: ServiceUnavailableException; profiles avoid it"

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
