"""The types that flow, and the names of the files in a run folder that hold them.

Times are epoch seconds (UTC) and stand in `*_at`; durations are milliseconds and stand in `*_ms`. A value that was
not measured is None, an empty cell in CSV, and never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from analysis.csv_row import CsvRow
from analysis.run_format import FORMAT, upgraded

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


@dataclass(frozen=True, slots=True)
class Record(CsvRow):
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
    retries: int | None  # the gateway's own, as its headers say
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
class Invocation(CsvRow):
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


class Cause(StrEnum):
    """What decides a verdict. Programs read it; people read `Verdict.reason`."""

    PROVED = "proved"  # PASS: the evidence shows it
    DISPROVED = "disproved"  # FAIL: the evidence contradicts it
    # UNKNOWN, as the run does not put the claim to the test:
    NOTHING_SENT = "nothing_sent"  # no request of whom it is about
    SILENT_CONSUMER = "silent_consumer"  # one of those whom it is about sent nothing
    NOT_TESTED = "not_tested"  # the traffic did not do what the claim is about
    NOT_CONFIGURED = "not_configured"  # the gateway's file has nothing that the claim is about
    NOT_ENFORCED = "not_enforced"  # it names a limit that nothing enforces
    NOT_MODELLED = "not_modelled"  # the gateway routes in a way that explains what was seen, or does not
    # UNKNOWN, as the evidence is not enough:
    AMBIGUOUS = "ambiguous"  # it fits both
    NO_INVOCATIONS = "no_invocations"  # CloudWatch knows of none
    NOT_FETCHED = "not_fetched"  # CloudWatch was never asked
    NOT_CONFIRMED = "not_confirmed"  # CloudWatch has no invocation for an answer
    NO_REQUEST_ID = "no_request_id"  # answers that no invocation can ever confirm
    ACCOUNT_UNKNOWN = "account_unknown"  # STS did not say which account a profile leads to
    REGION_UNKNOWN = "region_unknown"  # CloudWatch does not say which Region served
    INCOMPLETE = "incomplete"  # records may be missing
    # UNKNOWN, as the evidence contradicts itself:
    CONTRADICTED = "contradicted"  # CloudWatch says otherwise than the client or the gateway
    FOREIGN_RECORDS = "foreign_records"  # records are another run's
    CLIENT_TOO_SLOW = "client_too_slow"  # the harness was the bottleneck
    # UNKNOWN, as nobody could judge:
    NO_CLAIM = "no_claim"  # the pattern has none that is about those who ran
    UNKNOWN_CLAIM = "unknown_claim"  # this version has no claim of that name, or not with these parameters
    CRASHED = "crashed"  # its judge did


ClaimId = tuple[str, str, tuple[str, ...], tuple[tuple[str, str], ...]]  # pattern, claim, consumers, parameters


def claim_id(pattern: str, claim: str, consumers: tuple[str, ...], parameters: Mapping[str, Any]) -> ClaimId:
    """What meets a claim with its verdict: all that configures them tells them apart."""
    return pattern, claim, consumers, tuple(sorted((name, repr(value)) for name, value in parameters.items()))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one claim of one pattern."""

    pattern: str
    claim: str  # its name in analysis.claims; "" for a pattern without a claim to judge
    sentence: str  # what was to be proved, in words
    answer: Answer
    cause: Cause
    observed: str
    expected: str
    n: int  # how many samples it rests on
    reason: str  # why it is not PASS, and what to do; "" when it is
    evidence: tuple[str, ...] = ()  # where it was read, with request ids that show it
    consumers: tuple[str, ...] = ()  # as configured; empty: all of the pattern
    parameters: Mapping[str, Any] = field(default_factory=dict)  # as configured
    note: str = ""  # what a reader should know of the evidence, whatever the answer is

    @property
    def id(self) -> ClaimId:
        """What meets it with the RunClaim that it answers."""
        return claim_id(self.pattern, self.claim, self.consumers, self.parameters)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunConsumer(_Strict):
    """A consumer of the run, as it was configured."""

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
    region: str | None = None  # where the direct route asks; None: in the run's own Region
    tagged: bool = True  # whether its requests carry the run's id into Bedrock's log


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
    provider: str = "bedrock"  # as LiteLLM calls it; what another one answers is in no CloudWatch
    region: str | None = None  # the source Region that it is configured with; None: the environment's
    weight: float | None = None
    order: int | None = None  # the lower is asked first, those without one last
    limited: bool = True  # whether its rpm is a limit, or only a weight. Older runs do not say; theirs was


