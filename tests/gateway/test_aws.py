"""Which AWS is meant, and whose profiles it must have."""

import pytest

from common.yaml_file import ConfigError
from gateway.aws import account_ids, choose
from gateway.litellm.config import load_config

PLAIN = "model_list: [{model_name: a, litellm_params: {model: bedrock/us.anthropic.claude-sonnet-4-6}}]"


def config(tmp_path, text, **environment):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load_config(path, environment=environment)


@pytest.mark.parametrize(
    ("sections", "option", "chosen"),
    [
        ("", None, "embedded"),  # nothing chose the real one
        ("", "live", "aws"),
        ("aws: {}", None, "aws"),
        ("aws: {endpoint: live}", None, "aws"),
        ("aws: {endpoint: embedded}", None, "embedded"),
        ("aws: {endpoint: embedded}", "live", "aws"),
        ("aws: {profile_name: a}", "embedded", "embedded"),
    ],
)
def test_the_option_decides_then_the_endpoint_and_nothing_chooses_the_real_aws_by_itself(
    tmp_path, sections, option, chosen
):
    assert choose(config(tmp_path, f"{PLAIN}\n{sections}", AWS_REGION="us-east-1"), option) == chosen


def test_the_real_aws_needs_a_region(tmp_path):
    with pytest.raises(ConfigError, match=r"config\.yaml: no AWS Region is named\. Set aws\.region_name"):
        choose(config(tmp_path, PLAIN), "live")
    assert choose(config(tmp_path, PLAIN), None) == "embedded"


def test_a_profile_that_does_not_exist_is_named_with_where_it_stands(monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with pytest.raises(
        ConfigError, match=r"consumers\.x\.profile: the AWS profile 'nobody' does not exist \(there is: none\)"
    ):
        account_ids({"patterns.p.consumers.x.profile": "nobody"}, "us-east-1")
