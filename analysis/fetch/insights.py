"""Asks CloudWatch Logs Insights, in all the run's accounts at once. The only user of boto3 in the analysis.

Where AWS is comes from the environment alone (AWS_ENDPOINT_URL and the profile files), as for any AWS SDK.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

import boto3
from botocore import exceptions as aws
from botocore.config import Config

from analysis.fetch.aws_errors import FetchError, embedded_ended, explain
from analysis.model import Invocation, LogPlace, Run
from analysis.numbers.accounts import bare, groups_reached

LIMIT = 100_000  # rows a query may return: StartQuery's own limit
PAGE = 10_000  # rows a GetQueryResults may return
_STATUS_POLL_S = (0.1, 1.0)  # between looks at a running query: first, and at most

_BUSY = {"ThrottlingException", "LimitExceededException", "ServiceUnavailableException", "TooManyRequestsException"}

# Of a JSON event no more than 200 members are extracted, and the messages of a long conversation are more than that.
# What stands behind them is parsed from the raw event, JSON without spaces: the member whose place, counted in closing
# braces from the end, is the right one. A quote inside a text has a backslash in front, and bodies hold objects in
# objects: so no member of that name in a prompt, an answer or a tool's input passes for it.
_REST = r'(?:,"\w+":(?:"[^"\\]*"|[\w.+-]+|\{[^{}]*\}))*\}'  # of an object, behind one of its members
_PARSED = (
    rf'[{{,]"inferenceRegion":"(?<endRegion>[^"\\]+)"{_REST}$',
    rf'[{{,]"errorCode":"(?<endError>[^"\\]+)"{_REST}$',
    rf'[{{,]"outputTokenCount":(?<endOutputTokens>\d+){_REST}{_REST}$',
    rf'[{{,]"metrics":\{{"latencyMs":(?<endLatencyMs>\d+)\}}{_REST}{_REST}{_REST}$',
    # The answer lies between this one and the end: a tool's input could imitate it, with the members that follow.
    rf'[{{,]"inputTokenCount":(?<endInputTokens>\d+){_REST},"output":\{{"outputContentType":',
    r'"(?<regionMember>inferenceRegion)":',
)
_FIELDS = (  # name, the member as it is extracted, and as it is parsed
    ("servedRegion", "inferenceRegion", "endRegion"),
    ("latencyMs", "output.outputBodyJson.metrics.latencyMs", "endLatencyMs"),
    ("inputTokens", "input.inputTokenCount", "endInputTokens"),
    ("outputTokens", "output.outputTokenCount", "endOutputTokens"),
    ("error", "errorCode", "endError"),
)


def query_string(run: Run, parse: bool = True) -> str:
    """The Logs Insights query: this run's invocations, by its tag and its models.

    A logged modelId is the bare id or an inference profile's ARN, which ends with it. It and the tag stand in front of
    the bodies, so they are always extracted. Without `parse`, what stands behind a long conversation is not read.
    """
    asked = [consumer.model for consumer in run.consumers if consumer.route == "direct"]
    asked += [deployment.model_id for deployment in run.deployments if deployment.provider == "bedrock"]
    tag = run.id.replace("\\", "\\\\").replace('"', '\\"')
    members = [f"coalesce({member}, {end})" if parse else member for _, member, end in _FIELDS]
    wanted = " or ".join([f'requestMetadata.run = "{tag}" and {_model_is(asked)}', *_untagged(run)])
    commands = (
        "fields requestId, @timestamp, accountId, region, modelId, operation",
        f"filter {wanted}",
        *(f"parse @message /{pattern}/" for pattern in _PARSED if parse),
        f"fields {', '.join(f'{member} as {name}' for member, (name, *_) in zip(members, _FIELDS, strict=True))}",
        "sort @timestamp asc",
    )
    return "\n| ".join(commands)


def _model_is(models: Iterable[str]) -> str:
    names = "|".join(re.escape(name).replace("/", r"\/") for name in sorted({bare(model) for model in models}))
    return f"modelId like /({names})$/"


def _untagged(run: Run) -> Iterator[str]:
    """What finds the invocations of consumers whose requests could carry no tag: by model, from the run's start on.

    Before it the gateway is warmed up. Others' untagged requests for these models are found too.
    """
    groups = {group for consumer in run.consumers if not consumer.tagged for group in groups_reached(run, consumer)}
    models = [d.model_id for d in run.deployments if d.group in groups and d.provider == "bedrock"]
    if models:
        since = f"toMillis(@timestamp) >= {math.floor(run.started_at) * 1000}"
        yield f"not ispresent(requestMetadata.run) and {_model_is(models)} and {since}"


@dataclass(frozen=True, slots=True)
class _Query:
    """A query that was started."""

    place: LogPlace
    client: Any
    id: str
    window: tuple[int, int]


class Asked:
    """Queries to all the run's accounts, with what became of them."""

    def __init__(self, run: Run, query: str, sleep: Callable[[float], None], limit: int) -> None:
        self.query = query
        self.queries = 0
        self.completed = 0
        self.trouble = ""  # why the last query brought nothing
        self._run = run
        self._sleep = sleep
        self._limit = limit
        self._clients: dict[LogPlace, Any] = {}

    def invocations(self, window: tuple[int, int], report: Callable[[], None]) -> Iterator[Invocation]:
        """All of the window, from every place. A full answer may not be the whole: its half windows are asked."""
        self.trouble = ""
        open_queries: deque[_Query] = deque()
        pause, longest = _STATUS_POLL_S
        try:
            for place in self._run.log_places:
                open_queries.extend(self._start(place, window))
            while open_queries:
                query = open_queries[0]
                status, rows = self._look(query)
                if status in ("Scheduled", "Running", "Unknown"):
                    self._sleep(pause)
                    pause = min(pause * 1.5, longest)
                    report()
                    continue
                open_queries.popleft()
                pause = _STATUS_POLL_S[0]
                if status == "Complete":
                    self.completed += 1
                    start, end = query.window
                    if len(rows) >= self._limit and start < end:
                        middle = (start + end) // 2
                        for half in ((start, middle), (middle + 1, end)):
                            open_queries.extend(self._start(query.place, half))
                        continue
                    if len(rows) >= self._limit:
                        self.trouble = f"More than {self._limit:,} invocations were logged in one second."
                    yield from map(_invocation, rows)
                elif status:
                    self.trouble = f"CloudWatch ended a query of profile {query.place.profile} with status {status}."
        finally:
            for query in open_queries:
                _stop(query)

    def _start(self, place: LogPlace, window: tuple[int, int]) -> list[_Query]:
        """The query, or none when AWS is too busy to take it now."""
        client = self._client(place)
        try:
            answer = client.start_query(
                logGroupName=self._run.aws.log_group,
                startTime=window[0],
                endTime=window[1],
                queryString=self.query,
                limit=self._limit,
            )
        except (aws.BotoCoreError, aws.ClientError) as error:
            plain = query_string(self._run, parse=False)
            if _code(error) == "MalformedQueryException" and self.query != plain:
                self.query = plain  # no documentation says which regular expressions CloudWatch takes
                return self._start(place, window)
            self._transient(error, place)
            return []
        self.queries += 1
        return [_Query(place, client, answer["queryId"], window)]

    def _look(self, query: _Query) -> tuple[str, list[list[dict[str, str]]]]:
        """The query's status, "" when AWS is too busy to say, and all its rows when it is complete."""
        rows: list[list[dict[str, str]]] = []
        more: dict[str, str] = {}
        try:
            while True:
                answer = query.client.get_query_results(queryId=query.id, maxItems=PAGE, **more)
                if answer["status"] != "Complete":
                    return answer["status"], []
                rows += answer["results"]
                if not answer.get("nextToken"):
                    return "Complete", rows
                more = {"nextToken": answer["nextToken"]}
        except (aws.BotoCoreError, aws.ClientError) as error:
            self._transient(error, query.place)
            return "", []

    def _client(self, place: LogPlace) -> Any:
        if place not in self._clients:
            try:
                session = boto3.Session(profile_name=place.profile, region_name=place.region)
                # Standard mode backs off, with jitter, on throttling and on LimitExceededException.
                client = session.client("logs", config=Config(retries={"mode": "standard", "total_max_attempts": 6}))
            except (aws.BotoCoreError, aws.ClientError) as error:
                _refuse(error, self._run, place)
            host = urlsplit(client.meta.endpoint_url).hostname or ""
            if self._run.evidence == "embedded" and host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
                raise FetchError(embedded_ended(self._run))  # its records are not there, and asking costs money
            self._clients[place] = client
        return self._clients[place]

    def _transient(self, error: Exception, place: LogPlace) -> None:
        """Notes an error that may pass, and raises FetchError for one that will not."""
        if isinstance(error, aws.ClientError):
            code = _code(error)
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code in _BUSY or status >= 500:
                self.trouble = f"CloudWatch Logs is too busy for profile {place.profile}: {code}."
                return
            if code == "ResourceNotFoundException":
                raise FetchError(explain(error, self._run, place, _log_groups(self._client(place)))) from None
        elif isinstance(error, (aws.ReadTimeoutError, aws.ConnectionClosedError)):
            self.trouble = f"CloudWatch Logs broke the connection: {error}."
            return
        _refuse(error, self._run, place)


