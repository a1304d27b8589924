"""What a configuration needs comes to be there: pure, and through boto3."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ProfileNotFound
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from common.places import ROOT
from embedded_aws.needs import Impossible, Needs, dealt_account
from embedded_aws.settings import Model

HELLO = [{"role": "user", "content": [{"text": "Hello there"}]}]
SONNET = "us.anthropic.claude-sonnet-4-6"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
INVALID = ("ValidationException", "The provided model identifier is invalid.")
KEYED = "arn:aws:bedrock:us-east-1:{}:{}/abc123"


# --- pure -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=30))
def test_accounts_are_dealt_by_name_alone(names):
    """In whatever order, one at a time or together: no two have the same."""
    forth = {name: dealt_account(name, lambda account: False) for name in names}
    back = {name: dealt_account(name, lambda account: False) for name in reversed(names)}
    assert forth == back
    assert len(set(forth.values())) == len(names)
    assert all(len(account) == 12 and account.isdigit() and account[0] != "0" for account in forth.values())


def test_a_taken_account_is_not_dealt_again():
    first = dealt_account("red", lambda account: False)
    assert dealt_account("red", {first}.__contains__) != first


@pytest.mark.parametrize(
    ("region", "base", "stands_for"),
    [
        ("us-east-1", "amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        ("us-west-2", "amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0"),
        ("us-east-1", f"bedrock/{SONNET}", SONNET),
        ("us-east-1", "eu.anthropic.claude-sonnet-4-6", SONNET),
        ("us-east-1", "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-6", SONNET),
        ("ap-northeast-1", "anthropic.claude-opus-4-6-v1", "global.anthropic.claude-opus-4-6-v1"),
        ("us-east-1", "gpt-4o", "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
    ],
)
def test_an_own_model_stands_for_what_its_region_can_call(region, base, stands_for):
    """The model itself, the profile that is named, or another profile of the same model: a known one before others."""
    arn = KEYED.format("333333333333", "application-inference-profile").replace("us-east-1", region)
    (model,) = Needs(models={arn: base}).own_models()
    assert model.stands_for == stands_for


def test_models_that_nobody_answers_for_are_said():
    arn = KEYED.format("333333333333", "provisioned-model")
    answered = [SONNET, LLAMA, arn, "cohere.embed-v4:0", f"arn:aws:bedrock:us-east-1:1:inference-profile/{SONNET}"]
    others = ["anthropic.claude-unknown", "eu.maker.model", "amazon.nova-canvas-v1:0"]
    assert Needs(models=[*answered, *others]).unanswered({}) == others
    assert Needs(models=others).unanswered({"maker.model": Model()}) == [others[0], others[2]]


@pytest.mark.parametrize(
    ("needs", "problem"),
    [
        ({"regions": ["us-est-1"]}, "'us-est-1' is not a commercial AWS Region"),
        ({"profiles": {"red": {"region": "mars-1"}}}, "'mars-1' is not a commercial AWS Region"),
        ({"default_profile": "#1"}, "cannot be a profile's name"),
        ({"log_groups": ["our logs"]}, "'our logs' cannot be a log group's name"),
    ],
)
def test_needs_that_cannot_be_are_refused(needs, problem):
    with pytest.raises(Impossible, match=re.escape(problem)):
        Needs.model_validate(needs).check()


@pytest.mark.parametrize("needs", [{"profiles": {"red": {"account": "12"}}}, {"buckets": []}, {"models": 7}])
def test_needs_of_another_shape_are_refused(needs):
    with pytest.raises(ValidationError):
        Needs.model_validate(needs)


# --- through boto3 ----------------------------------------------------------------------------------------------------


@pytest.fixture
def aws(start):
    return start(regions=["us-east-1", "us-west-2"])


def need(aws, **needs):
    status, content = aws.admin("needs", "POST", needs)
    assert status == 200, content
    return content


def session(aws, profile):
    """A boto3 session that reads the files as they are now."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment.items():
            patch.setenv(name, value)
        own = boto3.Session(profile_name=profile)
        own.get_credentials()
        return own


