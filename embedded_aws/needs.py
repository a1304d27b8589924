"""What a configuration needs of the embedded AWS, and how that comes to be there: `POST /_embedded/needs`.

Needs only add: profiles with accounts of their own, roles that they may assume, Regions, log groups, and application
inference profiles. Models need no entry: any that Bedrock has is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from pydantic import Field, field_validator

from common import inference_profiles, least_privilege
from common.fields import Strict
from embedded_aws.auth import identities
from embedded_aws.auth.credentials import Credentials
from embedded_aws.auth.iam import Policy
from embedded_aws.logs.service import Logs
from embedded_aws.models import catalogue
from embedded_aws.settings import Account, AccountId, Embedded
from embedded_aws.sts import Role, Sts
from embedded_aws.world import World

_ROLE = re.compile(r"arn:aws:iam::(\d{12}):role/([!-~]+/)?[\w+=,.@-]{1,64}")
_APPLICATION_PROFILE = re.compile(r"arn:aws:bedrock:([a-z0-9-]+):(\d{12}):application-inference-profile/[\w-]+")
_FALLBACK_MODEL = (
    "anthropic.claude-haiku-4-5-20251001-v1:0"  # for an application inference profile of which nothing is said
)


class NeededProfile(Strict):
    """`account`: the one that it must be in, since something of that account is used with it."""

    account: AccountId | None = None


class Needs(Strict):
    profiles: dict[str, NeededProfile] = Field(default_factory=dict)
    default_profile: str | None = None  # also written as [default]
    roles: list[str] = Field(default_factory=list)
    regions: list[str] = Field(default_factory=list)
    log_groups: list[str] = Field(default_factory=list)
    models: dict[str, str | None] = Field(
        default_factory=dict
    )  # id or ARN → what an ARN stands for, where that is said

    @field_validator("regions")
    @classmethod
    def _known_regions(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in inference_profiles.COMMERCIAL_REGIONS:
                raise ValueError(f"{name!r} is not a commercial AWS Region")
        return names

    @field_validator("roles")
    @classmethod
    def _whole_arns(cls, arns: list[str]) -> list[str]:
        for arn in arns:
            if not _ROLE.fullmatch(arn):
                raise ValueError(f"{arn!r} is not the ARN of a role, such as arn:aws:iam::111111111111:role/gateway")
        return arns


class Inhabitants:
    """Who and what is there beside the models: it begins with what embedded.yaml says, and needs add to it."""

    def __init__(
        self, settings: Embedded, directory: Path, services: tuple[World, Credentials, Sts, Logs], rng: Random
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._world, self._credentials, self._sts, self._logs = services
        self._rng = rng
        self._people = {account.profile: identities.create(account, rng) for account in settings.all_accounts()}
        self._regions = dict.fromkeys(settings.regions)
        self._log_groups = dict.fromkeys([settings.invocation_logging.log_group])
        self._role_ids: dict[str, str] = {}
        self._trusted = {identities.role_arn(role.account, role.name): [role.trusted] for role in settings.roles}
        self._models: dict[str, None] = {}  # those that are needed
        self._default: str | None = None
        self._settle()

    @property
    def accounts(self) -> dict[str, str]:
        """Profile → account id."""
        return {profile: person.credential.account_id for profile, person in self._people.items()}

    def environment(self) -> dict[str, str]:
        """The variables that make SDKs read the profiles."""
        return identities.profile_variables(self._directory)

    def furnish(self, needs: Needs) -> None:
        """Adds what is missing. Raises ValueError, and changes nothing, where that contradicts what is there."""
        accounts = {name: self._account_of(name, needed.account) for name, needed in needs.profiles.items()}
        if needs.default_profile and needs.default_profile not in {*accounts, *self._people}:
            accounts[needs.default_profile] = self._account_of(needs.default_profile, None)
        stands_for = {arn: _stands_for(arn, base) for arn, base in needs.models.items() if "application-inf" in arn}
        for model in needs.models.keys() - stands_for.keys():
            self._check_model(model)
        for name, account_id in accounts.items():
            if name not in self._people:
                account = Account(id=account_id, profile=name)
                self._people[name] = identities.create(account, self._rng)
                self._world.add_account(account)
        for arn in needs.roles:
            account_id = arn.split(":")[4]
            self._world.add_account(Account(id=account_id, profile=f"account-{account_id}"))
            self._trusted[arn] = list(dict.fromkeys([*self._trusted.get(arn, []), *self._people]))
        for arn, base in stands_for.items():
            self._world.add_application_profile(arn, base)
        self._models |= dict.fromkeys(needs.models)
        self._regions |= dict.fromkeys(needs.regions)
        self._log_groups |= dict.fromkeys(needs.log_groups)
        if needs.log_groups:
            self._world.log_group = needs.log_groups[-1]
            self._logs.add_log_groups(needs.log_groups)
        self._default = needs.default_profile or self._default
        self._settle()

    def _account_of(self, profile: str, wanted: str | None) -> str:
        """A profile's account: as embedded.yaml has it, as it is wanted, or one dealt by its name alone."""
        if (person := self._people.get(profile)) is not None:
            own = person.credential.account_id
            if wanted not in (None, own):
                raise ValueError(
                    f"the profile {profile!r} is in account {own}, and is used for an ARN of account {wanted}: "
                    "give it that account in embedded.yaml, or use another profile"
                )
            return own
        return wanted or dealt_account(profile, set(self.accounts.values()).__contains__)

    def _check_model(self, model: str) -> None:
        bare = inference_profiles.bare_id(model)
        profile = inference_profiles.presume(bare)
        if catalogue.find(profile.foundation_model_id if profile else bare, self._settings.models) is None:
            raise ValueError(
                f"{model!r} is like no model of Bedrock's. An entry under models: in embedded.yaml makes it one"
            )

    def _settle(self) -> None:
        """Everybody's policies as they are now, the roles, and the files that SDKs read."""
        uses = [*identities.uses(self._settings), *self._needed_uses()]
        log_group = self._world.log_group
        for profile, person in self._people.items():
            assumed = [arn for arn, trusted in self._trusted.items() if profile in trusted]
            account_id = person.credential.account_id
            least = least_privilege.policy(account_id=account_id, log_group=log_group, uses=uses, role_arns=assumed)
            self._credentials.add_person(person, self._policies(account_id, least))
        for arn, trusted in self._trusted.items():
            account_id = arn.split(":")[4]
            principals = [self._people[name].credential.principal_arn for name in trusted]
            least = least_privilege.policy(account_id=account_id, log_group=log_group, uses=uses)
            self._sts.add_role(
                Role(
                    arn=arn,
                    role_id=self._role_ids.setdefault(arn, identities.role_id(self._rng)),
                    trust=Policy.parse_trust(_trust(principals)),
                    policies=self._policies(account_id, least),
                )
            )
        identities.write_profiles(self._directory, self._people, self._settings.regions[0], self._default)

    def _needed_uses(self) -> Iterator[tuple[str, str]]:
        """(source Region, model or profile) of what is needed, as far as a least policy can name it."""
        for region in self._regions:
            for model in self._models:
                profile = inference_profiles.find(model)
                if profile and region in profile.destinations:
                    yield region, profile.id
                elif not profile and not inference_profiles.is_profile_id(model) and not model.startswith("arn:"):
                    yield region, model

    def _policies(self, account_id: str, least: Mapping[str, Any]) -> tuple[Policy, ...]:
        """What a principal of the account may do: the least, and any model besides unless the settings say no."""
        if self._settings.least_privilege:
            return (Policy.parse(least),)
        return (Policy.parse(least), Policy.parse(self._any_model(account_id)))

    def _any_model(self, account_id: str) -> dict[str, Any]:
        """A policy for every model from the Regions that are there, and for the log groups."""
        own = [f"arn:aws:bedrock:{region}:{account_id}:" for region in self._regions]
        profiles = [f"{prefix}{kind}/*" for prefix in own for kind in _OWN_MODELS]
        models = [f"arn:aws:bedrock:{region}::foundation-model/*" for region in self._regions]
        groups = [
            f"arn:aws:logs:{region}:{account_id}:log-group:{name}{end}"
            for region in self._regions
            for name in self._log_groups
            for end in ("", ":*")
        ]
        invoke = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
        through = {"ArnLike": {"bedrock:InferenceProfileArn": [f"{prefix}inference-profile/*" for prefix in own]}}
        return {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": invoke, "Resource": [*profiles, *models]},
                {"Effect": "Allow", "Action": invoke, "Resource": _EVERY_MODEL, "Condition": through},
                {"Effect": "Allow", "Action": "logs:StartQuery", "Resource": groups},
            ],
        }


