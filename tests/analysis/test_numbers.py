"""Numbers from histories that are short enough to count by hand."""

import statistics
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import wording
from analysis.findings import Findings
from analysis.folder import reading
from analysis.numbers import tables
from analysis.numbers.accounts import accounts_of
from analysis.numbers.proportion import Proportion
from analysis.numbers.stats import Distribution, distribution
from analysis.rows import Doubt
from tests.analysis.histories import consumer, deployment, findings, invocation, record, refused, rows, run, write


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),  # Wilson's interval, from Newcombe 1998 and Brown, Cai & DasGupta 2001
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_those_of_the_literature(count: int, of: int, low: float, high: float) -> None:
    assert Proportion(count, of).interval == pytest.approx((low, high), abs=5e-5)


def test_a_proportion_of_nothing_is_unknown() -> None:
    assert Proportion(0, 0).share is None
    assert Proportion(0, 0).interval is None


@pytest.mark.parametrize(
    ("count", "of", "text"),
    [(0, 0, "—"), (0, 9, "0 %"), (9, 9, "100 %"), (999, 1000, "99.9 %"), (99_999, 100_000, "99.999 %"),
     (1, 100_000, "0.001 %"), (2, 3, "66.7 %")],
)  # fmt: skip
def test_percentages_are_rounded_honestly(count: int, of: int, text: str) -> None:
    assert wording.percent(Proportion(count, of)) == text


@pytest.mark.parametrize(
    ("count", "of", "text"),
    [(0, 0, "—"), (10, 10, "72.2–100 %"), (100_000, 100_000, "99.9–100 %"), (0, 100_000, "0–0.1 %"),
     (99_999, 100_000, "99.9–99.9999 %"), (1, 1_000_000, "0.00001–0.1 %")],
)  # fmt: skip
def test_intervals_are_rounded_outwards(count: int, of: int, text: str) -> None:
    assert wording.interval(Proportion(count, of)) == text


@given(st.integers(1, 10**9).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_a_printed_share_lies_within_its_printed_interval(counts: tuple[int, int]) -> None:
    """And neither reaches 0 or 100 but where it is."""
    proportion = Proportion(*counts)
    share, interval = wording.percent(proportion)[:-2], wording.interval(proportion)[:-2]
    low, high = interval.split("–")
    assert Fraction(low) <= Fraction(share) <= Fraction(high)
    assert proportion.interval is not None
    for printed, exact in zip((share, low, high), (proportion.share, *proportion.interval), strict=True):
        assert (Fraction(printed) in (0, 100)) == (exact in (0, 1))


@pytest.mark.parametrize(
    ("amount", "text"),
    [(None, "—"), (0, "$0.00"), (1234.5, "$1,234.50"), (0.0042, "$0.0042"), (0.00001234, "$0.00001234"),
     (1e-9, "$0.000000001"), (0.99994, "$0.9999"), (0.99999, "$1.00")],
)  # fmt: skip
def test_money_is_neither_nothing_nor_a_power_of_ten(amount: float | None, text: str) -> None:
    assert wording.dollars(amount) == text


def test_a_command_is_as_it_must_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert wording.command("judge", tmp_path / "runs" / "1") == "uv run python -m analysis judge runs/1"
    assert wording.command("all", Path("/my runs/1")) == "uv run python -m analysis all '/my runs/1'"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "—"), (float("nan"), "—"), (412.4, "0.412 s"), (12_345, "12.3 s"), (185_000, "3 min 5 s")],
)
def test_durations(value: float | None, text: str) -> None:
    assert wording.seconds(value) == text


def test_a_long_list_says_how_much_more_there_is() -> None:
    assert wording.listing(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"
    assert wording.listing(["B", "C"]) == "B and C"


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=700))
def test_percentiles_are_samples_by_nearest_rank(values: list[float]) -> None:
    found, ordered = distribution(np.array(values)), sorted(values)
    assert found.n == len(values)
    assert found.max == ordered[-1]
    assert found.mean == pytest.approx(statistics.fmean(values))
    for percent, needed, value in ((50, 5, found.p50), (95, 59, found.p95), (99, 299, found.p99)):
        if len(values) < needed:
            assert value is None
        else:
            assert value in values
            assert sum(one <= value for one in values) * 100 >= percent * len(values)
            assert sum(one < value for one in values) * 100 < percent * len(values)


def test_what_was_not_measured_is_no_sample() -> None:
    assert distribution(np.array([np.nan, 3.0])) == Distribution(1, 3.0, None, None, None, 3.0)
    assert distribution(np.array([np.nan])).mean is None


