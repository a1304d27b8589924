"""What is probably not meant is reported with its place, and nothing else is."""

import pytest
import yaml

from gateway.litellm.config import load_config
from gateway.litellm.warnings import left_out

HEAD = """\
model_list:
- {model_name: chat, litellm_params: {model: bedrock/amazon.nova-pro-v1:0}}
- {model_name: spare, litellm_params: {model: bedrock/amazon.nova-lite-v1:0}}
- {model_name: w/*, litellm_params: {model: bedrock/*}}
"""


def warnings(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(HEAD + text)
    return [warning.removeprefix(str(path)) for warning in load_config(path, environment={}).warnings()]


@pytest.mark.parametrize(
    "text",
    [
        "", "x-anything: {a: 1}\n", "mcp_servers: {}\nguardrails: []\nfiles_settings: []\nprompts: []\n",
        "router_settings: {fallbacks: [{chat: [spare]}], model_group_alias: {gpt-4: spare}}\n",
        "router_settings: {fallbacks: [{chat: [spare]}, {gpt-4: [spare]}], model_group_alias: {gpt-4: chat}}\n",
        "router_settings: {default_fallbacks: [spare], model_group_alias: {gpt-4: chat}}\n",
        "router_settings: {fallbacks: [{w/1: [w/2]}]}\n",
        "router_settings: {fallbacks: [{chat: [both]}], "
        "routing_groups: [{group_name: both, models: [spare], routing_strategy: simple-shuffle}]}\n",
    ],
)  # fmt: skip
def test_nothing_to_say(tmp_path, text):
    assert warnings(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("router_setings: {}\n",
         ":5: router_setings: LiteLLM may not know this section; did you mean 'router_settings'?"),
        ("router_settings: {routing_stratgy: x}\n",
         ":5: router_settings.routing_stratgy: LiteLLM's router ignores it; did you mean 'routing_strategy'?"),
        ("router_settings: {fallbacks: [{chat: [sparee]}]}\n",
         ":5: router_settings.fallbacks: names model group 'sparee', which is not in model_list"),
        ("router_settings: {fallbacks: [{chat: spare}]}\n",
         ":5: router_settings.fallbacks: 'chat': LiteLLM reads the text 'spare' letter by letter; write [spare]"),
        ("litellm_settings:\n  fallbacks: [{w/*: [spare]}]\n",
         ":6: litellm_settings.fallbacks: LiteLLM looks for the name that is asked for, never 'w/*'; name models"),
        ("router_settings: {fallbacks: [{chat: [spare]}], model_group_alias: {gpt-4: chat}}\n",
         ":5: router_settings.model_group_alias.gpt-4: LiteLLM looks for fallbacks under the name that is asked for: "
         "those of 'chat' do not take over for 'gpt-4'; give it its own"),
        ("router_settings: {model_group_alias: {gpt-4: chatt}}\n",
         ":5: router_settings.model_group_alias.gpt-4: names model group 'chatt', which is not in model_list"),
    ],
)  # fmt: skip
def test_one_warning(tmp_path, text, says):
    assert warnings(tmp_path, text) == [says]


def test_a_parameter_that_looks_like_one_of_ours(tmp_path):
    content = yaml.safe_load(HEAD)
    content["model_list"][1]["litellm_params"] |= {"aws_regoin_name": "x", "weigth": 1, "timeout": 3, "api_key": "k"}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    found = load_config(tmp_path / "c.yaml", environment={}).warnings()
    assert [warning.split("model_list[1].litellm_params.")[1] for warning in found] == [
        "aws_regoin_name: LiteLLM hands this on to the provider; did you mean 'aws_region_name'?",
        "weigth: LiteLLM hands this on to the provider; did you mean 'weight'?",
    ]


def test_deployments_that_litellm_does_not_list(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(HEAD)
    config = load_config(path, environment={})
    assert list(left_out(config.document, config.deployments(), {"chat", "spare", "w/*", "warm-up"})) == []
    assert list(left_out(config.document, config.deployments(), {"chat": 1, "w/*": 2})) == [
        f"{path}:3: model_list[1]: LiteLLM has left out 'spare'"
    ]
