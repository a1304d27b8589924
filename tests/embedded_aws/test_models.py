"""Which models there are and what is known of them: pure."""

import math
from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import inference_profiles
from embedded_aws.bedrock import native
from embedded_aws.bedrock.bodies import Reply
from embedded_aws.bedrock.embeddings import embed, vector
from embedded_aws.bedrock.language import answer
from embedded_aws.models import catalogue, table, update
from embedded_aws.models.families import FAMILIES, family_of
from embedded_aws.settings import Model
from embedded_aws.wire import AwsError

# --- the table ------------------------------------------------------------------------------------------------------


def test_the_table_is_what_litellms_price_list_gives():
    assert update.TABLE.read_text(encoding="utf-8") == "".join(update.lines(update.price_list()))


def test_a_models_own_entry_wins_over_its_profiles():
    entry = {"litellm_provider": "bedrock_converse", "mode": "chat", "max_output_tokens": 1}
    found = list(
        update.lines(
            {
                "apac.meta.llama9-v1:0": {**entry, "max_input_tokens": 1},
                "meta.llama9-v1:0": {**entry, "max_input_tokens": 2},
                "us.meta.llama9-v1:0": {**entry, "max_input_tokens": 3},
                "gpt-4o": {**entry, "litellm_provider": "openai"},
                "stability.sd3-v1:0": {**entry, "mode": "image_generation"},
            }
        )
    )
    assert found[2:] == ["meta.llama9-v1:0\tchat\t2\t1\n"]


def test_every_model_of_the_table_is_of_a_family():
    assert [name for name in table.limits() if family_of(name) is None] == []


# --- families -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model_id", "body"),
    [
        ("anthropic.claude-v2:1", "claude-text"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "claude"),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "claude"),
        ("anthropic.claude-opus-9", "claude"),
        ("amazon.nova-micro-v1:0", "nova"),
        ("amazon.nova-2-lite-v1:0", "nova"),
        ("amazon.titan-text-express-v1", "titan"),
        ("amazon.titan-tg1-large", "titan"),
        ("meta.llama3-3-70b-instruct-v1:0", "llama"),
        ("meta.llama7-800b-instruct-v1:0", "llama"),
        ("mistral.mistral-7b-instruct-v0:2", "mistral"),
        ("mistral.mistral-large-2407-v1:0", "mistral-chat"),
        ("cohere.command-text-v14", "cohere"),
        ("cohere.command-r-plus-v1:0", "cohere-chat"),
        ("openai.gpt-oss-120b-1:0", "openai"),
        ("deepseek.r1-v1:0", "deepseek"),
        ("deepseek.v3.2", "openai"),
        ("qwen.qwen3-32b-v1:0", "openai"),
        ("writer.palmyra-x5-v1:0", "openai"),
        ("ai21.jamba-1-5-mini-v1:0", "openai"),
        ("ai21.j2-mid-v1", "j2"),
        ("amazon.titan-embed-text-v2:0", "embedding"),
        ("cohere.embed-v4:0", "embedding"),
        ("amazon.nova-canvas-v1:0", "none"),
        ("amazon.nova-2-sonic-v1:0", "none"),
        ("stability.sd3-5-large-v1:0", "none"),
        ("cohere.rerank-v3-5:0", "none"),
    ],
)
def test_a_models_family_says_what_it_takes(model_id, body):
    assert catalogue.find(model_id, {}).body == body


@pytest.mark.parametrize(
    "model_id",
    [
        "", "gpt-4o", "claude-3-5-sonnet", "anthropic.claude", "anthropic.claude-unknown", "anthropic.claude-sonnet-4",
        "anthropic.nothing-v1:0", "maker.model-v1:0", "us.anthropic.claude-sonnet-4-6", "meta.llama3-3-70b-instruct",
        "amazon.nova-lite", "anthropic.claude-opus-4-7@20260101", "amazon.nova-lite-v1:0\n",
    ],
)  # fmt: skip
def test_what_no_family_names_so_is_unknown(model_id):
    assert catalogue.find(model_id, {}) is None


@given(st.text(max_size=60))
def test_any_text_is_a_model_or_none(text):
    known = catalogue.find(text, {})
    assert known is None or any(family.names.fullmatch(text) for family in FAMILIES)


def test_what_embedded_yaml_says_wins_over_the_table_and_the_family():
    plain = catalogue.find("amazon.nova-lite-v1:0", {})
    assert (plain.max_input_tokens, plain.max_output_tokens, plain.burndown) == (300_000, 10_000, 1)
    assert plain.on_demand_in("us-east-1")
    assert not plain.on_demand_in("us-west-2")
    said = Model(body="llama", max_input_tokens=5, max_output_tokens=6, burndown=7, on_demand_regions=["us-west-2"])
    own_word = catalogue.find("amazon.nova-lite-v1:0", {"amazon.nova-lite-v1:0": said})
    assert (own_word.body, own_word.max_input_tokens, own_word.max_output_tokens) == ("llama", 5, 6)
    assert own_word.burndown == 7
    assert own_word.on_demand_regions == ("us-west-2",)
    assert catalogue.find("maker.model", {"maker.model": Model()}).body == "converse"


