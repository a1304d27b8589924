"""The Security Token Service: GetCallerIdentity and AssumeRole, query in and XML out.

Source: AWS STS API Reference 2011-06-15; botocore's service model; error bodies as AWS sends them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from string import ascii_letters, ascii_uppercase, digits
from time import gmtime, strftime
from urllib.parse import parse_qsl
from uuid import UUID
from xml.sax.saxutils import escape

from embedded_aws.auth.credentials import Credential, Credentials
from embedded_aws.auth.iam import Policy, access_denied, authorize, role_of
from embedded_aws.wire import AwsError, Caller, Request, Response

VERSION = "2011-06-15"
_NAMESPACE = f"https://sts.amazonaws.com/doc/{VERSION}/"
_KEY_ID_CHARACTERS = ascii_uppercase + "234567"
_SECRET_CHARACTERS = ascii_letters + digits + "+/"

_DEFAULT_DURATION_S = 3_600
_MAX_CHAINED_DURATION_S = 3_600  # a session that assumes a further role gets an hour at most
_MAX_SESSION_POLICY_CHARACTERS = 2_048


@dataclass(frozen=True, slots=True)
class Role:
    """A role that can be assumed."""

    arn: str  # arn:aws:iam::ACCOUNT:role/NAME
    role_id: str  # AROA…
    trust: Policy
    policies: tuple[Policy, ...]
    max_session_s: int = 3_600

    @property
    def account_id(self) -> str:
        return self.arn.split(":")[4]

    @property
    def name(self) -> str:
        return self.arn.rpartition("/")[2]


class Sts:
    """Answers STS requests. `clock` gives epoch seconds; `rng` makes the keys: a SystemRandom, but for tests."""

    def __init__(
        self, credentials: Credentials, roles: Sequence[Role], clock: Callable[[], float], rng: Random
    ) -> None:
        self._credentials = credentials
        self._roles = {role.arn: role for role in roles}
        self._clock = clock
        self._rng = rng

    def add_role(self, role: Role) -> None:
        """A role that is there from now on, as it is now."""
        self._roles[role.arn] = role

    def handle(self, request: Request, caller: Caller, credential: Credential) -> Response:
        """The response to an authenticated request. Raises AwsError; `error_response` writes it out."""
        parameters = form(request)
        if parameters.get("Version") != VERSION:
            raise _no_such_action(parameters)
        match parameters.get("Action"):
            case "GetCallerIdentity":
                # Needs no permission: AWS answers even where a policy denies it.
                result = f"<Arn>{escape(caller.principal_arn)}</Arn><UserId>{escape(caller.user_id)}</UserId>"
                return self._answer("GetCallerIdentity", f"{result}<Account>{caller.account_id}</Account>")
            case "AssumeRole":
                return self._answer("AssumeRole", self._assume_role(parameters, caller, credential))
        raise _no_such_action(parameters)

    def _answer(self, action: str, result: str) -> Response:
        request_id = str(UUID(int=self._rng.getrandbits(128), version=4))
        body = (
            f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result>{result}</{action}Result>'
            f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
        )
        return Response(200, {"content-type": "text/xml", "x-amzn-requestid": request_id}, body.encode())

    def _assume_role(self, parameters: Mapping[str, str], caller: Caller, credential: Credential) -> str:
        _check_constraints(parameters)
        arn, session = parameters["RoleArn"], parameters["RoleSessionName"]
        context = {"sts:RoleSessionName": session}
        if "ExternalId" in parameters:
            context["sts:ExternalId"] = parameters["ExternalId"]

        # One and the same text whatever is missing, so that nobody learns which roles exist.
        refused = access_denied(caller, "sts:AssumeRole", arn)
        role = self._roles.get(arn)
        if role is None or not role.trust.trusts(caller, "sts:AssumeRole", arn, context):
            raise refused
        try:
            authorize(caller, credential.policies, "sts:AssumeRole", (arn,), context)
        except AwsError:
            raise refused from None

        expires_at = self._clock() + _duration_s(parameters, role, caller)
        assumed = Credential(
            access_key_id="ASIA" + self._characters(_KEY_ID_CHARACTERS, 16),
            secret_access_key=self._characters(_SECRET_CHARACTERS, 40),
            session_token=self._characters(_SECRET_CHARACTERS, 356),
            account_id=role.account_id,
            principal_arn=f"arn:aws:sts::{role.account_id}:assumed-role/{role.name}/{session}",
            user_id=f"{role.role_id}:{session}",
            policies=(*role.policies, *_session_policy(parameters)),
            expires_at=expires_at,
        )
        self._credentials.add(assumed)
        return (
            f"<AssumedRoleUser><AssumedRoleId>{assumed.user_id}</AssumedRoleId>"
            f"<Arn>{assumed.principal_arn}</Arn></AssumedRoleUser>"
            f"<Credentials><AccessKeyId>{assumed.access_key_id}</AccessKeyId>"
            f"<SecretAccessKey>{assumed.secret_access_key}</SecretAccessKey>"
            f"<SessionToken>{assumed.session_token}</SessionToken>"
            f"<Expiration>{strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(expires_at))}</Expiration></Credentials>"
        )

    def _characters(self, alphabet: str, count: int) -> str:
        return "".join(self._rng.choices(alphabet, k=count))


def form(request: Request) -> dict[str, str]:
    """The request's parameters, from its form body, or from the query of a GET."""
    text = request.body.decode("utf-8", "replace") if request.body else request.query
    return dict(parse_qsl(text, keep_blank_values=True))


