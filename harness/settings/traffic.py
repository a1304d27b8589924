"""When a consumer's requests are due, as patterns.yaml says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from common.fields import Count, Positive, Seconds, Strict
from common.yaml_file import At


class Burst(Strict):
    """So many requests at once, again every `every_s` as long as the run lasts."""

    kind: Literal["burst"]
    requests: Count
    repeat: Count = 1
    every_s: Positive = 65.0  # a window of LiteLLM lasts 60 s from the first request that it counts


class Constant(Strict):
    """Evenly spaced requests."""

    kind: Literal["constant"]
    rate_per_s: Positive
    duration_s: Positive
    start_s: Seconds = 0.0


class Poisson(Strict):
    """Independent arrivals with exponentially distributed gaps."""

    kind: Literal["poisson"]
    rate_per_s: Positive
    duration_s: Positive
    start_s: Seconds = 0.0


class Ramp(Strict):
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


class Step(Strict):
    rate_per_s: Positive
    duration_s: Positive


class Steps(Strict):
    """One constant rate after another."""

    kind: Literal["steps"]
    steps: Annotated[list[Step], Field(min_length=1)]


class Trace(Strict):
    """Recorded arrivals: a CSV file with one column `seconds`, ascending from the start of the run."""

    kind: Literal["trace"]
    file: str


class Phases(Strict):
    """Several kinds one after another."""

    kind: Literal["phases"]
    phases: Annotated[list[Traffic], Field(min_length=1)]


Traffic = Annotated[
    Burst | Constant | Poisson | Ramp | Steps | Trace | Phases,
    Field(discriminator="kind"),
]