def _code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, aws.ClientError) else ""


def _log_groups(client: Any) -> list[str]:
    """The log groups of the account, the first fifty of them; none where AWS does not say."""
    with contextlib.suppress(aws.BotoCoreError, aws.ClientError):
        return [group["logGroupName"] for group in client.describe_log_groups()["logGroups"]]
    return []


def _refuse(error: Exception, run: Run, place: LogPlace) -> NoReturn:
    raise FetchError(explain(error, run, place)) from None


def _stop(query: _Query) -> None:
    # It may have ended, which is an error in AWS; or AWS is gone, and the query with it.
    with contextlib.suppress(aws.BotoCoreError, aws.ClientError):
        query.client.stop_query(queryId=query.id)


def _invocation(row: list[dict[str, str]]) -> Invocation:
    """One result row: all its values are texts, and null ones are left out.

    Without the member inferenceRegion it was served where it was sent to; with one that cannot be read, nobody knows.
    """
    cells = {cell["field"]: cell.get("value", "") for cell in row}
    source_region = cells.get("region", "")
    return Invocation(
        request_id=cells.get("requestId", ""),
        at=datetime.fromisoformat(cells["@timestamp"]).replace(tzinfo=UTC).timestamp(),
        account_id=cells.get("accountId", ""),
        source_region=source_region,
        inference_region=cells.get("servedRegion") or ("" if cells.get("regionMember") else source_region),
        model_id=cells.get("modelId", ""),
        operation=cells.get("operation", ""),
        latency_ms=_number(cells, "latencyMs"),
        input_tokens=_count(cells, "inputTokens"),
        output_tokens=_count(cells, "outputTokens"),
        error_code=cells.get("error", ""),
    )


def _number(cells: Mapping[str, str], name: str) -> float | None:
    return float(cells[name]) if cells.get(name) else None


def _count(cells: Mapping[str, str], name: str) -> int | None:
    return int(float(cells[name])) if cells.get(name) else None
