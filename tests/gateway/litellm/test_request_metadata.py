"""Whose requests carry the run's id into Bedrock's log, judged by LiteLLM itself."""

import subprocess
import sys

import orjson
import pytest

from gateway.litellm import request_metadata
from gateway.litellm.config import load_config
from gateway.litellm.model_id import parse

ARN = "arn:aws:bedrock:us-east-1:123456789012:"
MODELS = {
    "bedrock/us.anthropic.claude-sonnet-4-6": True,
    "bedrock/anthropic.claude-3-haiku-20240307-v1:0": True,
    "bedrock/us-west-2/us.amazon.nova-pro-v1:0": True,
    "bedrock/global.anthropic.claude-opus-4-6-v1": True,
    "bedrock/converse/cohere.command-text-v14": True,
    "bedrock_converse/us.anthropic.claude-sonnet-4-6": True,
    f"bedrock/{ARN}application-inference-profile/abc": True,
    f"bedrock/converse/{ARN}application-inference-profile/abc": True,
    f"bedrock/{ARN}inference-profile/us.anthropic.claude-sonnet-4-6": True,
    "bedrock/invoke/us.anthropic.claude-sonnet-4-6": False,
    "bedrock/amazon.titan-text-express-v1": False,
    f"bedrock/llama/{ARN}imported-model/abc": False,
    f"bedrock/{ARN}provisioned-model/abc": False,
    "bedrock/no.such-model": False,
}
_ASK_LITELLM = """
import sys, orjson
from litellm.llms.bedrock.common_utils import BedrockModelInfo
names = orjson.loads(sys.stdin.buffer.read())
routes = {name: BedrockModelInfo.get_bedrock_route(name.partition("/")[2]) for name in names}
sys.stdout.buffer.write(orjson.dumps(routes))
"""


def takes(model):
    return request_metadata.takes(parse(model))


@pytest.mark.parametrize(("model", "is_taken"), MODELS.items())
def test_converse_takes_it_and_invoke_does_not(model, is_taken):
    assert takes(model) == is_taken


def test_it_is_never_sent_where_litellm_does_not_ask_converse():
    names = [name for name in MODELS if not name.startswith("bedrock_converse/")]
    done = subprocess.run(
        [sys.executable, "-c", _ASK_LITELLM], input=orjson.dumps(names), capture_output=True, check=True
    )
    routes = orjson.loads(done.stdout[done.stdout.index(b"{") :])
    assert {name for name in names if takes(name)} == {name for name, route in routes.items() if route == "converse"}


@pytest.mark.parametrize("model", ["openai/gpt-4o", "azure/gpt-4o", "anthropic/claude-sonnet-4-5", "bedrock/*", "*"])
def test_nobody_else_takes_it(model):
    assert not takes(model)


def test_a_group_takes_it_where_all_that_may_answer_for_it_do(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        """
model_list:
  - {model_name: alone, litellm_params: {model: bedrock/us.anthropic.claude-sonnet-4-6}}
  - {model_name: chat, litellm_params: {model: bedrock/us.anthropic.claude-sonnet-4-6}}
  - {model_name: long, litellm_params: {model: bedrock/us.anthropic.claude-sonnet-4-6}}
  - {model_name: mixed, litellm_params: {model: bedrock/us.anthropic.claude-sonnet-4-6}}
  - {model_name: mixed, litellm_params: {model: bedrock/invoke/us.anthropic.claude-sonnet-4-6}}
  - {model_name: other, litellm_params: {model: openai/gpt-4o}}
  - {model_name: "bedrock/*", litellm_params: {model: "bedrock/*"}}
router_settings:
  model_group_alias: {sonnet: alone}
  fallbacks: [{chat: [other]}]
  context_window_fallbacks: [{long: [other]}]
"""
    )
    config = load_config(path, environment={})
    names = ["alone", "sonnet", "chat", "long", "mixed", "other", "nobody",
             "bedrock/us.amazon.nova-pro-v1:0", "bedrock/invoke/us.amazon.nova-pro-v1:0"]  # fmt: skip
    assert [name for name in names if config.takes_request_metadata(name)] == ["alone", "sonnet", names[-2]]
