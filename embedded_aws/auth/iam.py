"""IAM policies: parsing and deciding. Pure.

What is understood: Allow and Deny, Action/NotAction, Resource/NotResource, Principal in trust policies, the wildcards
* and ?, and the operators and context keys below. Anything else is refused when the policy is parsed: a policy that
is only half understood would grant or deny something other than AWS would.

Sources: IAM User Guide, "IAM JSON policy elements reference", "Policy evaluation logic" and "Troubleshoot access denied
error messages"; the texts as AWS sends them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from common import inference_profiles
from embedded_aws.wire import AwsError, Caller

Context = Mapping[str, str]  # context keys in lower case, with their values
Effect = Literal["Allow", "Deny"]

CONTEXT_KEYS = {
    key.lower(): key
    for key in (
        "aws:PrincipalAccount",
        "aws:PrincipalArn",
        "aws:RequestedRegion",
        "aws:userid",
        "bedrock:InferenceProfileArn",
        "sts:ExternalId",
        "sts:RoleSessionName",
    )
}


# --- matching ---------------------------------------------------------------------------------------------------


def _wildcards(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """A pattern in which * is any text, colons and slashes included, and ? any one character.

    Between two stars the earliest match is always good enough, so the groups are atomic: a session policy full of
    stars, which any caller may send, costs no more than the product of both lengths.
    """
    head, *rest = (re.escape(part).replace(r"\?", ".") for part in pattern.split("*"))
    if rest:
        *middle, tail = rest
        head += "".join(f"(?>.*?{part})" for part in middle if part) + f".*{tail}"
    return re.compile(head, flags | re.DOTALL)


def _like(pattern: str) -> Callable[[str], bool]:
    compiled = _wildcards(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _arn_like(pattern: str) -> Callable[[str], bool]:
    """ARNs are compared part by part: a wildcard does not reach over a colon but in the last of the six parts."""
    parts = [_wildcards(part) for part in pattern.split(":", 5)]
    if len(parts) != 6:
        raise ValueError(f"{pattern!r} is not an ARN: it must have six parts separated by colons")

    def matches(value: str) -> bool:
        values = value.split(":", 5)
        return len(values) == len(parts) and all(p.fullmatch(v) for p, v in zip(parts, values, strict=True))

    return matches


def _equals(pattern: str) -> Callable[[str], bool]:
    return lambda value: value == pattern


def _equals_ignoring_case(pattern: str) -> Callable[[str], bool]:
    return lambda value: value.lower() == pattern.lower()


# Operator → how one of its values is matched, and whether the operator negates. ArnEquals and ArnLike behave alike.
_OPERATORS: Mapping[str, tuple[Callable[[str], Callable[[str], bool]], bool]] = {
    "StringEquals": (_equals, False),
    "StringNotEquals": (_equals, True),
    "StringEqualsIgnoreCase": (_equals_ignoring_case, False),
    "StringNotEqualsIgnoreCase": (_equals_ignoring_case, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnLike": (_arn_like, False),
    "ArnNotLike": (_arn_like, True),
    "Bool": (_equals_ignoring_case, False),
}


@dataclass(frozen=True, slots=True)
class _Condition:
    """One operator on one context key. A request without the key fails it, unless it negates or ends in IfExists."""

    key: str  # lower case
    matchers: tuple[Callable[[str], bool], ...]  # any of them is enough
    negated: bool
    when_absent: bool

    def holds(self, context: Context) -> bool:
        value = context.get(self.key)
        if value is None:
            return self.when_absent
        return any(matches(value) for matches in self.matchers) != self.negated


@dataclass(frozen=True, slots=True)
class _Absent:
    """The operator Null: whether the context key is missing."""

    key: str
    expected: bool

    def holds(self, context: Context) -> bool:
        return (self.key not in context) == self.expected


@dataclass(frozen=True, slots=True)
class _OneOf:
    """A list of patterns of which one must match; of a Not… element, none may."""

    patterns: tuple[re.Pattern[str], ...]
    negated: bool

    def matches(self, value: str) -> bool:
        return any(pattern.fullmatch(value) for pattern in self.patterns) != self.negated


@dataclass(frozen=True, slots=True)
class _Statement:
    effect: Effect
    actions: _OneOf
    resources: _OneOf
    principals: tuple[str, ...]  # trust policies only: account roots, users, roles, sessions, or *
    conditions: tuple[_Condition | _Absent, ...]

    def applies(self, action: str, resource: str, context: Context) -> bool:
        return (
            self.actions.matches(action)
            and self.resources.matches(resource)
            and all(condition.holds(context) for condition in self.conditions)
        )


# --- policies ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A parsed policy document. Equal only to itself, so that decisions can be remembered by policy."""

    statements: tuple[_Statement, ...]
    session: bool = False  # a session policy limits what the identity's policies allow, and grants nothing itself

    @classmethod
    def parse(cls, document: Mapping[str, Any], *, session: bool = False) -> Policy:
        """An identity or session policy. Raises ValueError naming the statement and what is wrong with it."""
        return cls(tuple(_statements(document, trust=False)), session)

    @classmethod
    def parse_trust(cls, document: Mapping[str, Any]) -> Policy:
        """A role's trust policy: statements with Principal and without Resource. Raises ValueError likewise."""
        return cls(tuple(_statements(document, trust=True)))

    def trusts(self, caller: Caller, action: str, role_arn: str, context: Mapping[str, str]) -> bool:
        """Whether a trust policy lets `caller` do `action`. An account's root stands for everyone in that account."""
        facts = _context(caller, context)
        candidates = {caller.principal_arn, role_of(caller.principal_arn), f"arn:aws:iam::{caller.account_id}:root",
                      caller.account_id, "*"}  # fmt: skip
        effects = {
            statement.effect
            for statement in self.statements
            if candidates.intersection(statement.principals) and statement.applies(action, role_arn, facts)
        }
        return effects == {"Allow"}


