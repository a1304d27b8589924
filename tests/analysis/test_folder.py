"""Run folders, sound and broken: what is read back, and what is said about what cannot be."""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.folder import reading, writing
from analysis.folder.errors import RunFolderError
from analysis.model import INVOCATIONS_CSV, LOCUST_STATS_CSV, REQUESTS_CSV, RUN_JSON, Invocation, Record
from tests.analysis.histories import T0, claim, invocation, record, refused, run, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(
        tmp_path / "runs" / "r", run(), [record(request_id="1"), refused()], [invocation("1", latency_ms=None)]
    )


def test_what_was_written_is_read_back(folder: Path) -> None:
    read = reading.read(folder)
    assert read.run == run()
    assert tuple(read.records.columns) == Record.columns()
    assert list(read.records["status"]) == [200, 429]
    assert list(read.records["request_id"]) == ["1", ""]
    assert list(read.records["error_type"]) == ["", "rate_limit_error"]
    assert read.records["ttft_ms"].isna().all()
    assert read.invocations is not None
    assert list(read.invocations["account_id"]) == ["111111111111"]
    assert read.invocations["latency_ms"].isna().all()
    assert read.locust is not None
    assert [entry.requests for entry in read.locust] == [2]


times = st.floats(946_684_800, 4_102_444_800)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)
numbers = st.floats(0, 2e9)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(
        st.builds(
            Record, run_id=texts, pattern=texts, user_class=texts, consumer=texts, intended_at=times,
            started_at=times, latency_ms=numbers, ttft_ms=st.none() | numbers, status=st.integers(0, 599),
            model_asked=texts, deployment=texts, retries=st.none() | st.integers(0, 9), fallbacks=st.none(),
            request_id=texts, error_type=texts, input_tokens=st.none() | st.integers(0, 2**53), output_tokens=st.none(),
            cost_usd=st.none() | numbers, gateway_overhead_ms=st.none(), streamed=st.booleans(),
        ),
        max_size=5,
    )
)  # fmt: skip
def test_any_record_survives_its_file(tmp_path: Path, records: list[Record]) -> None:
    path = tmp_path / REQUESTS_CSV
    path.write_text(Record.header_line() + "".join(one.line() for one in records), encoding="utf-8", newline="")
    read = reading.read_records(tmp_path)
    for name in Record.columns():
        expected = [getattr(one, name) for one in records]
        found = [None if value != value else value for value in read[name]]
        assert found == pytest.approx(expected) if read[name].dtype == "float64" else found == expected


def replace_line(file: Path, number: int, text: str) -> None:
    lines = file.read_text().splitlines(keepends=True)
    lines[number - 1] = text
    file.write_text("".join(lines))


def good_line(**cells: str) -> list[str]:
    line = dict(zip(Record.columns(), record(request_id="1").line().rstrip().split(","), strict=True))
    return list({**line, **cells}.values())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (",".join(good_line(latency_ms="fast")), "requests.csv:2: latency_ms: 'fast' is not a number."),
        (",".join(good_line(started_at="")), "requests.csv:2: started_at: '' is not a number."),
        (",".join(good_line(started_at="nan")), "requests.csv:2: started_at: 'nan' is not a number."),
        (",".join(good_line(status="2OO")), "requests.csv:2: status: '2OO' is not a number."),
        (",".join(good_line(status="9" * 22)), f"requests.csv:2: status: '{'9' * 22}' is too large."),
        (",".join(good_line(intended_at="0")), "requests.csv:2: intended_at: '0' is no time between 2000 and 2100."),
        (",".join(good_line(started_at="1e18")), "requests.csv:2: started_at: '1e18' is no time between 2000 and"),
        (",".join(good_line(latency_ms="1e18")), "requests.csv:2: latency_ms: '1e18' is longer than 30 days."),
        (",".join(good_line(latency_ms="1e308")), "requests.csv:2: latency_ms: '1e308' is longer than 30 days."),
        (",".join(good_line(ttft_ms="inf")), "requests.csv:2: ttft_ms: 'inf' is not a number."),
        (",".join(good_line(output_tokens="inf")), "requests.csv:2: output_tokens: 'inf' is not a number."),
        (",".join(good_line(output_tokens="1e300")), "requests.csv:2: output_tokens: '1e300' is too large."),
        (",".join(good_line(cost_usd="-inf")), "requests.csv:2: cost_usd: '-inf' is not a number."),
        (",".join(good_line(streamed="perhaps")), "requests.csv:2: streamed: 'perhaps' is neither True nor False."),
        (",".join(good_line()[:7]), "requests.csv:2: 7 cells, where the header has 25."),
        (",".join([*good_line(), "more"]), "requests.csv:2: 26 cells, where the header has 25."),
    ],
)
def test_a_bad_line_is_named(folder: Path, line: str, said: str) -> None:
    replace_line(folder / REQUESTS_CSV, 2, line + "\n")
    with pytest.raises(RunFolderError) as error:
        reading.read(folder)
    assert said in str(error.value)