# --- profiles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", [p for p in inference_profiles.GEOGRAPHIES if p != "us-gov."])
def test_any_model_may_have_a_profile_of_any_geography(prefix):
    profile = inference_profiles.presume(f"{prefix}meta.llama3-3-70b-instruct-v1:0")
    assert profile.foundation_model_id == "meta.llama3-3-70b-instruct-v1:0"
    assert not profile.exact
    for source, destinations in profile.destinations.items():
        assert {source, *destinations} <= set(inference_profiles.COMMERCIAL_REGIONS)


def test_a_profile_of_the_table_is_exact():
    assert inference_profiles.presume("us.anthropic.claude-sonnet-4-6").exact
    assert inference_profiles.presume("arn:aws:bedrock:us-east-1:1:inference-profile/us.maker.model").exact is False
    assert inference_profiles.presume("maker.model") is None
    assert inference_profiles.presume("us.model") is None


# --- bodies of InvokeModel -------------------------------------------------------------------------------------------

# What each body asks with, and where its answer's text and the text of a piece stand.
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
]
NATIVE = {
    "claude-text": ({"prompt": "Hello", "max_tokens_to_sample": 9}, ["completion"], ["completion"]),
    "llama": ({"prompt": "Hello", "max_gen_len": 9}, ["generation"], ["generation"]),
    "mistral": ({"prompt": "Hello", "max_tokens": 9}, ["outputs", 0, "text"], ["outputs", 0, "text"]),
    "mistral-chat": (
        {"messages": MESSAGES, "max_tokens": 9},
        ["choices", 0, "message", "content"],
        ["choices", 0, "message", "content"],
    ),
    "titan": (
        {"inputText": "Hello", "textGenerationConfig": {"maxTokenCount": 9}},
        ["results", 0, "outputText"],
        ["outputText"],
    ),
    "cohere": ({"prompt": "Hello", "max_tokens": 9}, ["generations", 0, "text"], ["text"]),
    "cohere-chat": ({"message": "Hello", "max_tokens": 9}, ["text"], ["text"]),
    "openai": (
        {"messages": MESSAGES, "max_tokens": 9},
        ["choices", 0, "message", "content"],
        ["choices", 0, "delta", "content"],
    ),
    "deepseek": ({"prompt": "Hello", "max_tokens": 9}, ["choices", 0, "text"], ["choices", 0, "text"]),
    "j2": (
        {"prompt": "Hello", "maxTokens": 9},
        ["completions", 0, "data", "text"],
        ["completions", 0, "data", "text"],
    ),
    "converse": ({"messages": MESSAGES}, ["choices", 0, "message", "content"], ["choices", 0, "delta", "content"]),
}


def at(content, path):
    for step in path:
        content = content[step]
    return content


def test_every_native_body_is_tested():
    assert NATIVE.keys() == native.FORMATS.keys()


@pytest.mark.parametrize("body", NATIVE)
def test_a_native_body_streams_what_it_answers(body):
    asked, whole, piece = NATIVE[body]
    shape = native.FORMATS[body]
    ask, _ = shape.parse(orjson.dumps(asked), 100)
    assert ask.max_tokens == (None if body == "converse" else 9)
    given = answer(ask, (20, 20))
    reply = Reply(given, "id", "model", ask.input_tokens, len(given.tokens), 0, 0, 5, 1)
    text = at(shape.response(reply), whole)
    assert text == given.text
    assert "".join(at(shape.token(reply, token).content, piece) for token in given.tokens) == text
    (last,) = shape.closing(reply)
    assert last.content["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == len(given.tokens)


@pytest.mark.parametrize("body", NATIVE)
def test_a_native_body_that_asks_nothing_is_refused_as_aws_does(body):
    shape = native.FORMATS[body]
    for content in (b"{}", b"[]", b"{", b'{"prompt":7,"inputText":7,"message":7,"messages":7}'):
        with pytest.raises(AwsError) as caught:
            shape.parse(content, 100)
        assert (caught.value.status, caught.value.code) == (400, "ValidationException")
        assert caught.value.message.startswith("Malformed input request")


@given(st.dictionaries(st.sampled_from(["prompt", "messages", "message", "inputText", "max_tokens", "stop"]),
                       st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
                                    lambda inner: st.lists(inner, max_size=3)
                                    | st.dictionaries(st.sampled_from(["role", "content", "text"]), inner, max_size=3),
                                    max_leaves=6)))  # fmt: skip
def test_any_content_is_read_or_refused(content):
    for shape in native.FORMATS.values():
        with suppress(AwsError):
            ask, _ = shape.parse(orjson.dumps(content), 100)
            assert ask.max_tokens is None or 1 <= ask.max_tokens <= 100


