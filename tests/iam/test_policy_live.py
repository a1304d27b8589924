"""The shipped policy through boto3 and a running embedded AWS: whole in one account, less a statement in others."""

import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError

from common import least_privilege
from common.places import CONFIG_DIR
from embedded_aws.__main__ import HOST, build, listen
from embedded_aws.settings import Embedded

LOG_GROUP = "/aws/bedrock/modelinvocations"
PROFILE, MODEL = "us.anthropic.claude-sonnet-4-6", "amazon.nova-lite-v1:0"
ROLE_ACCOUNT = "300000000000"
NO_QUERY = "00000000-0000-4000-8000-000000000000"

# Statement → what a client cannot do without it.
BROKEN_WITHOUT = {
    "CallInferenceProfiles": {"converse", "converse_stream", "invoke_model_with_response_stream"},
    "ServeThemInEveryDestinationRegion": {"converse", "converse_stream", "invoke_model_with_response_stream"},
    "CallFoundationModels": {"invoke_model"},
    "QueryInvocationLogs": {"start_query"},
    "ReadQueryResults": {"get_query_results", "stop_query", "describe_queries", "describe_log_groups"},
    "AssumeRolesOfOtherAccounts": {"assume_role"},
}
ACCOUNTS = {"whole": "100000000000", "roles": ROLE_ACCOUNT} | {
    f"without-{sid}": f"2{number:011}" for number, sid in enumerate(BROKEN_WITHOUT)
}


def settings():
    written = yaml.safe_load((CONFIG_DIR / "embedded.yaml").read_text())
    written["accounts"] = [{"id": account_id, "profile": profile} for profile, account_id in ACCOUNTS.items()]
    written["roles"] = [{"account": ROLE_ACCOUNT, "name": profile, "trusted": profile} for profile in ACCOUNTS]
    written["least_privilege"] = True
    written["latency"] = {"first_token_ms": {"median": 1, "p99": 2}, "per_token_ms": 0}
    written["regions"] = ["us-east-1", "us-east-2", "us-west-2"]
    written["models"] = {
        "anthropic.claude-sonnet-4-6": {},
        "anthropic.claude-haiku-4-5-20251001-v1:0": {},
        MODEL: {"on_demand_regions": ["us-east-1"]},
    }
    return Embedded.model_validate(written)


def without_a_statement(**given):
    """The shipped policy, less the statement that the account's profile names."""
    document = shipped(**given)
    profile = next(profile for profile, account_id in ACCOUNTS.items() if account_id == given["account_id"])
    missing = profile.removeprefix("without-")
    return {**document, "Statement": [s for s in document["Statement"] if s["Sid"] != missing]}


shipped = least_privilege.policy


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(least_privilege, "policy", without_a_statement)
        listener = listen(HOST, 0)
        server, environment = build(settings(), tmp_path_factory.mktemp("embedded"), listener)
        for name, value in environment.items():
            patch.setenv(name, value)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield
        server.should_exit = True
        thread.join()


def client(service, profile, region="us-east-1"):
    config = Config(retries={"total_max_attempts": 1})
    return boto3.Session(profile_name=profile, region_name=region).client(service, config=config)


def calls(profile):
    """Everything that the harness calls, by boto3's names."""
    bedrock, logs, sts = (client(service, profile) for service in ("bedrock-runtime", "logs", "sts"))
    messages = [{"role": "user", "content": [{"text": "Hi!"}]}]
    claude = '{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":"Hi!"}]}'
    nova = '{"messages":[{"role":"user","content":[{"text":"Hi!"}]}]}'
    query = {"logGroupName": LOG_GROUP, "startTime": 0, "endTime": 1, "queryString": "stats count(*)", "limit": 1}
    return {
        "converse": lambda: bedrock.converse(modelId=PROFILE, messages=messages),
        "converse_stream": lambda: list(bedrock.converse_stream(modelId=PROFILE, messages=messages)["stream"]),
        "invoke_model": lambda: bedrock.invoke_model(modelId=MODEL, body=nova),
        "invoke_model_with_response_stream": lambda: list(
            bedrock.invoke_model_with_response_stream(modelId=PROFILE, body=claude)["body"]
        ),
        "get_caller_identity": sts.get_caller_identity,
        "describe_log_groups": logs.describe_log_groups,
        "start_query": lambda: logs.start_query(**query),
        "get_query_results": lambda: logs.get_query_results(queryId=_query_id(logs, query)),
        "describe_queries": logs.describe_queries,
        "stop_query": lambda: logs.stop_query(queryId=_query_id(logs, query)),
        "assume_role": lambda: sts.assume_role(
            RoleArn=f"arn:aws:iam::{ROLE_ACCOUNT}:role/{profile}", RoleSessionName="test"
        ),
    }


