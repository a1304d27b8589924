"""What the embedded AWS must have for a file, and where the file names what it cannot have."""

import subprocess
import sys

import pytest
import yaml

from common.places import CONFIG_DIR
from gateway.demand import Demand
from gateway.litellm.config import load_config
from gateway.litellm.rendering import litellm_file
from gateway.needs import named_at, needs
from tests.conftest import free_port

PROVISIONED = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc"
IMPORTED = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abc"


def config(tmp_path, *deployments):
    path = tmp_path / "mine.yaml"
    listed = [{"model_name": f"group-{n}", "litellm_params": params} for n, params in enumerate(deployments)]
    path.write_text(yaml.safe_dump({"model_list": listed}))
    return load_config(path, environment={})


def needed(configuration):
    return needs(configuration, litellm_file(configuration)["model_list"], (), Demand())


@pytest.mark.parametrize(
    ("params", "arn", "behind"),
    [
        ({"model": "bedrock/anthropic.claude-sonnet-4-6", "model_id": PROVISIONED}, PROVISIONED,
         "anthropic.claude-sonnet-4-6"),
        ({"model": f"bedrock/{PROVISIONED}", "base_model": "amazon.nova-pro-v1:0"}, PROVISIONED,
         "amazon.nova-pro-v1:0"),
        ({"model": f"bedrock/{PROVISIONED}"}, PROVISIONED, None),
        ({"model": f"bedrock/llama/{IMPORTED}"}, IMPORTED, "meta.llama3-1-70b-instruct-v1:0"),
        ({"model": f"bedrock/deepseek_r1/{IMPORTED}"}, IMPORTED, "meta.llama3-1-70b-instruct-v1:0"),
        ({"model": f"bedrock/openai/{IMPORTED}"}, IMPORTED, "openai.gpt-oss-120b-1:0"),
        ({"model": f"bedrock/converse/{IMPORTED}"}, IMPORTED, None),
    ],
)  # fmt: skip
def test_what_is_behind_an_arn_as_far_as_the_file_says_it(tmp_path, params, arn, behind):
    found = needed(config(tmp_path, params))
    assert found["models"] == {arn: behind}


def test_whoever_calls_an_arn_is_in_its_account(tmp_path):
    named = {"model": f"bedrock/{PROVISIONED}", "aws_profile_name": "red"}
    role = {"model": f"bedrock/{PROVISIONED}", "aws_role_name": "arn:aws:iam::123456789012:role/gateway"}
    assert needed(config(tmp_path, named))["profiles"] == {"red": {"account": "123456789012"}}
    assert needed(config(tmp_path, {"model": f"bedrock/{PROVISIONED}"}))["profiles"] == {
        "default": {"account": "123456789012"}
    }
    assert needed(config(tmp_path, role))["profiles"] == {"default": {"account": None}}


def test_each_name_is_found_where_it_stands(tmp_path):
    found = config(
        tmp_path,
        {"model": "openai/gpt-4o"},
        {"model": "bedrock/us-west-2/stability.stable-image-core-v1:0"},
        {"model": "bedrock/amazon.nova-pro-v1:0", "aws_region_name": "eu-moon-1", "aws_role_name": "gateway"},
        {"model": "bedrock/amazon.nova-pro-v1:0", "aws_profile_name": "a]b"},
    )
    lines = (tmp_path / "mine.yaml").read_text().splitlines()

    def line(text):
        return 1 + next(n for n, line in enumerate(lines) if text in line)

    key = "model_list[{}].litellm_params.{}"
    file = tmp_path / "mine.yaml"
    assert named_at(found, "stability.stable-image-core-v1:0") == f"{file}:{line('stab')}: {key.format(1, 'model')}"
    assert named_at(found, "us-west-2") == f"{file}:{line('us-west-2')}: {key.format(1, 'model')}"
    assert named_at(found, "eu-moon-1") == f"{file}:{line('moon')}: {key.format(2, 'aws_region_name')}"
    assert named_at(found, "gateway") == f"{file}:{line('aws_role')}: {key.format(2, 'aws_role_name')}"
    assert named_at(found, "a]b") == f"{file}:{line('a]b')}: {key.format(3, 'aws_profile_name')}"
    assert named_at(found, "gpt-4o") is None  # nothing of AWS's


@pytest.mark.parametrize(
    ("params", "key", "problem"),
    [
        ({"model": "bedrock/amazon.nova-pro-v1:0", "aws_role_name": "gateway"}, "aws_role_name",
         "'gateway' is not the ARN of a role"),
        ({"model": "bedrock/us-gov-west-1/amazon.nova-pro-v1:0"}, "model",
         "'us-gov-west-1' is not a commercial AWS Region"),
        ({"model": "sagemaker/mine"}, "model", "'sagemaker/mine' is of the provider 'sagemaker', which nothing on the"),
    ],
)  # fmt: skip
def test_what_cannot_be_ends_the_start_with_file_line_and_key(tmp_path, params, key, problem):
    config(tmp_path, params)
    embedded = tmp_path / "embedded.yaml"
    embedded.write_text((CONFIG_DIR / "embedded.yaml").read_text().replace("port: 4510", f"port: {free_port()}"))
    command = [sys.executable, "-m", "gateway", "--gateway-config", tmp_path / "mine.yaml",
               "--embedded-config", embedded, "--logs", tmp_path / "logs"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    written = (tmp_path / "mine.yaml").read_text().splitlines()
    line = 1 + next(n for n, line in enumerate(written) if line.strip().startswith(f"{key}:"))
    assert f"Error: {tmp_path}/mine.yaml:{line}: model_list[0].litellm_params.{key}: {problem}" in done.stderr
