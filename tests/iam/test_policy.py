"""The shipped policy is enough for the harness, and none of its statements is too much."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from common.least_privilege import policy
from embedded_aws.auth.iam import Policy, authorize, authorize_invocation
from embedded_aws.wire import AwsError, Caller
from gateway.litellm.config import load_config
from harness.settings.patterns import load_patterns
from iam.__main__ import assumed_roles, main, profile_uses, role_uses

ACCOUNT = "111111111111"
USER = f"arn:aws:iam::{ACCOUNT}:user/harness"
GROUP = "/aws/bedrock/modelinvocations"
ROLE = "arn:aws:iam::222222222222:role/harness"

PROFILE, MODEL = "us.anthropic.claude-sonnet-4-6", "amazon.nova-lite-v1:0"
SHIPPED = policy(
    account_id=ACCOUNT, log_group=GROUP, uses=[("us-east-1", PROFILE), ("us-east-1", MODEL)], role_arns=[ROLE]
)


def caller(service):
    return Caller("AKIAEXAMPLE", ACCOUNT, USER, "AIDAEXAMPLE", "us-east-1", service)


def model_call(action, model_id):
    return lambda policies: authorize_invocation(caller("bedrock"), policies, f"bedrock:{action}", model_id)


def other_call(action, *resources):
    return lambda policies: authorize(caller(action.partition(":")[0]), policies, action, resources, {})


GROUP_ARN = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}"

# Everything that the harness does to AWS, with the ARNs that AWS checks; sts:GetCallerIdentity needs no permission.
CALLS = {
    "Converse through a profile": model_call("InvokeModel", PROFILE),
    "ConverseStream through a profile": model_call("InvokeModelWithResponseStream", PROFILE),
    "Converse with a foundation model": model_call("InvokeModel", MODEL),
    "ConverseStream with a foundation model": model_call("InvokeModelWithResponseStream", MODEL),
    "StartQuery": other_call("logs:StartQuery", GROUP_ARN),
    "StartQuery, checked with its streams": other_call("logs:StartQuery", f"{GROUP_ARN}:*"),
    "GetQueryResults": other_call("logs:GetQueryResults", "*"),
    "GetQueryResults, checked on the log group": other_call("logs:GetQueryResults", GROUP_ARN),
    "StopQuery": other_call("logs:StopQuery", "*"),
    "DescribeQueries": other_call("logs:DescribeQueries", "*"),
    "DescribeLogGroups": other_call("logs:DescribeLogGroups", "*"),
    "AssumeRole": other_call("sts:AssumeRole", ROLE),
}

BROKEN_WITHOUT = {
    "CallInferenceProfiles": {"Converse through a profile", "ConverseStream through a profile"},
    "ServeThemInEveryDestinationRegion": {"Converse through a profile", "ConverseStream through a profile"},
    "CallFoundationModels": {"Converse with a foundation model", "ConverseStream with a foundation model"},
    "QueryInvocationLogs": {"StartQuery", "StartQuery, checked with its streams"},
    "ReadQueryResults": {
        "GetQueryResults",
        "GetQueryResults, checked on the log group",
        "StopQuery",
        "DescribeQueries",
        "DescribeLogGroups",
    },
    "AssumeRolesOfOtherAccounts": {"AssumeRole"},
}


def refused(document):
    """The names of the calls that a policy does not allow."""
    policies = [Policy.parse(document)]
    names = set()
    for name, call in CALLS.items():
        try:
            call(policies)
        except AwsError:
            names.add(name)
    return names


def test_nothing_that_is_needed_is_missing():
    assert refused(SHIPPED) == set()


@pytest.mark.parametrize("sid", [statement["Sid"] for statement in SHIPPED["Statement"]])
def test_every_statement_is_needed(sid):
    rest = [statement for statement in SHIPPED["Statement"] if statement["Sid"] != sid]
    assert refused({**SHIPPED, "Statement": rest}) == BROKEN_WITHOUT[sid]


def texts_of(statement):
    """Every single action and resource of a statement, with the statement without it."""
    for element in ("Action", "Resource"):
        texts = statement[element] if isinstance(statement[element], list) else [statement[element]]
        for text in texts:
            if len(texts) > 1:
                yield text, {**statement, element: [other for other in texts if other != text]}


@pytest.mark.parametrize("statement", SHIPPED["Statement"], ids=lambda statement: statement["Sid"])
def test_every_action_and_every_resource_is_needed(statement):
    others = [other for other in SHIPPED["Statement"] if other is not statement]
    for text, without in texts_of(statement):
        assert refused({**SHIPPED, "Statement": [*others, without]}), f"{text} is allowed for nothing"


@pytest.mark.parametrize(
    "call",
    [
        model_call("InvokeModel", "us.anthropic.claude-opus-4-6-v1"),
        model_call("InvokeModel", "anthropic.claude-sonnet-4-6"),  # only through its profile
        model_call("CreateModelInvocationJob", PROFILE),
        other_call("logs:StartQuery", GROUP_ARN.replace(GROUP, "/another")),
        other_call("logs:StartQuery", GROUP_ARN.replace("us-east-1", "us-west-2")),
        other_call("logs:GetLogEvents", GROUP_ARN),
        other_call("logs:DeleteLogGroup", GROUP_ARN),
        other_call("sts:AssumeRole", f"{ROLE}-2"),
        other_call("iam:CreateUser", "*"),
    ],
)
def test_nothing_else_is_allowed(call):
    with pytest.raises(AwsError, match="is not authorized to perform"):
        call([Policy.parse(SHIPPED)])


# --- rendering for a configuration ------------------------------------------------------------------------------

CONFIG = """
aws:
  profile_name: one
  secondary_profile_name: two
  region_name: us-east-1
  bedrock_log_group_name: /logs