def test_a_cut_off_last_line_is_truncation_even_where_its_cells_would_do(folder: Path) -> None:
    file = folder / REQUESTS_CSV
    file.write_text(file.read_text().rstrip("\n"))
    with pytest.raises(RunFolderError, match=r"requests\.csv:3: the last line is cut off: the file is truncated"):
        reading.read(folder)


INVOCATION = Invocation.header_line() + invocation("1").line()


def fault(started_at: str) -> str:
    return f'[{{"name": "x", "started_at": {started_at}, "stopped_at": null}}]'


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (REQUESTS_CSV, "", "requests.csv: is empty"),
        (INVOCATIONS_CSV, "", "invocations.csv: is empty"),
        (REQUESTS_CSV, "run_id,pattern\n", "requests.csv:1: the header lacks user_class"),
        (REQUESTS_CSV, "run,pattern\n", "requests.csv:1: column 1 of the header is 'run', not 'run_id'"),
        (RUN_JSON, "{", "run.json: Invalid JSON"),
        (RUN_JSON, '{"id": "r"}', "run.json: patterns: Field required"),
        (
            INVOCATIONS_CSV,
            INVOCATION.replace(",400.0,", ",inf,"),
            "invocations.csv:2: latency_ms: 'inf' is not a number",
        ),
        (INVOCATIONS_CSV, INVOCATION.replace(f"{T0 + 5}", "5"), "invocations.csv:2: at: '5' is no time between 2000"),
        ("fetch.json", "{}", "fetch.json: fetched_at: Field required. Run `uv run python -m analysis fetch "),
        ("faults.json", "[1]", "faults.json: must hold a list of faults"),
        ("faults.json", '[{"name": "x"}]', "faults.json: 0.started_at: Field required"),
        ("faults.json", fault("null"), "faults.json: 0.started_at: Input should be a valid number"),
        ("faults.json", fault("Infinity"), "faults.json: 0.started_at: Input should be a finite number"),
        ("faults.json", "[\n", "faults.json:2: is not JSON"),
        (LOCUST_STATS_CSV, "", "locust_stats.csv: cannot be read as Locust's statistics"),
        (LOCUST_STATS_CSV, "Type,Name\n", "locust_stats.csv:1: the header lacks 'Request Count'"),
        (LOCUST_STATS_CSV, "Type,Name,Request Count,Failure Count\np,A,2,0\n", "the file is truncated"),
        (
            LOCUST_STATS_CSV,
            "Type,Name,Request Count,Failure Count,Requests/s\np,A,2,0,N/A\np,B,2,0,abc\n,Aggregated,2,0,1\n",
            "locust_stats.csv:3: Requests/s: 'abc' is not a number.",
        ),
        (
            LOCUST_STATS_CSV,
            "Type,Name,Request Count,Failure Count\np,A,many,0\n,Aggregated,2,0\n",
            "locust_stats.csv:2: Request Count: 'many' is not a count.",
        ),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_named(folder: Path, name: str, content: str, said: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(RunFolderError) as error:
        reading.read(folder)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"started_at": 1e18}, "run.json: started_at: Input should be less than or equal to 4102444800"),
        ({"ended_at": 0}, "run.json: ended_at: Input should be greater than or equal to 946684800"),
        (
            {"self_check": {"gateway_requests": "12"}},
            "run.json: self_check.gateway_requests: Input should be a valid int",
        ),
        ({"self_check": {"lag_p99_ms": math.inf}}, "run.json: self_check.lag_p99_ms: is not a number"),
        ({"fetch": {"deadline_s": math.nan, "poll_s": 1}}, "run.json: fetch.deadline_s: is not a number"),
    ],
)
def test_a_run_whose_numbers_cannot_be_is_named(folder: Path, change: dict[str, Any], said: str) -> None:
    whole = json.loads((folder / RUN_JSON).read_text())
    (folder / RUN_JSON).write_text(json.dumps(whole | change))
    with pytest.raises(RunFolderError) as error:
        reading.read(folder)
    assert said in str(error.value)


