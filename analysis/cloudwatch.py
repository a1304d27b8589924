"""Fetches the run's invocation records from CloudWatch Logs Insights. The only user of boto3 in the analysis.

Each AWS profile of the run is asked for its own account's log group. CloudWatch delivers late, by no published figure,
so it is asked again until every answered request has its invocation or the deadline is over. Where AWS is comes from
the environment alone (AWS_ENDPOINT_URL and the profile files), as for any AWS SDK.
"""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import boto3
import pandas as pd
from botocore import exceptions as aws
from botocore.config import Config

from analysis import files
from analysis.files import FetchLog
from analysis.join import outcomes
from analysis.model import FETCH_JSON, INVOCATIONS_CSV, Invocation, Outcome, Run

LIMIT = 100_000  # rows a query may return: StartQuery's own limit
PAGE = 10_000  # rows a GetQueryResults may return
MARGIN_S = 60  # around the run: clocks differ, and log timestamps are cut to the second
_STATUS_POLL_S = (0.1, 1.0)  # between looks at a running query: first, and at most

_FIELDS = (
    "requestId",
    "@timestamp",
    "accountId",
    "region",
    "coalesce(inferenceRegion, region) as servedRegion",
    "modelId",
    "operation",
    "output.outputBodyJson.metrics.latencyMs as latencyMs",
    "input.inputTokenCount as inputTokens",
    "output.outputTokenCount as outputTokens",
    "errorCode",
)


class FetchError(Exception):
    """CloudWatch cannot be asked; the text says why and what to do, and is shown as it is."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far fetch is."""

    found: int  # answered requests whose invocation has arrived
    wanted: int  # answered requests
    invocations: int
    waited_s: float
    deadline_s: float


def fetch(
    path: Path,
    progress: Callable[[Progress], None] = lambda _: None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    limit: int = LIMIT,
) -> FetchLog:
    """Writes invocations.csv and fetch.json into the run folder `path`; what an earlier fetch found is kept.

    Raises FetchError and files.RunFolderError. Interrupted, it stops its queries and keeps what it has.
    """
    run, records = files.read_run(path), files.read_records(path)
    found = _found_before(path)
    wanted, nameless = _answered(records)
    arrived = {request_id for request_id in wanted.index if request_id in found}
    whole = _window(run, records)
    asked = _Asked(run, query_string(run), sleep, limit)
    began = clock()
    reason = "It was interrupted. Run fetch again."

    def tell() -> None:
        progress(Progress(len(arrived), len(wanted), len(found), clock() - began, run.fetch.deadline_s))

    try:
        window = whole
        tell()
        while True:
            for invocation in asked.invocations(window, tell):
                found[invocation.request_id] = invocation
                if invocation.request_id in wanted.index:
                    arrived.add(invocation.request_id)
            tell()
            if len(arrived) == len(wanted):
                reason = _NAMELESS.format(nameless) if nameless else ""
                break
            waited = clock() - began
            if waited + run.fetch.poll_s > run.fetch.deadline_s:
                reason = _incomplete(run, len(wanted) - len(arrived), len(wanted), waited, asked.trouble)
                break
            sleep(run.fetch.poll_s)
            window = _span(wanted[~wanted.index.isin(arrived)], whole)
    except FetchError as error:
        reason = str(error)
        raise
    finally:
        log = FetchLog(
            fetched_at=time.time(),
            waited_s=round(clock() - began, 3),
            window=whole,
            profiles=run.aws.profiles,
            query=asked.query,
            queries=asked.queries,
            invocations=len(found),
            answered=len(wanted) + nameless,
            missing=len(wanted) - len(arrived) + nameless,
            complete=not reason,
            reason=reason,
        )
        if found or asked.completed:
            rows = sorted(found.values(), key=lambda invocation: (invocation.at, invocation.request_id))
            files.write_lines(path / INVOCATIONS_CSV, _lines(rows))
        files.write_text(path / FETCH_JSON, log.model_dump_json(indent=1) + "\n")
    return log


def query_string(run: Run) -> str:
    """The Logs Insights query: this run's invocations, by its tag and its models.

    A logged modelId is the bare id or an inference profile's ARN, which ends with it.
    """
    direct = (consumer.model for consumer in run.consumers if consumer.route == "direct")
    ids = {model.rpartition("/")[2] for model in (*direct, *(deployment.model_id for deployment in run.deployments))}
    models = "|".join(re.escape(model).replace("/", r"\/") for model in sorted(ids))
    tag = run.id.replace("\\", "\\\\").replace('"', '\\"')
    return (
        f"fields {', '.join(_FIELDS)}\n"
        f'| filter requestMetadata.run = "{tag}" and modelId like /({models})$/\n'
        "| sort @timestamp asc"
    )


# --- what to ask for --------------------------------------------------------------------------------------------


def _found_before(path: Path) -> dict[str, Invocation]:
    earlier = files.read_invocations(path)
    if earlier is None:
        return {}
    plain = earlier.astype(object).where(earlier.notna(), None)
    rows = plain.itertuples(index=False, name=None)
    return {row[0]: Invocation(*row) for row in rows}


