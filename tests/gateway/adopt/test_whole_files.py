"""Whole files, as people have them: which patterns they get, read back as a run reads them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from common.places import CONFIG_DIR
from gateway.__main__ import main
from gateway.adopt import adopt
from gateway.litellm.config import load_config
from harness.settings.patterns import load_patterns
from tests.gateway.adopt.making import SONNET, Adopting, claims

OWN = Path(__file__).parent / "files" / "own.yaml"


def run(*arguments):
    return CliRunner().invoke(main, ["adopt", *map(str, arguments)])


def test_the_shipped_configuration_gives_the_shipped_patterns(tmp_path):
    config = load_config(CONFIG_DIR / "config.yaml", environment={})
    assert Adopting(tmp_path).read(config) == load_patterns(CONFIG_DIR / "patterns.yaml", config)


def test_somebodys_own_file_gives_five_patterns(tmp_path):
    patterns = Adopting(tmp_path).read(load_config(OWN, environment={})).patterns
    assert {name: claims(pattern) for name, pattern in patterns.items()} == {
        "cris": ["all_answered", "regions_at_least"],
        "account_sharding": ["all_answered", "shards_separate"],
        "fallback": ["all_answered", "primaries_filled", "overflow_answered_by_fallback"],
        "load_balancing": ["all_answered", "primaries_filled", "overflow_answered_by_fallback"],
        "quota_isolation": ["limited_to_quota", "neighbours_unharmed"],
    }
    asked = {name: [one.model for one in pattern.consumers.values()] for name, pattern in patterns.items()}
    assert asked == {
        "cris": [None],
        "account_sharding": ["assistant-prod", "assistant-overflow"],
        "fallback": ["summaries"],
        "load_balancing": ["search"],
        "quota_isolation": ["team-billing", "team-claims", "team-support"],
    }
    isolation = patterns["quota_isolation"]
    assert [claim.consumers for claim in isolation.claims] == [["team-billing"], ["team-claims", "team-support"]]
    keys = {one.key for pattern in patterns.values() for one in pattern.consumers.values()}
    assert keys == {"LITELLM_MASTER_KEY"}, "one key for all: nothing is to be set in the environment"
    sent = {name: one.traffic["demo"].requests for name, one in isolation.consumers.items()}
    assert sent["team-billing"] > 4, "over its quota"
    assert max(sent["team-claims"], sent["team-support"]) < 12, "within theirs"


def test_its_own_sections_are_not_repeated():
    text = adopt(load_config(OWN, environment={})).text
    assert not [line for line in text.splitlines() if line.startswith(("aws:", "cris:", "litellm:", "fetch:"))]


def test_a_file_without_our_sections_gets_the_one_that_its_pattern_needs(adopting):
    plain = [{"model_name": "chat", "litellm_params": {"model": f"bedrock/{SONNET}"}}]
    patterns = adopting.read(adopting.config(plain))
    assert patterns.cris.model_id == SONNET
    assert (patterns.aws, patterns.litellm, patterns.fetch) == (None, None, None)
    assert list(patterns.patterns) == ["cris", "quota_isolation"]


def test_standard_output_is_yaml_and_nothing_else(tmp_path):
    result = run(OWN)
    assert result.exit_code == 0
    assert result.stdout == adopt(load_config(OWN)).text
    found = result.stderr.splitlines()
    assert all(line.startswith(f"{OWN}:") for line in found)
    assert any("is the id of a deployment of summaries-cheap too" in line for line in found)


def test_findings_stand_in_the_file_too():
    text = adopt(load_config(OWN, environment={})).text
    assert "# Found in the gateway's configuration:\n# - line 56: router_settings.enable_pre_call_checks:" in text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("model_list: []\n", "{path}:1: model_list: is empty"),
        ("model_list: [\n", "{path}:2: is not valid YAML"),
        ("a: 1\n", "{path}: model_list: is missing"),
        ("model_list:\n  - model_name: a\n", "{path}:2: model_list[0].litellm_params: is missing. Add it."),
        (
            "model_list:\n  - {model_name: a, litellm_params: {model: x, rpm: many}}\n",
            "{path}:2: model_list[0].litellm_params.rpm",
        ),
        (
            "model_list:\n  - {model_name: '*', litellm_params: {model: 'bedrock/*'}}\n",
            "{path}:1: model_list: nothing in it can be tested. Add a deployment of one chat model. *: it is a wild",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_or_tested_is_said_with_file_line_and_key(tmp_path, text, problem):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    result = run(path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: " + problem.format(path=path))


def test_a_file_that_is_not_there(tmp_path):
    result = run(tmp_path / "none.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no such file" in result.stderr
