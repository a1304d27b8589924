"""CloudWatch Logs, JSON 1.1: log groups and Logs Insights over the journal. Knows no HTTP beyond wire.py.

A query runs in a thread of its own pool, so that the server's event loop goes on; what the client sees of its progress
(Scheduled, Running with part of the rows, Complete) follows the injected clock, and waits for the thread.
"""

from __future__ import annotations

import base64
import binascii
import logging
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import orjson

from embedded_aws import shapes
from embedded_aws.logs.blocks import LogGroup
from embedded_aws.logs.execution import Execution, Input, LogsSettings
from embedded_aws.logs.insights import MalformedQuery, parse
from embedded_aws.logs.journal import Journal
from embedded_aws.wire import AwsError, Caller, Request, Response

Authorize = Callable[[str, Sequence[str]], None]

_TARGET = "Logs_20140328."
_HEADERS = {"content-type": "application/x-amz-json-1.1"}
_PAGE_MAX = 10_000  # rows in one GetQueryResults
_LOG_GROUPS_MAX = 50  # in one query

logger = logging.getLogger(__name__)


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
        self._queries: dict[str, Execution] = {}  # oldest first
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
        execution = Execution(
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

    def _of(self, caller: Caller) -> Iterator[Execution]:
        place = (caller.account_id, caller.region)
        return (query for query in self._queries.values() if (query.account_id, query.region) == place)

    def _query(self, query_id: str, caller: Caller) -> Execution:
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
