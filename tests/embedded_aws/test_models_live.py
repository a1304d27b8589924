"""Every family of models through boto3: Converse, its own body, whole and streamed, embeddings, and how it refuses."""

import json

import pytest

from embedded_aws.models import catalogue, table
from tests.embedded_aws.test_bedrock import HELLO, converse_stream, invoke, invoke_stream, refusal, text_of
from tests.embedded_aws.test_models import NATIVE, NOVA_EMBED, at, nova_text

INVALID = (400, "ValidationException", "The provided model identifier is invalid.")
# Body → a model of it that us-east-1 can call.
MODELS = {
    "claude-text": "anthropic.claude-v2:1",
    "llama": "us.meta.llama3-3-70b-instruct-v1:0",
    "mistral": "mistral.mixtral-8x7b-instruct-v0:1",
    "mistral-chat": "mistral.mistral-large-2407-v1:0",
    "titan": "amazon.titan-text-express-v1",
    "cohere": "cohere.command-text-v14",
    "cohere-chat": "cohere.command-r-v1:0",
    "openai": "openai.gpt-oss-120b-1:0",
    "deepseek": "us.deepseek.r1-v1:0",
    "j2": "ai21.j2-mid-v1",
    "converse": "maker.model",
}


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    from tests.embedded_aws.conftest import running

    small = {"max_input_tokens": 50}
    models = {
        "maker.model": {},
        "amazon.nova-pro-v1:0": small,
        "anthropic.claude-3-haiku-20240307-v1:0": small,
        "anthropic.claude-sonnet-4-6": small,
        "amazon.titan-text-lite-v1": small,
    }
    with running(tmp_path_factory.mktemp("models"), models=models, quota={}) as own:
        yield own


def test_every_chat_model_of_the_table_answers_converse(aws):
    """By its bare id where it is served on demand, else through a profile."""
    refused = {}
    for name in table.limits():
        known = catalogue.find(name, {})
        if known.body in ("embedding", "none"):
            continue
        region = (known.on_demand_regions or ["us-east-1"])[0]
        model_id = f"us.{name}" if known.on_demand_regions == () else name
        answer = aws.raw(f"/model/{model_id}/converse", {"messages": HELLO}, region=region)
        if answer.status != 200 or answer.json()["stopReason"] != "end_turn":
            refused[name] = answer.data
    assert refused == {}


@pytest.mark.parametrize("body", NATIVE)
def test_a_model_answers_in_its_own_words(aws, body):
    asked, whole, piece = NATIVE[body]
    asked = {name: value for name, value in asked.items() if "max" not in name and name != "textGenerationConfig"}
    answer, content = invoke(aws, MODELS[body], asked)
    events = invoke_stream(aws, MODELS[body], asked)
    text = at(content, whole)
    assert "".join(at(event, piece) for event in events[:-1]) == text
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    metrics = events[-1]["amazon-bedrock-invocationMetrics"]
    assert int(headers["x-amzn-bedrock-output-token-count"]) == metrics["outputTokenCount"] == len(events) - 1
    assert int(headers["x-amzn-bedrock-input-token-count"]) == metrics["inputTokenCount"] > 0
    record = aws.record(answer["ResponseMetadata"]["RequestId"])
    assert record["input"]["inputBodyJson"] == asked
    assert record["output"]["outputBodyJson"] == content
    assert text_of(converse_stream(aws, MODELS[body]))


@pytest.mark.parametrize(
    ("model_id", "body", "path"),
    [
        ("amazon.titan-embed-text-v2:0", {"inputText": "Hello"}, ["embedding"]),
        ("cohere.embed-multilingual-v3", {"texts": ["Hello"], "input_type": "search_query"}, ["embeddings", 0]),
        ("us.cohere.embed-v4:0", {"texts": ["Hello"], "input_type": "search_query"}, ["embeddings", 0]),
        (NOVA_EMBED, nova_text("Hello"), ["embeddings", 0, "embedding"]),
    ],
)
def test_embeddings_are_answered_counted_and_logged(aws, model_id, body, path):
    answer, content = invoke(aws, model_id, body)
    assert len(at(content, path)) >= 1024
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    record = aws.record(answer["ResponseMetadata"]["RequestId"])
    assert record["operation"] == "InvokeModel"
    assert record["input"]["inputTokenCount"] == int(headers["x-amzn-bedrock-input-token-count"]) > 0
    assert record["output"]["outputTokenCount"] == 0


