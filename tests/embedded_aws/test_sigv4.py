"""Signatures made by botocore's own signer, and every way in which one can be wrong."""

import datetime
import string
from dataclasses import replace
from unittest.mock import patch
from urllib.parse import quote, urlsplit

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedded_aws.auth.credentials import Credential, Credentials
from embedded_aws.auth.iam import CALL_WITH_BEARER_TOKEN
from embedded_aws.auth.sigv4 import authenticate
from embedded_aws.wire import AwsError, Request

NOW = datetime.datetime(2026, 11, 22, 10, 0, 0, tzinfo=datetime.UTC).timestamp()
HOST = "127.0.0.1:8123"
CONVERSE = "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse"

LONG_TERM = Credential(
    access_key_id="AKIAEXAMPLEONE",
    secret_access_key="one/very+secret",
    session_token=None,
    account_id="111111111111",
    principal_arn="arn:aws:iam::111111111111:user/one",
    user_id="AIDAEXAMPLEONE",
    policies=(),
    expires_at=None,
)
TEMPORARY = replace(
    LONG_TERM,
    access_key_id="ASIAEXAMPLETWO",
    secret_access_key="two/very+secret",
    session_token="token+of/two==",
    principal_arn="arn:aws:sts::222222222222:assumed-role/R/s",
    account_id="222222222222",
    user_id="AROAEXAMPLE:s",
    expires_at=NOW + 900,
)

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


@pytest.fixture
def credentials():
    store = Credentials()
    store.add(LONG_TERM)
    store.add(TEMPORARY)
    return store


def signed(
    *, service="bedrock", region="us-east-1", credential=LONG_TERM, at=NOW, method="POST", path=CONVERSE, query="",
    headers=None, body=b"{}",
):  # fmt: skip
    """A request as botocore signs it, and as a server receives it."""
    url = f"http://{HOST}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method, url, data=body)
    for name, value in headers or []:
        request.headers[name] = value  # HTTPHeaders appends: a repeated name is a repeated header
    keys = BotoCredentials(credential.access_key_id, credential.secret_access_key, credential.session_token)
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    with patch.object(botocore.auth, "get_current_datetime", lambda: moment):
        botocore.auth.SigV4Auth(keys, service, region).add_auth(request)
    received = {"host": HOST}
    for name, value in request.headers.items():
        name, value = name.lower(), value.strip()  # as every HTTP parser does
        received[name] = f"{received[name]},{value}" if name in received else value
    parts = urlsplit(request.url)
    return Request(method, parts.path, parts.query, received, body, at)


def refusal(credentials, request, *, service="bedrock", now=NOW):
    with pytest.raises(AwsError) as raised:
        authenticate(request, credentials, now, service=service)
    return raised.value


