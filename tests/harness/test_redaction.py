"""No secret of a configuration reaches run.json."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from common.places import CONFIG_DIR
from harness.redaction import LEFT_OUT, text_without_secrets, without_secrets

SECRET_NAMES = st.sampled_from(
    [
        "api_key", "aws_secret_access_key", "aws_access_key_id", "aws_session_token", "redis_password", "password",
        "Authorization", "master_key", "client_secret", "vertex_credentials", "aws_bearer_token", "token", "api_keys",
        "X-Api-Key", "salt_key", "cookie",
    ]
)  # fmt: skip
SECRETS = st.text("abcdefghijklmnop0123456789/+=", min_size=12, max_size=40).map("s3cr3t".__add__)
VALUES = st.one_of(
    SECRETS, st.lists(SECRETS, min_size=1, max_size=2), st.dictionaries(st.just("x"), SECRETS, min_size=1)
)
HARMLESS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8))


@given(st.data())
def test_no_value_with_a_secrets_name_survives_wherever_it_stands(data):
    value = data.draw(VALUES)
    content = {data.draw(SECRET_NAMES): value}
    for _ in range(data.draw(st.integers(0, 4))):
        beside = data.draw(HARMLESS)
        content = data.draw(st.sampled_from([{"within": content, "beside": beside}, {"list": [beside, content]}]))
    assert "s3cr3t" not in json.dumps(without_secrets(content))


@pytest.mark.parametrize(
    "text",
    [
        "sk-s3cr3t-0123456789",
        "key is sk-s3cr3t0123, as it were",
        "Bearer s3cr3t",
        "redis://user:s3cr3t@host:6379/0",
        "redis://:s3cr3t@host",
        "--host=https://somebody:s3cr3t@example.com/",
    ],
)
def test_what_looks_like_a_secret_is_left_out_under_any_name(text):
    assert "s3cr3t" not in json.dumps(without_secrets({"anything": [text]}))
    assert "s3cr3t" not in text_without_secrets(text)


def test_access_key_ids_are_left_out():
    assert "AKIA" not in text_without_secrets("AKIAIOSFODNN7EXAMPLE")


def test_environment_variables_are_left_out_whatever_their_names():
    assert "value" not in json.dumps(without_secrets({"environment_variables": {"HARMLESS": "value"}}))


def test_what_is_no_secret_stays():
    content = {
        "key": "CONSUMER_A_KEY", "api_key": "os.environ/OPENAI_API_KEY", "max_tokens": 64,
        "output_cost_per_token": 0.1, "input_cost_per_token": "1e-6", "model": "bedrock/us.anthropic.claude-sonnet-4-6",
        "redis_url": "redis://host:6379", "at": "user@example.com", "token_limit": 5, "fallbacks": [{"a": ["b"]}],
    }  # fmt: skip
    assert without_secrets(content) == content


@pytest.mark.parametrize("file", ["config.yaml", "patterns.yaml", "embedded.yaml"])
def test_the_shipped_configuration_stays_whole(file):
    content = yaml.safe_load((CONFIG_DIR / file).read_text())
    assert without_secrets(content) == content


def test_a_key_that_is_known_is_left_out_whatever_it_looks_like():
    assert text_without_secrets("key: plain-word, none: ", "plain-word", "") == f"key: {LEFT_OUT}, none: "