def role_of(principal_arn: str) -> str:
    """The role's ARN of an assumed-role session's ARN; any other ARN as it is."""
    match = re.fullmatch(r"arn:aws:sts::(\d+):assumed-role/([^/]+)/[^/]+", principal_arn)
    return f"arn:aws:iam::{match[1]}:role/{match[2]}" if match else principal_arn


_STATEMENT_KEYS = {"Sid", "Effect", "Action", "NotAction", "Condition"}
_RESOURCE_KEYS = {"Resource", "NotResource"}


def _statements(document: Mapping[str, Any], *, trust: bool) -> list[_Statement]:
    if not isinstance(document, Mapping):
        raise ValueError("a policy must be an object with Version and Statement")
    if document.get("Version") != "2012-10-17":
        raise ValueError(f'Version must be "2012-10-17", not {document.get("Version")!r}')
    if unknown := set(document) - {"Version", "Id", "Statement"}:
        raise ValueError(f"{_names(unknown)}: not an element of a policy")
    written = document.get("Statement")
    statements = [written] if isinstance(written, Mapping) else written
    if not isinstance(statements, list) or not statements:
        raise ValueError("Statement must be a statement or a list of at least one")
    parsed = []
    for number, statement in enumerate(statements, 1):
        name = statement.get("Sid", number) if isinstance(statement, Mapping) else number
        try:
            parsed.append(_statement(statement, trust=trust))
        except ValueError as error:
            raise ValueError(f"statement {name}: {error}") from None
    return parsed


def _statement(statement: Any, *, trust: bool) -> _Statement:
    if not isinstance(statement, Mapping):
        raise ValueError("must be an object")
    allowed = _STATEMENT_KEYS | ({"Principal"} if trust else _RESOURCE_KEYS)
    if unknown := set(statement) - allowed:
        raise ValueError(f"{_names(unknown)}: not an element of a statement here (known: {_names(allowed)})")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise ValueError(f'Effect must be "Allow" or "Deny", not {statement.get("Effect")!r}')
    actions = _one_of(statement, "Action", re.IGNORECASE)
    for pattern in _texts(statement, "NotAction" if actions.negated else "Action"):
        if pattern != "*" and not re.fullmatch(r"[a-z0-9-]+:[A-Za-z0-9*?]+", pattern):
            raise ValueError(f"action {pattern!r} must be * or service:Action")
    return _Statement(
        effect=statement["Effect"],
        actions=actions,
        resources=_OneOf((_wildcards("*"),), False) if trust else _one_of(statement, "Resource"),
        principals=_principals(statement) if trust else (),
        conditions=tuple(_conditions(statement.get("Condition", {}))),
    )