def with_headers(request, **headers):
    """The request with headers replaced, or taken away where the value is None. Underscores stand for hyphens."""
    changed = {**request.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return replace(request, headers={name: value for name, value in changed.items() if value is not None})


# --- what botocore signs is accepted ----------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["bedrock", "logs", "sts"])
@pytest.mark.parametrize("credential", [LONG_TERM, TEMPORARY], ids=["long-term", "temporary"])
def test_the_signer_is_told_with_region_and_service(credentials, service, credential):
    request = signed(service=service, region="eu-west-3", credential=credential)
    caller, found = authenticate(request, credentials, NOW, service=service)
    assert found == credential
    assert (caller.access_key_id, caller.account_id) == (credential.access_key_id, credential.account_id)
    assert (caller.principal_arn, caller.user_id) == (credential.principal_arn, credential.user_id)
    assert (caller.region, caller.service) == ("eu-west-3", service)


@pytest.mark.parametrize(
    "path",
    [
        "/model/us.anthropic.claude-haiku-4-5-20251001-v1:0/invoke",  # LiteLLM leaves the colon bare
        "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke",  # boto3 does not
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A111111111111%3Ainference-profile%2Fus.x/converse",
        "/a//b/./c/../d/",
        "/~user/a%20b/%E2%82%AC",
        "/..",
        "/",
        "",
    ],
)
def test_paths(credentials, path):
    authenticate(signed(path=path), credentials, NOW, service="bedrock")


def test_a_date_header_serves_where_x_amz_date_is_missing(credentials):
    request = signed(headers=[("Date", "replaced by the signer")])
    assert "x-amz-date" not in request.headers
    authenticate(request, credentials, NOW, service="bedrock")


def test_spaces_inside_header_values_count_as_one(credentials):
    request = signed(headers=[("X-Amz-Note", "  a   b\t c ")])
    authenticate(with_headers(request, x_amz_note="a b c"), credentials, NOW, service="bedrock")


def test_unsigned_headers_may_be_added_on_the_way(credentials):
    authenticate(with_headers(signed(), x_forwarded_for="10.0.0.1"), credentials, NOW, service="bedrock")


def test_query_parameters_may_arrive_in_any_order(credentials):
    request = signed(
        service="sts", method="GET", path="/", query="Action=GetCallerIdentity&Version=2011-06-15", body=b""
    )
    turned = replace(request, query="Version=2011-06-15&Action=GetCallerIdentity")
    authenticate(turned, credentials, NOW, service="sts")


words = st.text(string.ascii_letters + string.digits + " -_.~:/?#[]@!$&'()*+,;=%äß€", max_size=12)
header_values = st.text(string.ascii_letters + string.digits + " -_.~:/?@!$&'()*+;=%", max_size=20)
requests = st.fixed_dictionaries(
    {
        "service": st.sampled_from(["bedrock", "logs", "sts"]),
        "region": st.sampled_from(["us-east-1", "eu-south-2", "ap-northeast-3"]),
        "credential": st.sampled_from([LONG_TERM, TEMPORARY]),
        "method": st.sampled_from(["GET", "POST"]),
        "path": st.lists(
            st.one_of(words.map(lambda w: quote(w, safe=":")), st.sampled_from([".", ".."])), max_size=5
        ).map(lambda segments: "/" + "/".join(segments)),
        "query": st.lists(st.tuples(words, words), max_size=4).map(
            lambda pairs: "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in pairs)
        ),
        "headers": st.lists(
            st.tuples(st.sampled_from(["X-Amz-Target", "Content-Type", "X-Amz-Meta-A", "X-Note"]), header_values),
            max_size=4,
        ),
        "body": st.binary(max_size=200),
    }
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=requests)
def test_whatever_botocore_signs_is_accepted(credentials, made):
    request = signed(**made)
    caller, _ = authenticate(request, credentials, NOW, service=made["service"])
    assert caller.account_id == made["credential"].account_id


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=requests, data=st.data())
def test_any_flipped_bit_is_refused(credentials, made, data):
    request = signed(**made)
    signed_names = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    part = data.draw(st.sampled_from(["body", "method", "path", "query", *signed_names, "signature"]))
    flipped_bit = 1 << data.draw(st.integers(0, 7))

    def flip(text: str, start: int = 0) -> str:
        at = data.draw(st.integers(start, len(text) - 1))
        return text[:at] + chr(ord(text[at]) ^ flipped_bit) + text[at + 1 :]

    if part == "body":
        if not request.body:
            broken = replace(request, body=b"\0")
        else:
            at = data.draw(st.integers(0, len(request.body) - 1))
            changed = bytearray(request.body)
            changed[at] ^= flipped_bit
            broken = replace(request, body=bytes(changed))
    elif part == "method":
        broken = replace(request, method="PUT")
    elif part == "path":
        broken = replace(request, path=request.path + "x")
    elif part == "query":
        broken = replace(request, query=f"{request.query}&x=y" if request.query else "x=y")
    elif part == "signature":
        authorization = request.headers["authorization"]
        broken = with_headers(request, authorization=flip(authorization, authorization.index("Signature=") + 10))
    elif "".join(request.headers[part].split()):
        value = flip(request.headers[part])
        if " ".join(value.split()) == " ".join(request.headers[part].split()):
            return  # a space for another space
        broken = replace(request, headers={**request.headers, part: value})
    else:
        broken = replace(request, headers={**request.headers, part: "x"})
    refusal(credentials, broken, service=made["service"])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    authorization=st.one_of(
        st.text(st.characters(max_codepoint=255), max_size=60),
        st.text(string.ascii_letters + "=,/; ", max_size=60).map(lambda text: f"AWS4-HMAC-SHA256 {text}"),
        st.tuples(*[st.text(string.ascii_lowercase + "/", max_size=8)] * 3).map(
            lambda t: (
                f"AWS4-HMAC-SHA256 Credential=AKIAEXAMPLEONE/20261122/us-east-1/{t[0]}/aws4_request,"
                f"SignedHeaders=host;{t[1]},Signature={t[2]}"
            )
        ),
    ),
    date=st.one_of(st.just("20261122T100000Z"), st.text(st.characters(max_codepoint=255), max_size=20)),
    service=st.sampled_from(["bedrock", "logs", "sts"]),
)
def test_nonsense_gets_an_answer_of_aws_and_not_a_crash(credentials, authorization, date, service):
    request = Request("POST", "/", "", {"authorization": authorization, "x-amz-date": date, "host": HOST}, b"", NOW)
    error = refusal(credentials, request, service=service)
    assert error.status in (400, 403)