def test_a_consumers_row_counts_each_outcome_and_times_the_answered(tmp_path: Path) -> None:
    joined = rows(
        tmp_path,
        [
            record("A", request_id="1", latency_ms=400.0, cost_usd=0.25),
            record("A", request_id="2", latency_ms=600.0, retries=2, fallbacks=1),
            record("A", request_id="3", status=429, error_type="ThrottlingException", latency_ms=5.0),
            record("A", status=0, error_type="timeout", latency_ms=60_000.0, input_tokens=None, output_tokens=None),
            refused("A"),
            record("B", 4, "4", started_at=record(at=4).started_at + 0.25),
        ],
        [invocation("1"), invocation("3", error_code="ThrottlingException")],
    )
    b, a = tables.consumers(joined)
    assert (a.consumer, a.sent, a.answered) == ("A", 5, 2)
    assert (a.refused_by_gateway, a.refused_by_bedrock, a.failed) == (1, 1, 1)
    assert a.success == Proportion(2, 5)
    assert (a.latency_ms.n, a.latency_ms.mean, a.latency_ms.max) == (2, 500.0, 600.0)
    assert (a.input_tokens, a.output_tokens, a.cost_usd) == (40, 20, 0.25)
    assert (a.retries, a.fallbacks, a.invocations) == (2, 1, 2)
    assert a.errors == {"ThrottlingException": 1, "timeout": 1, "rate_limit_error": 1}
    assert (b.consumer, b.cost_usd, b.queued_ms.mean) == ("B", None, pytest.approx(250, abs=0.1))


def test_output_speed_runs_from_the_first_content_to_the_last(tmp_path: Path) -> None:
    at = record().intended_at
    streamed = record(
        request_id="1", started_at=at + 0.5, latency_ms=2700.0, ttft_ms=200.0, output_tokens=100, streamed=True
    )
    (row,) = tables.consumers(rows(tmp_path, [streamed, record(request_id="2")]))
    assert row.output_tokens_per_s.n == 1
    assert row.output_tokens_per_s.mean == pytest.approx(50)  # 100 tokens in 2.7 - 0.5 - 0.2 s


def test_regions_count_what_bedrock_served(tmp_path: Path) -> None:
    joined = rows(
        tmp_path,
        [record(request_id=i) for i in "1234"],
        [
            invocation("1", inference_region="us-west-2"),
            invocation("2"),
            invocation("3", inference_region="us-west-2", latency_ms=None),
            invocation("4", inference_region="us-east-2", error_code="ThrottlingException"),
        ],
    )
    west, east = tables.regions(joined)
    assert (west.region, west.invocations, west.latency_ms.n) == ("us-west-2", Proportion(2, 3), 1)
    assert (east.region, east.invocations) == ("us-east-1", Proportion(1, 3))


def test_served_by_counts_answers_by_deployment(tmp_path: Path) -> None:
    joined = rows(tmp_path, [record(deployment="a"), record(deployment="b"), record(deployment="b"), refused()])
    assert [(row.deployment, row.requests) for row in tables.served_by(joined)] == [
        ("b", Proportion(2, 3)),
        ("a", Proportion(1, 3)),
    ]


def test_a_ledger_that_closes(tmp_path: Path) -> None:
    records = [record(request_id="1"), refused()]
    path = write(tmp_path, run(), records, [invocation("1"), invocation("2", error_code="Throttled")])
    ledger = findings(path).ledger
    assert ledger.closes
    assert (ledger.sent, ledger.answered, ledger.refused_by_gateway, ledger.locust_sent) == (2, 1, 1, 2)
    assert (ledger.invocations, ledger.unmatched_invocations) == (2, 1)
    assert ledger.amplification == 2.0


def test_a_region_that_is_not_told_is_none(tmp_path: Path) -> None:
    joined = rows(
        tmp_path,
        [record(request_id="1"), record(request_id="2")],
        [invocation("1"), invocation("2", inference_region="")],
    )
    assert [(row.region, row.invocations) for row in tables.regions(joined)] == [("us-east-1", Proportion(1, 1))]


def test_the_ledger_confirms_an_answer_once_by_a_good_invocation_of_its_own(tmp_path: Path) -> None:
    names = ["1", "1", "1", "2", "3", "", ""]
    invocations = [invocation("1"), invocation("2", error_code="ModelStreamErrorException"), invocation("")]
    ledger = findings(write(tmp_path, run(), [record(request_id=name) for name in names], invocations)).ledger
    assert (ledger.answered, ledger.answered_matched, ledger.closes) == (7, 1, False)
    assert ledger.doubts == {Doubt.NAMELESS: 2, Doubt.REPEATED: 2, Doubt.MISSING: 1, Doubt.ERRED: 1}
    assert [problem[:55] for problem in ledger.problems()] == [
        "2 of 7 answers came without Bedrock's request id, so no",
        "2 of 7 answers have the request id of another answer, a",
        "CloudWatch has no invocation for 1 of 7 answered reques",
        "CloudWatch logged an error for 1 of 7 answered requests",
    ]