def _one_of(statement: Mapping[str, Any], element: str, flags: int = 0) -> _OneOf:
    present = [key for key in (element, f"Not{element}") if key in statement]
    if len(present) != 1:
        raise ValueError(f"needs exactly one of {element} and Not{element}")
    texts = _texts(statement, present[0])
    return _OneOf(tuple(_wildcards(text, flags) for text in texts), present[0] != element)


def _texts(mapping: Mapping[str, Any], key: str) -> list[str]:
    """The value of `key`, a text or a list of at least one, as a list."""
    value = mapping[key]
    texts = value if isinstance(value, list) else [value]
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"{key} must be a text or a list of texts, and holds {text!r}")
        if "${" in text:
            raise ValueError(f"{key}: policy variables such as {text!r} are not supported")
    if not texts:
        raise ValueError(f"{key} must not be empty")
    return texts


def _principals(statement: Mapping[str, Any]) -> tuple[str, ...]:
    principal = statement.get("Principal")
    if principal == "*":
        return ("*",)
    if not isinstance(principal, Mapping) or set(principal) != {"AWS"}:
        raise ValueError('Principal must be "*" or {"AWS": …}; other kinds of principal are not supported')
    return tuple(_texts(principal, "AWS"))


def _conditions(block: Any) -> list[_Condition | _Absent]:
    if not isinstance(block, Mapping):
        raise ValueError("Condition must be an object of operators")
    conditions: list[_Condition | _Absent] = []
    for written, keys in block.items():
        operator = written.removesuffix("IfExists")
        if operator not in _OPERATORS and written != "Null":
            known = _names(_OPERATORS)
            raise ValueError(
                f"condition operator {written!r} is not supported (known: Null, and with or without IfExists: {known})"
            )
        if not isinstance(keys, Mapping):
            raise ValueError(f"condition {written} must be an object of context keys")
        for key in keys:
            if key.lower() not in CONTEXT_KEYS:
                raise ValueError(f"context key {key!r} is not supported (known: {_names(CONTEXT_KEYS.values())})")
            # AWS takes JSON's true for "true".
            values = _texts({key: str(keys[key]).lower() if isinstance(keys[key], bool) else keys[key]}, key)
            if operator in ("Null", "Bool") and [value.lower() for value in values] not in (["true"], ["false"]):
                raise ValueError(f'condition {written} of {key} must be "true" or "false"')
            if written == "Null":
                conditions.append(_Absent(key.lower(), values[0].lower() == "true"))
                continue
            matcher, negated = _OPERATORS[operator]
            conditions.append(
                _Condition(
                    key.lower(), tuple(matcher(value) for value in values), negated, negated or written != operator
                )
            )
    return conditions


def _names(names: Any) -> str:
    return ", ".join(sorted(names))


# What AWS attaches to the principal behind a Bedrock API key: without it the key opens nothing.
CALL_WITH_BEARER_TOKEN = Policy.parse(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "bedrock:CallWithBearerToken", "Resource": "*"},
    }
)


# --- deciding ---------------------------------------------------------------------------------------------------


def _refusal(policies: Sequence[Policy], action: str, resource: str, context: Context) -> str | None:
    """Why the policies refuse, in AWS's words; None when they allow. Deny wins, and silence is a refusal."""
    identity = [policy for policy in policies if not policy.session]
    session = [policy for policy in policies if policy.session]
    for layer, name in ((identity, "an identity-based policy"), (session, "a session policy")):
        if "Deny" in _effects(layer, action, resource, context):
            return f"with an explicit deny in {name}"
    if "Allow" not in _effects(identity, action, resource, context):
        return f"because no identity-based policy allows the {action} action"
    if session and "Allow" not in _effects(session, action, resource, context):
        return f"because no session policy allows the {action} action"
    return None


