"""Our sections in LiteLLM's file and in the patterns file: read from both, and faults named where they are."""

import pytest

from common.yaml_file import ConfigError
from gateway.litellm.config import load_config
from gateway.litellm.sections import LOG_GROUP

PLAIN = "model_list: [{model_name: a, litellm_params: {model: bedrock/amazon.nova-lite-v1:0}}]\n"


@pytest.fixture
def read(tmp_path):
    def read(file="", patterns="", **environment):
        config, beside = tmp_path / "config.yaml", tmp_path / "patterns.yaml"
        config.write_text(PLAIN + file)
        beside.write_text("patterns: {}\n" + patterns)
        return load_config(config, beside=beside, environment=environment)

    return read


@pytest.mark.parametrize("where", ["file", "patterns"])
def test_a_section_whose_keys_are_commented_out_is_not_there(read, where):
    config = read(**{where: "aws:\nlitellm:\ncris:\nfetch:\n  # deadline_s: 60\n"})
    assert not config.aws_said
    assert (config.litellm.port, config.cris, config.fetch.deadline_s) == (4000, None, 300)
    assert config.aws.bedrock_log_group_name == LOG_GROUP


def test_an_empty_section_leaves_the_other_files_word(read):
    assert read("litellm:\n", "litellm: {port: 4001}\n").litellm.port == 4001
    assert read("litellm: {port: 4001}\n", "litellm:\n").litellm.port == 4001


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("aws: {endpont: embedded}", "aws.endpont: is not a known key; did you mean 'endpoint'?"),
        ("litellm: {port: 70000}", "litellm.port: input should be less than or equal to 65535, not 70000"),
        ("cris: {}", "cris.model_id: is missing. Add it."),
        ("fetch: []", "fetch: must be a mapping, not a list"),
        ("aws: {region_name: os.environ/NOPE}", "aws.region_name: names the environment variable NOPE, which is not"),
    ],
)
@pytest.mark.parametrize("where", ["file", "patterns"])
def test_a_fault_is_named_in_the_file_that_has_it(read, tmp_path, where, section, problem):
    with pytest.raises(ConfigError) as caught:
        read(**{where: section})
    name = {"file": "config.yaml", "patterns": "patterns.yaml"}[where]
    assert str(caught.value).startswith(f"{tmp_path / name}:2: {problem}")


def test_one_value_written_in_two_ways_is_no_contradiction(read):
    both = "aws: {region_name: os.environ/HERE}\n", "aws: {region_name: eu-west-1}\n"
    assert read(*both, HERE="eu-west-1").region == "eu-west-1"
    with pytest.raises(
        ConfigError, match=r"patterns\.yaml:2: aws\.region_name: says 'eu-west-1', and .*config\.yaml:2"
    ):
        read(*both, HERE="eu-west-2")


def test_a_key_that_holds_nothing_is_not_called_missing(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("model_list:\n  - model_name: a\n    litellm_params:\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:3: model_list\[0\]\.litellm_params: holds nothing\. Add"):
        load_config(path, environment={})