# --- embeddings -----------------------------------------------------------------------------------------------------

NOVA_EMBED = "amazon.nova-2-multimodal-embeddings-v1:0"


def nova_text(value, **more):
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {"text": {"value": value}, **more}}


@pytest.mark.parametrize(
    ("model_id", "body", "path", "size"),
    [
        ("amazon.titan-embed-text-v1", {"inputText": "Hi"}, ["embedding"], 1536),
        ("amazon.titan-embed-text-v2:0", {"inputText": "Hi"}, ["embedding"], 1024),
        ("amazon.titan-embed-text-v2:0", {"inputText": "Hi", "dimensions": 256}, ["embedding"], 256),
        (
            "amazon.titan-embed-image-v1",
            {"inputImage": "aGk=", "embeddingConfig": {"outputEmbeddingLength": 384}},
            ["embedding"],
            384,
        ),
        ("cohere.embed-english-v3", {"texts": ["Hi"], "input_type": "search_query"}, ["embeddings", 0], 1024),
        (
            "cohere.embed-v4:0",
            {"texts": ["Hi"], "input_type": "search_query", "embedding_types": ["float"], "output_dimension": 512},
            ["embeddings", "float", 0],
            512,
        ),
        (NOVA_EMBED, nova_text("Hi", embeddingDimension=384), ["embeddings", 0, "embedding"], 384),
        (
            "twelvelabs.marengo-embed-3-0-v1:0",
            {"inputType": "text", "text": {"inputText": "Hi"}},
            ["data", 0, "embedding"],
            512,
        ),
    ],
)
def test_an_embedding_is_a_unit_vector_of_the_models_size(model_id, body, path, size):
    first, second = (embed(model_id, orjson.dumps(body), "id", 8_000) for _ in range(2))
    numbers = at(first.response, path)
    assert len(numbers) == size
    assert math.sqrt(sum(number * number for number in numbers)) == pytest.approx(1)
    assert numbers == at(second.response, path)
    assert first.input_tokens >= (0 if "inputImage" in body else 1)


def test_other_texts_have_other_vectors():
    assert vector("one", 256) != vector("two", 256)


def test_vectors_come_in_bytes_and_bits():
    body = {"texts": ["Hi"], "input_type": "x", "embedding_types": ["int8", "uint8", "binary", "ubinary"]}
    found = embed("cohere.embed-english-v3", orjson.dumps(body), "id", 512).response["embeddings"]
    assert [len(found[kind][0]) for kind in ("int8", "uint8", "binary", "ubinary")] == [1024, 1024, 128, 128]
    assert all(-128 <= number < 128 for kind in ("int8", "binary") for number in found[kind][0])
    assert all(0 <= number < 256 for kind in ("uint8", "ubinary") for number in found[kind][0])
    signs = [number > 0 for number in vector("Hi", 1024)]
    assert [bit == "1" for byte in found["ubinary"][0] for bit in f"{byte:08b}"] == signs


@pytest.mark.parametrize(
    ("model_id", "body", "problem"),
    [
        ("amazon.titan-embed-text-v2:0", {}, "required key [inputText] not found"),
        ("amazon.titan-embed-text-v2:0", {"inputText": "Hi", "dimensions": 77}, "77 is not a valid enum value"),
        ("amazon.titan-embed-text-v2:0", {"inputText": "word " * 20}, "Too many input tokens. Max input tokens: 9"),
        ("amazon.titan-embed-image-v1", {"inputText": ""}, "required key [inputText]"),
        ("cohere.embed-english-v3", {"texts": [], "input_type": "x"}, "required key [texts] not found"),
        ("cohere.embed-english-v3", {"texts": ["Hi"]}, "required key [input_type] not found"),
        ("cohere.embed-english-v3", {"texts": ["Hi"] * 97, "input_type": "x"}, "maximum item count: 96, found: 97"),
        ("cohere.embed-english-v3", {"texts": ["x" * 2049], "input_type": "x"}, "expected maxLength: 2048"),
        (
            "cohere.embed-v4:0",
            {"texts": ["Hi"], "input_type": "x", "embedding_types": ["base65"]},
            "#/embedding_types: supported are",
        ),
        (NOVA_EMBED, {}, "required key [singleEmbeddingParams] not found"),
        (NOVA_EMBED, {"singleEmbeddingParams": {"text": "Hi"}}, "required key [text] not found"),
        ("twelvelabs.marengo-embed-2-7-v1:0", {"inputType": "text"}, "required key [inputText] not found"),
    ],
)
def test_what_an_embedding_model_does_not_take(model_id, body, problem):
    with pytest.raises(AwsError) as caught:
        embed(model_id, orjson.dumps(body), "id", 9)
    assert caught.value.code == "ValidationException"
    assert problem in caught.value.message