# --- every refusal in the words of its service ------------------------------------------------------------------

SERVICES = ["bedrock", "logs", "sts"]


def by_service(**expected):
    return pytest.mark.parametrize(("service", "status", "code"), [(name, *expected[name]) for name in SERVICES])


@by_service(
    bedrock=(403, "UnrecognizedClientException"),
    logs=(400, "UnrecognizedClientException"),
    sts=(403, "InvalidClientTokenId"),
)
class TestUnknownKeys:
    TEXT = "The security token included in the request is invalid."

    def check(self, credentials, request, service, status, code):
        error = refusal(credentials, request, service=service)
        assert (error.status, error.code, error.message) == (status, code, self.TEXT)

    def test_unknown_access_key(self, credentials, service, status, code):
        stranger = replace(LONG_TERM, access_key_id="AKIASTRANGER")
        self.check(credentials, signed(service=service, credential=stranger), service, status, code)

    def test_temporary_key_without_its_token(self, credentials, service, status, code):
        bare = replace(TEMPORARY, session_token=None)
        self.check(credentials, signed(service=service, credential=bare), service, status, code)

    def test_temporary_key_with_another_token(self, credentials, service, status, code):
        other = replace(TEMPORARY, session_token="another")
        self.check(credentials, signed(service=service, credential=other), service, status, code)

    def test_long_term_key_with_a_token(self, credentials, service, status, code):
        odd = replace(LONG_TERM, session_token="a token")
        self.check(credentials, signed(service=service, credential=odd), service, status, code)


@by_service(
    bedrock=(403, "InvalidSignatureException"),
    logs=(400, "InvalidSignatureException"),
    sts=(403, "SignatureDoesNotMatch"),
)
class TestBadSignatures:
    def check(self, credentials, request, service, status, code, text=MISMATCH):
        error = refusal(credentials, request, service=service)
        assert (error.status, error.code) == (status, code)
        assert error.message.startswith(text)
        return error

    def test_wrong_secret(self, credentials, service, status, code):
        forged = replace(LONG_TERM, secret_access_key="a guess")
        error = self.check(credentials, signed(service=service, credential=forged), service, status, code)
        assert LONG_TERM.secret_access_key not in str(error)

    def test_changed_body(self, credentials, service, status, code):
        request = signed(service=service, body=b'{"max_tokens":1}')
        self.check(credentials, replace(request, body=b'{"max_tokens":9}'), service, status, code)

    def test_a_hash_of_another_body(self, credentials, service, status, code):
        request = signed(service=service, body=b"{}", headers=[("X-Amz-Content-SHA256", "0" * 64)])
        self.check(credentials, request, service, status, code)

    def test_a_signed_header_that_went_missing(self, credentials, service, status, code):
        request = signed(service=service, headers=[("X-Note", "here")])
        self.check(credentials, with_headers(request, x_note=None), service, status, code)

    def test_wrong_service_in_the_scope(self, credentials, service, status, code):
        text = f"Credential should be scoped to correct service: '{service}'."
        self.check(credentials, signed(service="s3"), service, status, code, text)

    def test_wrong_region_in_the_scope(self, credentials, service, status, code):
        text = "Credential should be scoped to a valid region, not 'us-nowhere-1'."
        self.check(credentials, signed(service=service, region="us-nowhere-1"), service, status, code, text)

    def test_wrong_terminator_in_the_scope(self, credentials, service, status, code):
        request = signed(service=service)
        changed = request.headers["authorization"].replace("/aws4_request", "/aws5_request")
        text = "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."
        self.check(credentials, with_headers(request, authorization=changed), service, status, code, text)

    def test_another_day_in_the_scope(self, credentials, service, status, code):
        request = signed(service=service)
        changed = request.headers["authorization"].replace("/20261122/", "/20261121/")
        text = (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            "'20261121' != '20261122', from '20261122T100000Z'."
        )
        self.check(credentials, with_headers(request, authorization=changed), service, status, code, text)

    def test_host_must_be_signed(self, credentials, service, status, code):
        request = signed(service=service)
        changed = request.headers["authorization"].replace("SignedHeaders=host;", "SignedHeaders=")
        text = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
        self.check(credentials, with_headers(request, authorization=changed), service, status, code, text)

    def test_expired_and_future_dates(self, credentials, service, status, code):
        minutes = 15 if service == "sts" else 5
        for offset_s in (-minutes * 60, minutes * 60):
            authenticate(signed(service=service, at=NOW + offset_s), credentials, NOW, service=service)
        expired = f"Signature expired: 20261122T093000Z is now earlier than 20261122T09{60 - minutes}00Z "
        text = f"{expired}(20261122T100000Z - {minutes} min.)"
        self.check(credentials, signed(service=service, at=NOW - 1800), service, status, code, text)
        early = f"Signature not yet current: 20261122T103000Z is still later than 20261122T10{minutes:02}00Z "
        text = f"{early}(20261122T100000Z + {minutes} min.)"
        self.check(credentials, signed(service=service, at=NOW + 1800), service, status, code, text)


