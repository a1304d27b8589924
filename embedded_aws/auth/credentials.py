"""Who exists: access keys, temporary credentials and Bedrock API keys. State without HTTP."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from embedded_aws.auth.iam import CALL_WITH_BEARER_TOKEN, Policy


@dataclass(frozen=True, slots=True)
class Credential:
    """One principal's key and what the principal may do. Its secrets are left out of its repr."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(repr=False)  # only temporary credentials have one
    account_id: str
    principal_arn: str
    user_id: str
    policies: tuple[Policy, ...] = field(repr=False)
    expires_at: float | None  # epoch seconds; None: a long-term key


class Person(Protocol):
    """Who has two kinds of key."""

    @property
    def credential(self) -> Credential: ...
    @property
    def bearer_token(self) -> str: ...


class Credentials:
    """The store. Of the temporary ones the newest `max_temporary` are kept; AWS answers a forgotten one as unknown."""

    def __init__(self, max_temporary: int = 10_000) -> None:
        self._max_temporary = max_temporary
        self._long_term: dict[str, Credential] = {}
        self._temporary: OrderedDict[str, Credential] = OrderedDict()
        self._bearers: dict[str, Credential] = {}
        self._accounts_expired_at: dict[str, float] = {}
        self._unasked: dict[str, tuple[Person, Callable[[], tuple[Policy, ...]]]] = {}  # by key id, and by API key

    def add(self, credential: Credential) -> None:
        if credential.session_token is None:
            self._long_term[credential.access_key_id] = credential
            return
        self._temporary[credential.access_key_id] = credential
        if len(self._temporary) > self._max_temporary:
            self._temporary.popitem(last=False)

    def add_person(self, person: Person, policies: Callable[[], tuple[Policy, ...]]) -> None:
        """A principal with both of its keys, from now on under `policies`, which are asked for when it first calls."""
        self._unasked[person.credential.access_key_id] = self._unasked[person.bearer_token] = person, policies

    def add_bearer(self, token: str, credential: Credential) -> None:
        """Lets `token`, a Bedrock API key, stand for `credential`'s principal."""
        self._bearers[token] = credential

    def find(self, access_key_id: str) -> Credential | None:
        self._ask_for_policies(access_key_id)
        found = self._long_term.get(access_key_id) or self._temporary.get(access_key_id)
        return self._as_of_faults(found)

    def find_bearer(self, token: str) -> Credential | None:
        self._ask_for_policies(token)
        return self._as_of_faults(self._bearers.get(token))

    def expire(self, account_id: str, at: float | None) -> None:
        """Has every credential of the account expire no later than `at`, long-term ones too; None lifts that again."""
        if at is None:
            self._accounts_expired_at.pop(account_id, None)
        else:
            self._accounts_expired_at[account_id] = at

    def _ask_for_policies(self, key: str) -> None:
        if key not in self._unasked:
            return
        person, ask = self._unasked.pop(key)
        self._unasked.pop(person.bearer_token, None)
        self._unasked.pop(person.credential.access_key_id, None)
        policies = ask()
        own = replace(person.credential, policies=policies)
        self.add(own)
        # AWS makes a user of its own for an API key, which may also call with it.
        self.add_bearer(person.bearer_token, replace(own, policies=(*policies, CALL_WITH_BEARER_TOKEN)))

    def _as_of_faults(self, credential: Credential | None) -> Credential | None:
        if credential is None or credential.account_id not in self._accounts_expired_at:
            return credential
        at = self._accounts_expired_at[credential.account_id]
        return replace(credential, expires_at=at if credential.expires_at is None else min(at, credential.expires_at))
