"""Records meet invocations by request id, and nobody is lost."""

from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.folder.locust_csv import LocustEntry
from analysis.model import Invocation, Outcome, outcome_of
from analysis.numbers.tables import locust_rows
from analysis.rows import Rows, join, outcomes
from tests.analysis.histories import invocation, record, refused, rows


def request_ids(of: Rows) -> list[str]:
    return list(of.column("request_id"))


def test_each_side_keeps_what_the_other_does_not_know(tmp_path: Path) -> None:
    joined = rows(
        tmp_path,
        [record(request_id="1", latency_ms=700.0), record(request_id="2"), refused()],
        [invocation("3", account_id="333333333333"), invocation("1", inference_region="us-west-2")],
    )
    assert request_ids(joined) == ["1", "2", "", "3"]
    both, alone, other = joined.matched, joined.unmatched_requests, joined.unmatched_invocations
    assert (request_ids(both), request_ids(alone), request_ids(other)) == (["1"], ["2", ""], ["3"])
    assert (both.latency_ms.tolist(), both.logged_latency_ms.tolist()) == ([700.0], [400.0])
    assert both.counts("inference_region") == {("us-west-2",): 1}
    assert alone.counts("account_id") == {}
    assert np.isnan(alone.logged_latency_ms).all()
    assert other.counts("account_id") == {("333333333333",): 1}
    assert other.counts("pattern") == other.counts("outcome") == {}


def test_what_cloudwatch_delivered_twice_counts_once(tmp_path: Path) -> None:
    joined = rows(tmp_path, [record(request_id="1")], [invocation(request_id) for request_id in "1122"])
    assert (request_ids(joined.matched), request_ids(joined.unmatched_invocations)) == (["1"], ["2"])


def test_an_invocation_confirms_one_answer_and_a_nameless_one_none(tmp_path: Path) -> None:
    """Ten answers with one request id, as a cache gives them, were one invocation."""
    records = [*[record(request_id="1")] * 3, *[record()] * 2]
    joined = rows(tmp_path, records, [invocation(""), invocation("1"), invocation("")])
    assert (len(joined.matched), len(joined.unmatched_requests), len(joined.unmatched_invocations)) == (1, 4, 2)
    assert request_ids(joined) == ["1", "1", "1", "", "", "", ""]


def test_without_invocations_there_are_the_records(tmp_path: Path) -> None:
    for invocations in (None, []):
        joined = rows(tmp_path, [record(request_id="1")], invocations)
        assert len(joined) == len(joined.unmatched_requests) == 1
        assert joined.counts("account_id") == {}


def test_parts_of_parts_are_the_rows_that_they_say(tmp_path: Path) -> None:
    records = [record("A", request_id="1"), refused("A"), record("B", 3, "2", deployment="b"), record("B", 2)]
    joined = rows(tmp_path, records, [invocation("1")])
    assert joined.counts("consumer", "outcome") == {
        ("A", "answered"): 1,
        ("A", "refused_by_gateway"): 1,
        ("B", "answered"): 2,
    }
    assert request_ids(joined.of("p", ["B"]).answered) == ["2", ""]
    assert len(joined.of("q")) == 0
    assert joined.unanswered.consumers == {"A"}
    assert [name for (name,) in joined.answered.split("consumer")] == ["A", "B"]
    assert joined.of("p", ["B"]).split("deployment")["group",].started_at.tolist() == [record(at=2).started_at]
    early = joined.answered.order_by(joined.answered.intended_at, joined.answered.latency_ms)
    assert early.texts("consumer").tolist() == ["B", "B", "A"]
    assert joined.codes("deployment", ["b", "group"]).tolist() == [1, -1, 0, 1]
    assert joined.with_outcome(Outcome.REFUSED_BY_GATEWAY).ids() == ()


ids = st.sampled_from(["", "1", "2", "3", "4"])


@settings(max_examples=50)
@given(st.lists(ids), st.sets(ids))
def test_nobody_is_lost_and_nobody_is_added(asked: list[str], known: set[str]) -> None:
    records = pd.DataFrame([{name: getattr(record(request_id=i), name) for name in record().columns()} for i in asked])
    records = records if asked else pd.DataFrame(columns=list(record().columns()))
    invocations = pd.DataFrame({"request_id": sorted(known)}, dtype=object).reindex(columns=list(Invocation.columns()))
    joined = join(records, invocations)
    assert request_ids(joined)[: len(asked)] == asked
    assert set(request_ids(joined.unmatched_invocations)) == known - (set(asked) - {""})
    first_of_known = [i for place, i in enumerate(asked) if i in known and i not in ("", *asked[:place])]
    assert request_ids(joined.matched) == first_of_known


cases = st.tuples(st.integers(0, 599), st.sampled_from(["", "error"]), st.sampled_from(["", "id"]))


@given(st.lists(cases, min_size=1))
def test_outcomes_are_those_of_the_model(cases: list[tuple[int, str, str]]) -> None:
    records = pd.DataFrame(cases, columns=["status", "error_type", "request_id"])
    assert list(outcomes(records)) == [outcome_of(*case) for case in cases]


def test_regions_stand_beside_locusts_statistics(tmp_path: Path) -> None:
    records = [record("A", request_id="1"), record("A", request_id="2"), record("B", request_id="3")]
    invocations = [invocation("1"), invocation("2", inference_region="us-west-2"), invocation("3", inference_region="")]
    counted = [LocustEntry("p", name, n, 0, None, None, None, None) for name, n in (("A", 2), ("B", 1), ("/own", 7))]
    beside = locust_rows(counted, rows(tmp_path, records, invocations))
    assert [row.entry for row in beside] == counted
    assert [row.invocations for row in beside] == [2, 1, 0]
    assert [row.regions for row in beside] == [
        {"us-east-1": 1, "us-west-2": 1},
        {"us-east-1": 0, "us-west-2": 0},
        {"us-east-1": 0, "us-west-2": 0},
    ]
