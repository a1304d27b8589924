"""CloudWatch Logs, JSON 1.1: log groups and Logs Insights over the journal. Knows no HTTP beyond wire.py.

A query runs in a thread of its own pool, so that the server's event loop goes on; what the client sees of its progress
(Scheduled, Running with part of the rows, Complete) follows the injected clock, and waits for the thread.
"""

from __future__ import annotations

import base64
import binascii
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import orjson

from embedded_aws import shapes
from embedded_aws.logs.insights import Column, Index, MalformedQuery, Query, Result, Stopped, evaluate, parse
from embedded_aws.logs.journal import Events, Journal, LogGroup
from embedded_aws.wire import AwsError, Caller, Request, Response

Authorize = Callable[[str, Sequence[str]], None]
Input = dict[str, Any]

_TARGET = "Logs_20140328."
_HEADERS = {"content-type": "application/x-amz-json-1.1"}
_PAGE_MAX = 10_000  # rows in one GetQueryResults
_LOG_GROUPS_MAX = 50  # in one query
_DAY_S = 86_400

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogsSettings:
    """What AWS publishes as quotas, and what it does not publish at all: how long a query takes."""

    scheduled_s: float = 0.05
    running_s: float = 0.15
    concurrent_queries: int = 100  # of one account and Region
    results_kept_s: float = 7 * _DAY_S
    queries_kept: int = 1_000  # ended ones, over all accounts, the newest first;
    results_kept_bytes: int = 256 << 20  # and no more of their results than this, unless one alone has more
    requests_per_s: Mapping[str, int] = field(default_factory=lambda: {"GetQueryResults": 10, "DescribeLogGroups": 10})
    evaluation_max_s: float = 60.0  # then a query ends as Timeout


