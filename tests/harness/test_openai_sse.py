"""What a request came to, from the bytes that LiteLLM really sends, whole or broken anywhere."""

import itertools
import json
import zlib

import pytest
from gevent import GreenletExit
from geventhttpclient.response import HTTPParseError
from geventhttpclient.useragent import RetriesExceeded
from hypothesis import given
from hypothesis import strategies as st

from analysis.model import Outcome, outcome_of
from harness.users.openai_sse import (
    BROKEN_STREAM,
    CONNECTION_LOST,
    NOT_JSON,
    STREAM_ERROR,
    TIMEOUT,
    UNANSWERED,
    UNREADABLE,
    add_body,
    add_failure,
    add_headers,
    gaps_ms,
    read_stream,
)
from harness.users.response import Response


def from_headers(status, headers):
    answer = Response()
    add_headers(answer, status, headers)
    return answer


def event(content=None, **more):
    choices = [] if content is None else [{"index": 0, "delta": {"content": content, "role": "assistant"}}]
    return (
        b"data: "
        + json.dumps({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": choices} | more).encode()
    )


USAGE = event(usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12})
STREAM = b"\n\n".join([event("Hel"), event("lo"), event(""), event("é!"), USAGE, b"data: [DONE]"]) + b"\n\n"


def read(body):
    """The answer to a stream whose lines arrive a second apart."""
    answer, clock = Response(status=200), itertools.count(100)
    read_stream(answer, body.splitlines(keepends=True), lambda: float(next(clock)))
    return answer


def test_a_whole_stream():
    answer = read(STREAM)
    assert answer.error_type == ""
    assert answer.content_at == [100.0, 101.0, 103.0]  # the empty piece is none
    assert (answer.input_tokens, answer.output_tokens) == (9, 3)


@given(st.integers(0, STREAM.index(b"[DONE]") + 5))
def test_a_stream_cut_anywhere_is_broken_and_what_came_is_counted(length):
    answer = read(STREAM[:length])
    assert answer.error_type == BROKEN_STREAM
    assert len(answer.content_at) == sum(
        # All but its line's end must be there: a piece is whole when its braces are closed.
        STREAM[:length].count(event(text))
        for text in ("Hel", "lo", "é!")
    )


def test_an_error_after_content_is_a_failure_of_its_own_kind():
    error = b'data: {"error": {"message": "Too many tokens", "type": "throttling_error", "code": "429"}}\n\n'
    answer = read(event("Hel") + b"\n\n" + error)
    assert (answer.error_type, answer.message) == (STREAM_ERROR, "Too many tokens")
    assert len(answer.content_at) == 1
    assert read(b'data: {"error": "text"}\n\n').message == "text"


@pytest.mark.parametrize("line", [b"data: {\n", b"data: 5\n", b"data: [1]\n", b"data: null\n", b"data:\n"])
def test_a_line_that_is_no_event_is_told_as_such(line):
    assert read(line).error_type == NOT_JSON


def test_comments_and_other_fields_are_left_aside():
    assert read(b": ping\n\nevent: x\nid: 1\n" + STREAM).error_type == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "choices", "delta", "content", "usage", "message", "type"]), inner)
    ),
)


@given(st.lists(JSON, max_size=4), st.sampled_from(["", "http_429"]))
def test_no_answer_of_a_server_is_a_crash_here(events, error_type):
    read(b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in events))
    for each in events:
        add_body(Response(error_type=error_type), json.dumps(each).encode())


@given(st.binary(max_size=40))
def test_no_bytes_are_a_crash_either(body):
    answer = Response(status=200)
    add_body(answer, body)
    assert answer.error_type in ("", NOT_JSON)
    read(body)


HEADERS = {
    "x-litellm-model-id": "balanced-1",
    "x-litellm-attempted-retries": "0",
    "x-litellm-attempted-fallbacks": "1",
    "x-litellm-response-cost": "0.00012",
    "x-litellm-overhead-duration-ms": "3.5",
    "llm_provider-x-amzn-requestid": "1b53ba56-b86f-4a47-8804-e21c66dbcaab",
}


def test_headers_of_an_answer():
    answer = from_headers(200, HEADERS)
    assert answer.deployment == "balanced-1"
    assert (answer.retries, answer.fallbacks) == (0, 1)
    assert (answer.cost_usd, answer.gateway_overhead_ms) == (0.00012, 3.5)
    assert answer.request_id.startswith("1b53ba56")
    assert answer.error_type == ""


