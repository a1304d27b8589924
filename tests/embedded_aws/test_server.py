"""The server under many kinds of client, and under requests that no client would send."""

import asyncio
import json
import re
import socket
import subprocess
import sys
import textwrap
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from urllib.parse import quote, urlencode

import httpx
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3 import PoolManager

SONNET = "us.anthropic.claude-sonnet-4-6"
HELLO = [{"role": "user", "content": [{"text": "Hello there"}]}]
OPERATIONS = ["converse", "converse-stream", "invoke", "invoke-with-response-stream"]


# --- many at once -----------------------------------------------------------------------------------------------


def outcome(client):
    try:
        client.converse(modelId=SONNET, messages=HELLO)
        return "answered"
    except ClientError as error:
        return error.response["Error"]["Code"]


def test_threads_at_once_get_their_quota_and_not_one_more(start):
    # A bucket, for a fixed minute might end in the middle of the test.
    aws = start(quota={"rpm": 30}, quota_window="bucket")
    client = aws.client()
    began = monotonic()
    with ThreadPoolExecutor(16) as pool:
        outcomes = Counter(pool.map(outcome, [client] * 80))
    elapsed_s = monotonic() - began
    assert outcomes["answered"] + outcomes["ThrottlingException"] == 80
    assert 30 <= outcomes["answered"] <= 31 + elapsed_s / 2  # 30, and what drips in meanwhile
    logged = aws.records(query="stats count(*) as n, count_distinct(requestId) as ids")
    assert logged == [{"n": str(outcomes["answered"]), "ids": str(outcomes["answered"])}]


def test_asyncio_clients_are_answered_at_once(start):
    latency = {"first_token_ms": {"median": 200, "p99": 200}, "per_token_ms": 0}
    aws = start(latency=latency)
    body = json.dumps({"messages": HELLO}).encode()
    headers = aws.signed(f"/model/{SONNET}/converse", body)

    async def ask_all():
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=50)) as client:
            url = f"{aws.url}/model/{SONNET}/converse"
            return await asyncio.gather(
                *(client.post(url, content=body, headers=headers, timeout=60) for _ in range(50))
            )

    answers = asyncio.run(ask_all())
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["x-amzn-requestid"] for answer in answers}) == 50


def test_gevent_clients_share_one_boto3_client(aws):
    program = """
        from gevent import monkey
        monkey.patch_all()
        import boto3, gevent
        client = boto3.Session(profile_name="account-two").client("bedrock-runtime")
        def ask(number):
            messages = [{"role": "user", "content": [{"text": f"Question {number}"}]}]
            answer = client.converse(modelId="us.anthropic.claude-sonnet-4-6", messages=messages)
            stream = client.converse_stream(modelId="us.anthropic.claude-sonnet-4-6", messages=messages)["stream"]
            text = "".join(e["contentBlockDelta"]["delta"]["text"] for e in stream if "contentBlockDelta" in e)
            assert text == answer["output"]["message"]["content"][0]["text"]
            return answer["ResponseMetadata"]["RequestId"]
        greenlets = [gevent.spawn(ask, number) for number in range(20)]
        gevent.joinall(greenlets, raise_error=True)
        print(len({greenlet.value for greenlet in greenlets}))
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={"PATH": "/usr/bin", **aws.environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.stdout.strip(), ended.stderr) == ("20", "")


# --- requests from nowhere --------------------------------------------------------------------------------------


def test_unsigned_and_unknown_callers(aws):
    http = PoolManager(retries=False)
    assert http.request("POST", f"{aws.url}/model/{SONNET}/converse", body=b"{}").status == 403
    assert http.request("POST", f"{aws.url}/", body=b"Action=GetCallerIdentity&Version=2011-06-15").status == 403
    target = {"x-amz-target": "Logs_20140328.DescribeLogGroups"}
    answer = http.request("POST", f"{aws.url}/", body=b"{}", headers=target)
    assert (answer.status, answer.json()["__type"]) == (400, "MissingAuthenticationTokenException")


def test_a_bearer_key_stands_for_its_account(aws):
    keys = Path(aws.environment["AWS_CONFIG_FILE"]).with_name("bedrock_api_keys").read_text()
    token = dict(line.split() for line in keys.splitlines())["account-two"]
    body = {"messages": HELLO}
    answer = httpx.post(f"{aws.url}/model/{SONNET}/converse", json=body, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert aws.record(answer.headers["x-amzn-requestid"], profile="account-two")["accountId"] == "222222222222"
    wrong = httpx.post(f"{aws.url}/model/{SONNET}/converse", json=body, headers={"authorization": "Bearer ABSKwrong"})
    assert (wrong.status_code, wrong.headers["x-amzn-errortype"].split(":")[0]) == (403, "AccessDeniedException")


def test_admin_answers_this_machine_only(aws):
    app = aws.server.config.app
    scope = {
        "type": "http", "method": "GET", "raw_path": b"/_embedded/health", "path": "/_embedded/health",
        "query_string": b"", "headers": [], "client": ("192.0.2.7", 5000),
    }  # fmt: skip
    sent = []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 403


def test_chunked_bodies_are_read_whole(aws):
    body = json.dumps({"messages": HELLO}).encode()
    headers = aws.signed(f"/model/{SONNET}/converse", body)

    def pieces():
        yield body[:7]
        yield body[7:]

    answer = httpx.post(f"{aws.url}/model/{SONNET}/converse", content=pieces(), headers=headers)
    assert answer.status_code == 200


def test_requests_on_one_connection_are_answered_in_order(aws):
    host, port = aws.url.removeprefix("http://").split(":")
    one = b"GET /_embedded/health HTTP/1.1\r\nhost: x\r\n\r\n"
    two = b"GET /_embedded/nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as raw:
        raw.sendall(one + two)
        received = b""
        while piece := raw.recv(65_536):
            received += piece
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"404"]


# --- fuzz -------------------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
GOOD = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 5,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    "system": [{"type": "text", "text": "Be brief"}],
    "stop_sequences": ["x"],
    "tools": [
        {"name": "f", "input_schema": {"type": "object"}, "toolSpec": {"name": "f", "inputSchema": {"json": {}}}}
    ],
    "tool_choice": {"type": "tool", "name": "f"},
    "inferenceConfig": {"maxTokens": 5, "stopSequences": ["x"]},
    "toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]},
    "requestMetadata": {"run": "r"},
}


@st.composite
def nearly_good_bodies(draw):
    """A body with some members missing and one or two places anywhere in it replaced by anything."""
    body = {name: value for name, value in GOOD.items() if draw(st.booleans())}
    body = json.loads(json.dumps(body))
    for _ in range(draw(st.integers(0, 2))):
        at = body
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and draw(st.booleans()):
                at = at[key]
                continue
            at[key] = draw(JSON)
            break
    return body


def assert_told_like_aws(answer):
    """An answer, or a refusal with an error of AWS's kind; never our own fault, never a traceback."""
    assert answer.status == 200 or 400 <= answer.status < 500, (answer.status, answer.data)
    assert b"Traceback" not in answer.data
    if answer.status != 200:
        assert "x-amzn-requestid" in answer.headers


