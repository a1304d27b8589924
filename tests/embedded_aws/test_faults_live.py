"""Faults as clients feel them, started through the admin API."""

import json
import logging
import socket
import time

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, EventStreamError

from embedded_aws.faults import ERRORS

SONNET = "us.anthropic.claude-sonnet-4-6"
HELLO = [{"role": "user", "content": [{"text": "Hello there"}]}]


@pytest.fixture
def ask(aws):
    return lambda profile="account-one", region="us-east-1", model=SONNET: aws.client(
        profile=profile, region=region
    ).converse(modelId=model, messages=HELLO)


def refusal(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"], caught.value.response["Error"]


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_of_the_table(aws, ask, code):
    status, text = ERRORS[code]
    with aws.fault(kind="error", error=code, account="111111111111"):
        assert refusal(ask) == (status, {"Code": code, "Message": text})
        ask("account-two")
    ask()


def test_a_throttle_strikes_only_its_model(aws, ask):
    with aws.fault(kind="throttle", model="anthropic.claude-sonnet-4-6"):
        assert refusal(ask)[0] == 429
        ask(model="us.amazon.nova-lite-v1:0")


def test_a_suspended_account_is_refused_everywhere(aws, ask):
    with aws.fault(kind="account_suspended", account="111111111111"):
        assert refusal(ask)[1]["Code"] == "AccessDeniedException"
        assert refusal(aws.client("sts").get_caller_identity)[1]["Code"].startswith("AccessDenied")
        assert refusal(aws.client("logs").describe_log_groups)[1]["Code"] == "AccessDeniedException"
        ask("account-two")


def test_expired_credentials_are_told_in_each_services_words(aws, ask):
    with aws.fault(kind="credentials_expired", account="111111111111"):
        expired = {"Code": "ExpiredTokenException", "Message": "The security token included in the request is expired"}
        assert refusal(ask) == (403, expired)
        assert refusal(aws.client("sts").get_caller_identity)[1]["Code"] == "ExpiredToken"
        assert refusal(aws.client("logs").describe_log_groups) == (400, expired)
        ask("account-two")
    ask()


def test_a_region_down_refuses_its_own_callers(aws, ask):
    with aws.fault(kind="region_down", region="us-west-2"):
        assert refusal(ask, region="us-west-2")[0] == 503
        ask(region="us-east-1")


def test_latency_is_added_and_told(aws, ask):
    with aws.fault(kind="latency", add_ms=120):
        started = time.monotonic()
        assert ask()["metrics"]["latencyMs"] == 120
        assert time.monotonic() - started >= 0.12


def test_a_connection_is_reset_not_closed(aws):
    headers = aws.signed(f"/model/{SONNET}/converse", b"{}")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    host, port = aws.url.removeprefix("http://").split(":")
    with aws.fault(kind="connection_reset", account="111111111111"), socket.create_connection((host, int(port))) as raw:
        raw.sendall(f"POST /model/{SONNET}/converse HTTP/1.1\r\n{head}content-length: 2\r\n\r\n{{}}".encode())
        with pytest.raises(ConnectionResetError):
            raw.recv(1)


def test_boto3_sees_a_reset_as_a_closed_connection(aws, ask, caplog):
    with aws.fault(kind="connection_reset"), pytest.raises(ConnectionClosedError):
        ask()
    ask()
    assert caplog.records == []  # a fault that was asked for is no error of the server


def test_a_port_that_refuses_connections_opens_again(start):
    aws = start()
    client = aws.client()
    client.converse(modelId=SONNET, messages=HELLO)
    status, _ = aws.admin("faults", "POST", {"kind": "connection_refused", "duration_s": 4})
    assert status == 201
    deadline = time.monotonic() + 60
    refused = False
    while time.monotonic() < deadline and not refused:
        try:
            client.converse(modelId=SONNET, messages=HELLO)
        except EndpointConnectionError as error:
            refused = "Could not connect" in str(error)
        except ConnectionClosedError:
            pass  # the connection that was open when the port closed
        time.sleep(0.02)
    assert refused
    while True:
        try:
            client.converse(modelId=SONNET, messages=HELLO)
            break
        except EndpointConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    ((event),) = aws.admin("faults")[1]
    assert (event["state"], event["kind"]) == ("stopped", "connection_refused")
    assert event["stopped_at"] - event["started_at"] == pytest.approx(4)


def test_a_cut_stream_ends_in_silence_with_its_tokens_counted(aws):
    with aws.fault(kind="stream_cut", after_tokens=3):
        answer = aws.client().converse_stream(modelId=SONNET, messages=HELLO)
        events = list(answer["stream"])
    assert sum("contentBlockDelta" in event for event in events) == 3
    assert not any("messageStop" in event or "metadata" in event for event in events)
    record = aws.record(answer["ResponseMetadata"]["RequestId"])
    assert record["output"]["outputTokenCount"] == 3
    text = "".join(e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e)
    assert record["output"]["outputBodyJson"]["output"]["message"]["content"] == [{"text": text}]


def test_a_cut_stream_may_end_with_a_reset(aws, caplog):
    with aws.fault(kind="stream_cut", after_tokens=2, reset=True):
        stream = aws.client().converse_stream(modelId=SONNET, messages=HELLO)["stream"]
        with pytest.raises(Exception, match=r"(?i)reset|broken|connection"):
            list(stream)
    aws.client().converse(modelId=SONNET, messages=HELLO)
    assert caplog.records == []


def test_a_client_that_left_before_the_reset_is_no_error(start, caplog):
    aws = start(latency={"first_token_ms": {"median": 0, "p99": 0}, "per_token_ms": 20})
    logging.getLogger("uvicorn.error").addHandler(caplog.handler)
    body = json.dumps({"messages": HELLO}).encode()
    headers = aws.signed(f"/model/{SONNET}/converse-stream", body)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    host, port = aws.url.removeprefix("http://").split(":")
    try:
        with aws.fault(kind="stream_cut", after_tokens=8, reset=True):
            with socket.create_connection((host, int(port))) as raw:
                request = f"POST /model/{SONNET}/converse-stream HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n"
                raw.sendall(request.encode() + body)
                assert raw.recv(1) == b"H"
            deadline = time.monotonic() + 10
            while not aws.admin("journal/stats")[1]["records"] and time.monotonic() < deadline:
                time.sleep(0.02)
        assert aws.admin("journal/stats")[1]["records"] == 1
        assert caplog.records == []
    finally:
        logging.getLogger("uvicorn.error").removeHandler(caplog.handler)


def test_an_error_frame_ends_a_stream_and_is_logged(aws):
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    with aws.fault(kind="stream_error", after_tokens=2, error="throttlingException"):
        answer = aws.client().invoke_model_with_response_stream(modelId=SONNET, body=json.dumps(body))
        chunks = []
        with pytest.raises(EventStreamError) as caught:
            chunks += (json.loads(event["chunk"]["bytes"]) for event in answer["body"])
    assert caught.value.response["Error"]["Code"] == "throttlingException"
    record = aws.record(answer["ResponseMetadata"]["RequestId"])
    assert record["errorCode"] == "ThrottlingException"
    assert record["output"]["outputTokenCount"] == 2


def test_a_stream_shorter_than_the_cut_is_whole(aws):
    with aws.fault(kind="stream_cut", after_tokens=10_000):
        events = list(aws.client().converse_stream(modelId=SONNET, messages=HELLO)["stream"])
    assert "metadata" in events[-1]


def test_lost_logs_never_come_and_are_counted(aws, ask):
    before = aws.admin("journal/stats")[1]
    with aws.fault(kind="lost_logs"):
        lost = ask()["ResponseMetadata"]["RequestId"]
    kept = ask()["ResponseMetadata"]["RequestId"]
    stats = aws.admin("journal/stats")[1]
    assert (stats["lost"], stats["records"]) == (before["lost"] + 1, before["records"] + 1)
    ids = {row["requestId"] for row in aws.records(query="fields requestId")}
    assert kept in ids
    assert lost not in ids


# --- the admin API ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ({"kind": "throtle"}, "throtle"),
        ({"kind": "throttle", "account": "123456789012"}, "there is no account '123456789012'"),
        ({"kind": "throttle", "model": "us.anthropic.claude-sonnet-4"}, "did you mean"),
        ({"kind": "throttle", "region": "us-east-9"}, "us-east-9"),
        ({"kind": "throttle", "share": 2}, "share"),
        ([], "dict"),
    ],
)
def test_a_fault_that_cannot_be_says_why(aws, fault, problem):
    status, content = aws.admin("faults", "POST", fault)
    assert status == 400
    assert problem in content["error"]