class Logs:
    """`log_groups` are there in every account and Region."""

    def __init__(
        self,
        journal: Journal,
        log_groups: Sequence[str],
        clock: Callable[[], float],
        settings: LogsSettings | None = None,
        executor: Executor | None = None,
    ) -> None:
        self._journal = journal
        self._log_groups = sorted(log_groups)
        self._clock = clock
        self._settings = settings or LogsSettings()
        self._executor = executor or ThreadPoolExecutor(max_workers=1, thread_name_prefix="insights")
        self._created_at_ms = int(clock() * 1000)
        self._queries: dict[str, _Execution] = {}  # oldest first
        self._recent: dict[tuple[str, str, str], deque[float]] = {}
        self._operations = {
            "DescribeLogGroups": self._describe_log_groups,
            "StartQuery": self._start_query,
            "GetQueryResults": self._get_query_results,
            "DescribeQueries": self._describe_queries,
            "StopQuery": self._stop_query,
        }

    def add_log_groups(self, names: Iterable[str]) -> None:
        """Log groups that are there from now on."""
        self._log_groups = sorted({*self._log_groups, *names})

    def handle(self, request: Request, caller: Caller, authorize: Authorize) -> Response:
        """Raises AwsError. Returns at once: queries are evaluated elsewhere."""
        target = request.headers.get("x-amz-target", "")
        name = target.removeprefix(_TARGET)
        operation = self._operations.get(name) if target.startswith(_TARGET) else None
        if operation is None:
            raise AwsError(400, "UnknownOperationException", "")
        answer = operation(_given(name, request.body), caller, authorize)
        return Response(200, _HEADERS, answer if isinstance(answer, bytes) else orjson.dumps(answer))

    def close(self) -> None:
        for query in self._queries.values():
            query.stopped_at = query.stopped_at or self._clock()
        self._executor.shutdown(wait=True, cancel_futures=True)

    # --- operations ---------------------------------------------------------------------------------------------

    def _describe_log_groups(self, given: Input, caller: Caller, authorize: Authorize) -> Input:
        authorize("logs:DescribeLogGroups", ["*"])
        self._throttle("DescribeLogGroups", caller)
        prefix, pattern = given.get("logGroupNamePrefix"), given.get("logGroupNamePattern")
        if prefix is not None and pattern is not None:
            raise _invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
        names = [n for n in self._log_groups if n.startswith(prefix or "") and (pattern or "").lower() in n.lower()]
        if given.get("logGroupIdentifiers"):
            wanted = {_name_of(identifier, caller) for identifier in given["logGroupIdentifiers"]}
            names = [name for name in names if name in wanted]
        if given.get("logGroupClass", "STANDARD") != "STANDARD":
            names = []
        page, token = _page(names, given.get("nextToken"), given.get("limit", 50))
        return {"logGroups": [self._log_group(name, caller) for name in page], **token}

    def _log_group(self, name: str, caller: Caller) -> Input:
        arn = _arn(name, caller)
        return {
            "logGroupName": name,
            "creationTime": self._created_at_ms,
            "metricFilterCount": 0,
            "arn": f"{arn}:*",
            "storedBytes": self._journal.stored_bytes(LogGroup(caller.account_id, caller.region, name)),
            "logGroupClass": "STANDARD",
            "logGroupArn": arn,
        }

    def _start_query(self, given: Input, caller: Caller, authorize: Authorize) -> Input:
        names = _names(given, caller)
        # The permission is asked for both forms of the ARN that policies use, and both have to be granted.
        arns = [_arn(name, caller) for name in names]
        authorize("logs:StartQuery", [*arns, *(f"{arn}:*" for arn in arns)])
        if given.get("queryLanguage", "CWLI") != "CWLI":
            raise _invalid(f"Query language {given['queryLanguage']} is not supported by the embedded AWS, only CWLI")
        for name in names:
            self._require(name, caller)
        if given["startTime"] > given["endTime"]:
            raise _invalid("startTime must not be after endTime")
        try:
            query = parse(given["queryString"])
        except MalformedQuery as error:
            raise AwsError(400, "MalformedQueryException", str(error)) from None

        now = self._clock()
        self._forget(now)
        if sum(query.is_active(now) for query in self._of(caller)) >= self._settings.concurrent_queries:
            most = self._settings.concurrent_queries
            text = f"Account maximum query concurrency limit of [{most}] reached."
            raise AwsError(400, "LimitExceededException", text)
        groups = [LogGroup(caller.account_id, caller.region, name) for name in names]
        events = self._journal.events(groups, given["startTime"] * 1000, given["endTime"] * 1000)
        execution = _Execution(
            str(uuid.uuid4()), caller.account_id, caller.region, names, given["queryString"], now, self._settings
        )
        self._queries[execution.id] = execution
        self._executor.submit(execution.run, query, events, given.get("limit"))
        return {"queryId": execution.id}

    def _get_query_results(self, given: Input, caller: Caller, authorize: Authorize) -> bytes:
        authorize("logs:GetQueryResults", ["*"])
        self._throttle("GetQueryResults", caller)
        query = self._query(given["queryId"], caller)
        status, answer = query.look(self._clock())
        start = _offset(given.get("nextToken"), query.id)
        end = start + (given.get("maxItems") or _PAGE_MAX)
        rest = {"statistics": answer.statistics, "status": status, "queryLanguage": "CWLI"}
        if end < len(answer.rows):
            rest["nextToken"] = _token(query.id, end)
        # The rows are JSON already, which spares the event loop the work.
        return b'{"results":[' + b",".join(answer.rows[start:end]) + b"]," + orjson.dumps(rest)[1:]

    def _describe_queries(self, given: Input, caller: Caller, authorize: Authorize) -> Input:
        authorize("logs:DescribeQueries", ["*"])
        now = self._clock()
        queries = [query.description(now) for query in reversed(list(self._of(caller)))]
        if (name := given.get("logGroupName")) is not None:
            self._require(name, caller)
            queries = [query for query in queries if query["logGroupName"] == name]
        if (status := given.get("status")) is not None:
            queries = [query for query in queries if query["status"] == status]
        if given.get("queryLanguage", "CWLI") != "CWLI":
            queries = []
        by_id = {query["queryId"]: query for query in queries}
        page, token = _page(list(by_id), given.get("nextToken"), given.get("maxResults", 1_000))
        return {"queries": [by_id[query_id] for query_id in page], **token}

    def _stop_query(self, given: Input, caller: Caller, authorize: Authorize) -> Input:
        authorize("logs:StopQuery", ["*"])
        query = self._query(given["queryId"], caller)
        now = self._clock()
        if not query.is_active(now):
            raise _invalid(f"Query {query.id} has already ended with status {query.look(now)[0]}")
        query.stopped_at = now
        return {"success": True}

    # --- state --------------------------------------------------------------------------------------------------

    def _of(self, caller: Caller) -> Iterator[_Execution]:
        place = (caller.account_id, caller.region)
        return (query for query in self._queries.values() if (query.account_id, query.region) == place)

    def _query(self, query_id: str, caller: Caller) -> _Execution:
        self._forget(self._clock())
        query = self._queries.get(query_id)
        if query is None or (query.account_id, query.region) != (caller.account_id, caller.region):
            raise AwsError(400, "ResourceNotFoundException", f"Query {query_id} does not exist")
        return query

    def _require(self, name: str, caller: Caller) -> None:
        if name not in self._log_groups:
            text = f"Log group '{name}' does not exist for account ID '{caller.account_id}'"
            raise AwsError(400, "ResourceNotFoundException", text)

    def _forget(self, now: float) -> None:
        """The ended queries that are too old, and the oldest of too many."""
        kept, kept_bytes = 0, 0
        for query in reversed([query for query in self._queries.values() if not query.is_active(now)]):
            kept, kept_bytes = kept + 1, kept_bytes + query.answer_bytes
            too_many = kept > self._settings.queries_kept
            too_large = kept > 1 and kept_bytes > self._settings.results_kept_bytes
            if too_many or too_large or query.created_at + self._settings.results_kept_s < now:
                del self._queries[query.id]

    def _throttle(self, operation: str, caller: Caller) -> None:
        rate = self._settings.requests_per_s.get(operation)
        if rate is None:
            return
        recent = self._recent.setdefault((caller.account_id, caller.region, operation), deque(maxlen=rate))
        now = self._clock()
        if len(recent) == rate and now - recent[0] < 1:
            raise AwsError(400, "ThrottlingException", "Rate exceeded")
        recent.append(now)


