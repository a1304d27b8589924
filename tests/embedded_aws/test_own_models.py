"""What configurations need of the embedded AWS that is known by an ARN only, cannot be, or is not answered for."""

import boto3
import pytest
from botocore.exceptions import ClientError

from embedded_aws.models import own

HI = [{"role": "user", "content": [{"text": "Hi!"}]}]
ACCOUNT = "111111111111"


def arn(kind, region="us-east-1"):
    return f"arn:aws:bedrock:{region}:{ACCOUNT}:{kind}/abc123"


@pytest.fixture(scope="module")
def furnished(tmp_path_factory):
    """One that tests add to."""
    from tests.embedded_aws.conftest import running

    with running(tmp_path_factory.mktemp("furnished")) as server:
        yield server


@pytest.mark.parametrize("kind", own.KINDS)
def test_a_model_of_the_accounts_own_answers_and_is_logged_under_its_arn(furnished, kind):
    model = arn(kind)
    assert furnished.admin("needs", "POST", {"models": {model: "bedrock/us.anthropic.claude-sonnet-4-6"}})[0] == 200
    answer = furnished.client().converse(modelId=model, messages=HI)
    assert answer["output"]["message"]["content"][0]["text"]
    record = furnished.record(answer["ResponseMetadata"]["RequestId"])
    assert record["modelId"] == model
    if kind != "application-inference-profile":  # it has no profile that could send it elsewhere
        assert record.get("inferenceRegion", "us-east-1") == "us-east-1"


def test_only_its_own_account_and_region_may_call_it(furnished):
    model = arn("provisioned-model")
    furnished.admin("needs", "POST", {"models": {model: None}, "regions": ["us-west-2"]})
    for client in (furnished.client(profile="account-two"), furnished.client(region="us-west-2")):
        with pytest.raises(ClientError) as caught:
            client.converse(modelId=model, messages=HI)
        assert caught.value.response["Error"]["Code"] in ("ValidationException", "AccessDeniedException")


def test_an_imported_model_has_the_body_of_what_is_behind_it(furnished):
    model = arn("imported-model")
    furnished.admin("needs", "POST", {"models": {model: "meta.llama3-1-70b-instruct-v1:0"}})
    answer = furnished.client().invoke_model(modelId=model, body=b'{"prompt": "Hi!", "max_gen_len": 20}')
    assert b'"generation"' in answer["body"].read()


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "ap-southeast-4", "me-central-1", "mx-central-1"])
@pytest.mark.parametrize(
    "base", [None, "anthropic.claude-sonnet-4-6", "us.anthropic.claude-sonnet-4-6", "no such", "*"]
)
def test_something_that_its_region_may_call_is_behind_it_whatever_is_said(region, base):
    model = own.presume(arn("application-inference-profile", region), base)
    assert model.stands_for.endswith(("claude-haiku-4-5-20251001-v1:0", "claude-sonnet-4-6"))


@pytest.mark.parametrize(
    ("needs", "about", "error"),
    [
        (
            {"models": {arn("provisioned-model", "moon-1"): None}},
            arn("provisioned-model", "moon-1"),
            "is not the ARN of",
        ),
        ({"models": {"arn:aws:bedrock:us-east-1:1:prompt-router/x": None}}, None, "is not the ARN of"),
        ({"regions": ["us-gov-west-1"]}, "us-gov-west-1", "'us-gov-west-1' is not a commercial AWS Region"),
        ({"roles": ["gateway"]}, "gateway", "'gateway' is not the ARN of a role, such as"),
        ({"profiles": {"a]\n[profile b": {}}}, "a]\n[profile b", "cannot be a profile's name"),
        ({"profiles": {'it is "quoted"': {}}}, 'it is "quoted"', "cannot be a profile's name"),
        ({"profiles": {"": {}}}, "", "cannot be a profile's name"),
        ({"default_profile": "a\nb"}, "a\nb", "cannot be a profile's name"),
        ({"profiles": {"account-one": {"account": "999999999999"}}}, "account-one", "'account-one' is the profile of"),
    ],
)
def test_what_cannot_be_is_named_and_changes_nothing(furnished, needs, about, error):
    before = furnished.admin("health")
    status, content = furnished.admin("needs", "POST", {"profiles": {"another": {}}, **needs})
    assert status == 400
    assert error in content["error"]
    assert content["about"] == (about if about is not None else next(iter(needs["models"])))
    assert furnished.admin("health") == before


def test_models_that_are_not_answered_for_are_named_and_hinder_nothing(furnished):
    chat, picture = "us.anthropic.claude-opus-4-6-v1", "stability.stable-image-core-v1:0"
    status, content = furnished.admin("needs", "POST", {"models": {chat: None, picture: None, "": None}})
    assert status == 200
    assert content["unanswered"] == [picture, ""]
    assert furnished.client().converse(modelId=chat, messages=HI)["stopReason"]
    with pytest.raises(ClientError, match="ValidationException"):
        furnished.client().invoke_model(modelId=picture, body=b"{}")


@pytest.mark.parametrize("profile", ["my team", "prod#1", "größe", "a/b@c.d=e", "x", "Team A  B"])
def test_sdks_find_a_profile_of_any_name(furnished, monkeypatch, profile):
    _, content = furnished.admin("needs", "POST", {"profiles": {profile: {}}})
    for name, value in content["environment"].items():
        monkeypatch.setenv(name, value)
    identity = boto3.Session(profile_name=profile, region_name="us-east-1").client("sts").get_caller_identity()
    assert identity["Account"] == content["accounts"][profile]
