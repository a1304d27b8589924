"""STS as boto3 sees it: real clients sign, our code answers in process, botocore parses."""

import datetime
import io
import json
import random
from urllib.parse import urlencode, urlsplit

import boto3
import botocore.auth
import botocore.config
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedded_aws.auth.credentials import Credential, Credentials
from embedded_aws.auth.iam import Policy
from embedded_aws.auth.sigv4 import authenticate
from embedded_aws.sts import Role, Sts, error_response
from embedded_aws.wire import AwsError, Caller, Request

ROLE = "arn:aws:iam::222222222222:role/harness"
USER = "arn:aws:iam::111111111111:user/one"


def policy(action, resource="*", effect="Allow", **more):
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return Policy.parse({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal, **more):
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", **more}
    return Policy.parse_trust({"Version": "2012-10-17", "Statement": [statement]})


MAY_ASSUME = (policy("sts:AssumeRole", ROLE),)


class Clock:
    """Epoch seconds, for our side and for the signer alike."""

    def __init__(self):
        self.now = datetime.datetime(2026, 11, 22, 10, 0, 0, tzinfo=datetime.UTC).timestamp()

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(
        botocore.auth, "get_current_datetime", lambda: datetime.datetime.fromtimestamp(clock.now, datetime.UTC)
    )
    return clock


class World:
    """An STS without a network: what boto3 is about to send is authenticated and handled here."""

    def __init__(self, clock, *, roles=(), policies=MAY_ASSUME):
        self.clock = clock
        self.credentials = Credentials()
        self.credentials.add(
            Credential("AKIAEXAMPLE", "a secret", None, "111111111111", USER, "AIDAEXAMPLE", tuple(policies), None)
        )
        self.sts = Sts(self.credentials, list(roles), clock, random.Random(1))

    def client(self, access_key_id="AKIAEXAMPLE", secret="a secret", token=None):
        client = boto3.client(
            "sts",
            region_name="us-east-1",
            endpoint_url="http://sts.invalid",
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=botocore.config.Config(retries={"total_max_attempts": 1}, parameter_validation=False),
        )
        client.meta.events.register("before-send.sts", self._send)
        return client

    def assumed(self, **parameters):
        """A client with a role's temporary credentials."""
        found = self.client().assume_role(RoleArn=ROLE, RoleSessionName="s1", **parameters)["Credentials"]
        return self.client(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])

    def _send(self, request, **_):
        parts = urlsplit(request.url)
        headers = {"host": parts.netloc}
        for name, value in request.headers.items():
            headers[name.lower()] = value.decode("latin-1") if isinstance(value, bytes) else value
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        received = Request(request.method, parts.path, parts.query, headers, body, self.clock())
        try:
            caller, credential = authenticate(received, self.credentials, self.clock(), service="sts")
            response = self.sts.handle(received, caller, credential)
        except AwsError as error:
            response = error_response(error, "11111111-2222-4333-8444-555555555555")
        return AWSResponse(request.url, response.status, dict(response.headers), Raw(response.body))


class Raw(io.BytesIO):
    def stream(self, **_):
        yield self.read()


def refusal(call, **parameters):
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    response = raised.value.response
    assert response["ResponseMetadata"]["RequestId"]
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def assume_role(world, **changed):
    return refusal(world.client().assume_role, **{"RoleArn": ROLE, "RoleSessionName": "s1"} | changed)


DENIED = (403, "AccessDenied", f"User: {USER} is not authorized to perform: sts:AssumeRole on resource: {ROLE}")


# --- GetCallerIdentity ------------------------------------------------------------------------------------------


def test_who_a_long_term_key_belongs_to(clock):
    identity = World(clock).client().get_caller_identity()
    assert identity.pop("ResponseMetadata")["RequestId"]
    assert identity == {"UserId": "AIDAEXAMPLE", "Account": "111111111111", "Arn": USER}


def test_it_needs_no_permission_and_no_denial_stops_it(clock):
    world = World(clock, policies=[policy("sts:*", effect="Deny")])
    assert world.client().get_caller_identity()["Account"] == "111111111111"


def test_an_unknown_key_and_a_wrong_secret(clock):
    world = World(clock)
    unknown = refusal(world.client("AKIASTRANGER").get_caller_identity)
    assert unknown == (403, "InvalidClientTokenId", "The security token included in the request is invalid.")
    status, code, _ = refusal(world.client(secret="a guess").get_caller_identity)
    assert (status, code) == (403, "SignatureDoesNotMatch")


# --- AssumeRole -------------------------------------------------------------------------------------------------


