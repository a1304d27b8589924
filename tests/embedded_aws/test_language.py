"""Tokens and answers."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded_aws.bedrock.language import Ask, Tool, answer, count_tokens, example, split_tokens

PROMPT = st.text(max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "required", "items", "enum", "const", "minItems", "minimum", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


def ask(prompt="", max_tokens=None, stop_sequences=(), tool=None):
    return Ask(1, prompt, max_tokens, stop_sequences, tool)


@given(st.text(max_size=300))
def test_tokens_joined_are_the_text(text):
    assert "".join(split_tokens(text)) == text
    assert count_tokens(text) == len(split_tokens(text))


def test_prose_has_about_four_characters_a_token():
    text = "Quota isolation means that one tenant's burst never slows another tenant's requests down. " * 20
    assert 3 < len(text) / count_tokens(text) < 6


def test_a_very_long_text_is_counted_in_proportion():
    assert count_tokens("word " * 2_000_000) == pytest.approx(2_000_000, rel=0.001)


@given(PROMPT, st.integers(1, 200))
def test_an_answer_has_the_length_asked_for_and_each_token_is_one(prompt, length):
    given_answer = answer(ask(prompt), (length, length))
    assert given_answer.stop_reason == "end_turn"
    assert len(given_answer.tokens) == length == count_tokens(given_answer.text)


@given(PROMPT)
def test_the_same_question_gets_the_same_answer(prompt):
    assert answer(ask(prompt), (5, 90)) == answer(ask(prompt), (5, 90))


@given(PROMPT, st.integers(1, 60))
def test_max_tokens_cuts_the_same_answer_short(prompt, max_tokens):
    whole, cut = answer(ask(prompt), (5, 50)), answer(ask(prompt, max_tokens), (5, 50))
    assert cut.tokens == whole.tokens[:max_tokens]
    assert cut.stop_reason == ("max_tokens" if max_tokens < len(whole.tokens) else "end_turn")


@given(PROMPT, st.data())
def test_a_stop_sequence_is_not_in_the_answer_and_what_came_before_is(prompt, data):
    whole = answer(ask(prompt), (20, 50)).text
    start = data.draw(st.integers(0, len(whole) - 1))
    sequence = whole[start : data.draw(st.integers(start + 1, len(whole)))]
    stopped = answer(ask(prompt, stop_sequences=["nowhere in it", sequence]), (20, 50))
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", sequence)
    assert stopped.text == whole[: whole.index(sequence)]


def test_the_first_of_several_stop_sequences_in_the_text_counts():
    whole = answer(ask(), (30, 30)).text
    stopped = answer(ask(stop_sequences=[whole[20:24], whole[5:9]]), (30, 30))
    assert stopped.text == whole[: whole.index(whole[5:9])]


def test_a_tool_gets_the_least_input_that_its_schema_allows():
    schema = {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "count": {"type": "integer", "minimum": 3},
            "flags": {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
            "nested": {"type": "object", "properties": {"kind": {"const": "a"}}},
            "optional": {"type": "string"},
        },
        "required": ["text", "count", "flags", "nested"],
    }
    called = answer(ask("Hi", tool=Tool("f", schema)), (1, 1))
    assert called.stop_reason == "tool_use"
    assert called.tool_input == {"text": "Hi", "count": 3, "flags": [True, True], "nested": {"kind": "a"}}
    assert orjson.loads(called.text) == called.tool_input


def test_a_tool_call_is_cut_by_max_tokens_too():
    assert answer(ask("Hi", 2, tool=Tool("f", {"properties": {"a": {}}})), (1, 1)).stop_reason == "max_tokens"


def nested(schema, times):
    for _ in range(times):
        schema = {"type": "array", "minItems": 8, "items": schema}
    return schema


def objects(required, times):
    schema = {}
    for _ in range(times):
        schema = {"type": "object", "properties": {"a": schema}, "required": required}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        nested({"type": "boolean"}, 7),
        nested({"const": "x" * 100_000}, 7),
        nested({"enum": [["x"] * 10_000]}, 3),
        objects(["a"] * 200, 5),
        objects([*"abc", *(f"name-{number}" for number in range(10_000))], 3),
        nested(objects(["x" * 100_000], 1), 3),
    ],
)
def test_no_schema_makes_a_long_call(schema):
    called = answer(ask("question " * 100, tool=Tool("f", {"properties": {"p": schema}})), (1, 1))
    assert len(called.text) < 100_000
    assert orjson.loads(called.text) == called.tool_input


@given(JSON, PROMPT)
def test_any_json_at_all_may_stand_where_a_schema_should(schema, text):
    assert isinstance(orjson.dumps(example(schema, text)), bytes)
