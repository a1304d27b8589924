"""Other providers, judged by LiteLLM's own SDK: what it answers, and which exception it makes of each refusal."""

import json
import subprocess
import sys

import pytest

from tests.embedded_aws.conftest import HTTP, running

_ASK = """
import json, sys
import litellm

litellm.suppress_debug_info = True
url, HELLO = sys.argv[1], [{"role": "user", "content": "Hello!"}]
BASES = {"openai": "openai/v1", "azure": "azure", "anthropic": "anthropic"}
for line in sys.stdin:
    asked = json.loads(line)
    provider = asked["model"].partition("/")[0]
    given = {"api_key": "any", "messages": HELLO, "max_tokens": 5, "num_retries": 0, "max_retries": 0, **asked,
             "api_base": f"{url}/_providers/{BASES[provider]}"}
    if provider == "azure":
        given["api_version"] = "2024-10-21"
    try:
        answer = litellm.completion(**given)
        if asked.get("stream"):
            text = "".join(chunk.choices[0].delta.content or "" for chunk in answer)
        else:
            text = answer.choices[0].message.content
        said = {"text": text}
    except Exception as error:
        said = {"error": type(error).__name__, "message": str(error)[:300]}
    print("ANSWER", json.dumps(said), flush=True)
"""
MODELS = {"openai": "openai/gpt-4o", "azure": "azure/mine", "anthropic": "anthropic/claude-sonnet-4-5"}


class Sdk:
    """A process that asks what it is told."""

    def __init__(self, process, server):
        self._process, self.server = process, server

    def ask(self, provider, **more):
        self._process.stdin.write(json.dumps({"model": MODELS[provider], **more}) + "\n")
        self._process.stdin.flush()
        while not (line := self._process.stdout.readline()).startswith("ANSWER"):
            assert line, "it has ended"
        return json.loads(line.removeprefix("ANSWER"))


@pytest.fixture(scope="module")
def sdk(tmp_path_factory):
    quotas = {name: {"rpm": 1_000, "max_input_tokens": 2_000} for name in MODELS}
    with running(tmp_path_factory.mktemp("providers"), providers=quotas) as server:
        command = [sys.executable, "-c", _ASK, server.url]
        environment = {"PATH": "/usr/bin:/bin", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=environment,
        ) as process:  # fmt: skip
            yield Sdk(process, server)
            process.stdin.close()


@pytest.mark.parametrize("provider", MODELS)
def test_a_stream_and_a_whole_answer_say_the_same(sdk, provider):
    whole = sdk.ask(provider)
    assert len(whole["text"].split()) >= 3
    assert sdk.ask(provider, stream=True) == whole


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "throttle"}, "RateLimitError"),
        ({"kind": "error", "error": "ServiceUnavailableException"}, "ServiceUnavailableError InternalServerError"),
        ({"kind": "error", "error": "InternalServerException"}, "InternalServerError APIError"),
        ({"kind": "error", "error": "ExpiredTokenException"}, "AuthenticationError"),
        ({"kind": "error", "error": "ServiceQuotaExceededException"}, "RateLimitError"),
        ({"kind": "error", "error": "ModelTimeoutException"}, "Timeout"),
        ({"kind": "error", "error": "ResourceNotFoundException"}, "NotFoundError"),
    ],
)
def test_each_refusal_is_the_exception_that_a_router_acts_on(sdk, provider, fault, error):
    with sdk.server.fault(provider=provider, **fault):
        said = sdk.ask(provider)
    assert said.get("error") in error.split(), said


@pytest.mark.parametrize("provider", MODELS)
def test_too_long_a_prompt_is_what_context_window_fallbacks_look_for(sdk, provider):
    long = [{"role": "user", "content": "word " * 5_000}]
    said = sdk.ask(provider, messages=long)
    assert said.get("error") == "ContextWindowExceededError", said


@pytest.mark.parametrize(
    ("provider", "path", "key", "names"),
    [
        ("openai", "openai/v1/chat/completions", {"authorization": "Bearer x"},
         ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests")),
        ("anthropic", "anthropic/v1/messages", {"x-api-key": "x"},
         ("anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining",
          "anthropic-ratelimit-requests-reset")),
    ],
)  # fmt: skip
def test_what_is_left_of_a_quota_stands_in_the_providers_own_headers_refused_or_not(start, provider, path, key, names):
    server = start(providers={provider: {"rpm": 1}}, quota_window="sliding")
    body = json.dumps({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi!"}]}).encode()
    answers = [HTTP.request("POST", f"{server.url}/_providers/{path}", body=body, headers=key) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 429]
    limit, remaining, reset = names
    for answer in answers:
        assert (answer.headers[limit], answer.headers[remaining]) == ("1", "0")
        assert answer.headers[reset].endswith("s" if provider == "openai" else "Z")
    assert 1 <= int(answers[1].headers["retry-after"]) <= 60
