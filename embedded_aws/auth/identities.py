"""Who may call: one principal for each account, under the least-privilege policy, and the files that SDKs read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from string import ascii_letters, ascii_uppercase, digits

from common import inference_profiles
from embedded_aws.auth.credentials import Credential
from embedded_aws.settings import Account, Embedded

USER_NAME = "gateway"
_ID_CHARACTERS = ascii_uppercase + "234567"
_SECRET_CHARACTERS = ascii_letters + digits + "+/"


@dataclass(frozen=True, slots=True)
class Identity:
    """An account's principal with its two kinds of key."""

    profile: str
    credential: Credential
    bearer_token: str


def create(account: Account, rng: Random) -> Identity:
    """An account's principal, which may nothing yet; `rng` makes the secrets, so let it be a SystemRandom."""
    credential = Credential(
        access_key_id="AKIA" + _characters(rng, _ID_CHARACTERS, 16),
        secret_access_key=_characters(rng, _SECRET_CHARACTERS, 40),
        session_token=None,
        account_id=account.id,
        principal_arn=f"arn:aws:iam::{account.id}:user/{USER_NAME}",
        user_id="AIDA" + _characters(rng, _ID_CHARACTERS, 17),
        policies=(),
        expires_at=None,
    )
    return Identity(account.profile, credential, "ABSK" + _characters(rng, _SECRET_CHARACTERS, 128))


def role_arn(account_id: str, name: str) -> str:
    return f"arn:aws:iam::{account_id}:role/{name}"


def role_id(rng: Random) -> str:
    return "AROA" + _characters(rng, _ID_CHARACTERS, 17)


def write_profiles(directory: Path, people: Mapping[str, Identity], regions: Mapping[str, str], default: str) -> None:
    """Writes AWS's two profile files and the bearer keys, readable by the owner only.

    `regions`: each profile's. `default`: the profile that [default] is, unless there is one of that name.
    """
    named = dict(people)
    if default in people:
        named.setdefault("default", people[default])
    config, credentials = [], []
    for name, identity in named.items():
        section = "default" if name == "default" else f"profile {_quoted(name)}"
        config.append(f"[{section}]\nregion = {regions[name if name in people else default]}\n\n")
        credentials.append(
            f"[{name}]\naws_access_key_id = {identity.credential.access_key_id}\n"
            f"aws_secret_access_key = {identity.credential.secret_access_key}\n\n"
        )
    variables = profile_variables(directory)
    _write(Path(variables["AWS_CONFIG_FILE"]), "".join(config))
    _write(Path(variables["AWS_SHARED_CREDENTIALS_FILE"]), "".join(credentials))
    bearers = "".join(f"{identity.profile} {identity.bearer_token}\n" for identity in people.values())
    _write(directory / "bedrock_api_keys", bearers)


def _quoted(name: str) -> str:
    """A name with spaces stands in quotes in AWS's configuration file, and without in its credentials file."""
    return f'"{name}"' if " " in name else name


def profile_variables(directory: Path) -> dict[str, str]:
    """The variables that make SDKs read the profile files in that directory."""
    return {
        "AWS_CONFIG_FILE": str(directory / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(directory / "credentials"),
    }


def uses(settings: Embedded) -> Iterator[tuple[str, str]]:
    """Every (source Region, model or profile) that the settings name."""
    for region in settings.regions:
        for profile in inference_profiles.PROFILES.values():
            if profile.foundation_model_id in settings.models and region in profile.destinations:
                yield region, profile.id
        for model_id, model in settings.models.items():
            if region in (model.on_demand_regions or ()):
                yield region, model_id


def _characters(rng: Random, alphabet: str, count: int) -> str:
    return "".join(rng.choices(alphabet, k=count))


def _write(path: Path, text: str) -> None:
    """Whole or not at all: a program may be reading it."""
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)  # the file may have been there with another mode
        file.write(text)
    partial.replace(path)
