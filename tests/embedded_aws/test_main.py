"""python -m embedded_aws as a process: what it prints, where it writes, how it ends."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from urllib.request import urlopen

import pytest

from common.yaml_file import ConfigError, load
from embedded_aws.settings import Embedded

COMMAND = [sys.executable, "-m", "embedded_aws"]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
PROMPT_S = 30.0


@contextmanager
def process(*arguments, temporary=None, **kwargs):
    environment = CLEAN if temporary is None else {**CLEAN, "TMPDIR": str(temporary)}
    command = [*COMMAND, *map(str, arguments)]
    own = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, **kwargs)
    try:
        yield own
    finally:
        own.kill()
        own.wait()
        own.stdout.close()


def printed_environment(own):
    lines = [own.stdout.readline().strip() for _ in range(4)]
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


def refused(*arguments):
    ended = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, env=CLEAN, timeout=60)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_an_unmodified_boto3_program_works_under_the_printed_environment(tmp_path):
    program = """
        import boto3
        session = boto3.Session(profile_name="account-two")
        print(session.client("sts").get_caller_identity()["Account"])
        messages = [{"role": "user", "content": [{"text": "hi"}]}]
        answer = session.client("bedrock-runtime").converse(modelId="us.amazon.nova-2-lite-v1:0", messages=messages)
        print(answer["stopReason"])
        print(session.client("logs").describe_log_groups()["logGroups"][0]["logGroupName"])
    """
    with process("--port", 0, "--state", tmp_path / "state") as own:
        environment = printed_environment(own)
        assert list(environment) == [
            "AWS_ENDPOINT_URL", "AWS_BEDROCK_RUNTIME_ENDPOINT", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"
        ]  # fmt: skip
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            env={**CLEAN, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.stdout.split() == ["222222222222", "end_turn", "/aws/bedrock/modelinvocations"], ended.stderr
        health = json.load(urlopen(environment["AWS_ENDPOINT_URL"] + "/_embedded/health"))
        assert health["environment"] == environment
        assert health["pid"] == own.pid


def test_any_model_is_called_from_any_region_with_no_entry_in_any_file(tmp_path):
    program = """
        import boto3
        for region, model in [
            ("us-east-1", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("us-east-1", "us.meta.llama3-3-70b-instruct-v1:0"),
            ("us-west-2", "openai.gpt-oss-120b-1:0"),
            ("eu-west-1", "eu.amazon.nova-lite-v1:0"),
            ("ap-southeast-1", "apac.anthropic.claude-sonnet-4-20250514-v1:0"),
            ("sa-east-1", "global.anthropic.claude-sonnet-4-6"),
        ]:
            client = boto3.Session(profile_name="account-two").client("bedrock-runtime", region_name=region)
            answer = client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "Hi"}]}])
            print(model, answer["stopReason"])
        print(boto3.Session(profile_name="account-two").region_name)
    """
    with process("--port", 0, "--state", tmp_path) as own:
        environment = {**CLEAN, **printed_environment(own)}
        command = [sys.executable, "-c", textwrap.dedent(program)]
        ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    *lines, region = ended.stdout.splitlines()
    assert len(lines) == 6
    assert all(line.endswith(" end_turn") for line in lines)
    assert region == "us-east-1"


def test_files_with_secrets_are_the_owners_alone(tmp_path):
    state = tmp_path / "state"
    with process("--port", 0, "--state", state) as own:
        printed_environment(own)
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        for name in ("config", "credentials", "bedrock_api_keys"):
            assert stat.S_IMODE((state / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_and_leaves_nothing_behind(number, tmp_path):
    with process("--port", 0, temporary=tmp_path) as own:
        environment = printed_environment(own)
        urlopen(environment["AWS_ENDPOINT_URL"] + "/_embedded/health").close()
        own.send_signal(number)
        assert own.wait(PROMPT_S) == 0
        assert list(tmp_path.iterdir()) == []


def test_it_ends_although_a_stream_is_open(tmp_path):
    slow = tmp_path / "slow.yaml"
    slow.write_text(SETTINGS.replace("per_token_ms: 0", "per_token_ms: 60000"))
    with process("--port", 0, "--config", slow, "--state", tmp_path / "state", stderr=subprocess.PIPE) as own:
        environment = printed_environment(own)
        program = """
            import boto3
            client = boto3.Session(profile_name="one").client("bedrock-runtime")
            messages = [{"role": "user", "content": [{"text": "hi"}]}]
            stream = client.converse_stream(modelId="us.amazon.nova-lite-v1:0", messages=messages)["stream"]
            print(next(iter(stream)), flush=True)
            list(stream)
        """
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)],
            env={**CLEAN, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as client:
            assert b"messageStart" in client.stdout.readline()
            own.terminate()
            assert own.wait(PROMPT_S) == 0
            client.kill()
        assert own.stderr.read() == ""
        own.stderr.close()


def test_it_ends_with_its_parent(tmp_path):
    with process("--port", 0, "--lifeline", "--state", tmp_path / "state", stdin=subprocess.PIPE) as own:
        printed_environment(own)
        own.stdin.close()
        assert own.wait(PROMPT_S) == 0


def test_a_port_in_use_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert refused("--port", port) == f"Error: port {port}: Address already in use. Choose another with --port.\n"


def test_state_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in refused("--state", tmp_path / "file")
    told = refused("--port", 0, "--state", tmp_path / "file" / "below")
    assert f"--state {tmp_path / 'file' / 'below'}: [Errno 20] Not a directory" in told


SETTINGS = """
regions: [us-east-1]
models:
  amazon.nova-lite-v1:0: {body: nova, max_output_tokens: 100}