@pytest.mark.parametrize("name", [RUN_JSON, REQUESTS_CSV])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(RunFolderError, match=rf"{name}: is missing"):
        reading.read(folder)


def test_a_folder_that_does_not_exist_names_those_that_do(folder: Path) -> None:
    with pytest.raises(RunFolderError, match=r"nope: there is no such run folder. There are: r\."):
        reading.read(folder.parent / "nope")


def test_a_run_without_requests_is_read(tmp_path: Path) -> None:
    assert reading.read(write(tmp_path / "r", run(), [], [])).records.empty


def test_writing_leaves_the_old_file_when_it_fails(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    writing.write_text(file, "old")

    def lines() -> object:
        yield "new"
        raise OSError(28, os.strerror(28))

    with pytest.raises(RunFolderError, match=r"report\.html: cannot be written: No space left on device"):
        writing.write_lines(file, lines())  # type: ignore[arg-type]
    assert file.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


# --- versions ---


def test_a_folder_of_the_first_format_is_read_as_todays(folder: Path) -> None:
    """It had no number, the parameter beside the claim's name, and said nothing of how the gateway routes."""
    whole = json.loads((folder / RUN_JSON).read_text())
    old = {name: value for name, value in whole.items() if name not in ("format", "made_by", "routing", "changes")}
    old["claims"] = [
        {"pattern": "p", "claim": "regions_at_least", "consumers": ["A"], "at_least": 2},
        {"pattern": "p", "claim": "all_answered", "consumers": [], "at_least": None},
    ]
    newer = ("provider", "region", "weight", "order", "limited")
    old["deployments"] = [{k: v for k, v in one.items() if k not in newer} for one in whole["deployments"]]
    (folder / RUN_JSON).write_text(json.dumps(old))
    claims = (claim("regions_at_least", "A", at_least=2), claim("all_answered"))
    assert reading.read_run(folder) == run().model_copy(update={"claims": claims})


@pytest.mark.parametrize(("made_by", "by"), [("9.1.0", "version 9.1.0"), ("", "the version")])
def test_a_folder_of_a_later_format_says_which_version_can_read_it(folder: Path, made_by: str, by: str) -> None:
    whole = json.loads((folder / RUN_JSON).read_text())
    (folder / RUN_JSON).write_text(json.dumps(whole | {"format": 3, "made_by": made_by, "phases": []}))
    with pytest.raises(RunFolderError) as error:
        reading.read_run(folder)
    assert str(error.value) == (
        f"{folder / RUN_JSON}: it is of format 3, and this version reads formats up to 2: use {by} of the harness that "
        "made it, or a later one"
    )


@pytest.mark.parametrize("number", ["2", 2.5, None, True])
def test_a_format_that_is_no_number_is_named(folder: Path, number: object) -> None:
    whole = json.loads((folder / RUN_JSON).read_text())
    (folder / RUN_JSON).write_text(json.dumps(whole | {"format": number}))
    with pytest.raises(RunFolderError, match=r"run\.json: format: "):
        reading.read_run(folder)
