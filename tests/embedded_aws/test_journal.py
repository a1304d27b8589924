"""The invocation journal: what is appended is found again, from memory or disk, when it has been delivered."""

from __future__ import annotations

import math
import resource
import stat
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded_aws.logs.blocks import FIELDS_MAX, LogGroup, flatten
from embedded_aws.logs.insights import Result, evaluate, parse
from embedded_aws.logs.journal import BLOCK, Journal

GROUP = LogGroup("111111111111", "us-east-1", "/aws/bedrock/modelinvocations")
TEN = 1_795_341_600  # 2026-11-22 10:00:00 UTC
CLOCK = {"now": float(TEN)}
SMALL = 20_000  # bytes: some twenty records


def clock() -> float:
    return CLOCK["now"]


def record(number: int, **members: Any) -> dict[str, Any]:
    return {
        "timestamp": f"2026-11-22T10:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "accountId": GROUP.account_id,
        "region": GROUP.region,
        "requestId": f"id-{number}",
        "operation": "Converse",
        "modelId": ("us.anthropic.claude-sonnet-4-6", "us.amazon.nova-lite-v1:0")[number % 2],
        "requestMetadata": {"run": f"r{number % 3}"},
        "input": {
            "inputContentType": "application/json",
            "inputBodyJson": {"messages": [{"role": "user", "content": [{"text": f"hi {number}, " + "x" * 500}]}]},
            "inputTokenCount": number,
        },
        "output": {
            "outputContentType": "application/json",
            "outputBodyJson": {"stopReason": "end_turn", "metrics": {"latencyMs": 10 * number}},
            "outputTokenCount": 5,
        },
        "identity": {"arn": "arn:aws:iam::111111111111:user/gateway"},
        "inferenceRegion": ("us-east-1", "us-west-2", "us-east-2")[number % 3],
        **members,
    }


@pytest.fixture
def journal(tmp_path: Path):
    journal = Journal(tmp_path, clock)
    yield journal
    journal.close()


@pytest.fixture
def small(tmp_path: Path):
    journal = Journal(tmp_path, clock, in_memory_bytes=SMALL)
    yield journal
    journal.close()


def append(journal: Journal, *records: dict[str, Any], group: LogGroup = GROUP, deliver_at: float = 0.0) -> None:
    for entry in records:
        journal.append(*group, entry, deliver_at)


def ask(
    journal: Journal, query: str, start_s: int = 0, end_s: int = 2 * TEN, now: float = TEN, groups: Any = (GROUP,)
) -> Result:
    CLOCK["now"] = now
    return evaluate(parse(query), journal.events(groups, start_s * 1000, end_s * 1000))


def ids(result: Result) -> list[str | None]:
    return [row[0] for row in result.rows]


def test_a_record_is_an_event_with_all_its_fields(journal: Journal):
    entry = record(7)
    append(journal, entry, deliver_at=TEN - 2.5)
    query = (
        "fields @timestamp, @ingestionTime, @logStream, @log, @message, requestId, requestMetadata.run, "
        "input.inputTokenCount, output.outputBodyJson.metrics.latencyMs, identity.arn, inferenceRegion, "
        "input.inputBodyJson.messages.0.role, errorCode, nothing"
    )
    (row,) = ask(journal, query).rows
    assert row[:-1] == (
        "2026-11-22 10:00:07.000",
        "2026-11-22 09:59:57.500",
        "aws/bedrock/modelinvocations",
        "111111111111:/aws/bedrock/modelinvocations",
        orjson.dumps(entry).decode(),
        "id-7",
        "r1",
        "7",
        "70",
        "arn:aws:iam::111111111111:user/gateway",
        "us-west-2",
        "user",
        None,
        None,
    )


def test_the_bounds_of_the_time_range_are_inclusive(journal: Journal):
    append(journal, *map(record, range(5)))
    assert ids(ask(journal, "fields requestId", TEN + 1, TEN + 3)) == ["id-3", "id-2", "id-1"]
    assert ids(ask(journal, "fields requestId", TEN + 9, TEN + 99)) == []


def test_an_event_is_seen_from_the_moment_of_its_delivery_and_never_if_it_is_lost(journal: Journal):
    append(journal, record(1), deliver_at=TEN + 2.0)
    append(journal, record(2), deliver_at=math.inf)
    append(journal, record(3), deliver_at=math.inf)
    assert ids(ask(journal, "fields requestId", now=TEN + 1.99)) == []
    assert ids(ask(journal, "fields requestId", now=TEN + 2.0)) == ["id-1"]
    assert ids(ask(journal, "fields requestId", now=TEN + 1e9)) == ["id-1"]
    assert (journal.stats()["records"], journal.stats()["lost"]) == (1, 2)


