from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from pydantic import model_validator

from common.fields import Positive, Seconds
from common.yaml_file import At
from harness.settings.traffic.kind import Kind


class Ramp(Kind):
    """A rate that changes linearly."""

    kind: Literal["ramp"]
    from_per_s: Seconds
    to_per_s: Seconds
    duration_s: Positive

    @model_validator(mode="after")
    def _not_nothing(self) -> Ramp:
        if self.from_per_s == self.to_per_s == 0:
            raise At(("to_per_s",), "is 0 like from_per_s: the ramp would send nothing")
        return self

    def once(self, seed: int) -> Iterator[float]:
        """Arrival k is due when the integral of the rate, from·t + slope·t²/2, reaches k."""
        slope = (self.to_per_s - self.from_per_s) / self.duration_s
        total = math.floor((self.from_per_s + self.to_per_s) / 2 * self.duration_s + 1e-9)
        for k in range(total):
            if slope == 0:
                yield k / self.from_per_s
            else:
                # The root of the quadratic in the form that does not cancel.
                root = math.sqrt(max(0.0, self.from_per_s**2 + 2 * slope * k))
                yield 2 * k / (self.from_per_s + root) if k else 0.0

    @property
    def length_s(self) -> float:
        return self.duration_s