def test_what_a_header_does_not_tell_is_unknown_and_not_0():
    answer = from_headers(200, {})
    assert answer == Response(status=200)
    assert answer.retries is None


@pytest.mark.parametrize("value", ["nan", "inf", "None", "", "1e999"])
def test_what_is_no_number_is_unknown(value):
    answer = from_headers(200, dict.fromkeys(HEADERS, value))
    assert (answer.retries, answer.cost_usd) == (None, None)


def test_bedrocks_refusal_and_the_gateways_are_told_apart():
    kind = "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/"
    bedrocks = from_headers(429, {"llm_provider-x-amzn-errortype": kind})
    add_body(bedrocks, b'{"error": {"message": "Too many requests", "type": "throttling_error"}}')
    assert (bedrocks.error_type, bedrocks.message) == ("ThrottlingException", "Too many requests")
    gateways = from_headers(429, {})
    add_body(gateways, b'{"error": {"message": "Limit", "type": "throttling_error"}}')
    assert gateways.error_type == "throttling_error"
    nameless = from_headers(500, {})
    add_body(nameless, b'{"error": {"message": "x", "type": "None"}}')
    assert nameless.error_type == "http_500"


def test_a_body_that_is_no_json_is_a_failure_even_with_200():
    answer = from_headers(200, {})
    add_body(answer, b"<html>proxy error")
    assert (answer.error_type, answer.message) == (NOT_JSON, "<html>proxy error")


class ReadTimeoutError(Exception):
    """As urllib3's."""


@pytest.mark.parametrize(
    ("status", "stream", "error", "kind"),
    [
        (0, False, ConnectionRefusedError(), "ConnectionRefusedError"),
        (0, True, TimeoutError(), TIMEOUT),
        (0, False, RetriesExceeded("http://gateway", 0, original=TimeoutError()), TIMEOUT),
        (200, True, ReadTimeoutError(), TIMEOUT),
        (200, True, ConnectionResetError(), BROKEN_STREAM),
        (200, True, ValueError(), BROKEN_STREAM),
        (200, False, ConnectionResetError(), CONNECTION_LOST),
        (200, False, HTTPParseError(), CONNECTION_LOST),
        (200, False, zlib.error(), UNREADABLE),
        (200, False, KeyError("usage"), UNREADABLE),
        (0, False, GreenletExit(), UNANSWERED),
        (200, True, GreenletExit(), UNANSWERED),
        (502, False, zlib.error(), "http_502"),
    ],
)
def test_whatever_is_raised_has_a_name(status, stream, error, kind):
    answer = from_headers(status, {}) if status else Response()
    add_failure(answer, error, stream=stream)
    assert (answer.status, answer.error_type) == (status, kind)


def test_gaps_between_pieces():
    assert gaps_ms([]) == gaps_ms([1.0]) == {}
    gaps = gaps_ms([0.0, 0.5, 0.75, 1.0])
    assert gaps == {"gap_mean_ms": pytest.approx(1000 / 3), "gap_p50_ms": 250, "gap_p95_ms": 500, "gap_p99_ms": 500}


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=300))
def test_percentiles_of_gaps_are_gaps_in_order(times):
    times.sort()
    found = gaps_ms(times)
    gaps = [(later - earlier) * 1000 for earlier, later in itertools.pairwise(times)]
    percentiles = [found[f"gap_p{percent}_ms"] for percent in (50, 95, 99)]
    assert percentiles == sorted(percentiles)
    assert set(percentiles) <= set(gaps)
    assert sum(gap <= percentiles[0] for gap in gaps) * 2 >= len(gaps)


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({"llm_provider-x-amzn-requestid": "aws", "llm_provider-x-request-id": "other"}, "aws"),
        ({"llm_provider-x-request-id": "req_1"}, "req_1"),  # OpenAI's and Azure's
        ({"llm_provider-request-id": "req_2"}, "req_2"),  # Anthropic's
        ({"x-request-id": "the proxy's own", "x-litellm-call-id": "1"}, ""),
    ],
)
def test_the_request_id_is_the_providers_whoever_it_is(headers, request_id):
    assert from_headers(200, headers).request_id == request_id
    refused = from_headers(429, headers)
    expected = Outcome.REFUSED_BY_BEDROCK if request_id else Outcome.REFUSED_BY_GATEWAY
    assert outcome_of(429, refused.error_type, refused.request_id) is expected