def test_bedrock_alone_shows_what_should_have_been_signed(credentials):
    forged = replace(LONG_TERM, secret_access_key="a guess")
    shown = refusal(credentials, signed(credential=forged)).message
    assert "\n\nThe Canonical String for this request should have been\n'POST\n/model/" in shown
    assert "v1%253A0/converse\n\nhost:127.0.0.1:8123\nx-amz-date:20261122T100000Z\n\nhost;x-amz-date\n" in shown
    assert "\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n20261122T100000Z\n20261122/us-east-1/" in shown
    assert refusal(credentials, signed(service="logs", credential=forged), service="logs").message == MISMATCH


@by_service(bedrock=(403, "ExpiredTokenException"), logs=(400, "ExpiredTokenException"), sts=(403, "ExpiredToken"))
def test_temporary_credentials_expire(credentials, service, status, code):
    last = TEMPORARY.expires_at - 1
    authenticate(signed(service=service, credential=TEMPORARY, at=last), credentials, last, service=service)
    then = TEMPORARY.expires_at
    error = refusal(credentials, signed(service=service, credential=TEMPORARY, at=then), service=service, now=then)
    text = "The security token included in the request is expired"
    assert (error.status, error.code, error.message) == (status, code, text)


@by_service(
    bedrock=(403, "MissingAuthenticationTokenException"),
    logs=(400, "MissingAuthenticationTokenException"),
    sts=(403, "MissingAuthenticationToken"),
)
def test_no_authorization_at_all(credentials, service, status, code):
    error = refusal(credentials, with_headers(signed(service=service), authorization=None), service=service)
    assert (error.status, error.code) == (status, code)
    assert error.message.endswith("Missing Authentication Token".removeprefix("Missing "))


@by_service(
    bedrock=(403, "IncompleteSignatureException"),
    logs=(400, "IncompleteSignatureException"),
    sts=(400, "IncompleteSignature"),
)
class TestIncompleteHeaders:
    @pytest.mark.parametrize("absent", ["Credential", "SignedHeaders", "Signature"])
    def test_a_missing_field_is_named(self, credentials, service, status, code, absent):
        request = signed(service=service)
        fields = request.headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", ")
        kept = ", ".join(field for field in fields if not field.startswith(f"{absent}="))
        request = with_headers(request, authorization=f"AWS4-HMAC-SHA256 {kept}")
        error = refusal(credentials, request, service=service)
        assert (error.status, error.code) == (status, code)
        assert error.message.startswith(f"Authorization header requires '{absent}' parameter. (Hashed")

    def test_no_date(self, credentials, service, status, code):
        error = refusal(credentials, with_headers(signed(service=service), x_amz_date=None), service=service)
        text = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        assert (error.status, error.code) == (status, code)
        assert error.message.startswith(text)

    def test_a_date_of_another_form(self, credentials, service, status, code):
        request = with_headers(signed(service=service), x_amz_date="2026-11-22T10:00:00Z")
        error = refusal(credentials, request, service=service)
        assert (error.status, error.code) == (status, code)
        assert error.message.startswith("Date must be in ISO-8601 'basic format'. Got '2026-11-22T10:00:00Z'.")

    def test_a_key_without_a_value(self, credentials, service, status, code):
        request = with_headers(signed(service=service), authorization="AWS4-HMAC-SHA256 AKIA/20261122")
        error = refusal(credentials, request, service=service)
        assert (error.status, error.code) == (status, code)
        assert error.message.startswith("'AKIA/20261122' not a valid key=value pair (missing equal-sign)")

    def test_a_scope_of_another_length(self, credentials, service, status, code):
        request = signed(service=service)
        changed = request.headers["authorization"].replace("/aws4_request", "")
        error = refusal(credentials, with_headers(request, authorization=changed), service=service)
        assert (error.status, error.code) == (status, code)
        assert error.message.startswith("Credential must have exactly 5 slash-delimited elements")

    def test_a_foreign_secret_in_the_header_is_not_repeated(self, credentials, service, status, code):
        request = with_headers(signed(service=service), authorization="Basic c2VjcmV0OnNlY3JldA==")
        error = refusal(credentials, request, service=service)
        assert (error.status, error.code) == (status, code)
        assert "c2VjcmV0" not in error.message


