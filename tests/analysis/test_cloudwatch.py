"""Fetching through boto3 from an embedded AWS in a process of its own, and what is said when that cannot be."""

import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import regex
import yaml
from botocore.config import Config
from botocore.stub import Stubber

from analysis.fetch import insights
from analysis.fetch.aws_errors import FetchError
from analysis.fetch.cloudwatch import Progress, fetch
from analysis.folder import reading
from analysis.model import Invocation, Record, Run, RunAws, RunFetch
from common.places import CONFIG_DIR
from tests.analysis import histories
from tests.analysis.histories import ONE, consumer, deployment, record, run

MODEL = "us.anthropic.claude-sonnet-4-6"
GROUP = "/aws/bedrock/modelinvocations"
PROFILES = ("account-one", "account-two")
ACCOUNTS = {"account-one": "111111111111", "account-two": "222222222222"}


@contextlib.contextmanager
def embedded_aws(directory: Path, query_s: float) -> Iterator[dict[str, str]]:
    """The environment that points at an embedded AWS without latency, whose logs arrive at once."""
    settings = yaml.safe_load((CONFIG_DIR / "embedded.yaml").read_text())
    for model in settings["models"].values():
        model.pop("latency", None)
    settings["latency"] = {"first_token_ms": {"median": 0, "p99": 0}, "per_token_ms": 0}
    settings["invocation_logging"]["delivery_delay_s"] = 0
    settings["log_queries"] = {"scheduled_s": 0.02, "running_s": query_s}
    (directory / "embedded.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "embedded_aws", "--port", "0", "--lifeline", "--config"]
    with subprocess.Popen(
        [*command, str(directory / "embedded.yaml")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield dict(process.stdout.readline().removeprefix("export ").rstrip().split("=", 1) for _ in range(4))
        process.terminate()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with embedded_aws(tmp_path_factory.mktemp("embedded"), query_s=0.1) as variables:
        yield variables


@pytest.fixture
def aws(embedded: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, value in embedded.items():
        monkeypatch.setenv(name, value)
    return embedded


class Asker:
    """Sends requests straight to Bedrock, as the direct route does, and keeps their records."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.records: list[Record] = []
        self.started_at = time.time()
        self._clients = {
            profile: boto3.Session(profile_name=profile, region_name="us-east-1").client("bedrock-runtime")
            for profile in PROFILES
        }

    def ask(self, times: int = 1, profile: str = "account-one", **more: Any) -> None:
        for _ in range(times):
            at = time.time()
            request: dict[str, Any] = {
                "modelId": MODEL,
                "messages": [{"role": "user", "content": [{"text": "Hi!"}]}],
                "requestMetadata": {"run": self.run_id},
            }
            given = {name: value for name, value in (request | more).items() if value is not None}
            answer = self._clients[profile].converse(**given)
            self.records.append(
                record(
                    profile, at - histories.T0, answer["ResponseMetadata"]["RequestId"],
                    latency_ms=(time.time() - at) * 1000, input_tokens=answer["usage"]["inputTokens"],
                    output_tokens=answer["usage"]["outputTokens"],
                )
            )  # fmt: skip

    def run(self, **changes: Any) -> Run:
        return run(
            consumers=[consumer(name, route="direct", profile=name, model=MODEL) for name in PROFILES],
            deployments=[], id=self.run_id, started_at=self.started_at, ended_at=time.time(), evidence="embedded",
            aws=RunAws(profiles=PROFILES, accounts=ACCOUNTS, region="us-east-1", log_group=GROUP),
            fetch=RunFetch(deadline_s=60, poll_s=0.1), **changes,
        )  # fmt: skip

    def write(self, path: Path, **changes: Any) -> Path:
        of = self.run().model_copy(update=changes)
        return histories.write(path, of, self.records, None)


@pytest.fixture
def asker(aws: dict[str, str], request: pytest.FixtureRequest) -> Asker:
    return Asker(request.node.name)


def invocations(path: Path) -> list[dict[str, str]]:
    with (path / "invocations.csv").open() as file:
        return list(csv.DictReader(file))


def fault(aws: dict[str, str], **what: Any) -> None:
    post = urllib.request.Request(f"{aws['AWS_ENDPOINT_URL']}/_embedded/faults", json.dumps(what).encode())
    urllib.request.urlopen(post).close()


def no_faults(aws: dict[str, str]) -> None:
    stop = urllib.request.Request(f"{aws['AWS_ENDPOINT_URL']}/_embedded/faults", method="DELETE")
    urllib.request.urlopen(stop).close()


def test_all_accounts_tell_what_they_saw_of_this_run(asker: Asker, tmp_path: Path) -> None:
    asker.ask(3, "account-one")
    asker.ask(2, "account-two")
    others = Asker("another-run")
    others.ask(1)
    path = asker.write(tmp_path)
    reported: list[Progress] = []

    log = fetch(path, reported.append)

    assert (log.complete, log.answered, log.missing, log.invocations) == (True, 5, 0, 5)
    assert (reported[0].found, reported[-1].found, reported[-1].wanted) == (0, 5, 5)
    found = {row["request_id"]: row for row in invocations(path)}
    for sent in asker.records:
        seen = found[sent.request_id]
        assert seen["account_id"] == ACCOUNTS[sent.consumer]
        assert (seen["model_id"], seen["operation"], seen["source_region"]) == (MODEL, "Converse", "us-east-1")
        assert seen["inference_region"] in ("us-east-1", "us-east-2", "us-west-2")
        assert (int(seen["input_tokens"]), int(seen["output_tokens"])) == (sent.input_tokens, sent.output_tokens)
        assert int(sent.started_at) <= float(seen["at"]) <= sent.started_at + sent.latency_ms / 1000
        assert seen["error_code"] == ""
    folder = reading.read(path)
    assert folder.fetch == log
    assert folder.invocations is not None


def test_what_other_providers_answered_is_not_waited_for(asker: Asker, tmp_path: Path) -> None:
    asker.ask(1)
    asker.records.append(record("account-one", deployment="gpt"))
    openai = deployment("gpt", model_id="gpt-5", provider="openai", profile=None, account_id=None)
    log = fetch(asker.write(tmp_path, deployments=(openai,)))
    assert (log.complete, log.answered, log.missing, log.invocations) == (True, 1, 0, 1)
    assert "gpt-5" not in log.query


def test_what_carries_no_tag_is_found_by_its_model_and_time(asker: Asker, tmp_path: Path) -> None:
    untagged: dict[str, Any] = {"requestMetadata": None}
    asker.ask(1, **untagged)  # as a warm-up does
    asker.records.clear()
    time.sleep(1.1)  # the log knows whole seconds
    asker.started_at = time.time()
    asker.ask(2, **untagged)
    asker.ask(1, **untagged | {"modelId": "us.amazon.nova-pro-v1:0"})  # a model that only tagged requests may come to
    asker.records.pop()
    asker.ask(1)
    of = deployment("here", model_id=MODEL, profile="account-one", account_id=ACCOUNTS["account-one"])
    other = of.model_copy(update={"id": "other", "group": "other", "model_id": "us.amazon.nova-pro-v1:0"})
    consumers = (consumer("A", tagged=False), consumer("B", model="other"))
    path = asker.write(tmp_path, consumers=consumers, deployments=(of, other), started_at=asker.started_at)
    log = fetch(path)
    assert (log.complete, log.invocations) == (True, 3)


def test_late_logs_are_waited_for(asker: Asker, aws: dict[str, str], tmp_path: Path) -> None:
    asker.ask(1)
    fault(aws, kind="slow_logs", delay_s=5)
    asker.ask(2)
    no_faults(aws)
    reported: list[Progress] = []
    log = fetch(asker.write(tmp_path), reported.append)
    assert (log.complete, log.invocations) == (True, 3)
    assert {progress.found for progress in reported} >= {1, 3}
    assert log.queries > len(PROFILES)


def test_after_the_deadline_it_says_what_is_missing_and_can_be_run_again(
    asker: Asker, aws: dict[str, str], tmp_path: Path
) -> None:
    asker.ask(1)
    fault(aws, kind="slow_logs", delay_s=6)
    asker.ask(1)
    no_faults(aws)
    path = asker.write(tmp_path, fetch=RunFetch(deadline_s=0.4, poll_s=0.1))
    early = fetch(path)
    assert (early.complete, early.missing, len(invocations(path))) == (False, 1, 1)
    assert early.reason.startswith("1 of 2 invocations of run ")
    assert "model invocation logging may be off" in early.reason

    path = asker.write(tmp_path)
    late = fetch(path)
    assert (late.complete, late.reason, len(invocations(path))) == (True, "", 2)


def test_what_was_found_before_is_kept(asker: Asker, tmp_path: Path) -> None:
    asker.ask(1)
    path = asker.write(tmp_path)
    expired = histories.invocation("no-longer-in-the-log", latency_ms=None)
    (path / "invocations.csv").write_text(Invocation.header_line() + expired.line())
    fetch(path)
    again = fetch(path)
    assert again.complete
    assert {row["request_id"] for row in invocations(path)} == {expired.request_id, asker.records[0].request_id}


def test_a_full_answer_is_split_in_time(asker: Asker, tmp_path: Path) -> None:
    asker.ask(3)
    time.sleep(1.05)
    asker.ask(3)
    path = asker.write(tmp_path)
    log = fetch(path, limit=5)
    assert (log.complete, log.invocations) == (True, 6)
    assert log.queries > len(PROFILES)


def test_more_in_one_second_than_a_query_returns_is_told(asker: Asker, tmp_path: Path) -> None:
    asker.ask(6)
    log = fetch(asker.write(tmp_path, fetch=RunFetch(deadline_s=0.1, poll_s=0.1)), limit=2)
    assert not log.complete
    assert log.reason.startswith("More than 2 invocations were logged in one second.")


def test_long_answers_are_paged(asker: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insights, "PAGE", 2)
    asker.ask(5)
    assert fetch(asker.write(tmp_path)).invocations == 5


def test_interrupted_it_stops_its_queries_and_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with embedded_aws(tmp_path, query_s=600) as variables:  # none of them can be complete before it is stopped
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        asker = Asker("interrupted")
        asker.ask(1)
        path = asker.write(tmp_path / "run")
        with pytest.raises(KeyboardInterrupt):
            fetch(path, sleep=interrupt)
        assert query_statuses(asker) == ["Cancelled", "Cancelled"]
    log = reading.read(path).fetch
    assert log is not None
    assert (log.complete, log.reason, log.queries) == (False, "Asking CloudWatch was interrupted.", 2)


def query_statuses(asker: Asker) -> list[str]:
    """Of the queries about this run, in both accounts."""
    return [
        query["status"]
        for profile in PROFILES
        for query in boto3.Session(profile_name=profile, region_name="us-east-1")
        .client("logs")
        .describe_queries(logGroupName=GROUP)["queries"]
        if f'"{asker.run_id}"' in query["queryString"]
    ]


def test_a_run_without_answers_asks_once(asker: Asker, tmp_path: Path) -> None:
    log = fetch(asker.write(tmp_path))
    assert (log.complete, log.queries, invocations(tmp_path)) == (True, 2, [])


def test_answers_without_an_id_of_their_own_are_not_waited_for(asker: Asker, tmp_path: Path) -> None:
    asker.ask(1)
    asker.records += [record(at=asker.started_at - histories.T0), asker.records[0]]
    log = fetch(asker.write(tmp_path))
    assert (log.complete, log.answered, log.missing) == (False, 3, 2)
    assert log.reason == "Answers without a request id of Bedrock's own, which no invocation can be matched with: 2."


# What a text, and a tool's definition, may hold to be taken for the members that follow the bodies.
FORGED = {"inferenceRegion": "forged", "errorCode": "Forged", "inputTokenCount": 1, "outputTokenCount": 1}
FORGED_TEXT = f'"}}]}},{json.dumps(FORGED, separators=(",", ":"))[1:-1]}}}'


def test_what_stands_behind_a_long_conversation_is_read_too(asker: Asker, tmp_path: Path) -> None:
    """CloudWatch extracts 200 members of an event, and the embedded AWS does the same."""
    roles = ["user" if number % 2 == 0 else "assistant" for number in range(101)]
    tool = {"toolSpec": {"name": "t", "inputSchema": {"json": {"metrics": {"latencyMs": 1}, **FORGED}}}}
    asker.ask(
        5,
        messages=[{"role": role, "content": [{"text": FORGED_TEXT}]} for role in roles],
        toolConfig={"tools": [tool]},
    )
    path = asker.write(tmp_path)
    assert fetch(path).complete
    found = {row["request_id"]: row for row in invocations(path)}
    for sent in asker.records:
        seen = found[sent.request_id]
        assert seen["inference_region"] in ("us-east-1", "us-east-2", "us-west-2")
        assert (int(seen["input_tokens"]), int(seen["output_tokens"])) == (sent.input_tokens, sent.output_tokens)
        assert (seen["error_code"], bool(seen["latency_ms"])) == ("", True)


EVENT = {
    "accountId": ONE, "region": "us-east-1", "requestId": "1", "modelId": MODEL, "requestMetadata": {"run": "r"},
    "input": {
        "inputContentType": "application/json", "inputBodyJson": {"messages": [FORGED, {"text": FORGED_TEXT}]},
        "inputTokenCount": 10, "cacheReadInputTokenCount": 0, "cacheWriteInputTokenCount": 0,
    },
    "output": {
        "outputContentType": "application/json",
        "outputBodyJson": {
            "output": {"message": {"role": "assistant", "content": [{"toolUse": {"input": FORGED}}]}},
            "stopReason": "end_turn", "metrics": {"latencyMs": 512}, "usage": {"inputTokens": 10, "outputTokens": 5},
        },
        "outputTokenCount": 5,
    },
}  # fmt: skip
ENDS: list[dict[str, Any]] = [
    {"inferenceRegion": "us-west-2"},
    {"identity": {"arn": "arn:aws:sts::1:assumed-role/R/s"}, "inferenceRegion": "us-west-2", "schemaVersion": "1.0"},
    {"inferenceRegion": "us-west-2", "identity": {"arn": "arn"}, "errorCode": "ModelStreamErrorException"},
    {},
]


@pytest.mark.parametrize("end", ENDS)
def test_the_end_of_an_event_is_read_in_whatever_order_its_members_stand(end: dict[str, Any]) -> None:
    """As CloudWatch does it, with Java's regular expressions, of which those of `regex` are nearest."""
    message = json.dumps(EVENT | end, separators=(",", ":"))
    found = {}
    for pattern in insights._PARSED:
        if match := regex.search(pattern, message, regex.V1):
            found |= match.groupdict()
    assert found.pop("regionMember") == "inferenceRegion"
    expected = {"endRegion": end.get("inferenceRegion"), "endError": end.get("errorCode")}
    assert found == {
        **{"endInputTokens": "10", "endOutputTokens": "5", "endLatencyMs": "512"},
        **{name: value for name, value in expected.items() if value},
    }


@pytest.mark.parametrize(
    ("more", "region"),
    [({}, "us-east-1"), ({"servedRegion": "us-west-2"}, "us-west-2"), ({"regionMember": "inferenceRegion"}, "")],
)
def test_a_region_that_cannot_be_read_is_not_taken_for_the_source(more: dict[str, str], region: str) -> None:
    cells = {"requestId": "1", "@timestamp": "2026-11-22 12:00:05.000", "region": "us-east-1", **more}
    seen = insights._invocation([{"field": name, "value": value} for name, value in cells.items()])
    assert (seen.source_region, seen.inference_region) == ("us-east-1", region)


def test_the_query_matches_bare_ids_and_the_ends_of_arns() -> None:
    arn = "arn:aws:bedrock:us-east-1:111111111111:inference-profile/global.x.y-v1:0"
    of = run(
        consumers=[consumer(route="direct", model=MODEL), consumer("B", model="group")],
        deployments=[histories.deployment(model_id=arn)],
        id='odd"id\\',
    )
    query = insights.query_string(of)
    assert 'requestMetadata.run = "odd\\"id\\\\"' in query
    assert r"modelId like /(global\.x\.y\-v1:0|us\.anthropic\.claude\-sonnet\-4\-6)$/" in query


# --- scripted by botocore's stubber: what the embedded AWS does not do on demand ---


class Scripted:
    """A session whose Logs client answers by script, which the stubber checks against AWS's own service model."""

    def __init__(self) -> None:
        self.logs = boto3.client(
            "logs", region_name="us-east-1", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret"
        )
        self.stub = Stubber(self.logs)
        self.stub.activate()

    def client(self, service: str, config: Config) -> Any:
        assert service == "logs"
        return self.logs

    def start(self, query_id: str = "q") -> None:
        self.stub.add_response("start_query", {"queryId": query_id})

    def results(self, status: str, *request_ids: str) -> None:
        rows = [
            [{"field": "requestId", "value": i}, {"field": "@timestamp", "value": "2026-11-22 12:00:05.000"}]
            for i in request_ids
        ]
        self.stub.add_response("get_query_results", {"status": status, "results": rows})

    def error(self, operation: str, code: str, message: str = "said AWS", status: int = 400) -> None:
        self.stub.add_client_error(operation, code, message, status)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    script = Scripted()
    monkeypatch.setattr(insights.boto3, "Session", lambda **_: script)
    yield script
    script.stub.assert_no_pending_responses()


def one_account(tmp_path: Path, evidence: str = "aws") -> Path:
    of = run(evidence=evidence).model_copy(
        update={"aws": RunAws(profiles=("one",), accounts={"one": "111111111111"}, region="us-east-1", log_group=GROUP)}
    )
    return histories.write(tmp_path / "run", of, [record(request_id="1")], None)


@pytest.mark.parametrize(
    "trouble",
    [
        lambda script: script.error("start_query", "LimitExceededException"),
        lambda script: script.error("start_query", "InternalFailure", status=500),
        lambda script: (script.start(), script.error("get_query_results", "ThrottlingException")),
        lambda script: (script.start(), script.results("Running"), script.results("Failed")),
        lambda script: (script.start(), script.results("Timeout")),
    ],
)
def test_what_may_pass_is_asked_again(scripted: Scripted, tmp_path: Path, trouble: Any) -> None:
    trouble(scripted)
    scripted.start()
    scripted.results("Scheduled")
    scripted.results("Complete", "1")
    log = fetch(one_account(tmp_path), sleep=lambda _: None)
    assert (log.complete, log.invocations) == (True, 1)


def test_without_its_regular_expressions_a_query_that_aws_refuses_is_asked_again(
    scripted: Scripted, tmp_path: Path
) -> None:
    scripted.error("start_query", "MalformedQueryException")
    scripted.start()
    scripted.results("Complete", "1")
    path = one_account(tmp_path)
    log = fetch(path, sleep=lambda _: None)
    assert (log.complete, log.query) == (True, insights.query_string(reading.read(path).run, parse=False))
    assert "parse" not in log.query


def test_the_plain_query_tells_the_same_of_short_conversations(
    asker: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker.ask(3)
    path = asker.write(tmp_path)
    fetch(path)
    reported = invocations(path)
    (path / "invocations.csv").unlink()
    whole = insights.query_string
    monkeypatch.setattr("analysis.fetch.cloudwatch.query_string", lambda run: whole(run, parse=False))
    fetch(path)
    assert invocations(path) == reported


def test_what_does_not_pass_until_the_deadline_is_told(scripted: Scripted, tmp_path: Path) -> None:
    times = iter(range(0, 1000, 4))  # seconds
    scripted.error("start_query", "LimitExceededException")
    log = fetch(one_account(tmp_path), sleep=lambda _: None, clock=lambda: next(times))
    assert not log.complete
    assert log.reason.startswith("CloudWatch Logs is too busy for profile one: LimitExceededException. 1 of 1")
    assert not (tmp_path / "run" / "invocations.csv").exists()  # which would say that CloudWatch knows of none


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDeniedException", "AWS profile 'one' may not do logs:StartQuery in account 111111111111: said AWS."),
        ("ResourceNotFoundException", f"Log group {GROUP} does not exist in account 111111111111 (profile 'one')"),
        ("ExpiredTokenException", "AWS does not accept the credentials of profile 'one': said AWS. Renew them"),
        ("MalformedQueryException", "refused the query of AWS profile 'one': MalformedQueryException: said AWS."),
    ],
)
def test_refusals_are_explained(scripted: Scripted, tmp_path: Path, code: str, said: str) -> None:
    scripted.error("start_query", code)
    if code == "MalformedQueryException":
        scripted.error("start_query", code)  # the plain query, too
    path = one_account(tmp_path)
    with pytest.raises(FetchError) as error:
        fetch(path)
    assert said in str(error.value)
    log = reading.read(path).fetch
    assert log is not None
    assert log.reason == str(error.value)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (["/aws/lambda/a", "/aws/bedrock/logs"], "writes to (there is: /aws/bedrock/logs, /aws/lambda/a)."),
        ([], "the group that it writes to."),
        (None, "the group that it writes to."),  # the policy may not allow to look
    ],
)
def test_a_log_group_that_does_not_exist_is_told_with_those_that_do(
    scripted: Scripted, tmp_path: Path, there: list[str] | None, said: str
) -> None:
    scripted.error("start_query", "ResourceNotFoundException")
    if there is None:
        scripted.error("describe_log_groups", "AccessDeniedException")
    else:
        groups = [{"logGroupName": name} for name in there]
        scripted.stub.add_response("describe_log_groups", {"logGroups": groups})
    with pytest.raises(FetchError, match=rf"{re.escape(said)}$"):
        fetch(one_account(tmp_path))


# --- the real client, wrongly set up ---


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """AWS's profile files, without a profile; and no AWS to reach."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


KEYS = "[one]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = secret\n"


def test_a_profile_that_does_not_exist(nowhere: Path) -> None:
    with pytest.raises(FetchError, match=r"AWS profile 'one' does not exist\. Add it with `aws configure"):
        fetch(one_account(nowhere))


def test_a_profile_without_credentials(nowhere: Path) -> None:
    (nowhere / "config").write_text("[profile one]\nregion = us-east-1\n")
    with pytest.raises(FetchError, match="AWS profile 'one' has no usable credentials: Unable to locate credentials"):
        fetch(one_account(nowhere))


@pytest.mark.parametrize(("evidence", "said"), [("aws", "Logs cannot be reached"), ("embedded", "has ended")])
def test_an_aws_that_is_not_there(nowhere: Path, monkeypatch: pytest.MonkeyPatch, evidence: str, said: str) -> None:
    (nowhere / "credentials").write_text(KEYS)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    path = one_account(nowhere, evidence)
    with pytest.raises(FetchError, match=said):
        fetch(path, sleep=lambda _: None)
    assert "secret" not in (path / "fetch.json").read_text()


@pytest.mark.parametrize("keys", ["", KEYS])
def test_a_run_on_an_embedded_aws_never_asks_the_real_one(nowhere: Path, keys: str) -> None:
    (nowhere / "credentials").write_text(keys)
    with pytest.raises(FetchError, match="was made on the embedded AWS, which has ended"):
        fetch(one_account(nowhere, "embedded"))


def test_keys_of_another_embedded_aws(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(KEYS)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with pytest.raises(FetchError, match=r"has ended, .* does not know the run's keys: The security token included"):
        fetch(one_account(tmp_path, "embedded"))


def test_a_log_group_that_the_policy_does_not_allow(asker: Asker, tmp_path: Path) -> None:
    settings = asker.run().aws.model_copy(update={"log_group": "/other"})
    with pytest.raises(FetchError, match=r"may not do logs:StartQuery .* iam/policy.json"):
        fetch(asker.write(tmp_path, aws=settings))


def test_sigterm_ends_a_waiting_fetch_and_keeps_what_it_has(asker: Asker, aws: dict[str, str], tmp_path: Path) -> None:
    asker.ask(1)
    fault(aws, kind="lost_logs")
    asker.ask(1)
    no_faults(aws)
    path = asker.write(tmp_path)
    with subprocess.Popen([sys.executable, "-m", "analysis", "fetch", str(path)]) as process:
        while len(query_statuses(asker)) <= len(PROFILES):  # until it has asked once, and begins again
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert len(invocations(path)) == 1
