"""What settings of all rooms are made of: a strict section, and numbers within their bounds."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """A settings section: unknown keys are errors, and nothing is coerced from another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _positive(value: float) -> float:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError("must be a number greater than 0")
    return value


def _variable_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*", value, re.ASCII):
        raise ValueError("must name an environment variable that holds the key, such as CONSUMER_A_KEY")
    return value


VariableName = Annotated[str, AfterValidator(_variable_name)]
Positive = Annotated[float, AfterValidator(_positive)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