def test_only_the_fault_that_is_named_is_stopped(start):
    aws = start()
    for name in ("storm", "other"):
        assert aws.admin("faults", "POST", {"kind": "none", "name": name})[0] == 201
    for query in ("name=", "name", "nmae=storm", "name=storm&x=1", "name=storm&name=other"):
        assert aws.admin(f"faults?{query}", "DELETE")[0] == 400
    assert aws.admin("faults?name=strom", "DELETE")[0] == 404
    assert [event["state"] for event in aws.admin("faults")[1]] == ["active", "active"]
    assert aws.admin("faults?name=storm", "DELETE") == (200, {"stopped": 1})
    assert aws.admin("faults?name=storm", "DELETE")[0] == 404
    assert [event["state"] for event in aws.admin("faults")[1]] == ["stopped", "active"]
    assert [aws.admin("faults", "DELETE") for _ in range(2)] == [(200, {"stopped": 1}), (200, {"stopped": 0})]


def test_health_names_the_environment_and_no_secret(aws):
    status, health = aws.admin("health")
    assert status == 200
    assert health["ready"] is True
    assert health["environment"] == aws.environment
    assert health["accounts"] == {"account-one": "111111111111", "account-two": "222222222222"}
    secret = aws.session().get_credentials().secret_key
    assert secret not in json.dumps(health)


def test_pacing_counts_frames(aws):
    aws.admin("pacing", "DELETE")
    events = list(aws.client().converse_stream(modelId=SONNET, messages=HELLO)["stream"])
    tokens = sum("contentBlockDelta" in event for event in events)
    assert aws.admin("pacing")[1]["frames"] == tokens + 2  # the opening comes with the first, the closing with the last


def test_unknown_admin_paths(aws):
    assert aws.admin("nothing")[0] == 404
    assert aws.admin("health", "PUT")[0] == 404