_NAMELESS = "Answers without Bedrock's request id, which no invocation can be matched with: {:,}."


def _answered(records: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The requests that Bedrock must know, by request id, with their times; and how many came back without an id."""
    answered = records[outcomes(records) == Outcome.ANSWERED]
    answered = answered.assign(ended_at=answered["intended_at"] + answered["latency_ms"] / 1000)
    named = answered[answered["request_id"] != ""].drop_duplicates("request_id")
    return named.set_index("request_id")[["started_at", "ended_at"]], int((answered["request_id"] == "").sum())


def _window(run: Run, records: pd.DataFrame) -> tuple[int, int]:
    """The run's time range, with the margin: inclusive epoch seconds."""
    last = run.ended_at or run.started_at
    if len(records):
        last = max(last, float((records["intended_at"] + records["latency_ms"] / 1000).max()))
    return math.floor(run.started_at) - MARGIN_S, math.ceil(last) + MARGIN_S


def _span(missing: pd.DataFrame, whole: tuple[int, int]) -> tuple[int, int]:
    """The part of the run in which something is still missing."""
    first, last = missing["started_at"].min(), missing["ended_at"].max()
    return max(whole[0], math.floor(first) - MARGIN_S), min(whole[1], math.ceil(last) + MARGIN_S)


def _incomplete(run: Run, missing: int, wanted: int, waited_s: float, trouble: str) -> str:
    if trouble:
        return f"{trouble} {missing:,} of {wanted:,} invocations had not been found after {waited_s:.0f} s."
    return (
        f"{missing:,} of {wanted:,} invocations of run {run.id} had not arrived in log group {run.aws.log_group} after "
        f"{waited_s:.0f} s: logs may be on their way, model invocation logging may be off, or the gateway may drop "
        "requestMetadata, which tags the run."
    )


def _lines(invocations: list[Invocation]) -> Iterator[str]:
    yield Invocation.header_line()
    for invocation in invocations:
        yield invocation.line()


# --- asking -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Query:
    """A query that was started."""

    profile: str
    client: Any
    id: str
    window: tuple[int, int]


class _Asked:
    """Queries to all the run's accounts, with what became of them."""

    def __init__(self, run: Run, query: str, sleep: Callable[[float], None], limit: int) -> None:
        self.query = query
        self.queries = 0
        self.completed = 0
        self.trouble = ""  # why the last query brought nothing
        self._run = run
        self._sleep = sleep
        self._limit = limit
        self._clients: dict[str, Any] = {}

    def invocations(self, window: tuple[int, int], tell: Callable[[], None]) -> Iterator[Invocation]:
        """All of the window, from every account. A full answer may not be the whole: its half windows are asked."""
        self.trouble = ""
        open_queries: deque[_Query] = deque()
        pause, longest = _STATUS_POLL_S
        try:
            for profile in dict.fromkeys(self._run.aws.profiles):
                open_queries.extend(self._start(profile, window))
            while open_queries:
                query = open_queries[0]
                status, rows = self._look(query)
                if status in ("Scheduled", "Running", "Unknown"):
                    self._sleep(pause)
                    pause = min(pause * 1.5, longest)
                    tell()
                    continue
                open_queries.popleft()
                pause = _STATUS_POLL_S[0]
                if status == "Complete":
                    self.completed += 1
                    start, end = query.window
                    if len(rows) >= self._limit and start < end:
                        middle = (start + end) // 2
                        for half in ((start, middle), (middle + 1, end)):
                            open_queries.extend(self._start(query.profile, half))
                        continue
                    if len(rows) >= self._limit:
                        self.trouble = f"More than {self._limit:,} invocations were logged in one second."
                    yield from map(_invocation, rows)
                elif status:
                    self.trouble = f"CloudWatch ended a query of profile {query.profile} with status {status}."
        finally:
            for query in open_queries:
                _stop(query)

    def _start(self, profile: str, window: tuple[int, int]) -> list[_Query]:
        """The query, or none when AWS is too busy to take it now."""
        client = self._client(profile)
        try:
            answer = client.start_query(
                logGroupName=self._run.aws.log_group,
                startTime=window[0],
                endTime=window[1],
                queryString=self.query,
                limit=self._limit,
            )
        except (aws.BotoCoreError, aws.ClientError) as error:
            self._transient(error, profile)
            return []
        self.queries += 1
        return [_Query(profile, client, answer["queryId"], window)]

    def _look(self, query: _Query) -> tuple[str, list[list[dict[str, str]]]]:
        """The query's status, "" when AWS is too busy to tell, and all its rows when it is complete."""
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
            self._transient(error, query.profile)
            return "", []

    def _client(self, profile: str) -> Any:
        if profile not in self._clients:
            try:
                session = boto3.Session(profile_name=profile, region_name=self._run.aws.region)
                # Standard mode backs off, with jitter, on throttling and on LimitExceededException.
                client = session.client("logs", config=Config(retries={"mode": "standard", "total_max_attempts": 6}))
            except (aws.BotoCoreError, aws.ClientError) as error:
                _refuse(error, self._run, profile)
            host = urlsplit(client.meta.endpoint_url).hostname or ""
            if self._run.evidence == "embedded" and host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
                raise FetchError(_embedded_ended(self._run))  # its records are not there, and asking costs money
            self._clients[profile] = client
        return self._clients[profile]

    def _transient(self, error: Exception, profile: str) -> None:
        """Notes an error that may pass, and raises FetchError for one that will not."""
        if isinstance(error, aws.ClientError):
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code in _BUSY or status >= 500:
                self.trouble = f"CloudWatch Logs is too busy for profile {profile}: {code}."
                return
        elif isinstance(error, (aws.ReadTimeoutError, aws.ConnectionClosedError)):
            self.trouble = f"CloudWatch Logs broke the connection: {error}."
            return
        _refuse(error, self._run, profile)


_BUSY = {"ThrottlingException", "LimitExceededException", "ServiceUnavailableException", "TooManyRequestsException"}


def _stop(query: _Query) -> None:
    # It may have ended, which is an error in AWS; or AWS is gone, and the query with it.
    with contextlib.suppress(aws.BotoCoreError, aws.ClientError):
        query.client.stop_query(queryId=query.id)


def _invocation(row: list[dict[str, str]]) -> Invocation:
    """One result row: all its values are texts, and null ones are left out."""
    cells = {cell["field"]: cell.get("value", "") for cell in row}
    return Invocation(
        request_id=cells.get("requestId", ""),
        at=datetime.fromisoformat(cells["@timestamp"]).replace(tzinfo=UTC).timestamp(),
        account_id=cells.get("accountId", ""),
        source_region=cells.get("region", ""),
        inference_region=cells.get("servedRegion", ""),
        model_id=cells.get("modelId", ""),
        operation=cells.get("operation", ""),
        latency_ms=_number(cells, "latencyMs"),
        input_tokens=_count(cells, "inputTokens"),
        output_tokens=_count(cells, "outputTokens"),
        error_code=cells.get("errorCode", ""),
    )


def _number(cells: Mapping[str, str], name: str) -> float | None:
    return float(cells[name]) if cells.get(name) else None


def _count(cells: Mapping[str, str], name: str) -> int | None:
    return int(float(cells[name])) if cells.get(name) else None


# --- what can be wrong ------------------------------------------------------------------------------------------


def _refuse(error: Exception, run: Run, profile: str) -> NoReturn:
    raise FetchError(_explain(error, run, profile)) from None


_NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.TokenRetrievalError,
    aws.SSOError,
    aws.NoAuthTokenError,
)
_UNREACHABLE = (aws.EndpointConnectionError, aws.ConnectTimeoutError, aws.SSLError, aws.ProxyConnectionError)
_REJECTED = {
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "ExpiredTokenException",
    "ExpiredToken",
}


