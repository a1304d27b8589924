"""What a configuration needs of the embedded AWS, as `POST /_embedded/needs` takes it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from pydantic import Field, field_validator

from common import inference_profiles
from common.fields import Strict
from embedded_aws.models import catalogue, own
from embedded_aws.settings import PROFILE_NAME, AccountId, Model

_ROLE = re.compile(r"arn:aws:iam::(\d{12}):role/([!-~]+/)?[\w+=,.@-]{1,64}")
_LOG_GROUP = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")


class NeededProfile(Strict):
    """`account`: the one that it must be in, since something of that account is used with it. `region`: its own."""

    account: AccountId | None = None
    region: str | None = None


class Needs(Strict):
    """Everything may be left out. `models`: id or ARN → the model that an ARN stands for, where that is said."""

    profiles: dict[str, NeededProfile] = Field(default_factory=dict)
    default_profile: str | None = None  # also written as [default]
    roles: list[str] = Field(default_factory=list)
    regions: list[str] = Field(default_factory=list)
    log_groups: list[str] = Field(default_factory=list)
    models: dict[str, str | None] = Field(default_factory=dict)

    @field_validator("models", mode="before")
    @classmethod
    def _listed(cls, models: Any) -> Any:
        """A list of ids is as good, where there is nothing to say of any."""
        return dict.fromkeys(models) if isinstance(models, list) else models

    def check(self) -> None:
        """Raises Impossible."""
        for region in (*self.regions, *filter(None, (needed.region for needed in self.profiles.values()))):
            if region not in inference_profiles.COMMERCIAL_REGIONS:
                raise Impossible(region, "is not a commercial AWS Region")
        for arn in self.roles:
            if not _ROLE.fullmatch(arn):
                raise Impossible(arn, "is not the ARN of a role, such as arn:aws:iam::111111111111:role/gateway")
        for profile in (*self.profiles, *filter(None, [self.default_profile])):
            if not PROFILE_NAME.fullmatch(profile):
                raise Impossible(profile, "cannot be a profile's name in AWS's configuration files")
        for name in self.log_groups:
            if not _LOG_GROUP.fullmatch(name):
                raise Impossible(name, "cannot be a log group's name")

    def own_models(self) -> list[own.OwnModel]:
        """Those of the accounts' own. Raises Impossible."""
        return [_own_model(arn, base) for arn, base in self.models.items() if own.is_own(arn)]

    def unanswered(self, known: Mapping[str, Model]) -> list[str]:
        """The models that are not answered for. `known`: those that embedded.yaml names."""
        return [name for name in self.models if not own.is_own(name) and not _is_answered(name, known)]


class Impossible(ValueError):
    """What cannot be: `about` is the profile, role, Region or model that is named."""

    def __init__(self, about: str, problem: str) -> None:
        super().__init__(f"{about!r} {problem}")
        self.about = about


def dealt_account(profile: str, taken: Callable[[str], bool]) -> str:
    """An account for a profile of which nothing is known: the same for the same name, whatever else there is."""
    attempt = 0
    while True:
        number = int.from_bytes(sha256(f"{profile}/{attempt}".encode()).digest()[:8], "big")
        account = f"{10**11 + number % (9 * 10**11):012d}"
        if not taken(account):
            return account
        attempt += 1


def _own_model(arn: str, base: str | None) -> own.OwnModel:
    try:
        return own.presume(arn, base)
    except ValueError as error:
        raise Impossible(arn, str(error).removeprefix(f"{arn!r} ")) from None


def _is_answered(name: str, known: Mapping[str, Model]) -> bool:
    bare = inference_profiles.bare_id(name)
    profile = inference_profiles.presume(bare)
    model = catalogue.find(profile.foundation_model_id if profile else bare, known)
    return model is not None and model.body != "none"