def _query_id(logs, query):
    with suppress(ClientError):
        return logs.start_query(**query)["queryId"]
    return NO_QUERY


def denials(profile):
    """Call → AWS's text, of the calls that are denied. Any other error is none of a policy's."""
    found = {}
    for name, call in calls(profile).items():
        try:
            call()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException"):
                found[name] = error.response["Error"]["Message"]
            elif error.response["Error"]["Code"] not in ("ResourceNotFoundException", "InvalidParameterException"):
                raise  # the two that are expected: there is no such query, or it has already ended
    return found


def test_the_whole_policy_is_enough(running):
    assert denials("whole") == {}


@pytest.mark.parametrize("sid", BROKEN_WITHOUT)
def test_without_a_statement_its_calls_break_and_no_others(running, sid):
    profile = f"without-{sid}"
    found = denials(profile)
    assert set(found) == BROKEN_WITHOUT[sid]
    for text in found.values():
        assert text.startswith(f"User: arn:aws:iam::{ACCOUNTS[profile]}:user/gateway is not authorized to perform: ")


def test_the_first_thing_that_is_missing_is_named(running):
    profile = f"arn:aws:bedrock:us-east-1:{ACCOUNTS['without-CallInferenceProfiles']}:inference-profile/{PROFILE}"
    action = "bedrock:InvokeModelWithResponseStream"
    assert denials("without-CallInferenceProfiles")["converse_stream"].endswith(
        f"perform: {action} on resource: {profile} because no identity-based policy allows the {action} action"
    )
    model = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-6"
    assert f" on resource: {model} " in denials("without-ServeThemInEveryDestinationRegion")["converse"]


def test_an_assumed_role_works_under_its_own_policy(running):
    found = client("sts", "whole").assume_role(
        RoleArn=f"arn:aws:iam::{ROLE_ACCOUNT}:role/whole", RoleSessionName="run-7"
    )["Credentials"]
    session = boto3.Session(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    identity = session.client("sts", region_name="us-east-1").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{ROLE_ACCOUNT}:assumed-role/whole/run-7"
    answer = session.client("bedrock-runtime", region_name="us-west-2").converse(
        modelId=PROFILE, messages=[{"role": "user", "content": [{"text": "Hi!"}]}]
    )
    assert answer["stopReason"] == "end_turn"
    with pytest.raises(ClientError, match="sts:AssumeRole"):
        session.client("sts", region_name="us-east-1").assume_role(
            RoleArn=f"arn:aws:iam::{ROLE_ACCOUNT}:role/roles", RoleSessionName="further"
        )


def test_a_bedrock_api_key_is_enough(running):
    """Sent raw, as LiteLLM does: botocore sends bearer keys to HTTPS endpoints only."""
    keys = Path(os.environ["AWS_CONFIG_FILE"]).with_name("bedrock_api_keys").read_text().split()

    def converse(key):
        body = b'{"messages":[{"role":"user","content":[{"text":"Hi!"}]}]}'
        url = f"{os.environ['AWS_ENDPOINT_URL']}/model/{PROFILE}/converse"
        with urlopen(Request(url, body, {"Authorization": f"Bearer {key}"})) as answer:
            return json.load(answer)

    assert converse(keys[keys.index("whole") + 1])["stopReason"] == "end_turn"
    with pytest.raises(HTTPError) as raised:
        converse("ABSKguess")
    assert raised.value.code == 403
    assert json.load(raised.value) == {"Message": "Authentication failed: Please make sure your API Key is valid."}


def test_signatures_are_verified_by_the_server(running):
    own = boto3.Session(profile_name="whole").get_credentials()
    forged = boto3.Session(own.access_key, "a guess", region_name="us-east-1")
    for service, call, code in (
        ("sts", lambda c: c.get_caller_identity(), "SignatureDoesNotMatch"),
        ("logs", lambda c: c.describe_log_groups(), "InvalidSignatureException"),
        ("bedrock-runtime", lambda c: c.invoke_model(modelId=MODEL, body="{}"), "InvalidSignatureException"),
    ):
        with pytest.raises(ClientError) as raised:
            call(forged.client(service))
        assert raised.value.response["Error"]["Code"] == code