ANYTHING = PoolManager(retries=False)
FUZZED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZED
@given(nearly_good_bodies(), st.sampled_from(OPERATIONS), st.sampled_from([SONNET, "us.amazon.nova-lite-v1:0"]))
def test_bodies_that_are_nearly_right(aws, body, operation, model_id):
    assert_told_like_aws(aws.raw(f"/model/{model_id}/{operation}", body))


@FUZZED
@given(st.binary(max_size=200), st.sampled_from(OPERATIONS))
def test_bodies_of_any_bytes(aws, body, operation):
    assert_told_like_aws(aws.raw(f"/model/{SONNET}/{operation}", body))


@FUZZED
@given(
    st.lists(st.text("abc/%:.~ -_é", max_size=8), min_size=1, max_size=5).map("/".join),
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"]),
)
def test_any_path(aws, path, method):
    assert_told_like_aws(aws.raw("/model/" + quote(path, safe="/%:"), {}, method=method))


@FUZZED
@given(st.text(max_size=20), JSON)
def test_any_operation_of_logs(aws, operation, body):
    name = "".join(character for character in operation if character.isascii() and character.isalnum())
    target = {"x-amz-target": f"Logs_20140328.{name or 'StartQuery'}"}
    answer = aws.raw("/", body, headers=target)
    assert answer.status == 200 or 400 <= answer.status < 500
    assert answer.status == 200 or "__type" in answer.json()


@FUZZED
@given(
    st.sampled_from(["StartQuery", "GetQueryResults", "StopQuery", "DescribeQueries", "DescribeLogGroups"]), JSON, JSON
)
def test_any_arguments_of_logs(aws, operation, one, two):
    body = {"logGroupName": one, "queryString": two, "startTime": one, "endTime": two, "queryId": one, "limit": two}
    answer = aws.raw("/", body, headers={"x-amz-target": f"Logs_20140328.{operation}"})
    assert answer.status == 200 or "__type" in answer.json()
    assert answer.status < 500


@FUZZED
@given(
    st.dictionaries(
        st.sampled_from(["Action", "Version", "RoleArn", "RoleSessionName", "Policy"]), st.text(max_size=20)
    )
)
def test_any_form_for_sts(aws, form):
    answer = aws.raw("/", urlencode(form).encode(), headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status < 500
    assert b"Traceback" not in answer.data


@FUZZED
@given(
    st.dictionaries(
        st.sampled_from(["authorization", "x-amz-date", "x-amz-security-token", "host"]), st.text(max_size=60)
    )
)
def test_any_headers(aws, headers):
    # No line ends, which would be other headers; everything else that a header can hold, and much that it should not.
    sent = {name: re.sub(r"[\r\n]", "", value).encode("latin-1", "replace") for name, value in headers.items()}
    answer = ANYTHING.request("POST", f"{aws.url}/model/{SONNET}/converse", body=b"{}", headers=sent)
    assert 400 <= answer.status < 500


def test_nonsense_from_one_account_costs_another_nothing(start):
    aws = start(quota={"rpm": 5}, quota_window="bucket")
    bodies = nearly_good_bodies()

    @settings(max_examples=40)
    @given(bodies, st.sampled_from(OPERATIONS))
    def nonsense(body, operation):
        aws.raw(f"/model/{SONNET}/{operation}", body)

    nonsense()
    assert aws.records(profile="account-two") == []
    other = aws.client(profile="account-two")
    assert [outcome(other) for _ in range(6)] == ["answered"] * 5 + ["ThrottlingException"]