@dataclass(frozen=True, slots=True)
class _Answer:
    rows: list[bytes]  # each the JSON of one row
    size_bytes: int
    statistics: dict[str, float]


_NO_ANSWER = _Answer([], 0, {"recordsMatched": 0.0, "recordsScanned": 0.0, "bytesScanned": 0.0})


@dataclass(slots=True)
class _Execution:
    """One query. `run` is called in another thread, and hands over by single assignments."""

    id: str
    account_id: str
    region: str
    log_groups: Sequence[str]
    text: str
    created_at: float
    settings: LogsSettings
    stopped_at: float | None = None
    partial: _Answer = _NO_ANSWER
    answer: _Answer | None = None
    failure: str | None = None  # Failed or Timeout

    def run(self, query: Query, events: Events, limit: int | None) -> None:
        deadline = time.monotonic() + self.settings.evaluation_max_s

        def stop() -> bool:
            return self.stopped_at is not None or time.monotonic() > deadline

        try:
            if self.settings.running_s > 0:
                half = _Half(events)
                self.partial = _answer(evaluate(query, half, limit, stop), half, len(self.log_groups))
            self.answer = _answer(evaluate(query, events, limit, stop), events, len(self.log_groups))
        except (Stopped, TimeoutError):
            self.failure = "Timeout"
        except Exception:
            # A thread's exception is seen by nobody else: without this the query would run forever.
            self.failure = "Failed"
            logger.exception("Query failed: %s", self.text)
            raise

    def look(self, now: float) -> tuple[str, _Answer]:
        """(status, what there is of the answer) as a client sees it at `now`."""
        if self.stopped_at is not None:
            return "Cancelled", self._seen(self.stopped_at)[1]
        return self._seen(now)

    def _seen(self, now: float) -> tuple[str, _Answer]:
        if now < self.created_at + self.settings.scheduled_s:
            return "Scheduled", _NO_ANSWER
        if now >= self.created_at + self.settings.scheduled_s + self.settings.running_s:
            if self.failure is not None:
                return self.failure, self.partial
            if self.answer is not None:
                return "Complete", self.answer
        return "Running", self.partial

    @property
    def answer_bytes(self) -> int:
        return self.partial.size_bytes + (self.answer or _NO_ANSWER).size_bytes

    def is_active(self, now: float) -> bool:
        return self.look(now)[0] in ("Scheduled", "Running")

    def description(self, now: float) -> Input:
        status, _ = self.look(now)
        return {
            "queryLanguage": "CWLI",
            "queryId": self.id,
            "queryString": self.text,
            "status": status,
            "createTime": int(self.created_at * 1000),
            "logGroupName": self.log_groups[0],
        }