def test_a_trusted_caller_becomes_the_role_for_an_hour(clock):
    world = World(clock, roles=[Role(ROLE, "AROAEXAMPLE", trust(USER), ())])
    answer = world.client().assume_role(RoleArn=ROLE, RoleSessionName="s1")
    session = ROLE.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/s1"
    assert answer["AssumedRoleUser"] == {"AssumedRoleId": "AROAEXAMPLE:s1", "Arn": session}
    assert answer["Credentials"]["Expiration"].timestamp() == pytest.approx(clock() + 3600, abs=1)
    assert world.assumed().get_caller_identity()["Arn"] == session
    assert world.assumed().get_caller_identity()["Account"] == "222222222222"


def test_the_role_brings_its_own_policies_and_not_the_callers(clock):
    allowed = policy("bedrock:InvokeModel")
    world = World(clock, roles=[Role(ROLE, "AROAEXAMPLE", trust(USER), (allowed,))])
    key = world.client().assume_role(RoleArn=ROLE, RoleSessionName="s1")["Credentials"]["AccessKeyId"]
    assert world.credentials.find(key).policies == (allowed,)


def test_temporary_credentials_expire(clock):
    world = World(clock, roles=[Role(ROLE, "AROAEXAMPLE", trust(USER), ())])
    client = world.assumed(DurationSeconds=900)
    clock.now += 899
    assert client.get_caller_identity()["Account"] == "222222222222"
    clock.now += 1
    text = "The security token included in the request is expired"
    assert refusal(client.get_caller_identity) == (403, "ExpiredToken", text)


@pytest.mark.parametrize(
    ("roles", "policies"),
    [
        ([], [policy("sts:AssumeRole")]),
        ([Role(ROLE, "AROA", trust("arn:aws:iam::111111111111:user/two"), ())], [policy("sts:AssumeRole")]),
        ([Role(ROLE, "AROA", trust("arn:aws:iam::333333333333:root"), ())], [policy("sts:AssumeRole")]),
        ([Role(ROLE, "AROA", trust(USER), ())], []),
        ([Role(ROLE, "AROA", trust(USER), ())], [policy("sts:AssumeRole", ROLE + "2")]),
        ([Role(ROLE, "AROA", trust(USER), ())], [policy("*"), policy("sts:AssumeRole", ROLE, "Deny")]),
    ],
    ids=["no such role", "another user trusted", "another account trusted", "not allowed", "another role", "denied"],
)
def test_every_refusal_reads_the_same(clock, roles, policies):
    assert assume_role(World(clock, roles=roles, policies=policies)) == DENIED


def test_an_external_id_must_be_the_agreed_one(clock):
    agreed = trust(USER, Condition={"StringEquals": {"sts:ExternalId": "agreed"}})
    world = World(clock, roles=[Role(ROLE, "AROAEXAMPLE", agreed, ())])
    assert assume_role(world) == DENIED
    assert assume_role(world, ExternalId="guessed") == DENIED
    assert world.client().assume_role(RoleArn=ROLE, RoleSessionName="s1", ExternalId="agreed")["Credentials"]


def test_a_trust_policy_may_ask_for_a_session_name(clock):
    named = trust(USER, Condition={"StringLike": {"sts:RoleSessionName": "run-*"}})
    world = World(clock, roles=[Role(ROLE, "AROAEXAMPLE", named, ())])
    assert assume_role(world) == DENIED
    assert world.client().assume_role(RoleArn=ROLE, RoleSessionName="run-7")["Credentials"]


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"RoleSessionName": "a b"}, r"Member must satisfy regular expression pattern: [\w+=,.@-]*"),
        ({"RoleSessionName": "x" * 65}, "Member must have length less than or equal to 64"),
        ({"DurationSeconds": 899}, "Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have"),
        ({"DurationSeconds": 43_201}, "Member must have value less than or equal to 43200"),
        ({"DurationSeconds": 7201}, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."),
        ({"RoleArn": "arn:aws:iam::222222222222:user/harness"}, "arn:aws:iam::222222222222:user/harness is invalid"),
        ({"ExternalId": "a b"}, "at 'externalId' failed to satisfy constraint: Member must satisfy regular expression"),
    ],
)
def test_what_breaks_a_constraint_is_named(clock, parameters, complaint):
    world = World(clock, roles=[Role(ROLE, "AROAEXAMPLE", trust(USER), (), max_session_s=7200)])
    status, code, message = assume_role(world, **parameters)
    assert (status, code) == (400, "ValidationError")
    assert complaint in message


def test_two_broken_constraints_are_told_at_once(clock):
    _, _, message = assume_role(World(clock), RoleSessionName="a b", ExternalId="c d")
    assert message.startswith("2 validation errors detected: Value 'a b' at 'roleSessionName'")
    assert "; Value 'c d' at 'externalId'" in message


