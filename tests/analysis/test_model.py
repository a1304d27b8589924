"""What is written as a CSV line reads back as the same thing."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.model import Invocation, Record

# A CSV cell knows no difference between "" and None, and no control characters that end a line elsewhere.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
numbers = st.floats(allow_nan=False)
counts = st.none() | st.integers(0, 10**12)
sizes = st.none() | numbers
records = st.builds(
    Record,
    run_id=texts, pattern=texts, user_class=texts, consumer=texts, intended_at=numbers, started_at=numbers,
    latency_ms=numbers, ttft_ms=sizes, status=st.integers(0, 599), model_asked=texts, deployment=texts, retries=counts,
    fallbacks=counts, request_id=texts, error_type=texts, input_tokens=counts, output_tokens=counts, cost_usd=sizes,
    gateway_overhead_ms=sizes, streamed=st.booleans(), gap_mean_ms=sizes, gap_p50_ms=sizes, gap_p95_ms=sizes,
    gap_p99_ms=sizes, worker=texts,
)  # fmt: skip
RECORD = Record(
    "run", "fallback", "FallbackUser", "fallback", 1.5, 1.75, 412.0, None, 200, "primary", "primary-1", 0, 1, "id-1",
    "", 10, 5, 0.001, 2.5,
)  # fmt: skip


@given(st.lists(records, max_size=4))
def test_records_survive_their_lines(written: list[Record]) -> None:
    assert list(Record.parse_lines("".join(record.line() for record in written))) == written


def test_an_invocation_survives_its_line() -> None:
    invocation = Invocation(
        "id-1", 1.5, "111111111111", "us-east-1", "us-west-2", "model", "Converse", 9.0, None, 3, ""
    )
    assert list(Invocation.parse_lines(invocation.line())) == [invocation]


def test_a_line_has_a_cell_for_each_column() -> None:
    (cells,) = csv.reader(io.StringIO(RECORD.line()))
    assert len(cells) == len(Record.columns())


@pytest.mark.parametrize(
    "line",
    [
        RECORD.line().removesuffix("\n") + ",one more\n",
        RECORD.line().split(",", 1)[1],
        RECORD.line().replace(",412.0,", ",fast,"),
        RECORD.line().replace(",200,", ",2e2,"),
        RECORD.line().replace("False", "no"),
    ],
)
def test_a_line_that_is_no_record_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"cells where|could not convert|invalid literal|neither True nor False"):
        list(Record.parse_lines(line))
