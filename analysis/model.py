"""The types that flow, and the names of the files in a run folder that hold them.

Times are epoch seconds (UTC) and stand in `*_at`; durations are milliseconds and stand in `*_ms`. A value that was
not measured is None, an empty cell in CSV, and never 0.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

RUN_JSON = "run.json"
REQUESTS_CSV = "requests.csv"
INVOCATIONS_CSV = "invocations.csv"
VERDICTS_JSON = "verdicts.json"
REPORT_HTML = "report.html"
LOCUST_STATS_CSV = "locust_stats.csv"
LOCUST_REPORT_HTML = "locust_report.html"
FAULTS_JSON = "faults.json"
FETCH_JSON = "fetch.json"


class Outcome(StrEnum):
    """What became of a request, as its client saw it."""

    ANSWERED = "answered"
    REFUSED_BY_GATEWAY = "refused_by_gateway"
    REFUSED_BY_BEDROCK = "refused_by_bedrock"
    FAILED = "failed"


class Answer(StrEnum):
    """What a verdict says."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


def worst(answers: list[Answer]) -> Answer:
    """The answer of the whole: one FAIL fails it, else one UNKNOWN leaves it open; nothing at all proves nothing."""
    if Answer.FAIL in answers:
        return Answer.FAIL
    return Answer.PASS if answers and Answer.UNKNOWN not in answers else Answer.UNKNOWN


class _Line:
    """What csv's writer writes to, so that `writerow` returns the line: a run writes thousands of them a second."""

    @staticmethod
    def write(line: str) -> str:
        return f"{line[:-2]}\n"


_csv_line = csv.writer(_Line, lineterminator="\r\n").writerow  # it quotes only the line ends that it writes itself


class _CsvRow:
    """A flat dataclass as one CSV line: its field names are the header, None is an empty cell."""

    __slots__ = ()

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        return tuple(f.name for f in fields(cls))  # type: ignore[arg-type]

    @classmethod
    def header_line(cls) -> str:
        return str(_csv_line(cls.columns()))

    def line(self) -> str:
        return str(_csv_line(_values_of(type(self))(self)))  # type: ignore[arg-type]  # a class is hashable

    @classmethod
    def parse_lines(cls, text: str) -> Iterator[Self]:
        """What `line` wrote. Raises ValueError at the first line that is something else."""
        readers = [_READERS[str(f.type)] for f in fields(cls)]  # type: ignore[arg-type]
        for cells in csv.reader(io.StringIO(text, newline="")):
            if len(cells) != len(readers):
                raise ValueError(f"{len(cells)} cells where a {cls.__name__} has {len(readers)}")
            yield cls(*(read(cell) for read, cell in zip(readers, cells, strict=True)))


def _bool(cell: str) -> bool:
    if cell not in ("True", "False"):
        raise ValueError(f"{cell!r} is neither True nor False")
    return cell == "True"


_READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": _bool,
    "int | None": lambda cell: int(cell) if cell else None,
    "float | None": lambda cell: float(cell) if cell else None,
}


@cache
def _values_of(row: type[_CsvRow]) -> attrgetter[tuple[Any, ...]]:
    return attrgetter(*row.columns())


@dataclass(frozen=True, slots=True)
class Record(_CsvRow):
    """The client's side of one request: a row of requests.csv."""

    run_id: str
    pattern: str
    user_class: str
    consumer: str
    intended_at: float  # when the schedule wanted it to start
    started_at: float  # when it did
    latency_ms: float  # from intended_at to the last byte, or to the failure
    ttft_ms: float | None  # from started_at to the first content of a stream
    status: int  # HTTP; 0 = no answer
    model_asked: str  # a model group of the gateway, or a Bedrock model id on the direct route
    deployment: str  # the id of the deployment that answered; on the direct route the AWS profile; "" if unknown
    retries: int | None  # the gateway's own, as its headers tell
    fallbacks: int | None
    request_id: str  # Bedrock's x-amzn-requestid: the join key; "" when Bedrock did not answer
    error_type: str  # "" when it succeeded
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    gateway_overhead_ms: float | None
    streamed: bool = False
    gap_mean_ms: float | None = None  # between pieces of a stream's content
    gap_p50_ms: float | None = None
    gap_p95_ms: float | None = None
    gap_p99_ms: float | None = None
    worker: str = ""  # the Locust worker that sent it; "" in a run without workers

    @property
    def queued_ms(self) -> float:
        """How long the request waited in the client for a free user."""
        return (self.started_at - self.intended_at) * 1000

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.status, self.error_type, self.request_id)