cris:
  model_id: us.anthropic.claude-opus-4-6-v1
model_list:
  - model_name: a
    litellm_params: {model: bedrock/us.anthropic.claude-sonnet-4-6}
  - model_name: a
    litellm_params:
      model: bedrock/converse/us.amazon.nova-2-lite-v1:0
      aws_profile_name: two
      aws_region_name: us-west-1
  - model_name: b
    litellm_params:
      model: bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0
      aws_role_name: arn:aws:iam::333333333333:role/third
  - model_name: elsewhere
    litellm_params: {model: openai/gpt-5}
"""

PATTERNS = """
patterns:
  cris:
    title: CRIS
    route: direct
    consumers:
      cris: {users: 1, traffic: {demo: {kind: burst, requests: 1}}}
    claims: [{claim: all_answered}]
  sharding:
    title: Shards
    consumers:
      two: {route: direct, model: a, profile: two, users: 1, traffic: {demo: {kind: burst, requests: 1}}}
    claims: [{claim: all_answered}]
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "patterns.yaml").write_text(PATTERNS)
    return tmp_path


@pytest.fixture
def configured(files):
    config = load_config(files / "config.yaml")
    return config, load_patterns(files / "patterns.yaml", config)


def test_a_profile_may_call_its_deployments_and_what_goes_straight_to_bedrock(configured):
    assert profile_uses(*configured, "one") == [
        ("us-east-1", "us.anthropic.claude-sonnet-4-6"),
        ("us-east-1", "us.anthropic.claude-opus-4-6-v1"),
    ]
    assert profile_uses(*configured, "two") == [
        ("us-west-1", "us.amazon.nova-2-lite-v1:0"),
        ("us-east-1", "us.anthropic.claude-sonnet-4-6"),
    ]
    assert profile_uses(*configured, "three") == []


def test_a_role_may_call_the_deployments_that_name_it(configured):
    third = "arn:aws:iam::333333333333:role/third"
    assert role_uses(configured[0], third) == [("us-east-1", "us.anthropic.claude-haiku-4-5-20251001-v1:0")]
    assert role_uses(configured[0], "arn:aws:iam::333333333333:role/fourth") == []


def test_roles_are_found_in_deployments_and_in_the_profiles_of_aws(configured):
    third = "arn:aws:iam::333333333333:role/third"
    aws_profiles = {"one": {}, "two": {"role_arn": ROLE, "source_profile": "one"}}
    assert assumed_roles(configured[0], aws_profiles, "one") == [ROLE, third]
    assert assumed_roles(configured[0], {}, "one") == [third]
    assert assumed_roles(configured[0], aws_profiles, "two") == []


def render(files, *arguments):
    paths = ["--config", str(files / "config.yaml"), "--patterns", str(files / "patterns.yaml")]
    return CliRunner().invoke(main, ["render", *paths, *arguments])


