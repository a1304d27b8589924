"""LiteLLM as the judge: its own parsers read what is answered, on both of its routes to Bedrock."""

import json
import subprocess
import sys
import textwrap

import pytest

# One process for all questions, for importing LiteLLM takes seconds.
PROGRAM = """
    import json, litellm
    litellm.num_retries = 0
    MESSAGES = [{"role": "user", "content": "Weather in Bern?"}]
    TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]
    COMMON = {"messages": MESSAGES, "aws_profile_name": "account-one", "aws_region_name": "us-east-1"}
    seen = {}
    for route, model in [
        ("converse", "bedrock/us.anthropic.claude-sonnet-4-6"),
        ("invoke", "bedrock/invoke/us.anthropic.claude-sonnet-4-6"),
        ("nova", "bedrock/us.amazon.nova-lite-v1:0"),
    ]:
        whole = litellm.completion(model=model, **COMMON)
        pieces = list(litellm.completion(model=model, stream=True, stream_options={"include_usage": True}, **COMMON))
        called = litellm.completion(model=model, tools=TOOLS, **COMMON).choices[0]
        short = litellm.completion(model=model, max_tokens=3, **COMMON)
        try:
            litellm.completion(model=model, **{**COMMON, "aws_profile_name": "account-two"})
            refused = None
        except litellm.RateLimitError as error:
            refused = str(error)
        usage = next(piece.usage for piece in reversed(pieces) if getattr(piece, "usage", None))
        seen[route] = {
            "text": whole.choices[0].message.content,
            "finish": whole.choices[0].finish_reason,
            "usage": [whole.usage.prompt_tokens, whole.usage.completion_tokens],
            "streamed": "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices),
            "streamed_usage": [usage.prompt_tokens, usage.completion_tokens],
            "called": [called.finish_reason, called.message.tool_calls[0].function.arguments],
            "short": [short.choices[0].finish_reason, short.usage.completion_tokens],
            "refused": refused,
        }
    for model in NATIVE:
        whole = litellm.completion(model=f"bedrock/invoke/{model}", **COMMON)
        pieces = list(litellm.completion(model=f"bedrock/invoke/{model}", stream=True, **COMMON))
        seen[model] = {
            "text": whole.choices[0].message.content,
            "usage": [whole.usage.prompt_tokens, whole.usage.completion_tokens],
            "streamed": "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices),
        }
    aws = {name: COMMON[name] for name in ("aws_profile_name", "aws_region_name")}
    for model in EMBEDDING:
        answer = litellm.embedding(model=f"bedrock/{model}", input=["one", "two"], **aws)
        seen[model] = [[len(each["embedding"]) for each in answer.data], answer.usage.prompt_tokens]
    long = [{"role": "user", "content": "word " * 600_000}]
    for model in LIMITED:
        try:
            litellm.completion(model=f"bedrock/{model}", **{**COMMON, "messages": long})
        except litellm.BadRequestError as error:
            seen[f"long {model}"] = type(error).__name__
    print("SEEN", json.dumps(seen))
"""
# Whether LiteLLM 1.106 reads the model's stream as well. It reads no chunk of Mistral's chat models.
NATIVE = {
    "us.meta.llama3-3-70b-instruct-v1:0": True,
    "mistral.mixtral-8x7b-instruct-v0:1": True,
    "mistral.mistral-large-2407-v1:0": False,
    "amazon.titan-text-express-v1": True,
    "cohere.command-text-v14": True,
    "us.amazon.nova-lite-v1:0": True,
}
EMBEDDING = {
    "amazon.titan-embed-text-v1": 1536,
    "amazon.titan-embed-text-v2:0": 1024,
    "amazon.titan-embed-image-v1": 1024,
    "cohere.embed-english-v3": 1024,
    "cohere.embed-v4:0": 1536,
    "amazon.nova-2-multimodal-embeddings-v1:0": 3072,
}
# Nova's own text is not among those that LiteLLM takes for a context window's end.
LIMITED = {
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": "ContextWindowExceededError",
    "anthropic.claude-3-haiku-20240307-v1:0": "ContextWindowExceededError",
    "us.meta.llama3-3-70b-instruct-v1:0": "ContextWindowExceededError",
    "us.amazon.nova-lite-v1:0": "BadRequestError",
}


@pytest.fixture(scope="module")
def seen(aws):
    program = textwrap.dedent(PROGRAM)
    aws.admin("faults", "POST", {"kind": "throttle", "name": "two", "account": "222222222222"})
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            f"NATIVE, EMBEDDING, LIMITED = {list(NATIVE)}, {list(EMBEDDING)}, {list(LIMITED)}\n{program}",
        ],
        env={"PATH": "/usr/bin", "LITELLM_LOCAL_MODEL_COST_MAP": "True", **aws.environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    aws.admin("faults?name=two", "DELETE")
    lines = [line for line in ended.stdout.splitlines() if line.startswith("SEEN ")]
    assert lines, ended.stderr
    return json.loads(lines[0].removeprefix("SEEN "))


@pytest.mark.parametrize("route", ["converse", "invoke", "nova"])
def test_litellm_reads_every_kind_of_answer(seen, route):
    own = seen[route]
    assert own["finish"] == "stop"
    assert own["text"] == own["streamed"]
    assert own["usage"] == own["streamed_usage"]
    finish, arguments = own["called"]
    assert finish == "tool_calls"
    assert json.loads(arguments) == {"city": "Weather in Bern?"}
    assert own["short"] == ["length", 3]
    assert "Too many requests, please wait before trying again." in own["refused"]


@pytest.mark.parametrize("model", NATIVE)
def test_litellm_reads_each_familys_own_body(seen, model):
    own = seen[model]
    assert own["text"]
    assert all(count > 0 for count in own["usage"])
    assert own["streamed"].strip() == (own["text"].strip() if NATIVE[model] else "")


@pytest.mark.parametrize("model", EMBEDDING)
def test_litellm_reads_embeddings(seen, model):
    sizes, tokens = seen[model]
    assert sizes == [EMBEDDING[model]] * 2
    assert tokens > 0


@pytest.mark.parametrize("model", LIMITED)
def test_litellm_knows_an_input_that_is_too_long(seen, model):
    assert seen[f"long {model}"] == LIMITED[model]