@dataclass(frozen=True, slots=True)
class _Half:
    """The first half of the events that a query comes across: what it has seen while it is Running."""

    events: Events

    def rows(self, newest_first: bool) -> Index:
        rows = self.events.rows(newest_first)
        return rows[: len(rows) // 2]

    def load(self, names: Sequence[str], rows: Index) -> list[Column]:
        return self.events.load(names, rows)

    def bytes_of(self, rows: Index) -> int:
        return self.events.bytes_of(rows)


def _answer(result: Result, events: Events | _Half, log_groups: int) -> _Answer:
    rows = [
        orjson.dumps([{"field": n, "value": v} for n, v in zip(result.names, row, strict=True) if v is not None])
        for row in result.rows
    ]
    scanned = events.rows(newest_first=False)
    return _Answer(
        rows,
        sum(map(len, rows)),
        {
            "recordsMatched": float(result.matched),
            "recordsScanned": float(len(scanned)),
            "bytesScanned": float(events.bytes_of(scanned)),
            "estimatedRecordsSkipped": 0.0,
            "estimatedBytesSkipped": 0.0,
            "logGroupsScanned": float(log_groups),
            "resultCount": float(len(rows)),
        },
    )


# --- requests -------------------------------------------------------------------------------------------------------


def _given(operation: str, body: bytes) -> Input:
    try:
        given = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        raise AwsError(400, "SerializationException", "") from None
    try:
        shapes.validate(given, shapes.input_check("logs", operation))
    except AwsError as error:
        # This service has a name of its own for it.
        raise _invalid(error.message) if error.code == "ValidationException" else error from None
    return given


def _invalid(message: str) -> AwsError:
    return AwsError(400, "InvalidParameterException", message)


def _names(given: Input, caller: Caller) -> list[str]:
    """The log groups of a StartQuery."""
    members = [name for name in ("logGroupName", "logGroupNames", "logGroupIdentifiers") if given.get(name)]
    if len(members) != 1:
        raise _invalid("Exactly one of logGroupName, logGroupNames and logGroupIdentifiers must be given")
    wanted = given[members[0]]
    identifiers = [wanted] if isinstance(wanted, str) else wanted
    names = list(dict.fromkeys(_name_of(identifier, caller) for identifier in identifiers))
    if len(names) > _LOG_GROUPS_MAX:
        raise _invalid(f"A query can have at most {_LOG_GROUPS_MAX} log groups")
    return names


def _name_of(identifier: str, caller: Caller) -> str:
    """A name stays; an ARN of this account and Region gives its name; any other ARN stays, and names nothing."""
    return identifier.removeprefix(_arn("", caller))


def _arn(name: str, caller: Caller) -> str:
    return f"arn:aws:logs:{caller.region}:{caller.account_id}:log-group:{name}"


def _page(names: Sequence[str], token: str | None, size: int) -> tuple[Sequence[str], Input]:
    """(one page, the member that leads to the next). A token is bound to the last name it has seen."""
    start = 0
    if token is not None:
        last = _read(token)
        if last not in names:
            raise _invalid("The specified nextToken is invalid.")
        start = names.index(last) + 1
    page = names[start : start + size]
    return page, {"nextToken": _token(page[-1])} if start + size < len(names) else {}


def _offset(token: str | None, query_id: str) -> int:
    if token is None:
        return 0
    owner, _, offset = _read(token).partition(" ")
    if owner != query_id or not offset.isdecimal():
        raise _invalid("The specified nextToken is invalid.")
    return int(offset)


def _token(*parts: object) -> str:
    return base64.urlsafe_b64encode(" ".join(map(str, parts)).encode()).decode()


def _read(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        raise _invalid("The specified nextToken is invalid.") from None