def error_response(error: AwsError, request_id: str) -> Response:
    """An AwsError in STS's XML."""
    body = (
        f'<ErrorResponse xmlns="{_NAMESPACE}">\n  <Error>\n    <Type>Sender</Type>\n'
        f"    <Code>{escape(error.code)}</Code>\n    <Message>{escape(error.message)}</Message>\n  </Error>\n"
        f"  <RequestId>{request_id}</RequestId>\n</ErrorResponse>\n"
    )
    return Response(error.status, {"content-type": "text/xml", "x-amzn-requestid": request_id}, body.encode())


def _no_such_action(parameters: Mapping[str, str]) -> AwsError:
    action, version = parameters.get("Action"), parameters.get("Version", "NO_VERSION_SPECIFIED")
    if not action:
        return AwsError(400, "MissingAction", "Missing Action")
    return AwsError(400, "InvalidAction", f"Could not find operation {action} for version {version}")


# Name → (may be absent, shortest, longest, allowed characters). Source: the API Reference's constraints.
_TEXTS: Mapping[str, tuple[bool, int, int, str]] = {
    "RoleArn": (False, 20, 2048, r"[\s\S]*"),  # an ARN of the wrong form has an error of its own, below
    "RoleSessionName": (False, 2, 64, r"[\w+=,.@-]*"),
    "ExternalId": (True, 2, 1224, r"[\w+=,.@:\/-]*"),
}
_SHORTEST_DURATION_S, _LONGEST_DURATION_S = 900, 43_200


def _check_constraints(parameters: Mapping[str, str]) -> None:
    """Raises ValidationError for all that break their constraints at once, worded as AWS does."""
    problems = []
    for name, (optional, shortest, longest, pattern) in _TEXTS.items():
        value = parameters.get(name)
        if value is None:
            problems += [] if optional else [_problem(name, None, "not be null")]
            continue
        if not re.fullmatch(pattern, value, re.ASCII):
            problems.append(_problem(name, value, f"satisfy regular expression pattern: {pattern}"))
        if len(value) < shortest:
            problems.append(_problem(name, value, f"have length greater than or equal to {shortest}"))
        if len(value) > longest:
            problems.append(_problem(name, value, f"have length less than or equal to {longest}"))
    written = parameters.get("DurationSeconds", str(_DEFAULT_DURATION_S))
    if not re.fullmatch(r"\d{1,9}", written, re.ASCII):
        raise AwsError(400, "MalformedInput", "Start of structure or map found where not expected.")
    if int(written) < _SHORTEST_DURATION_S:
        shortest_s = f"have value greater than or equal to {_SHORTEST_DURATION_S}"
        problems.append(_problem("DurationSeconds", written, shortest_s))
    if int(written) > _LONGEST_DURATION_S:
        longest_s = f"have value less than or equal to {_LONGEST_DURATION_S}"
        problems.append(_problem("DurationSeconds", written, longest_s))
    if problems:
        errors = "1 validation error" if len(problems) == 1 else f"{len(problems)} validation errors"
        raise AwsError(400, "ValidationError", f"{errors} detected: {'; '.join(problems)}")
    if not re.fullmatch(r"arn:aws:iam::\d{12}:role/.+", parameters["RoleArn"]):
        raise AwsError(400, "ValidationError", f"{parameters['RoleArn']} is invalid")


def _problem(name: str, value: str | None, must: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{name[0].lower()}{name[1:]}' failed to satisfy constraint: Member must {must}"


def _duration_s(parameters: Mapping[str, str], role: Role, caller: Caller) -> int:
    """How long the new session lasts. Longer than the role's maximum, or than a chained session may, is an error."""
    seconds = int(parameters.get("DurationSeconds", _DEFAULT_DURATION_S))
    if role_of(caller.principal_arn) != caller.principal_arn and seconds > _MAX_CHAINED_DURATION_S:
        text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        raise AwsError(400, "ValidationError", text)
    if seconds > role.max_session_s:
        text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        raise AwsError(400, "ValidationError", text)
    return seconds


def _session_policy(parameters: Mapping[str, str]) -> tuple[Policy, ...]:
    document = parameters.get("Policy")
    if document is None:
        return ()
    if len(document) > _MAX_SESSION_POLICY_CHARACTERS:
        text = "Packed policy consumes more than 100% of allotted space, please use smaller policy."
        raise AwsError(400, "PackedPolicyTooLarge", text)
    try:
        return (Policy.parse(json.loads(document), session=True),)
    except (ValueError, RecursionError) as error:
        raise AwsError(400, "MalformedPolicyDocument", f"This policy contains invalid Json: {error}") from None