def test_embeddings_have_quotas_and_faults(start):
    aws = start(quotas={"amazon.titan-embed-text-v2:0": {"rpm": 1}})
    ask = {"modelId": "amazon.titan-embed-text-v2:0", "body": json.dumps({"inputText": "Hello"})}
    aws.client().invoke_model(**ask)
    assert refusal(aws.client().invoke_model, **ask)[:2] == (429, "ThrottlingException")
    with aws.fault(kind="error", error="ModelErrorException", model="amazon.titan-embed-text-v2:0"):
        assert refusal(aws.client(profile="account-two").invoke_model, **ask)[:2] == (424, "ModelErrorException")


def test_what_does_not_chat_says_so(aws):
    for model_id in ("amazon.titan-embed-text-v2:0", "cohere.embed-v4:0"):
        status, code, message = refusal(aws.client().converse, modelId=model_id, messages=HELLO)
        assert (status, code) == (400, "ValidationException")
        assert message.startswith("This action doesn't support the model that you provided.")
    for call, more in ((aws.client().converse, {"messages": HELLO}), (aws.client().invoke_model, {"body": "{}"})):
        status, code, message = refusal(call, modelId="amazon.nova-canvas-v1:0", **more)
        assert (status, code) == (400, "ValidationException")
        assert "amazon.nova-canvas-v1:0 is neither" in message


@pytest.mark.parametrize(
    ("model_id", "region"),
    [
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", "us-east-1"),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "us-east-1"),
        ("anthropic.claude-opus-4-7", "eu-west-1"),
        ("meta.llama4-scout-17b-instruct-v1:0", "us-east-1"),
        ("amazon.nova-lite-v1:0", "us-west-2"),
        ("amazon.nova-2-lite-v1:0", "us-east-1"),
        ("deepseek.r1-v1:0", "us-east-1"),
    ],
)
def test_a_model_that_only_profiles_serve(aws, model_id, region):
    status, code, message = refusal(aws.client(region=region).converse, modelId=model_id, messages=HELLO)
    assert (status, code) == (400, "ValidationException")
    assert message == (
        f"Invocation of model ID {model_id} with on-demand throughput isn't supported. Retry your request with the ID "
        "or ARN of an inference profile that contains this model."
    )


@pytest.mark.parametrize(
    ("model_id", "region"),
    [
        ("eu.amazon.nova-lite-v1:0", "us-east-1"),
        ("us.amazon.nova-lite-v1:0", "eu-west-1"),
        ("us.maker.unknown-v1:0", "us-east-1"),
        ("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-east-1"),
        ("meta.llama3-3-70b", "us-east-1"),
        ("arn:aws:bedrock:us-east-1:111111111111:application-inference-profile/nobody1", "us-east-1"),
        ("arn:aws:bedrock:us-east-1:111111111111:provisioned-model/nobody1", "us-east-1"),
    ],
)
def test_unknown_models_and_profiles_of_elsewhere(aws, model_id, region):
    assert refusal(aws.client(region=region).converse, modelId=model_id, messages=HELLO) == INVALID


LONG = "word " * 200


@pytest.mark.parametrize(
    ("model_id", "told"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", "Input is too long for requested model."),
        ("us.anthropic.claude-sonnet-4-6", "prompt is too long: 209 tokens > 50 maximum"),
        ("amazon.nova-pro-v1:0", "Input Tokens Exceeded: Number of input tokens exceeds maximum length."),
    ],
)
def test_an_input_beyond_the_context_window(aws, model_id, told):
    messages = [{"role": "user", "content": [{"text": LONG}]}]
    for call in (aws.client().converse, aws.client().converse_stream):
        status, code, message = refusal(call, modelId=model_id, messages=messages)
        assert (status, code) == (400, "ValidationException")
        assert told in message


def test_a_prompt_beyond_the_context_window(aws):
    body = json.dumps({"inputText": LONG})
    status, code, message = refusal(aws.client().invoke_model, modelId="amazon.titan-text-lite-v1", body=body)
    assert (status, code) == (400, "ValidationException")
    assert "Too many input tokens. Max input tokens: 50, request input token count: 201" in message