@pytest.mark.parametrize("change", [{"run_id": "another"}, {"pattern": "q"}, {"consumer": "B"}])
def test_records_that_cannot_be_the_runs_are_told(tmp_path: Path, change: dict[str, str]) -> None:
    records = [record(request_id="1"), replace(record(request_id="2"), **change)]
    ledger = findings(write(tmp_path, run(), records, [])).ledger
    assert ledger.foreign_records == 1
    assert ledger.problems()[0] == (
        "1 record is another run's, or of a consumer or pattern that this run does not have."
    )


def test_a_ledger_that_does_not_says_where(tmp_path: Path) -> None:
    records = [record(request_id="1"), record(request_id="2")]
    folder = reading.read(write(tmp_path, run(), records, [invocation("1")]))
    assert folder.locust is not None
    one_more = replace(folder, locust=(replace(folder.locust[0], requests=3),))
    assert Findings(one_more).ledger.problems() == [
        "Locust counted 3 requests of A, and the records hold 2.",
        "CloudWatch has no invocation for 1 of 2 answered requests.",
    ]
    assert Findings(replace(folder, locust=None, invocations=None)).ledger.problems() == [
        "Locust's statistics are missing, so nothing confirms that the records are complete.",
        "CloudWatch was never asked.",
    ]


@pytest.mark.parametrize(
    ("saw", "problems", "notes"),
    [
        (None, [], []),
        (2, [], []),
        (1, ["The gateway's own log has 1 request, and the records hold 2 that it answered."], []),
        (5, [], ["The gateway's own log has 3 more than the records: others use it too, or a request was broken off."]),
    ],
)
def test_the_gateways_own_count(tmp_path: Path, saw: int | None, problems: list[str], notes: list[str]) -> None:
    """Of what went through it and came back; a request without an answer may have been broken off before it arrived."""
    consumers = [consumer("A"), consumer("B", route="direct", profile="one", model="m")]
    records = [
        record("A", request_id="1"),
        refused("A"),
        record("A", status=0, error_type="timeout"),
        record("B", 5, "2"),
    ]
    of = run(consumers=consumers, self_check={"gateway_requests": saw})
    ledger = findings(write(tmp_path, of, records, [invocation("1"), invocation("2")])).ledger
    assert (ledger.gateway_saw, ledger.gateway_answered) == (saw, 2)
    assert (ledger.problems(), ledger.closes, ledger.notes()) == (problems, not problems, notes)


def test_the_accounts_of_a_consumer_are_those_of_its_deployments() -> None:
    one = run(deployments=[deployment("d1"), deployment("d2", account_id=None, profile="two")])
    assert accounts_of(one, consumer()) == {"111111111111", "222222222222"}
    assert accounts_of(one, consumer(route="direct", profile="two")) == {"222222222222"}
    assert accounts_of(run(deployments=[deployment(account_id=None, profile="x")]), consumer()) is None
    assert accounts_of(one, consumer(model="none")) is None


def test_what_a_broken_stream_cost_is_told_by_cloudwatch_and_the_gateways_prices(tmp_path: Path) -> None:
    """Two streams, of which one broke off: neither tells a cost, the broken one not even its tokens."""
    whole = record("A", request_id="1", streamed=True, input_tokens=10, output_tokens=20)
    broken = record(
        "A", request_id="2", streamed=True, error_type="broken_stream", input_tokens=None, output_tokens=None
    )
    joined = rows(tmp_path, [whole, broken], [invocation("1"), invocation("2", input_tokens=10, output_tokens=7)])
    priced = deployment(usd_per_input_token=0.001, usd_per_output_token=0.01)
    (row,) = tables.consumers(joined, [priced])
    assert (row.input_tokens, row.output_tokens, row.wasted_tokens) == (20, 27, 7)
    assert row.cost_usd == pytest.approx(20 * 0.001 + 27 * 0.01)
    assert row.wasted_usd == pytest.approx(10 * 0.001 + 7 * 0.01)

    (unpriced,) = tables.consumers(joined)
    assert (unpriced.wasted_tokens, unpriced.cost_usd, unpriced.wasted_usd) == (7, None, None)
