"""Numbers in quotes, with a point or an exponent are numbers; nothing else is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.litellm.numbers import real, whole


@pytest.mark.parametrize(
    ("written", "number"),
    [(10, 10), ("10", 10), (10.0, 10), ("10.0", 10), ("1e5", 100_000), (" 7 ", 7), ("1_000", 1_000), (0, 0), (-1, -1),
     (None, None)],
)  # fmt: skip
def test_whole(written, number):
    assert whole(written) == number
    assert isinstance(whole(written), int | None)


@pytest.mark.parametrize(
    "written", ["", "many", "3.5", 3.5, True, False, math.nan, math.inf, "inf", "nan", [], {}, "0x10", "1,000"]
)
def test_no_whole_number(written):
    with pytest.raises(ValueError, match="must be a whole number, not "):
        whole(written)


@pytest.mark.parametrize(("written", "number"), [(2, 2.0), ("0.5", 0.5), (0.25, 0.25), (0, 0.0), (None, None)])
def test_real(written, number):
    assert real(written) == number


@pytest.mark.parametrize("written", ["", "half", True, math.nan, "inf", [], 10**400])
def test_no_real_number(written):
    with pytest.raises(ValueError, match="must be a number, not "):
        real(written)


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_is_the_same_however_it_is_written(number):
    for written in (number, str(number), float(number), f"{number}.0", f"{number}e0", f" {number} "):
        assert whole(written) == number


@given(st.text() | st.floats() | st.integers() | st.booleans())
def test_any_value_is_a_number_or_refused(value):
    for read in (whole, real):
        try:
            number = read(value)
        except ValueError:
            continue
        assert math.isfinite(number)