def test_a_duration_within_bounds_is_granted(clock):
    world = World(clock, roles=[Role(ROLE, "AROAEXAMPLE", trust(USER), (), max_session_s=7200)])
    answer = world.client().assume_role(RoleArn=ROLE, RoleSessionName="s1", DurationSeconds=7200)
    assert answer["Credentials"]["Expiration"].timestamp() == pytest.approx(clock() + 7200, abs=1)


def test_a_chained_role_lasts_an_hour_at_most(clock):
    chained = Role(ROLE, "AROAEXAMPLE", trust([USER, ROLE]), (policy("sts:AssumeRole", ROLE),), max_session_s=7200)
    session = World(clock, roles=[chained]).assumed()
    assert session.assume_role(RoleArn=ROLE, RoleSessionName="s2", DurationSeconds=3600)["Credentials"]
    call = refusal(session.assume_role, RoleArn=ROLE, RoleSessionName="s2", DurationSeconds=3601)
    text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
    assert call == (400, "ValidationError", text)


def test_a_session_policy_narrows_the_session(clock):
    world = World(clock, roles=[Role(ROLE, "AROAEXAMPLE", trust([USER, ROLE]), (policy("sts:AssumeRole"),))])
    nothing = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}
    assert world.assumed().assume_role(RoleArn=ROLE, RoleSessionName="s2")["Credentials"]
    status, code, _ = refusal(world.assumed(Policy=json.dumps(nothing)).assume_role, RoleArn=ROLE, RoleSessionName="s2")
    assert (status, code) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{", "MalformedPolicyDocument"),
        ("{}", "MalformedPolicyDocument"),
        ("[" * 2048, "MalformedPolicyDocument"),
        (" " * 2049, "PackedPolicyTooLarge"),
    ],
)
def test_a_session_policy_that_cannot_be_read(clock, document, code):
    world = World(clock, roles=[Role(ROLE, "AROAEXAMPLE", trust(USER), ())])
    assert assume_role(world, Policy=document)[:2] == (400, code)


# --- requests that botocore would not build ---------------------------------------------------------------------


def raw(clock, body):
    world = World(clock)
    caller = Caller("AKIAEXAMPLE", "111111111111", USER, "AIDAEXAMPLE", "us-east-1", "sts")
    with pytest.raises(AwsError) as raised:
        world.sts.handle(Request("POST", "/", "", {}, body, clock()), caller, world.credentials.find("AKIAEXAMPLE"))
    return raised.value.status, raised.value.code, raised.value.message


def test_operations_that_do_not_exist(clock):
    assert raw(clock, b"Action=Nonsense&Version=2011-06-15") == (
        400, "InvalidAction", "Could not find operation Nonsense for version 2011-06-15",
    )  # fmt: skip
    assert raw(clock, b"Action=GetCallerIdentity&Version=2010-05-08")[2].endswith("for version 2010-05-08")
    assert raw(clock, b"Action=GetCallerIdentity")[2].endswith("for version NO_VERSION_SPECIFIED")
    assert raw(clock, b"")[:2] == (400, "MissingAction")
    assert raw(clock, b"\xff\xfe%ZZ&&=&")[:2] == (400, "MissingAction")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parameters=st.dictionaries(
        st.sampled_from(["Action", "Version", "RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId", "Policy"]),
        st.one_of(st.text(max_size=30), st.sampled_from(["AssumeRole", "2011-06-15", ROLE, "s1", "900", "{}", "[[]]"])),
    )
)
def test_nonsense_gets_an_answer_of_sts_and_not_a_crash(clock, parameters):
    world = World(clock, roles=[Role(ROLE, "AROAEXAMPLE", trust(USER), ())])
    request = Request("POST", "/", "", {}, urlencode(parameters).encode(), clock())
    caller = Caller("AKIAEXAMPLE", "111111111111", USER, "AIDAEXAMPLE", "us-east-1", "sts")
    try:
        status = world.sts.handle(request, caller, world.credentials.find("AKIAEXAMPLE")).status
    except AwsError as error:
        status = error.status
    assert status in (200, 400, 403)


def test_missing_parameters_are_named(clock):
    status, code, message = refusal(World(clock).client().assume_role)
    assert (status, code) == (400, "ValidationError")
    assert message == (
        "2 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; "
        "Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null"
    )


def test_what_comes_from_a_caller_is_escaped():
    error = AwsError(400, "ValidationError", "Value '<a>&' at 'roleArn'")
    assert b"Value '&lt;a&gt;&amp;' at" in error_response(error, "id").body
