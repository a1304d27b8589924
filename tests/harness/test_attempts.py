"""Every request that was sent leaves one record, with a name for what became of it, whatever the far side answers."""

import binascii
import itertools
import json
import socket
import struct
import threading
import time
from collections import Counter

import boto3
import pytest
from botocore.config import Config

from harness.users.clients import converse
from harness.users.openai_sse import add_failure
from harness.users.response import Response
from tests.conftest import free_port, rows

WHOLE = b'{"choices": [{"message": {"content": "Hi"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}'


def answer(body, status="200 OK", **headers):
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


# What a gateway answers, and what the record says; then it closes the connection, but for SILENCE.
SILENCE = b""
ANSWERS = [
    (answer(WHOLE), ("200", "")),
    (answer(b"not gzip", Content_Encoding="gzip"), ("200", "unreadable_answer")),
    (answer(b"?", Content_Encoding="unheard-of"), ("200", "unreadable_answer")),
    (answer(b"<html>"), ("200", "invalid_json")),
    (answer(b"\xff\xfe", "502 Bad Gateway"), ("502", "http_502")),
    (answer(b"not gzip", "503 Unavailable", Content_Encoding="gzip"), ("503", "http_503")),
    (answer(WHOLE)[:-9], ("200", "connection_lost")),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{", ("0", "HTTPParseError")),
    (b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n{}", ("0", "HTTPParseError")),
    (b"garbage\r\n\r\n", ("0", "HTTPParseError")),
    (SILENCE, ("0", "timeout")),
]


class Server:
    """Reads one request of each connection and gives `respond` the socket, the head and the body."""

    def __init__(self, respond):
        self._respond = respond
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self._listening.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                if not (more := connection.recv(65536)):
                    return
                data += more
            head, body = data.split(b"\r\n\r\n", 1)
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            while len(body) < (int(lengths[0].split(b":")[1]) if lengths else 0):
                body += connection.recv(65536)
            self._respond(connection, head)


def gateway(respond):
    """A LiteLLM to all appearances, which answers chats by `respond`."""

    def respond_to_all(connection, head):
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/v1/models"):
            connection.sendall(answer(json.dumps({"data": [{"id": name} for name in MODELS]}).encode()))
        elif path.startswith(b"/v1/chat"):
            respond(connection, head)
        else:
            connection.sendall(answer(b'{"data": []}' if b"info" in path else b'"I\'m alive!"'))

    return Server(respond_to_all)


MODELS = ["shard-one", "shard-two", "fallback-primary", "balanced", "shared"]


def run_against(here, server, *arguments):
    return here.locust("-f", "locustfiles/fallback.py", "--host", f"http://127.0.0.1:{server.port}", *arguments)


@pytest.fixture(scope="module")
def here(place):
    here = place("attempts")
    patterns = here.read("patterns")
    patterns["patterns"]["fallback"]["consumers"]["fallback"] |= {
        "users": len(ANSWERS),
        "traffic": {"demo": {"kind": "constant", "rate_per_s": 20, "duration_s": len(ANSWERS) / 20}},
    }
    here.write("patterns", patterns)
    here.change("config", fetch={"deadline_s": 0.1, "poll_s": 0.1})
    return here


def test_whatever_a_gateway_answers_is_one_record(here):
    number = itertools.count()

    def respond(connection, _):
        said = ANSWERS[next(number)][0]
        if said == SILENCE:
            connection.recv(1)  # until the client has had enough
        connection.sendall(said)

    ended = run_against(here, gateway(respond), "--request-timeout", "1")
    found = Counter((record["status"], record["error_type"]) for record in ended.records)
    assert found == Counter(record for _, record in ANSWERS)
    stats = {row["Name"]: row for row in rows(ended.run / "locust_stats.csv")}
    assert int(stats["fallback"]["Request Count"]) == len(ANSWERS)
    assert int(stats["fallback"]["Failure Count"]) == len(ANSWERS) - 1
    assert "Traceback" not in ended.said
    assert ended.answers["fallback", "all_answered"] == "FAIL"


@pytest.mark.parametrize("distributed", [False, True], ids=["one process", "a worker"])
def test_a_request_that_is_never_answered_is_recorded_when_the_run_stops(here, distributed):
    """Locust ends its user after --stop-timeout."""
    number = itertools.count()
    port = str(free_port())

    def respond(connection, _):
        if next(number) == 5:
            connection.recv(1)
        else:
            connection.sendall(answer(WHOLE))

    workers = ["--processes", "1", "--master-bind-port", port, "--master-port", port] if distributed else []
    ended = run_against(here, gateway(respond), "-t", "2s", "--stop-timeout", "1", *workers)
    kinds = Counter((record["status"], record["error_type"]) for record in ended.records)
    assert kinds[("0", "unanswered_at_stop")] == 1
    (unanswered,) = (record for record in ended.records if record["error_type"])
    assert float(unanswered["latency_ms"]) > 1000
    stats = {row["Name"]: int(row["Failure Count"]) for row in rows(ended.run / "locust_stats.csv")}
    assert stats["fallback"] == 1
    assert ended.answers["fallback", "all_answered"] == "FAIL"
    assert ended.left == {}


def test_an_error_page_tells_no_key_and_unlike_numbers_are_one_failure(here):
    """A proxy between that quotes the request, each time with another number."""
    number = itertools.count()

    def respond(connection, head):
        page = b"<pre>" + head + b"</pre> incident %d" % next(number)
        connection.sendall(answer(page, "502 Bad Gateway", Content_Type="text/html"))

    ended = run_against(here, gateway(respond))
    keys = set(here.keys.values())
    for file in ended.run.iterdir():
        assert not [key for key in keys if key in file.read_text(errors="replace")], file
    assert not [key for key in keys if key in ended.said]
    (failure,) = rows(ended.run / "locust_failures.csv")
    assert failure["Occurrences"] == str(len(ANSWERS))
    assert "failed: 502 http_502 <pre>POST" in failure["Error"]


def event(kind, payload):
    """A message of AWS's event stream encoding."""
    headers = b""
    for name, value in ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event")):
        headers += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", binascii.crc32(message))


DELTA = event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"Hel"}}')
STREAMED = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data):
    return b"%x\r\n" % len(data) + data + b"\r\n"


