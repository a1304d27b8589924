"""Frames, judged by botocore's decoder."""

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given
from hypothesis import strategies as st

from embedded_aws.bedrock.eventstream import encode_headers, event, exception, frame

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
HEADERS = st.dictionaries(TEXT, TEXT, max_size=6)
PAYLOAD = st.binary(max_size=3_000)


def decode(data, step=None):
    buffer = EventStreamBuffer()
    for start in range(0, len(data), step or len(data)):
        buffer.add_data(data[start : start + (step or len(data))])
    return [(message.headers, message.payload) for message in buffer]


@given(st.lists(st.tuples(HEADERS, PAYLOAD), min_size=1, max_size=4), st.integers(1, 50))
def test_botocore_reads_back_what_was_written_however_it_is_cut(messages, step):
    written = b"".join(frame(encode_headers(headers), payload) for headers, payload in messages)
    assert decode(written, step) == messages


@given(HEADERS, PAYLOAD, st.data())
def test_a_flipped_bit_is_never_taken_for_an_event(headers, payload, data):
    written = bytearray(frame(encode_headers(headers), payload))
    at = data.draw(st.integers(0, len(written) - 1))
    written[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ParserError):
        decode(bytes(written))


def test_events_and_exceptions_have_the_headers_of_aws_in_their_order():
    ((headers, payload),) = decode(event("messageStop", b"{}"))
    assert list(headers.items()) == [
        (":event-type", "messageStop"),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ]
    assert payload == b"{}"
    ((headers, _),) = decode(exception("throttlingException", b"{}"))
    assert list(headers) == [":exception-type", ":content-type", ":message-type"]
    assert headers[":message-type"] == "exception"


@pytest.mark.parametrize("headers", [{"": "x"}, {"n" * 256: "x"}, {"n": "x" * 32_768}])
def test_headers_that_the_format_cannot_hold(headers):
    with pytest.raises(ValueError, match="no event-stream header can hold"):
        encode_headers(headers)