def client(aws, profile, service="bedrock-runtime", region=None, **credentials):
    config = Config(retries={"total_max_attempts": 1})
    own = session(aws, profile)
    return own.client(service, region_name=region, endpoint_url=aws.url, config=config, **credentials)


def account_of(aws, profile):
    return client(aws, profile, "sts").get_caller_identity()["Account"]


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_a_needed_profile_calls_and_is_in_an_account_of_its_own(aws):
    with pytest.raises(ProfileNotFound):
        session(aws, "red")
    accounts = need(aws, profiles={"red": {}, "blue two": {}, "account-one": {}})["accounts"]
    assert accounts["account-one"] == "111111111111"
    assert len({*accounts.values()}) == len(accounts) == 4
    for profile in ("red", "blue two"):
        assert account_of(aws, profile) == accounts[profile]
        assert client(aws, profile).converse(modelId=SONNET, messages=HELLO)["stopReason"] == "end_turn"
        assert client(aws, profile).converse(modelId=LLAMA, messages=HELLO)["stopReason"] == "end_turn"
    (row,) = aws.records("blue two", query="fields accountId | limit 10")[:1]
    assert row["accountId"] == accounts["blue two"]
    with pytest.raises(ProfileNotFound):
        session(aws, "green")


def test_the_same_needs_again_change_nothing(aws):
    needs = {"profiles": {"red": {}}, "default_profile": "red", "log_groups": ["/ours"], "regions": ["eu-west-1"]}
    first = need(aws, **needs)
    files = {name: Path(aws.environment[name]).read_text() for name in aws.environment if name.endswith("FILE")}
    assert need(aws, **needs) == first
    assert {name: Path(aws.environment[name]).read_text() for name in files} == files


def test_a_profile_is_where_its_arns_are(aws):
    need(aws, profiles={"red": {"account": "333333333333", "region": "eu-west-1"}})
    assert account_of(aws, "red") == "333333333333"
    assert session(aws, "red").region_name == "eu-west-1"
    model = "eu.amazon.nova-lite-v1:0"
    assert client(aws, "red").converse(modelId=model, messages=HELLO)["stopReason"] == "end_turn"
    status, content = aws.admin("needs", "POST", {"profiles": {"account-one": {"account": "333333333333"}}})
    assert status == 400
    assert "'account-one' is the profile of account 111111111111" in content["error"]


@pytest.mark.parametrize("default", ["red", "default"])
def test_the_default_profile_is_written_as_default(aws, default):
    need(aws, profiles={"red": {}}, default_profile=default)
    for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        parser = ConfigParser()  # which does not take a section twice
        parser.read(aws.environment[variable])
        assert "default" in parser
    assert account_of(aws, None) == account_of(aws, default)
    need(aws, default_profile="account-two")
    assert account_of(aws, None) == ("222222222222" if default == "red" else account_of(aws, "default"))


def test_a_profile_named_default_needs_nothing_else(aws):
    need(aws, profiles={"default": {}})
    assert client(aws, None, region="us-east-1").converse(modelId=SONNET, messages=HELLO)