def _effects(policies: Sequence[Policy], action: str, resource: str, context: Context) -> set[Effect]:
    return {s.effect for policy in policies for s in policy.statements if s.applies(action, resource, context)}


def _context(caller: Caller, specific: Mapping[str, str]) -> Context:
    """The request's own context keys and those about its caller."""
    about_caller = {
        "aws:principalaccount": caller.account_id,
        "aws:principalarn": role_of(caller.principal_arn),
        "aws:requestedregion": caller.region,
        "aws:userid": caller.user_id,
    }
    return about_caller | {key.lower(): value for key, value in specific.items()}


def authorize(
    caller: Caller, policies: Sequence[Policy], action: str, resources: Sequence[str], context: Mapping[str, str]
) -> None:
    """Returns when `action` is allowed on every one of `resources` (ARNs, or "*").

    `context` holds the request's own context keys; the keys about the caller are added. Raises AwsError for the first
    resource that is refused.
    """
    facts = _context(caller, context)
    for resource in resources:
        reason = _refusal(policies, action, resource, facts)
        if reason is not None:
            raise access_denied(caller, action, resource, reason)


def authorize_invocation(caller: Caller, policies: Sequence[Policy], action: str, model_id: str) -> None:
    """`authorize` for a model, named by id or ARN, in the caller's Region. Quick: every call of a model comes here.

    A call through an inference profile needs the profile and the foundation model in every Region that may serve it;
    bedrock:InferenceProfileArn is known for the latter only. Source: Bedrock User Guide, "Prerequisites for inference
    profiles". A profile that cannot be called from this Region is checked as far as the profile itself.
    """
    refused = _invocation_refusal(caller, tuple(policies), action, model_id)
    if refused is not None:
        raise access_denied(caller, action, *refused)


@lru_cache(maxsize=16_384)
def _invocation_refusal(
    caller: Caller, policies: tuple[Policy, ...], action: str, model_id: str
) -> tuple[str, str] | None:
    """The first resource that is refused, and why."""
    for resource, context in _invocation_checks(caller.account_id, caller.region, model_id):
        reason = _refusal(policies, action, resource, _context(caller, context))
        if reason is not None:
            return resource, reason
    return None


def _invocation_checks(account_id: str, region: str, model_id: str) -> list[tuple[str, Mapping[str, str]]]:
    """The ARNs that IAM checks for a model, each with the context keys that it is checked under."""
    is_arn = model_id.startswith("arn:")
    if not inference_profiles.is_profile_id(model_id):
        return [(model_id if is_arn else f"arn:aws:bedrock:{region}::foundation-model/{model_id}", {})]
    profile_arn = model_id if is_arn else f"arn:aws:bedrock:{region}:{account_id}:inference-profile/{model_id}"
    checks: list[tuple[str, Mapping[str, str]]] = [(profile_arn, {})]
    profile = inference_profiles.presume(model_id)
    if profile is not None and region in profile.destinations:
        for served_in in profile.authorized_regions(region):
            context = {"bedrock:InferenceProfileArn": profile_arn, "aws:RequestedRegion": served_in or "unspecified"}
            checks.append((f"arn:aws:bedrock:{served_in}::foundation-model/{profile.foundation_model_id}", context))
    return checks


def access_denied(caller: Caller, action: str, resource: str, reason: str = "") -> AwsError:
    """AWS's own denial. STS names its code without "Exception", and JSON 1.1 services answer 400."""
    text = f"User: {caller.principal_arn} is not authorized to perform: {action} on resource: {resource} {reason}"
    return AwsError(
        400 if caller.service == "logs" else 403,
        "AccessDenied" if caller.service == "sts" else "AccessDeniedException",
        text.rstrip(),
    )