def test_accounts_regions_and_log_groups_are_apart_unless_asked_for_together(journal: Journal):
    other_account, other_region = GROUP._replace(account_id="222222222222"), GROUP._replace(region="us-west-2")
    groups = [GROUP, other_account, other_region, GROUP._replace(name="b")]
    for number, group in enumerate(groups):
        append(journal, record(number), group=group)
    for number, group in enumerate(groups):
        assert ids(ask(journal, "fields requestId", groups=[group])) == [f"id-{number}"]
    both = ask(journal, "stats count(*) by @log", groups=[GROUP, groups[3]])
    assert both.rows == [("111111111111:/aws/bedrock/modelinvocations", "1"), ("111111111111:b", "1")]
    assert ids(ask(journal, "fields requestId", groups=[GROUP._replace(name="empty")])) == []


def test_events_do_not_change_when_records_are_appended_later(journal: Journal):
    append(journal, *map(record, range(3)))
    events = journal.events([GROUP], 0, 2 * TEN * 1000)
    append(journal, *map(record, range(3, 2 * BLOCK)))
    assert ids(evaluate(parse("fields requestId"), events)) == ["id-2", "id-1", "id-0"]


def test_events_of_one_time_come_newest_first(journal: Journal):
    append(journal, *(record(60, requestId=f"x{n}") for n in range(3)))
    assert ids(ask(journal, "fields requestId")) == ["x2", "x1", "x0"]


def test_pointers_tell_all_events_apart_and_stay(small: Journal):
    append(small, *map(record, range(BLOCK + 40)))
    before = dict(ask(small, "fields requestId").rows)
    append(small, *map(record, range(BLOCK + 40, BLOCK + 90)))
    after = dict(ask(small, "fields requestId").rows)
    assert len(set(after.values())) == BLOCK + 90
    assert before.items() <= after.items()


# --- disk -----------------------------------------------------------------------------------------------------------


def test_the_oldest_records_go_to_disk_and_none_is_lost(small: Journal, tmp_path: Path):
    count = 3 * BLOCK + 17
    for number in range(count):
        append(small, record(number))
        assert small.stats()["bytes_in_memory"] <= SMALL
    assert small.stats()["bytes_on_disk"] > count * 700
    assert ask(small, "stats count(*), count_distinct(requestId), sum(input.inputTokenCount)").rows == [
        (str(count), str(count), str(sum(range(count))))
    ]
    on_disk = (tmp_path / "journal.jsonl").read_bytes().splitlines()
    assert [orjson.loads(line) for line in on_disk] == [record(number) for number in range(len(on_disk))]


def test_a_query_finds_the_same_on_disk_as_in_memory(journal: Journal, small: Journal):
    for number in range(BLOCK + 60):
        append(journal, record(number))
        append(small, record(number))
    assert small.stats()["bytes_on_disk"] > 0 == journal.stats()["bytes_on_disk"]
    for query in (
        "stats count(*), avg(output.outputBodyJson.metrics.latencyMs) by inferenceRegion, bin(1m)",
        "fields requestId, @message, input.inputBodyJson.messages.0.content.0.text | sort requestId | limit 100",
        'filter requestMetadata.run = "r1" and modelId like /nova/ | stats count(*) by inferenceRegion',
        "filter requestMetadata.other = 'x'",
    ):
        assert ask(small, query) == ask(journal, query)


def test_many_small_log_groups_stay_within_the_bound_too(small: Journal):
    groups = [GROUP._replace(account_id=f"{number:012d}") for number in range(50)]
    for turn in range(4):
        for group in groups:
            append(small, record(turn), group=group)
            assert small.stats()["bytes_in_memory"] <= SMALL
    for group in groups:
        assert ids(ask(small, "fields requestId", groups=[group])) == ["id-3", "id-2", "id-1", "id-0"]


def test_log_groups_that_share_a_block_are_told_apart(journal: Journal, small: Journal):
    groups = [GROUP._replace(account_id=f"{number:012d}") for number in range(7)]
    for number in range(90):
        for own in (journal, small):
            append(own, record(number, accountId=groups[number % 7].account_id), group=groups[number % 7])
    assert small.stats()["bytes_on_disk"] > 0 == journal.stats()["bytes_on_disk"]
    for query in (
        "fields @timestamp, @message, @log, requestId, errorCode, requestMetadata.run | sort requestId | limit 100",
        "stats count(*), count_distinct(requestId), sum(input.inputTokenCount) by accountId",
    ):
        for some in (groups[:1], groups[2:4], groups):
            assert ask(small, query, groups=some) == ask(journal, query, groups=some)