# --- bearer keys ------------------------------------------------------------------------------------------------

TOKEN = "bedrock-api-key-c2VjcmV0"


def bearer(token):
    return Request("POST", CONVERSE, "", {"host": HOST, "authorization": f"Bearer {token}"}, b"{}", NOW)


def test_a_bearer_key_stands_for_its_principal_in_the_default_region(credentials):
    credentials.add_bearer(TOKEN, replace(LONG_TERM, policies=(CALL_WITH_BEARER_TOKEN,)))
    caller, _ = authenticate(bearer(TOKEN), credentials, NOW, service="bedrock", default_region="us-west-2")
    assert (caller.principal_arn, caller.region) == (LONG_TERM.principal_arn, "us-west-2")


def test_an_unknown_bearer_key(credentials):
    error = refusal(credentials, bearer("bedrock-api-key-guess"))
    text = "Authentication failed: Please make sure your API Key is valid."
    assert (error.status, error.code, error.message) == (403, "AccessDeniedException", text)


def test_an_expired_bearer_key(credentials):
    credentials.add_bearer(TOKEN, replace(LONG_TERM, policies=(CALL_WITH_BEARER_TOKEN,), expires_at=NOW))
    error = refusal(credentials, bearer(TOKEN))
    assert (error.status, error.code, error.message) == (403, "AccessDeniedException", "Bearer Token has expired")


def test_using_a_bearer_key_is_a_permission_of_its_own(credentials):
    credentials.add_bearer(TOKEN, LONG_TERM)
    error = refusal(credentials, bearer(TOKEN))
    assert error.message == (
        "User: arn:aws:iam::111111111111:user/one is not authorized to perform: bedrock:CallWithBearerToken on "
        "resource: * because no identity-based policy allows the bedrock:CallWithBearerToken action"
    )


@pytest.mark.parametrize("service", ["logs", "sts"])
def test_only_bedrock_takes_bearer_keys(credentials, service):
    credentials.add_bearer(TOKEN, replace(LONG_TERM, policies=(CALL_WITH_BEARER_TOKEN,)))
    error = refusal(credentials, bearer(TOKEN), service=service)
    assert error.code.startswith("IncompleteSignature")
    assert TOKEN not in error.message


# --- the store --------------------------------------------------------------------------------------------------


def test_the_newest_temporary_credentials_are_kept_and_all_long_term_ones():
    store = Credentials(max_temporary=2)
    store.add(LONG_TERM)
    for number in range(4):
        store.add(replace(TEMPORARY, access_key_id=f"ASIA{number}"))
    assert [store.find(f"ASIA{number}") is not None for number in range(4)] == [False, False, True, True]
    assert store.find(LONG_TERM.access_key_id) == LONG_TERM


def test_an_accounts_credentials_can_be_expired_and_restored(credentials):
    credentials.expire("111111111111", NOW)
    assert refusal(credentials, signed()).code == "ExpiredTokenException"
    authenticate(signed(credential=TEMPORARY), credentials, NOW, service="bedrock")  # of another account
    credentials.expire("111111111111", None)
    authenticate(signed(), credentials, NOW, service="bedrock")


def test_secrets_stay_out_of_a_repr():
    assert "secret" not in repr(TEMPORARY)
    assert TEMPORARY.session_token not in repr(TEMPORARY)
