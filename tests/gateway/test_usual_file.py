"""A file as many people have it, with what LiteLLM itself would not start with here, on the real gateway."""

import json
import sys

import pytest
import urllib3

from tests.conftest import RUNS

HTTP = urllib3.PoolManager(retries=False)
FILE = """
litellm: {{port: {port}}}
model_list:
  - model_name: chat
    litellm_params: {{model: bedrock/invoke/us.anthropic.claude-sonnet-4-6, aws_region_name: us-east-1}}
  - model_name: reserved
    litellm_params:
      model: bedrock/anthropic.claude-sonnet-4-6
      model_id: arn:aws:bedrock:us-west-2:123456789012:provisioned-model/abc
      aws_region_name: us-west-2
  - model_name: pictures
    litellm_params: {{model: bedrock/stability.stable-image-core-v1:1, aws_region_name: us-east-1}}
    model_info: {{mode: image_generation}}
litellm_settings:
  callbacks: [prometheus]
  success_callback: [langfuse]
general_settings:
  master_key: sk-1234
"""


@pytest.fixture(scope="module")
def gateway(place):
    here = place("usual")
    port = here.read("config")["litellm"]["port"]
    here.write("config", FILE.format(port=port))
    files = here.files
    started = here.start(
        [sys.executable, "-m", "gateway", "--gateway-config", str(files["config"]),
         "--embedded-config", str(files["embedded"]), "--logs", RUNS]
    )  # fmt: skip
    started.until("Ctrl-C ends it")
    yield started, f"http://127.0.0.1:{port}"
    here.end()


def ask(url, model, key):
    body = {"model": model, "messages": [{"role": "user", "content": "Hi!"}], "max_tokens": 5}
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    return HTTP.request("POST", f"{url}/v1/chat/completions", body=json.dumps(body), headers=headers).status


def test_the_examples_own_key_is_the_master_key(gateway):
    _, url = gateway
    assert ask(url, "chat", "sk-1234") == 200
    assert ask(url, "chat", "sk-12345") in (400, 401)


def test_a_provisioned_model_answers(gateway):
    assert ask(gateway[1], "reserved", "sk-1234") == 200


def test_metrics_are_there_as_the_callback_gives_them(gateway):
    answer = HTTP.request("GET", f"{gateway[1]}/metrics/", headers={"authorization": "Bearer sk-1234"})
    assert answer.status == 200
    assert b"litellm" in answer.data


def test_it_says_what_is_changed_and_what_is_not_answered_for(gateway):
    started, _ = gateway
    said = started.out
    assert "litellm_settings.success_callback" in said
    unanswered = "the embedded AWS does not answer for 'stability.stable-image-core-v1:1'"
    assert f"model_list[2].litellm_params.model: {unanswered}" in said
    assert "Warming up warm-up" not in said  # each identity could be asked, by whatever route