def test_a_needed_role_is_assumed_and_may_call(aws):
    role = "arn:aws:iam::444444444444:role/team/gateway"
    assert (
        refusal(client(aws, "account-one", "sts").assume_role, RoleArn=role, RoleSessionName="test")[0]
        == "AccessDenied"
    )
    need(aws, profiles={"red": {}}, roles=[role])
    for profile in ("red", "account-one"):
        given = client(aws, profile, "sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        keys = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
        assert client(aws, profile, "sts", **keys).get_caller_identity()["Account"] == "444444444444"
        assert client(aws, profile, **keys).converse(modelId=SONNET, messages=HELLO)["stopReason"] == "end_turn"


def test_a_region_is_there_when_it_is_needed(aws):
    model = "eu.anthropic.claude-sonnet-4-6"
    caller = client(aws, "account-one", region="eu-central-1")
    assert refusal(caller.converse, modelId=model, messages=HELLO)[0] == "AccessDeniedException"
    need(aws, regions=["eu-central-1"])
    assert caller.converse(modelId=model, messages=HELLO)["stopReason"] == "end_turn"


def test_invocations_are_logged_where_it_is_needed(aws):
    need(aws, log_groups=["/ours/logs"])
    client(aws, "account-one").converse(modelId=SONNET, messages=HELLO)
    logs = client(aws, "account-one", "logs")
    assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == [
        "/aws/bedrock/modelinvocations",
        "/ours/logs",
    ]
    query = logs.start_query(
        logGroupName="/ours/logs", startTime=0, endTime=4_000_000_000, queryString="stats count(*) as n", limit=1
    )
    answer = logs.get_query_results(queryId=query["queryId"])
    while answer["status"] in ("Scheduled", "Running"):
        answer = logs.get_query_results(queryId=query["queryId"])
    assert answer["results"] == [[{"field": "n", "value": "1"}]]
    assert aws.records() == []


def test_an_unknown_model_stays_unknown(aws):
    content = need(aws, models=["anthropic.claude-unknown", SONNET])
    assert content["unanswered"] == ["anthropic.claude-unknown"]
    assert refusal(client(aws, "account-one").converse, modelId="anthropic.claude-unknown", messages=HELLO) == INVALID


def test_a_fault_may_name_what_is_needed(aws):
    account = need(aws, profiles={"red": {}})["accounts"]["red"]
    with aws.fault(kind="throttle", account=account, model=LLAMA):
        assert refusal(client(aws, "red").converse, modelId=LLAMA, messages=HELLO)[0] == "ThrottlingException"
        assert client(aws, "account-one").converse(modelId=LLAMA, messages=HELLO)["stopReason"] == "end_turn"


def test_least_privilege_allows_what_is_needed_and_no_more(start):
    aws = start(regions=["us-east-1"], least_privilege=True, models={})
    arn = KEYED.format("111111111111", "application-inference-profile")
    caller = client(aws, "account-one")
    need(aws, models={SONNET: None, LLAMA: None, "amazon.nova-lite-v1:0": None, arn: SONNET})
    for model in (SONNET, LLAMA, "amazon.nova-lite-v1:0", arn):
        assert caller.converse(modelId=model, messages=HELLO)["stopReason"] == "end_turn"
    assert refusal(caller.converse, modelId="amazon.nova-pro-v1:0", messages=HELLO)[0] == "AccessDeniedException"
    assert refusal(caller.converse, modelId=f"{LLAMA[:-4]}-v2:0", messages=HELLO)[0] != "ThrottlingException"


def test_nothing_is_changed_by_needs_that_cannot_be(aws):
    before = aws.admin("health")[1]["accounts"]
    bad = {"profiles": {"red": {}, "account-one": {"account": "999999999999"}}, "log_groups": ["/x"]}
    assert aws.admin("needs", "POST", bad)[0] == 400
    assert aws.admin("health")[1]["accounts"] == before
    assert aws.admin("needs", "POST", [])[0] == 400


def test_needs_come_while_calls_are_answered(start):
    """No call fails, and whoever was there is there all the time."""
    aws = start(quota={})
    caller, ended = client(aws, "account-one"), threading.Event()

    def call():
        count = 0
        while not ended.is_set():
            caller.converse(modelId=SONNET, messages=HELLO)
            count += 1
        return count

    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(call) for _ in range(3)]
        for number in range(8):
            need(aws, profiles={f"red-{number}": {}}, log_groups=[f"/ours/{number}"], regions=["eu-west-1"])
            assert account_of(aws, f"red-{number}")
        ended.set()
        assert all(done.result() > 0 for done in calls)


def test_the_needs_on_the_documentations_page_are_taken(aws):
    page = (ROOT / "docs" / "embedded-aws.md").read_text(encoding="utf-8")
    (written,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert need(aws, **json.loads(written))["unanswered"] == []
    assert client(aws, None).converse(modelId="eu.amazon.nova-lite-v1:0", messages=HELLO)["stopReason"] == "end_turn"
