"""How bodies are read, whatever they hold."""

import tracemalloc

import pytest

from embedded_aws.bedrock.bodies import read_json


def test_only_brackets_outside_strings_make_a_body_deep():
    text = rb'"a [[[ \" {{{ \\"'
    body = b'{"s": %b, "x": %b%b%b}' % (text, b"[" * 99, text, b"]" * 99)
    assert read_json(body)["s"] == r'a [[[ " {{{ ' + "\\"
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(b'{"x": %b}' % body)


@pytest.mark.parametrize(
    "string",
    [
        b'"%b"' % (b"A" * 1_000_000),  # as an image stands in a body
        b'"' + rb"\"" * 10_000,  # that does not end
    ],
)
def test_to_pass_over_a_string_takes_no_memory(string):
    body = b"[" * 101 + string
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="nested too deeply"):
            read_json(body)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
