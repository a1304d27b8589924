"""Who may call: one principal for each account, under the least-privilege policy, and the files that SDKs read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from string import ascii_letters, ascii_uppercase, digits

from common import inference_profiles, least_privilege
from embedded_aws.auth.credentials import Credential, Credentials
from embedded_aws.auth.iam import CALL_WITH_BEARER_TOKEN, Policy
from embedded_aws.settings import Account, Embedded
from embedded_aws.sts import Role

USER_NAME = "gateway"
_ID_CHARACTERS = ascii_uppercase + "234567"
_SECRET_CHARACTERS = ascii_letters + digits + "+/"


@dataclass(frozen=True, slots=True)
class Identity:
    """An account's principal with its two kinds of key."""

    profile: str
    credential: Credential
    bearer_token: str


def create(settings: Embedded, rng: Random) -> tuple[list[Identity], list[Role]]:
    """A principal for each account and the roles between them; `rng` makes the secrets, so let it be a SystemRandom."""
    uses = list(_uses(settings))
    log_group = settings.invocation_logging.log_group
    arns = {account.profile: f"arn:aws:iam::{account.id}:user/{USER_NAME}" for account in settings.all_accounts()}
    identities = []
    for account in settings.all_accounts():
        assumed = [_role_arn(role.account, role.name) for role in settings.roles if role.trusted == account.profile]
        policy = Policy.parse(
            least_privilege.policy(account_id=account.id, log_group=log_group, uses=uses, role_arns=assumed)
        )
        identities.append(_identity(account, arns[account.profile], policy, rng))
    roles = [
        Role(
            arn=_role_arn(role.account, role.name),
            role_id="AROA" + _characters(rng, _ID_CHARACTERS, 17),
            trust=Policy.parse_trust(least_privilege.trust_policy(arns[role.trusted])),
            policies=(Policy.parse(least_privilege.policy(account_id=role.account, log_group=log_group, uses=uses)),),
        )
        for role in settings.roles
    ]
    return identities, roles


def store(identities: Sequence[Identity]) -> Credentials:
    credentials = Credentials()
    for identity in identities:
        own = identity.credential
        credentials.add(own)
        # AWS makes a user of its own for an API key, which may also call with it.
        bearer = replace(own, policies=(*own.policies, CALL_WITH_BEARER_TOKEN))
        credentials.add_bearer(identity.bearer_token, bearer)
    return credentials


def write_profiles(directory: Path, identities: Sequence[Identity], region: str) -> dict[str, str]:
    """Writes AWS's two profile files and the bearer keys, readable by the owner only; returns the variables that make
    SDKs read them."""
    config = directory / "config"
    shared_credentials = directory / "credentials"
    _write(config, "".join(f"[profile {identity.profile}]\nregion = {region}\n\n" for identity in identities))
    _write(
        shared_credentials,
        "".join(
            f"[{identity.profile}]\naws_access_key_id = {identity.credential.access_key_id}\n"
            f"aws_secret_access_key = {identity.credential.secret_access_key}\n\n"
            for identity in identities
        ),
    )
    _write(
        directory / "bedrock_api_keys",
        "".join(f"{identity.profile} {identity.bearer_token}\n" for identity in identities),
    )
    return {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(shared_credentials)}


def _uses(settings: Embedded) -> Iterator[tuple[str, str]]:
    """Every (source Region, model or profile) that the settings let an account call."""
    for region in settings.regions:
        for profile in inference_profiles.PROFILES.values():
            if profile.foundation_model_id in settings.models and region in profile.destinations:
                yield region, profile.id
        for model_id, model in settings.models.items():
            if region in model.on_demand_regions:
                yield region, model_id


def _identity(account: Account, arn: str, policy: Policy, rng: Random) -> Identity:
    credential = Credential(
        access_key_id="AKIA" + _characters(rng, _ID_CHARACTERS, 16),
        secret_access_key=_characters(rng, _SECRET_CHARACTERS, 40),
        session_token=None,
        account_id=account.id,
        principal_arn=arn,
        user_id="AIDA" + _characters(rng, _ID_CHARACTERS, 17),
        policies=(policy,),
        expires_at=None,
    )
    return Identity(account.profile, credential, "ABSK" + _characters(rng, _SECRET_CHARACTERS, 128))


def _role_arn(account_id: str, name: str) -> str:
    return f"arn:aws:iam::{account_id}:role/{name}"


def _characters(rng: Random, alphabet: str, count: int) -> str:
    return "".join(rng.choices(alphabet, k=count))


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)  # the file may have been there with another mode
        file.write(text)
