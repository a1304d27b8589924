"""Records meet invocations by request id, and nobody is lost."""

from pathlib import Path

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import files
from analysis.join import join, outcomes, regions_of_locust
from analysis.model import Invocation, outcome_of
from tests.analysis.histories import invocation, record, refused, rows, run, write


def test_each_side_keeps_what_the_other_does_not_know(tmp_path: Path) -> None:
    joined = rows(
        tmp_path,
        [record(request_id="1", latency_ms=700.0), record(request_id="2"), refused()],
        [invocation("3", account_id="333333333333"), invocation("1", inference_region="us-west-2")],
    )
    assert list(joined["side"]) == ["both", "record", "record", "invocation"]
    assert list(joined["request_id"]) == ["1", "2", "", "3"]
    both, alone, _, other = (joined.iloc[position] for position in range(4))
    assert (both["latency_ms"], both["invocation_latency_ms"], both["inference_region"]) == (700.0, 400.0, "us-west-2")
    assert pd.isna(alone["account_id"])
    assert pd.isna(alone["invocation_latency_ms"])
    assert other["account_id"] == "333333333333"
    assert pd.isna(other["pattern"])
    assert pd.isna(other["outcome"])
    assert isinstance(joined["pattern"].dtype, pd.CategoricalDtype)


def test_what_cloudwatch_delivered_twice_counts_once(tmp_path: Path) -> None:
    joined = rows(tmp_path, [record(request_id="1")], [invocation(request_id) for request_id in "1122"])
    assert list(joined["side"]) == ["both", "invocation"]


def test_an_invocation_confirms_one_answer_and_a_nameless_one_none(tmp_path: Path) -> None:
    """Ten answers with one request id, as a cache gives them, were one invocation."""
    records = [*[record(request_id="1")] * 3, *[record()] * 2]
    joined = rows(tmp_path, records, [invocation(""), invocation("1"), invocation("")])
    assert list(joined["side"]) == ["both", *["record"] * 4, *["invocation"] * 2]
    assert list(joined["request_id"]) == ["1", "1", "1", "", "", "", ""]


def test_without_invocations_there_are_the_records(tmp_path: Path) -> None:
    never_fetched = rows(tmp_path, [record(request_id="1")], None)
    nothing_there = rows(tmp_path, [record(request_id="1")], [])
    assert list(never_fetched["side"]) == list(nothing_there["side"]) == ["record"]
    assert list(never_fetched.columns) == list(nothing_there.columns)


ids = st.sampled_from(["", "1", "2", "3", "4"])


@settings(max_examples=50)
@given(st.lists(ids), st.sets(ids))
def test_nobody_is_lost_and_nobody_is_added(asked: list[str], known: set[str]) -> None:
    records = pd.DataFrame([{name: getattr(record(request_id=i), name) for name in record().columns()} for i in asked])
    records = records if asked else pd.DataFrame(columns=list(record().columns()))
    invocations = pd.DataFrame({"request_id": sorted(known)}, dtype=object).reindex(columns=list(Invocation.columns()))
    joined = join(records, invocations)
    assert list(joined["request_id"])[: len(asked)] == asked
    assert set(joined["request_id"][joined["side"] == "invocation"]) == known - (set(asked) - {""})
    first_of_known = [i in known and i not in ("", *asked[:place]) for place, i in enumerate(asked)]
    assert list(joined["side"] == "both")[: len(asked)] == first_of_known


cases = st.tuples(st.integers(0, 599), st.sampled_from(["", "error"]), st.sampled_from(["", "id"]))


@given(st.lists(cases, min_size=1))
def test_outcomes_are_those_of_the_model(cases: list[tuple[int, str, str]]) -> None:
    records = pd.DataFrame(cases, columns=["status", "error_type", "request_id"])
    assert list(outcomes(records)) == [outcome_of(*case) for case in cases]


def test_regions_stand_beside_locusts_statistics(tmp_path: Path) -> None:
    records = [record("A", request_id="1"), record("A", request_id="2"), record("B", request_id="3")]
    invocations = [invocation("1"), invocation("2", inference_region="us-west-2"), invocation("3", inference_region="")]
    folder = files.read(write(tmp_path, run(), records, invocations))
    assert folder.locust is not None
    locust = pd.concat([folder.locust, pd.DataFrame([{"Type": "GET", "Name": "/own", "Request Count": 7}])])
    beside = regions_of_locust(locust.reset_index(drop=True), join(folder.records, folder.invocations))
    assert list(beside["Name"]) == ["A", "B", "/own"]
    assert list(beside["Request Count"]) == [2, 1, 7]
    assert list(beside["invocations"]) == [2, 1, 0]
    assert list(beside["us-east-1"]) == [1, 0, 0]
    assert list(beside["us-west-2"]) == [1, 0, 0]
    assert "" not in beside