@pytest.mark.parametrize(
    ("said", "stream", "expected"),
    [
        (answer(b"{}", Content_Type="application/json"), False, (200, "unreadable_answer", 0)),
        (answer(b"<html>", Content_Type="text/html"), False, (200, "unreadable_answer", 0)),
        (answer(b"<html>", "502 Bad Gateway", Content_Type="text/html"), False, (502, "502", 0)),
        (STREAMED + chunk(DELTA), True, (200, "broken_stream", 1)),  # the connection ends in the middle
        (STREAMED + chunk(DELTA) + b"0\r\n\r\n", True, (200, "broken_stream", 1)),
        (STREAMED + chunk(DELTA) + chunk(DELTA[:-1] + b"?") + b"0\r\n\r\n", True, (200, "broken_stream", 1)),
        (STREAMED + chunk(DELTA) + SILENCE, True, (200, "timeout", 1)),
        (STREAMED + chunk(event("metadata", b'{"metrics":{}}')) + b"0\r\n\r\n", True, (200, "broken_stream", 0)),
    ],
)
def test_whatever_bedrock_answers_has_a_name(said, stream, expected):
    def respond(connection, _):
        connection.sendall(said)
        if expected[1] == "timeout":
            connection.recv(1)

    bedrock = boto3.client(
        "bedrock-runtime", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{Server(respond).port}",
        aws_access_key_id="a", aws_secret_access_key="b",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=1),
    )  # fmt: skip
    response = Response()
    try:
        converse(response, bedrock, "m", [{"role": "user", "content": "x"}], 5, "r", stream, time.time)
    except Exception as error:
        add_failure(response, error, stream=stream)
    assert (response.status, response.error_type, len(response.content_at)) == expected, response
