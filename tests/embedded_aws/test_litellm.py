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
    print("SEEN", json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen(aws):
    aws.admin("faults", "POST", {"kind": "throttle", "name": "two", "account": "222222222222"})
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
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