accounts:
  - {id: "111111111111", profile: one}
latency: {first_token_ms: {median: 0, p99: 0}, per_token_ms: 0}
answer_tokens: {min: 5, max: 5}
"""


MORE = "answer_tokens:"  # where another section can go in before


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("us-east-1", "us-east-9", "settings.yaml:2: regions: 'us-east-9' is not a commercial AWS Region"),
        ("body: nova", "body: tiger", "settings.yaml:4: models.amazon.nova-lite-v1:0.body"),
        ("max_output_tokens: 100", "max_output_tokens: 0", "models.amazon.nova-lite-v1:0.max_output_tokens"),
        ('"111111111111"', "111111111111", "accounts[0].id"),
        ('"111111111111"', '"11111"', "accounts[0].id"),
        ("min: 5, max: 5", "min: 5, max: 4", "max must not be below min"),
        ("median: 0, p99: 0", "median: 9, p99: 0", "p99 must not be below the median"),
        (MORE, "quotta: {}\nanswer_tokens:", "quotta: is not a known key; did you mean 'quota'?"),
        ("answer_tokens: {min: 5, max: 5}", "", "answer_tokens: is missing"),
        ("latency:", "latency: [", "is not valid YAML"),
        (MORE, "quotas: {amazon.nova-lite: {rpm: 1}}\nanswer_tokens:", "did you mean 'amazon.nova-lite-v1:0'?"),
        (MORE, "quota: {rpm: 0}\nanswer_tokens:", "quota.rpm"),
        (MORE, "quota_window: leaky\nanswer_tokens:", "quota_window"),
        (MORE, "faults: [{kind: throttel}]\nanswer_tokens:", "faults[0]"),
        (MORE, "faults: [{kind: connection_refused}]\nanswer_tokens:", "duration_s"),
        (MORE, "account_template: {count: 1, profile: same}\nanswer_tokens:", "account_template.profile"),
        (MORE, 'account_template: {count: 2, first_id: "111111111110"}\nanswer_tokens:', "two accounts have the id"),
        (
            MORE,
            "roles: [{account: '222222222222', name: r, trusted: one}]\nanswer_tokens:",
            "no account '222222222222'",
        ),
        (
            MORE,
            "roles:\n" + "  - {account: '111111111111', name: r, trusted: one}\n" * 2 + "answer_tokens:",
            "settings.yaml:10: roles[1].name: account '111111111111' has a role 'r' already",
        ),
        (
            MORE,
            "faults:\n"
            "  - {kind: none, name: storm, duration_s: 5}\n"
            "  - kind: none\n"
            "    start_s: 4\n"
            "    name: storm\n"
            "answer_tokens:",
            "settings.yaml:12: faults[1].name: a fault named 'storm' is on the timeline at that time already",
        ),
        (
            MORE,
            "log_queries: {requests_per_s: {GetQueryResult: 100}}\nanswer_tokens:",
            "settings.yaml:8: log_queries.requests_per_s.GetQueryResult: input should be 'GetQueryResults' or",
        ),
    ],
)
def test_what_is_wrong_in_the_configuration_is_named(tmp_path, old, new, told):
    path = tmp_path / "settings.yaml"
    assert old in SETTINGS
    path.write_text(SETTINGS.replace(old, new))
    with pytest.raises(ConfigError, match=re.escape(told)):
        load(path, Embedded)


def test_a_configuration_that_is_not_there(tmp_path):
    assert "there is no such file" in refused("--config", tmp_path / "nothing.yaml")


def test_accounts_from_a_template_each_have_their_own_profile(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text(SETTINGS + 'account_template: {count: 30, first_id: "300000000001", profile: "shard-{n}"}\n')
    with process("--port", 0, "--config", path, "--state", tmp_path / "state") as own:
        environment = printed_environment(own)
        accounts = json.load(urlopen(environment["AWS_ENDPOINT_URL"] + "/_embedded/health"))["accounts"]
    assert len(accounts) == 31
    assert accounts["shard-1"] == "300000000001"
    assert accounts["shard-30"] == "300000000030"