def test_the_command_prints_a_policy(files, monkeypatch):
    (files / "aws").write_text(f"[profile two]\nrole_arn = {ROLE}\nsource_profile = one\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(files / "aws"))
    printed = json.loads(render(files, "--account", ACCOUNT).output)
    Policy.parse(printed)
    roles = next(s["Resource"] for s in printed["Statement"] if s["Sid"] == "AssumeRolesOfOtherAccounts")
    assert roles == [ROLE, "arn:aws:iam::333333333333:role/third"]
    second = json.loads(render(files, "--account", "222222222222", "--profile", "secondary").output)
    assert "us-west-1:222222222222:inference-profile/us.amazon.nova-2-lite-v1:0" in json.dumps(second)
    third = render(files, "--account", "333333333333", "--role", "arn:aws:iam::333333333333:role/third").output
    assert "333333333333:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0" in third


@pytest.mark.parametrize(
    ("change", "arguments", "complaint"),
    [
        ((), ("--account", "1234"), "'1234' is not an AWS account id: it has twelve digits."),
        ((), (), "Missing option '--account'"),
        ((), ("--account", ACCOUNT, "--profile", "three"), "three is not used by the configuration"),
        ((), ("--account", ACCOUNT, "--role", ROLE), f"{ROLE} is not used by the configuration"),
        (("us.anthropic.claude-sonnet-4-6", "us.anthropic.claude-1"), ("--account", ACCOUNT), "is not known: add it"),
        (("us-east-1", "eu-west-1"), ("--account", ACCOUNT), "cannot be called from 'eu-west-1', only from"),
        (("region_name: us-east-1", "region_name: 1"), ("--account", ACCOUNT), "config.yaml:5: aws.region_name"),
    ],
)
def test_what_cannot_be_rendered_is_explained_with_exit_code_2(files, change, arguments, complaint):
    if change:
        (files / "config.yaml").write_text(CONFIG.replace(*change))
    result = render(files, *arguments)
    assert result.exit_code == 2
    assert complaint in result.output
    assert "{" not in result.output


def test_broken_aws_configuration_files_are_explained_too(files, monkeypatch):
    (files / "aws").write_text("[profile two\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(files / "aws"))
    result = render(files, "--account", ACCOUNT)
    assert (result.exit_code, "The AWS configuration files cannot be read: " in result.output) == (2, True)


@pytest.mark.parametrize(
    "principal",
    [
        USER,
        f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Load_1a2b",
        f"arn:aws:iam::{ACCOUNT}:root",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/harness/me@example.com",
        f"arn:aws-us-gov:iam::{ACCOUNT}:user/harness",
        f"arn:aws-cn:iam::{ACCOUNT}:role/harness",
    ],
)
def test_the_trust_policy_command(principal):
    printed = CliRunner().invoke(main, ["trust", "--principal", principal])
    assert json.loads(printed.output)["Statement"][0]["Principal"] == {"AWS": [principal]}


@pytest.mark.parametrize(
    "principal",
    [
        "me",
        "arn:aws:iam::",
        "arn:aws:iam::x",
        "arn:aws:iam::1234:user/harness",
        f"arn:aws:iam::{ACCOUNT}:user/",
        f"arn:aws:iam::{ACCOUNT}:group/harness",
        f"arn:aws:iam::{ACCOUNT}:role/*",
        f"arn:aws:iam::{ACCOUNT}:role/a*/harness",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/harness",
        f"arn:aws:s3::{ACCOUNT}:user/harness",
        f"{USER}\n",
    ],
)
def test_whoever_cannot_be_a_principal_is_refused(principal):
    wrong = CliRunner().invoke(main, ["trust", "--principal", principal])
    assert wrong.exit_code == 2
    assert f"{principal!r} is not the ARN of a user or role" in wrong.output
    assert "{" not in wrong.output


@pytest.mark.parametrize("profile", ["account-one", "account-two"])
def test_every_deployment_of_the_shipped_configuration_may_be_called(profile):
    config = load_config()
    uses = profile_uses(config, load_patterns(None, config), profile)
    policies = [Policy.parse(policy(account_id=ACCOUNT, log_group=GROUP, uses=uses))]
    deployments = [entry for entry in config.model_list if entry.litellm_params.aws_profile_name == profile]
    assert deployments
    for entry in deployments:
        model_call("InvokeModel", entry.bedrock_model_id)(policies)
        model_call("InvokeModelWithResponseStream", entry.bedrock_model_id)(policies)
    if profile == config.aws.profile_name:
        model_call("InvokeModel", config.cris.model_id)(policies)


def test_the_shipped_configuration_renders_from_the_command_line():
    root = Path(__file__).resolve().parents[2]
    for profile in ("primary", "secondary"):
        command = [sys.executable, "-m", "iam", "render", "--account", ACCOUNT, "--profile", profile]
        printed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
        Policy.parse(json.loads(printed))
        assert len(printed) < 6144, "AWS takes 6,144 characters (without white space) in a managed policy"
