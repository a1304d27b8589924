"""Numbers as LiteLLM's files write them: 10, "10", 10.0, 1e5, which to YAML 1.1 is a text."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def whole(value: Any) -> Any:
    """A whole number, where the value is one in any of these ways. Raises ValueError for what is none."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, str | float):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isfinite(number) and number == int(number):
            return int(number)
    raise ValueError(f"must be a whole number, not {value!r}")


def real(value: Any) -> Any:
    """A finite number, in quotes or not. Raises ValueError for what is none."""
    if value is None:
        return None
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise ValueError(f"must be a number, not {value!r}")


Whole = Annotated[int, BeforeValidator(whole), Field(ge=1)]
Real = Annotated[float, BeforeValidator(real), Field(ge=0)]