_EVERY_MODEL = "arn:aws:bedrock:*::foundation-model/*"
_OWN_MODELS = ("inference-profile", "application-inference-profile", "provisioned-model", "custom-model-deployment")


def dealt_account(profile: str, taken: Callable[[str], bool]) -> str:
    """An account for a profile of which nothing is known: the same for the same name, whatever else there is."""
    attempt = 0
    while True:
        number = int.from_bytes(sha256(f"{profile}/{attempt}".encode()).digest()[:8], "big")
        account = f"{10**11 + number % (9 * 10**11):012d}"
        if not taken(account):
            return account
        attempt += 1


def _stands_for(arn: str, base: str | None) -> str:
    """The model or profile behind an application inference profile. Raises ValueError for what is none."""
    found = _APPLICATION_PROFILE.fullmatch(arn)
    if found is None:
        raise ValueError(f"{arn!r} is not the ARN of an application inference profile")
    name = (base or "").rpartition("/")[2]
    if name and (inference_profiles.presume(name) or catalogue.find(name, {})):
        return _callable_from(found[1], name)
    return _callable_from(found[1], _FALLBACK_MODEL)


def _callable_from(region: str, model: str) -> str:
    """The model itself where it is a profile or served on demand, else a profile of it that the Region may call."""
    known = catalogue.find(model, {})
    if known is None or known.on_demand_in(region):
        return model
    geographies = [inference_profiles.presume(f"{prefix}{model}") for prefix in inference_profiles.GEOGRAPHIES]
    return next(profile.id for profile in geographies if profile and region in profile.destinations)


def _trust(principals: list[str]) -> Mapping[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}