def _explain(error: Exception, run: Run, profile: str) -> str:
    embedded = run.evidence == "embedded"
    if isinstance(error, aws.ProfileNotFound):
        if embedded:
            return _embedded_ended(run)
        return (
            f"AWS profile {profile!r} does not exist. Add it with `aws configure --profile {profile}`, or point "
            "AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE at the files that have it."
        )
    if isinstance(error, _NO_CREDENTIALS):
        why = _sentence(error)
        return f"AWS profile {profile!r} has no usable credentials: {why} Log in, or renew them, and fetch again."
    if isinstance(error, _UNREACHABLE):
        if embedded:
            return _embedded_ended(run)
        why = _sentence(error)
        return f"CloudWatch Logs cannot be reached: {why} Look at the network, AWS_ENDPOINT_URL and the Region."
    if not isinstance(error, aws.ClientError):
        return f"CloudWatch Logs could not be asked with AWS profile {profile!r}: {error}"
    said = error.response.get("Error", {})
    code, message = said.get("Code", ""), _sentence(said.get("Message", ""))
    if code in ("AccessDeniedException", "AccessDenied"):
        operation = error.operation_name
        return (
            f"AWS profile {profile!r} may not do logs:{operation} in account {run.aws.accounts.get(profile, '?')}: "
            f"{message} iam/policy.json is the policy that it needs."
        )
    if code in _REJECTED:
        if embedded:
            return f"{_embedded_ended(run)} (What answered now does not know the run's keys: {message})"
        return f"AWS does not accept the credentials of profile {profile!r}: {message} Renew them, and fetch again."
    if code == "ResourceNotFoundException":
        return (
            f"Log group {run.aws.log_group} does not exist in account {run.aws.accounts.get(profile, '?')} (profile "
            f"{profile!r}), {run.aws.region}. Turn on Bedrock's model invocation logging there, or set "
            "aws.bedrock_log_group_name in config.yaml to the group that it writes to."
        )
    return f"CloudWatch Logs refused the query of AWS profile {profile!r}: {code}: {message}"


def _sentence(text: object) -> str:
    return f"{str(text).rstrip('.')}."


def _embedded_ended(run: Run) -> str:
    return (
        f"Run {run.id} was made on the embedded AWS, which has ended, and its logs with it. What was fetched is kept: "
        "judge and report work without it. For complete evidence, run again; or, if that embedded AWS is still "
        "running, set the environment that it printed."
    )
