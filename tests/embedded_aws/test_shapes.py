"""Checking against the service model, on shapes that Converse has."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded_aws.shapes import input_check, validate
from embedded_aws.wire import AwsError

CHECK = input_check("bedrock-runtime", "Converse", without=("modelId",))
HELLO = [{"role": "user", "content": [{"text": "hi"}]}]


def fault(content):
    with pytest.raises(AwsError) as caught:
        validate(content, CHECK)
    return caught.value.code, caught.value.message


def one(text):
    return ("ValidationException", f"1 validation error detected: {text}")


def test_what_fits_passes_and_what_is_unknown_is_ignored():
    validate({"messages": HELLO, "system": None, "inferenceConfig": {"temperature": 1}, "unknown": [1]}, CHECK)


def test_null_is_as_good_as_absent_but_not_where_it_is_required():
    validate({"messages": HELLO, "toolConfig": None}, CHECK)
    assert fault({"messages": HELLO, "toolConfig": {"tools": None}}) == one(
        "Value null at 'toolConfig.tools' failed to satisfy constraint: Member must not be null"
    )


def test_lengths_patterns_and_bounds():
    tool = {"toolSpec": {"name": "no spaces", "inputSchema": {"json": {}}}}
    assert fault({"messages": HELLO, "toolConfig": {"tools": [tool]}}) == one(
        "Value 'no spaces' at 'toolConfig.tools.1.member.toolSpec.name' failed to satisfy constraint: Member must "
        "satisfy regular expression pattern: [a-zA-Z0-9_-]+"
    )
    assert fault({"messages": HELLO, "toolConfig": {"tools": []}}) == one(
        "Value [...] at 'toolConfig.tools' failed to satisfy constraint: Member must have length greater than or equal "
        "to 1"
    )
    assert fault({"messages": HELLO, "inferenceConfig": {"topP": 1.5}}) == one(
        "Value '1.5' at 'inferenceConfig.topP' failed to satisfy constraint: Member must have value less than or equal "
        "to 1"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "Unexpected Start of list found where a structure was expected"),
        ({"messages": HELLO, "requestMetadata": {"a": 1}}, "NUMBER_VALUE can not be converted to a String"),
        ({"messages": HELLO, "requestMetadata": {"a": {}}}, "Start of structure or map found where not expected."),
        ({"messages": HELLO, "inferenceConfig": {"maxTokens": True}}, "TRUE_VALUE can not be converted to an Integer"),
        ({"messages": HELLO, "inferenceConfig": {"maxTokens": 1.5}}, "NUMBER_VALUE can not be converted to an Integer"),
        (
            {"messages": [{"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": "?"}}}]}]},
            "Invalid Base64 encoding",
        ),
    ],
)
def test_values_of_the_wrong_type_cannot_be_read(content, message):
    assert fault(content) == ("SerializationException", message)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["messages", "role", "content", "text", "toolUse", "input", "name"]), inner)
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_comes_either_passes_or_is_refused(content):
    with suppress(AwsError):
        validate(content, CHECK)