class RunRouting(_Strict):
    """How the gateway chooses who serves a request, as its own file says."""

    strategy: str = "simple-shuffle"
    # What makes a deployment's rpm a limit: enable_pre_call_checks, and the optional check enforce_model_rate_limits.
    limits: tuple[Literal["pre_call_checks", "model_rate_limits"], ...] = ("pre_call_checks",)
    aliases: dict[str, str] = {}  # a name that may be asked for → the model group behind it
    fallbacks_by_kind: dict[str, dict[str, tuple[str, ...]]] = {}  # context_window, content_policy → as Run.fallbacks


class RunChange(_Strict):
    """What was changed of the gateway's file so that nothing leaves the machine."""

    where: str
    what: str


class RunClaim(_Strict):
    """A claim to be judged: its name in analysis.claims, and what it is about."""

    pattern: str
    claim: str
    consumers: tuple[str, ...] = ()  # empty: all of the pattern
    parameters: dict[str, Any] = {}  # as the claim's own model of them has them

    @property
    def id(self) -> ClaimId:
        """What meets it with its Verdict."""
        return claim_id(self.pattern, self.claim, self.consumers, self.parameters)


class LogPlace(NamedTuple):
    """Where invocation logs are: in a profile's account, in one Region."""

    profile: str
    region: str


class RunAws(_Strict):
    """Where the invocation logs of the run are."""

    profiles: tuple[str, ...]
    accounts: dict[str, str]  # profile → account id, as far as STS said
    region: str
    log_group: str


class RunFetch(_Strict):
    """How long fetch waits for CloudWatch to deliver."""

    deadline_s: float
    poll_s: float


class Fault(BaseModel):
    """A fault as it was carried out, in faults.json: what is read of it; the embedded AWS writes more."""

    name: str
    started_at: FiniteFloat
    stopped_at: FiniteFloat | None  # None: it lasted to the end of the run


class Run(_Strict):
    """run.json: one execution, with all that judging it later needs."""

    format: Annotated[int, Field(strict=True, ge=1, le=FORMAT)] = FORMAT
    made_by: str = ""  # the harness's version
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
    fallbacks: dict[str, tuple[str, ...]]  # model group → the groups that take over for it, in order
    claims: tuple[RunClaim, ...]
    notes: tuple[str, ...] = ()  # what went wrong outside any single request: a gateway that died, a lost worker
    self_check: dict[str, Any] = {}  # the client's own health: scheduling lag, CPU, offered and achieved rates
    settings: dict[str, Any] = {}  # the configuration as it was, without secrets
    routing: RunRouting = RunRouting()
    changes: tuple[RunChange, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _of_any_format(cls, content: Any) -> Any:
        return upgraded(content) if isinstance(content, dict) else content

    @property
    def log_places(self) -> list[LogPlace]:
        """Where its invocations may be logged: in the account and source Region of each call."""
        places = [LogPlace(profile, self.aws.region) for profile in self.aws.profiles]
        places += [LogPlace(one.profile, one.region) for one in self.consumers if one.profile and one.region]
        asked = [consumer.model for consumer in self.consumers if consumer.route == "gateway"]
        reached = {group for model in asked for group in (self.group_of(model), *self.fallbacks_of(model))}
        places += [
            LogPlace(deployment.profile, deployment.region)
            for deployment in self.deployments
            if deployment.region and deployment.profile in self.aws.profiles and deployment.group in reached
        ]
        return list(dict.fromkeys(places))

    def title(self, pattern: str) -> str:
        """The heading of a pattern; its name in words where it has none."""
        return self.titles.get(pattern) or pattern.replace("_", " ").capitalize()

    def group_of(self, model: str) -> str:
        """The model group behind a name that a consumer asks for: an alias's, else the one of that name."""
        return self.routing.aliases.get(model, model)

    def fallbacks_of(self, model: str) -> tuple[str, ...]:
        """The model groups that take over for what a consumer asks for, in order."""
        group = self.group_of(model)
        names = self.fallbacks.get(model) or self.fallbacks.get(group, ())
        return tuple(name for name in dict.fromkeys(map(self.group_of, names)) if name != group)

    def deployments_of(self, group: str) -> tuple[RunDeployment, ...]:
        return tuple(deployment for deployment in self.deployments if deployment.group == group)
