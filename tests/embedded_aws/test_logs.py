"""CloudWatch Logs through boto3's own client, serializer and parser; only the wire between is replaced by a call.

Every answer is held against botocore's service model: no member that it does not know, no value of another type.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from embedded_aws.logs.insights import evaluate
from embedded_aws.logs.journal import Journal
from embedded_aws.logs.service import Logs, LogsSettings
from embedded_aws.wire import AwsError, Caller, Request
from tests.embedded_aws.test_journal import TEN, record

GROUP = "/aws/bedrock/modelinvocations"
OTHER = "/aws/bedrock/other"
ONE, TWO = "111111111111", "222222222222"
ARN = f"arn:aws:logs:us-east-1:{ONE}:log-group:{GROUP}"


class Inline(Executor):
    """Does at once what a thread would do."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class World:
    """A journal and its Logs on a clock that stands still unless it is set."""

    def __init__(self, directory: Path, settings: LogsSettings | None = None, executor: Executor | None = None) -> None:
        self.now = float(TEN + 3600)
        self.journal = Journal(directory, lambda: self.now)
        self.logs = Logs(self.journal, [GROUP, OTHER], lambda: self.now, settings, executor or Inline())
        self.authorized: list[tuple[str, list[str]]] = []
        self.denied: str | None = None

    def close(self) -> None:
        self.logs.close()
        self.journal.close()

    def append(self, *entries: Any, account: str = ONE, region: str = "us-east-1", group: str = GROUP) -> None:
        for entry in entries:
            self.journal.append(account, region, group, entry, 0.0)

    def authorize(self, action: str, resources: Sequence[str]) -> None:
        self.authorized.append((action, list(resources)))
        if action == self.denied:
            raise AwsError(400, "AccessDeniedException", f"not authorized to perform: {action}")

    def call(self, target: str, body: bytes, account: str = ONE, region: str = "us-east-1") -> tuple[int, bytes]:
        caller = Caller("AKIA", account, f"arn:aws:iam::{account}:user/u", "AIDA", region, "logs")
        request = Request("POST", "/", "", {"x-amz-target": target}, body, self.now)
        try:
            response = self.logs.handle(request, caller, self.authorize)
        except AwsError as error:
            return error.status, json.dumps({"__type": error.code, "message": error.message}).encode()
        assert response.headers["content-type"] == "application/x-amz-json-1.1"
        assert isinstance(response.body, bytes)
        return response.status, response.body

    def refusal(self, operation: str, given: Any) -> tuple[str, str]:
        """(code, message) for a request that botocore would not build."""
        body = given if isinstance(given, bytes) else json.dumps(given).encode()
        status, answer = self.call(f"Logs_20140328.{operation}", body)
        assert status == 400
        error = json.loads(answer)
        return error["__type"], error["message"]

    def client(self, account: str = ONE, region: str = "us-east-1") -> Any:
        client = boto3.client(
            "logs",
            region_name=region,
            aws_access_key_id="AKIA",
            aws_secret_access_key="secret",
            endpoint_url="http://logs.invalid",
            config=Config(retries={"total_max_attempts": 1}),
        )

        def send(request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
            assert isinstance(request.body, bytes)
            status, body = self.call(request.headers["X-Amz-Target"].decode(), request.body, account, region)
            if status == 200:
                model = client.meta.service_model.operation_model(event_name.rsplit(".", 1)[1])
                report = ParamValidator().validate(json.loads(body), model.output_shape)
                assert not report.has_errors(), report.generate_report()
            return AWSResponse(request.url, status, {}, Raw(body))

        client.meta.events.register("before-send.logs", send)
        return client


class Raw:
    """What urllib3 would have given."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def start(client: Any, query: str = "fields requestId", **given: Any) -> str:
    if not any(name.startswith("logGroup") for name in given):
        given["logGroupName"] = GROUP
    return client.start_query(**{"startTime": TEN, "endTime": TEN + 3600, "queryString": query, **given})["queryId"]


def finish(world: World, client: Any, query: str = "fields requestId", **given: Any) -> dict[str, Any]:
    query_id = start(client, query, **given)
    world.now += 10
    results = client.get_query_results(queryId=query_id)
    assert results["status"] == "Complete"
    return results


def first_cells(results: dict[str, Any]) -> list[str]:
    return [row[0]["value"] for row in results["results"]]


def error_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


# --- queries --------------------------------------------------------------------------------------------------------


def test_a_query_passes_through_scheduled_and_running_to_complete(world: World):
    world.append(*map(record, range(4)))
    client = world.client()
    query_id = start(client)
    seen = []
    for _ in range(5):
        results = client.get_query_results(queryId=query_id)
        seen.append((results["status"], first_cells(results)))
        world.now += 1 / 16
    assert seen == [
        ("Scheduled", []),
        ("Running", ["id-3", "id-2"]),
        ("Running", ["id-3", "id-2"]),
        ("Running", ["id-3", "id-2"]),
        ("Complete", ["id-3", "id-2", "id-1", "id-0"]),
    ]


def test_stats_of_a_running_query_count_a_part(world: World):
    world.append(*map(record, range(10)))
    client = world.client()
    query_id = start(client, "stats count(*) as n")
    world.now += 0.1
    assert first_cells(client.get_query_results(queryId=query_id)) == ["5"]
    world.now += 1
    assert first_cells(client.get_query_results(queryId=query_id)) == ["10"]


def test_rows_are_fields_and_texts_without_cells_that_have_no_value(world: World):
    world.append(record(7))
    results = finish(world, world.client(), "fields @timestamp, errorCode, input.inputTokenCount as tokens")
    (row,) = results["results"]
    assert row[:2] == [
        {"field": "@timestamp", "value": "2026-11-22 10:00:07.000"},
        {"field": "tokens", "value": "7"},
    ]
    assert row[2]["field"] == "@ptr"
    assert len(row) == 3


def test_statistics(world: World):
    entries = [record(number) for number in range(10)]
    world.append(*entries)
    results = finish(world, world.client(), "filter input.inputTokenCount > 3 | limit 2", endTime=TEN + 7)
    statistics = results["statistics"]
    assert (statistics["recordsMatched"], statistics["recordsScanned"], statistics["resultCount"]) == (4, 8, 2)
    assert statistics["bytesScanned"] == sum(len(json.dumps(e, separators=(",", ":"))) for e in entries[:8])
    assert statistics["logGroupsScanned"] == 1


def test_large_results_are_read_by_pages(world: World):
    world.append(*map(record, range(7)))
    client = world.client()
    query_id = start(client)
    world.now += 1
    pages = []
    given: dict[str, Any] = {}
    while True:
        page = client.get_query_results(queryId=query_id, maxItems=3, **given)
        pages.append(first_cells(page))
        if "nextToken" not in page:
            break
        given = {"nextToken": page["nextToken"]}
    assert pages == [["id-6", "id-5", "id-4"], ["id-3", "id-2", "id-1"], ["id-0"]]


def test_a_page_has_ten_thousand_rows_at_most(world: World):
    world.append(*(record(0) for _ in range(10_001)))
    client = world.client()
    query_id = start(client, limit=100_000)
    world.now += 1
    page = client.get_query_results(queryId=query_id)
    rest = client.get_query_results(queryId=query_id, nextToken=page["nextToken"])
    assert (len(page["results"]), len(rest["results"]), "nextToken" in rest) == (10_000, 1, False)
    unlimited = finish(world, client)
    assert (len(unlimited["results"]), "nextToken" in unlimited) == (10_000, False)


def test_a_token_of_another_query_is_refused(world: World):
    world.append(*map(record, range(3)))
    client = world.client()
    one, other = start(client), start(client)
    world.now += 1
    token = client.get_query_results(queryId=one, maxItems=1)["nextToken"]
    for query_id, bad in ((other, token), (one, "nonsense"), (one, "////"), (one, token[:-4])):
        with pytest.raises(ClientError) as caught:
            client.get_query_results(queryId=query_id, nextToken=bad)
        assert error_of(caught) == ("InvalidParameterException", "The specified nextToken is invalid.")


def test_the_request_s_limit_applies(world: World):
    world.append(*map(record, range(5)))
    assert len(finish(world, world.client(), limit=2)["results"]) == 2


def test_times_are_inclusive_seconds(world: World):
    world.append(*map(record, range(5)))
    assert first_cells(finish(world, world.client(), startTime=TEN + 1, endTime=TEN + 2)) == ["id-2", "id-1"]
    assert first_cells(finish(world, world.client(), startTime=TEN + 3, endTime=TEN + 3)) == ["id-3"]


def test_only_what_was_delivered_when_the_query_started_is_found(world: World):
    world.journal.append(ONE, "us-east-1", GROUP, record(1), world.now + 2)
    client = world.client()
    early = start(client)
    world.now += 2
    late = start(client)
    world.now += 10
    assert first_cells(client.get_query_results(queryId=early)) == []
    assert first_cells(client.get_query_results(queryId=late)) == ["id-1"]


def test_several_log_groups_by_name_or_arn(world: World):
    world.append(record(1))
    world.append(record(2), group=OTHER)
    client = world.client()
    query = "stats count(*) as n by @log | sort @log | display n, @log"
    both = [["1", f"{ONE}:{GROUP}"], ["1", f"{ONE}:{OTHER}"]]
    for groups in (
        {"logGroupNames": [GROUP, OTHER]},
        {"logGroupIdentifiers": [ARN, OTHER]},
        {"logGroupNames": [GROUP, OTHER, GROUP]},
    ):
        results = finish(world, client, query, **groups)
        assert [[cell["value"] for cell in row] for row in results["results"]] == both
    assert results["statistics"]["logGroupsScanned"] == 2
    assert first_cells(finish(world, client, logGroupIdentifiers=[ARN])) == ["id-1"]


def test_accounts_and_regions_see_their_own_events_and_queries(world: World):
    world.append(record(1))
    world.append(record(2), account=TWO)
    world.append(record(3), region="us-west-2")
    mine = world.client()
    query_id = start(mine)
    for client, expected in ((world.client(TWO), "id-2"), (world.client(region="us-west-2"), "id-3")):
        assert first_cells(finish(world, client)) == [expected]
        assert query_id not in str(client.describe_queries())
        for operation in (client.get_query_results, client.stop_query):
            with pytest.raises(client.exceptions.ResourceNotFoundException):
                operation(queryId=query_id)
    assert first_cells(mine.get_query_results(queryId=query_id)) == ["id-1"]


# --- stopping, describing, forgetting ---------------------------------------------------------------------------------


def test_a_stopped_query_is_cancelled_for_good(world: World):
    world.append(*map(record, range(4)))
    client = world.client()
    query_id = start(client)
    assert client.stop_query(queryId=query_id)["success"] is True
    world.now += 60
    results = client.get_query_results(queryId=query_id)
    assert (results["status"], results["results"]) == ("Cancelled", [])
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.stop_query(queryId=query_id)


def test_a_query_that_has_ended_cannot_be_stopped(world: World):
    client = world.client()
    query_id = start(client)
    world.now += 1
    with pytest.raises(client.exceptions.InvalidParameterException, match="ended"):
        client.stop_query(queryId=query_id)


def test_describe_queries_newest_first_by_status_group_and_page(world: World):
    client = world.client()
    first = start(client, "fields a")
    world.now += 1
    second = start(client, "fields b", logGroupName=OTHER)
    third = start(client, "fields c", logGroupNames=[GROUP, OTHER])
    client.stop_query(queryId=third)

    def described(**given: Any) -> list[str]:
        return [query["queryId"] for query in client.describe_queries(**given)["queries"]]

    assert described() == [third, second, first]
    assert described(logGroupName=OTHER) == [second]
    assert described(status="Scheduled") == [second]
    assert described(status="Complete") == [first]
    assert described(status="Cancelled", logGroupName=GROUP) == [third]
    page = client.describe_queries(maxResults=2)
    assert described(maxResults=2, nextToken=page["nextToken"]) == [first]
    query = client.describe_queries(status="Complete")["queries"][0]
    assert (query["queryString"], query["logGroupName"]) == ("fields a", GROUP)
    assert query["createTime"] == (TEN + 3600) * 1000


def test_at_most_a_hundred_queries_run_at_once_in_an_account(world: World):
    client = world.client()
    for _ in range(100):
        start(client)
    with pytest.raises(client.exceptions.LimitExceededException) as caught:
        start(client)
    assert error_of(caught)[1] == "Account maximum query concurrency limit of [100] reached."
    start(world.client(TWO))
    client.stop_query(queryId=client.describe_queries()["queries"][0]["queryId"])
    start(client)
    world.now += 1
    start(client)


def test_results_are_kept_for_seven_days(world: World):
    client = world.client()
    query_id = start(client)
    world.now += 7 * 86_400
    assert client.get_query_results(queryId=query_id)["status"] == "Complete"
    world.now += 1
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_query_results(queryId=query_id)


def test_of_the_ended_queries_only_so_many_are_kept(tmp_path: Path):
    world = World(tmp_path, LogsSettings(queries_kept=3, scheduled_s=0, running_s=0))
    client = world.client()
    ids = [start(client) for _ in range(10)]
    assert [query["queryId"] for query in client.describe_queries()["queries"]] == ids[:-5:-1]
    world.close()


def test_of_large_results_only_so_much_is_kept(tmp_path: Path):
    world = World(tmp_path, LogsSettings(results_kept_bytes=3_000, scheduled_s=0, running_s=0))
    world.append(*map(record, range(10)))
    client = world.client()
    ids = [start(client) for _ in range(5)]  # some 2 kB each
    assert [query["queryId"] for query in client.describe_queries()["queries"]][:1] == ids[:-2:-1]
    assert len(client.get_query_results(queryId=ids[-1])["results"]) == 10
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_query_results(queryId=ids[0])
    world.close()


def test_ten_requests_a_second(world: World):
    client = world.client()
    query_id = start(client)
    for operation in (lambda: client.get_query_results(queryId=query_id), client.describe_log_groups):
        for _ in range(10):
            operation()
        with pytest.raises(client.exceptions.ClientError) as caught:
            operation()
        assert error_of(caught) == ("ThrottlingException", "Rate exceeded")
    world.client(TWO).describe_log_groups()
    world.now += 1
    client.describe_log_groups()


# --- log groups -----------------------------------------------------------------------------------------------------


def test_describe_log_groups(world: World):
    world.append(record(1))
    client = world.client()
    one, other = client.describe_log_groups()["logGroups"]
    assert (one["logGroupName"], one["arn"], one["logGroupArn"]) == (GROUP, f"{ARN}:*", ARN)
    assert one["storedBytes"] == len(json.dumps(record(1), separators=(",", ":")))
    assert (other["logGroupName"], other["storedBytes"]) == (OTHER, 0)
    assert one["creationTime"] == (TEN + 3600) * 1000

    def names(**given: Any) -> list[str]:
        return [group["logGroupName"] for group in client.describe_log_groups(**given)["logGroups"]]

    assert names(logGroupNamePrefix="/aws/bedrock/o") == [OTHER]
    assert names(logGroupNamePattern="INVOC") == [GROUP]
    assert names(logGroupIdentifiers=[ARN]) == [GROUP]
    assert names(logGroupClass="INFREQUENT_ACCESS") == []
    assert names(logGroupNamePrefix="/nothing") == []
    pages = client.get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 1})
    assert [[group["logGroupName"] for group in page["logGroups"]] for page in pages] == [[GROUP], [OTHER]]
    with pytest.raises(client.exceptions.InvalidParameterException, match="mutually exclusive"):
        names(logGroupNamePrefix="a", logGroupNamePattern="a")


# --- permissions ----------------------------------------------------------------------------------------------------


def test_every_operation_asks_for_its_permission(world: World):
    client = world.client()
    query_id = start(client, logGroupNames=[GROUP, OTHER])
    client.get_query_results(queryId=query_id)
    client.describe_queries()
    client.stop_query(queryId=query_id)
    client.describe_log_groups()
    other = ARN.replace(GROUP, OTHER)
    assert world.authorized == [
        ("logs:StartQuery", [ARN, other, f"{ARN}:*", f"{other}:*"]),
        ("logs:GetQueryResults", ["*"]),
        ("logs:DescribeQueries", ["*"]),
        ("logs:StopQuery", ["*"]),
        ("logs:DescribeLogGroups", ["*"]),
    ]


def test_what_is_not_permitted_is_not_done(world: World):
    client = world.client()
    query_id = start(client)
    for action, operation in (
        ("logs:StartQuery", lambda: start(client)),
        ("logs:GetQueryResults", lambda: client.get_query_results(queryId=query_id)),
        ("logs:StopQuery", lambda: client.stop_query(queryId=query_id)),
        ("logs:DescribeQueries", client.describe_queries),
        ("logs:DescribeLogGroups", client.describe_log_groups),
    ):
        world.denied = action
        with pytest.raises(ClientError) as caught:
            operation()
        assert error_of(caught)[0] == "AccessDeniedException"
    world.denied = None
    assert [query["status"] for query in client.describe_queries()["queries"]] == ["Scheduled"]


# --- refusals -------------------------------------------------------------------------------------------------------


def test_a_malformed_query_starts_nothing(world: World):
    client = world.client()
    with pytest.raises(client.exceptions.MalformedQueryException) as caught:
        start(client, "fields a | sort bin(5m)")
    assert error_of(caught)[1] == "unexpected symbol found ( at line 1 and position 19"
    assert client.describe_queries()["queries"] == []


@pytest.mark.parametrize("given", [{"logGroupName": "nope"}, {"logGroupNames": [GROUP, "nope"]}])
def test_an_unknown_log_group(world: World, given: dict[str, Any]):
    client = world.client()
    with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
        start(client, **given)
    assert error_of(caught)[1] == f"Log group 'nope' does not exist for account ID '{ONE}'"


def test_an_arn_of_another_account_or_region_names_nothing(world: World):
    client = world.client()
    for arn in (ARN.replace(ONE, TWO), ARN.replace("us-east-1", "us-west-2")):
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            start(client, logGroupIdentifiers=[arn])


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"logGroupName": GROUP, "logGroupNames": [OTHER]},
        {"logGroupNames": [GROUP], "logGroupIdentifiers": [OTHER]},
        {"logGroupNames": []},
        {"logGroupNames": [f"g{number}" for number in range(51)]},
        {"logGroupName": GROUP, "startTime": 2, "endTime": 1},
        {"logGroupName": GROUP, "queryLanguage": "SQL"},
    ],
)
def test_parameters_that_do_not_fit_together(world: World, given: dict[str, Any]):
    body = {"startTime": 1, "endTime": 2, "queryString": "fields a", **given}
    assert world.refusal("StartQuery", body)[0] == "InvalidParameterException"


QUERY = {"logGroupName": GROUP, "startTime": 1, "endTime": 2, "queryString": "fields a"}


@pytest.mark.parametrize(
    ("operation", "given", "code", "text"),
    [
        ("StartQuery", b"not json", "SerializationException", ""),
        ("StartQuery", [], "SerializationException", "Start of list"),
        ("StartQuery", {**QUERY, "limit": "5"}, "SerializationException", "STRING_VALUE can not be converted"),
        ("StartQuery", {**QUERY, "limit": 5.5}, "SerializationException", "NUMBER_VALUE can not be converted"),
        ("StartQuery", {**QUERY, "limit": True}, "SerializationException", "TRUE_VALUE can not be converted"),
        ("StartQuery", {**QUERY, "logGroupName": {}}, "SerializationException", "Start of structure"),
        ("StartQuery", {**QUERY, "limit": 0}, "InvalidParameterException", "greater than or equal to 1"),
        ("StartQuery", {**QUERY, "limit": 100_001}, "InvalidParameterException", "less than or equal to 100000"),
        ("StartQuery", {**QUERY, "startTime": -1}, "InvalidParameterException", "Value '-1' at 'startTime'"),
        ("StartQuery", {**QUERY, "queryString": None}, "InvalidParameterException", "Value null at 'queryString'"),
        ("StartQuery", {**QUERY, "queryString": "a" * 10_001}, "InvalidParameterException", "length less than"),
        ("StartQuery", {**QUERY, "logGroupName": "a b"}, "InvalidParameterException", "regular expression pattern"),
        ("StartQuery", {**QUERY, "queryLanguage": "X"}, "InvalidParameterException", "value set: [CWLI, SQL, PPL]"),
        ("StartQuery", {}, "InvalidParameterException", "3 validation errors detected: "),
        ("GetQueryResults", {}, "InvalidParameterException", "1 validation error detected: Value null at 'queryId'"),
        ("GetQueryResults", {"queryId": "x" * 257}, "InvalidParameterException", "less than or equal to 256"),
        ("GetQueryResults", {"queryId": "x", "maxItems": 10_001}, "InvalidParameterException", "to 10000"),
        ("GetQueryResults", {"queryId": "x"}, "ResourceNotFoundException", "does not exist"),
        ("StopQuery", {"queryId": "x"}, "ResourceNotFoundException", "does not exist"),
        ("DescribeQueries", {"status": "Done"}, "InvalidParameterException", "enum value set: [Scheduled"),
        ("DescribeQueries", {"logGroupName": "nope"}, "ResourceNotFoundException", "Log group 'nope'"),
        ("DescribeQueries", {"nextToken": "?"}, "InvalidParameterException", "nextToken"),
        ("DescribeLogGroups", {"limit": 51}, "InvalidParameterException", "less than or equal to 50"),
        ("DescribeLogGroups", {"logGroupIdentifiers": ["a", ""]}, "InvalidParameterException", "Identifiers.2.member"),
        ("CreateLogGroup", {"logGroupName": "a"}, "UnknownOperationException", ""),
        ("Nonsense", {}, "UnknownOperationException", ""),
    ],
)
def test_refusals(world: World, operation: str, given: Any, code: str, text: str):
    refused, message = world.refusal(operation, given)
    assert refused == code
    assert text in message


def test_another_service_s_target_is_an_unknown_operation(world: World):
    status, body = world.call("Other_20140328.StartQuery", b"{}")
    assert (status, json.loads(body)["__type"]) == (400, "UnknownOperationException")


MEMBERS = st.sampled_from(
    [
        *("logGroupName", "logGroupNames", "logGroupIdentifiers", "startTime", "endTime", "queryString", "limit"),
        *("queryId", "nextToken", "maxItems", "status", "maxResults", "logGroupNamePrefix", "queryLanguage", "x"),
    ]
)
VALUES = st.one_of(
    st.sampled_from([GROUP, [GROUP], ARN, "fields a", "Complete", "CWLI", 0, 1, TEN, 2**63, -1, None, {}]),
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=3),
)


@given(
    st.sampled_from(["StartQuery", "GetQueryResults", "DescribeQueries", "StopQuery", "DescribeLogGroups"]),
    st.dictionaries(MEMBERS, VALUES, max_size=8).map(lambda given: json.dumps(given).encode()) | st.binary(max_size=20),
)
def test_any_request_is_answered_or_refused(tmp_path_factory: pytest.TempPathFactory, operation: str, body: bytes):
    world = World(tmp_path_factory.mktemp("journal"))
    world.append(record(1), account=TWO)
    status, answer = world.call(f"Logs_20140328.{operation}", body)
    assert status == 200 or json.loads(answer)["__type"].endswith("Exception")
    assert world.client(TWO).describe_queries()["queries"] == []
    world.close()


# --- threads --------------------------------------------------------------------------------------------------------


@pytest.fixture
def threaded(tmp_path: Path) -> Iterator[World]:
    logs = LogsSettings(scheduled_s=0, running_s=0)
    world = World(tmp_path, logs)
    world.logs = Logs(world.journal, [GROUP], lambda: world.now, logs)
    yield world
    world.close()


def poll(world: World, client: Any, query_id: str, until: Callable[[str], bool]) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        world.now += 1  # the limit of ten requests a second is not what is tested here
        status = client.get_query_results(queryId=query_id)["status"]
        if until(status):
            return status
        time.sleep(0.01)
    raise AssertionError(f"still {status}")


def test_a_query_is_evaluated_in_a_thread_and_starting_it_does_not_wait(
    threaded: World, monkeypatch: pytest.MonkeyPatch
):
    go = threading.Event()
    monkeypatch.setattr("embedded_aws.logs.execution.evaluate", lambda *given: go.wait(60) and evaluate(*given))
    client = threaded.client()
    endless = record(1, input={"inputBodyJson": {"prompt": "a" * 60 + "b"}})
    threaded.append(endless, record(2))
    slow = start(client, "filter input.inputBodyJson.prompt like /^(a|a)*$/")
    fine = start(client)
    assert client.get_query_results(queryId=slow)["status"] == "Running"
    go.set()
    assert poll(threaded, client, slow, lambda status: status != "Running") == "Timeout"
    assert poll(threaded, client, fine, lambda status: status != "Running") == "Complete"


def test_stopping_a_query_stops_its_work(threaded: World):
    client = threaded.client()
    threaded.append(*(record(n, input={"inputBodyJson": {"prompt": f"{n} " + "a" * 15 + "b"}}) for n in range(3_000)))
    slow = start(client, "filter input.inputBodyJson.prompt like /^\\d+ (a|a)*$/")  # seconds of work
    after = start(client)
    time.sleep(0.05)
    assert client.get_query_results(queryId=slow)["status"] == "Running"
    client.stop_query(queryId=slow)
    assert poll(threaded, client, after, lambda status: status != "Running") == "Complete"
    assert client.get_query_results(queryId=slow)["status"] == "Cancelled"