def outcome_of(status: int, error_type: str, request_id: str) -> Outcome:
    """A 429 is Bedrock's when it carries Bedrock's request id, and the gateway's own when it does not."""
    if 200 <= status < 300 and not error_type:
        return Outcome.ANSWERED
    if status == 429:
        return Outcome.REFUSED_BY_BEDROCK if request_id else Outcome.REFUSED_BY_GATEWAY
    return Outcome.FAILED


@dataclass(frozen=True, slots=True)
class Invocation(_CsvRow):
    """AWS's side of one attempt: a row of invocations.csv."""

    request_id: str
    at: float
    account_id: str
    source_region: str
    inference_region: str
    model_id: str
    operation: str
    latency_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    error_code: str  # "" when it succeeded


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one claim of one pattern."""

    pattern: str
    claim: str  # the sentence that was to be proved
    answer: Answer
    observed: str
    expected: str
    n: int  # how many samples it rests on
    reason: str  # why it is not PASS, and what to do; "" when it is
    evidence: tuple[str, ...] = ()  # where it was read, with request ids that show it


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunConsumer(_Strict):
    """A tenant of the run, as it was configured."""

    pattern: str
    name: str
    user_class: str
    route: Literal["gateway", "direct"]
    model: str  # the model group asked for, or the Bedrock model id on the direct route
    profile: str | None  # the AWS profile of the direct route
    quota_rpm: int | None  # the key's own; None when its model group's quota is the only one
    quota_tpm: int | None
    users: int
    traffic: dict[str, Any]  # as configured: kind, rates, counts


class RunDeployment(_Strict):
    """One entry of the gateway's model_list."""

    id: str
    group: str
    model_id: str  # Bedrock's id, without LiteLLM's provider prefix
    profile: str | None
    account_id: str | None
    rpm: int | None
    tpm: int | None = None
    usd_per_input_token: float | None = None  # as the gateway reckons; None where it knows no price
    usd_per_output_token: float | None = None


class RunClaim(_Strict):
    """A claim to be judged: its name in analysis.claims, and what it is about."""

    pattern: str
    claim: str
    consumers: tuple[str, ...] = ()  # empty: all of the pattern
    at_least: int | None = None


class RunAws(_Strict):
    """Where the invocation logs of the run are."""

    profiles: tuple[str, ...]
    accounts: dict[str, str]  # profile → account id, as far as STS told
    region: str
    log_group: str


class RunFetch(_Strict):
    """How long fetch waits for CloudWatch to deliver."""

    deadline_s: float
    poll_s: float


class Run(_Strict):
    """run.json: one execution, with all that judging it later needs."""

    id: str
    patterns: tuple[str, ...]
    titles: dict[str, str] = {}  # pattern → its heading
    started_at: float
    ended_at: float | None  # None while it runs, or when it was killed
    evidence: Literal["aws", "embedded"]
    versions: dict[str, str]
    command: str
    traffic: str  # the named traffic that was used
    aws: RunAws
    fetch: RunFetch
    consumers: tuple[RunConsumer, ...]
    deployments: tuple[RunDeployment, ...]
    fallbacks: dict[str, tuple[str, ...]]  # model group → the groups that stand in for it
    claims: tuple[RunClaim, ...]
    notes: tuple[str, ...] = ()  # what went wrong outside any single request: a gateway that died, a lost worker
    self_check: dict[str, Any] = {}  # the client's own health: scheduling lag, CPU, offered and achieved rates
    settings: dict[str, Any] = {}  # the configuration as it was, without secrets

    def title(self, pattern: str) -> str:
        """The heading of a pattern; its name in words where it has none."""
        return self.titles.get(pattern) or pattern.replace("_", " ").capitalize()