def test_it_takes_the_memory_that_it_says(tmp_path: Path):
    def grown(journal: Journal, records: int, groups: int) -> int:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(records):
            append(journal, record(number), group=GROUP._replace(account_id=names[number % groups]))
        return tracemalloc.get_traced_memory()[0] - before

    names, bound = [f"{number:012d}" for number in range(1_000)], 1 << 19
    tracemalloc.start()
    try:
        for groups in (1, 1_000):
            journal = Journal(tmp_path, clock, in_memory_bytes=bound)
            assert grown(journal, 2_000, groups) < bound * 5 // 4 + 1_000 * groups + 100 * 2_000
            assert grown(journal, 3_000, groups) < 100 * 3_000
            journal.close()
    finally:
        tracemalloc.stop()


def test_a_full_disk_loses_nothing(small: Journal, caplog: pytest.LogCaptureFixture):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL // 2, limits[1]))
    try:
        append(small, *map(record, range(100)))
        assert "cannot write to" in caplog.text
        assert len(caplog.records) < 50
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ids(ask(small, "fields requestId")) == [f"id-{n}" for n in reversed(range(100))]
    append(small, *map(record, range(100, 200)))
    assert small.stats()["bytes_in_memory"] <= SMALL
    assert ids(ask(small, "fields requestId")) == [f"id-{n}" for n in reversed(range(200))]


def test_the_files_are_for_the_owner_only_and_begin_empty(tmp_path: Path):
    (tmp_path / "journal.jsonl").write_text("of an earlier run")
    Journal(tmp_path, clock).close()
    assert (tmp_path / "journal.columns").stat().st_mode & 0o777 == stat.S_IRUSR | stat.S_IWUSR
    assert (tmp_path / "journal.jsonl").read_bytes() == b""


def test_events_can_be_read_in_another_thread_while_records_are_appended_and_go_to_disk(small: Journal):
    query = parse("stats count(*), count_distinct(requestId), count_distinct(@message)")
    answers = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for number in range(3 * BLOCK):
            append(small, record(number))
            if number % 25 == 0:
                events = small.events([GROUP], 0, 2 * TEN * 1000)
                answers.append((number + 1, pool.submit(evaluate, query, events)))
    assert small.stats()["bytes_on_disk"] > 0
    for count, answer in answers:
        assert answer.result().rows == [(str(count),) * 3]


# --- fields ---------------------------------------------------------------------------------------------------------


def test_of_a_long_event_only_the_first_fields_are_extracted(journal: Journal):
    entry = record(1)
    entry["input"]["inputBodyJson"]["messages"] = [{"role": "user"}] * FIELDS_MAX
    append(journal, entry)
    (row,) = ask(journal, "fields requestId, requestMetadata.run, inferenceRegion, output.outputTokenCount").rows
    assert row[:-1] == ("id-1", "r1", None, None)
    assert len(flatten(entry)) == FIELDS_MAX
    entry["input"]["inputBodyJson"]["messages"] = [{"role": "a, b, c"}] * 100
    assert flatten(entry)["inferenceRegion"] == "us-west-2"
    append(journal, entry)
    assert ids(ask(journal, "fields inferenceRegion | filter ispresent(inferenceRegion)")) == ["us-west-2"]


def test_flatten():
    event = {"a": {"b": [{"c": 1}, [True, None, 0.5]], "d": {}}, "e": "x", "f": None, "g": False}
    assert flatten(event) == {"a.b.0.c": 1, "a.b.1.0": 1, "a.b.1.2": 0.5, "e": "x", "g": 0}


scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)


def members(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=strategies)


# Members that usually are scalars or objects may be anything: what a column has must be what the record says.
odd_bodies = json_values | members(usage=json_values, metrics=members(latencyMs=json_values), stopReason=json_values)
odd_records = members(
    requestId=json_values,
    modelId=st.sampled_from(["m", "n"]),
    requestMetadata=st.dictionaries(st.sampled_from(["run", "x.y"]), st.text(max_size=2), max_size=2),
    identity=json_values | members(arn=json_values),
    input=members(inputTokenCount=json_values, inputBodyJson=json_values),
    output=json_values | members(outputBodyJson=odd_bodies),
    z=json_values,
)


@given(st.lists(odd_records, min_size=1, max_size=6), st.booleans())
def test_a_field_read_by_a_query_is_that_of_the_record(tmp_path_factory, entries: list[dict[str, Any]], on_disk: bool):
    journal = Journal(tmp_path_factory.mktemp("journal"), clock, in_memory_bytes=0 if on_disk else SMALL)
    try:
        entries = [{"timestamp": "2026-11-22T10:00:00Z", **entry} for entry in entries]
        append(journal, *entries)
        names = sorted(set().union(*map(flatten, entries)) | {"requestId", "input.inputTokenCount", "identity.arn"})
        events = journal.events([GROUP], 0, 2 * TEN * 1000)
        rows = events.rows(newest_first=False)
        for name, column in zip(names, events.load(names, rows), strict=True):
            assert [column.values[code] for code in column.codes] == [flatten(entry).get(name) for entry in entries]
        assert np.array_equal(rows, np.arange(len(entries)))
    finally:
        journal.close()
