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

from pydantic import Field

from common import inference_profiles, least_privilege
from common.fields import Strict
from embedded_aws.auth import identities
from embedded_aws.auth.credentials import Credentials
from embedded_aws.auth.iam import Policy
from embedded_aws.logs.service import Logs
from embedded_aws.models import catalogue, own
from embedded_aws.settings import Account, AccountId, Embedded
from embedded_aws.sts import Role, Sts
from embedded_aws.world import World

_ROLE = re.compile(r"arn:aws:iam::(\d{12}):role/([!-~]+/)?[\w+=,.@-]{1,64}")
# What stands in AWS's configuration files between brackets and quotes, and is read back as it was.
_PROFILE_NAME = re.compile(r"[^\s\[\]\"'\\#;]([^\n\r\t\v\f\[\]\"'\\]*[^\s\[\]\"'\\])?")


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

    def check(self) -> None:
        """Raises Impossible."""
        for region in self.regions:
            if region not in inference_profiles.COMMERCIAL_REGIONS:
                raise Impossible(region, "is not a commercial AWS Region")
        for arn in self.roles:
            if not _ROLE.fullmatch(arn):
                raise Impossible(arn, "is not the ARN of a role, such as arn:aws:iam::111111111111:role/gateway")
        for profile in (*self.profiles, *filter(None, [self.default_profile])):
            if not _PROFILE_NAME.fullmatch(profile):
                raise Impossible(profile, "cannot be a profile's name in AWS's configuration files")


class Impossible(ValueError):
    """What cannot be: `about` is the profile, role, Region or model that is named."""

    def __init__(self, about: str, problem: str) -> None:
        super().__init__(f"{about!r} {problem}")
        self.about = about


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

    def furnish(self, needs: Needs) -> list[str]:
        """Adds what is missing. Returns the models that are not answered for.

        Raises Impossible, and changes nothing, for what cannot be or contradicts what is there.
        """
        needs.check()
        accounts = {name: self._account_of(name, needed.account) for name, needed in needs.profiles.items()}
        if needs.default_profile and needs.default_profile not in {*accounts, *self._people}:
            accounts[needs.default_profile] = self._account_of(needs.default_profile, None)
        own_models = [_own_model(arn, base) for arn, base in needs.models.items() if own.is_own(arn)]
        for name, account_id in accounts.items():
            if name not in self._people:
                account = Account(id=account_id, profile=name)
                self._people[name] = identities.create(account, self._rng)
                self._world.add_account(account)
        for arn in needs.roles:
            account_id = arn.split(":")[4]
            self._world.add_account(Account(id=account_id, profile=f"account-{account_id}"))
            self._trusted[arn] = list(dict.fromkeys([*self._trusted.get(arn, []), *self._people]))
        for model in own_models:
            self._world.add_own_model(model)
        unanswered = [model for model in needs.models if not own.is_own(model) and not self._answers(model)]
        self._models |= dict.fromkeys(model for model in needs.models if model not in unanswered)
        self._regions |= dict.fromkeys(needs.regions)
        self._log_groups |= dict.fromkeys(needs.log_groups)
        if needs.log_groups:
            self._world.log_group = needs.log_groups[-1]
            self._logs.add_log_groups(needs.log_groups)
        self._default = needs.default_profile or self._default
        self._settle()
        return unanswered

    def _account_of(self, profile: str, wanted: str | None) -> str:
        """A profile's account: as embedded.yaml has it, as it is wanted, or one dealt by its name alone."""
        if (person := self._people.get(profile)) is not None:
            account_id = person.credential.account_id
            if wanted not in (None, account_id):
                raise Impossible(
                    profile,
                    f"is the profile of account {account_id}, and is used for an ARN of account {wanted}: "
                    "give it that account in embedded.yaml, or use another profile",
                )
            return account_id
        return wanted or dealt_account(profile, set(self.accounts.values()).__contains__)

    def _answers(self, model: str) -> bool:
        bare = inference_profiles.bare_id(model)
        profile = inference_profiles.presume(bare)
        return catalogue.find(profile.foundation_model_id if profile else bare, self._settings.models) is not None

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
        prefixes = [f"arn:aws:bedrock:{region}:{account_id}:" for region in self._regions]
        profiles = [f"{prefix}{kind}/*" for prefix in prefixes for kind in ("inference-profile", *own.KINDS)]
        models = [f"arn:aws:bedrock:{region}::foundation-model/*" for region in self._regions]
        groups = [
            f"arn:aws:logs:{region}:{account_id}:log-group:{name}{end}"
            for region in self._regions
            for name in self._log_groups
            for end in ("", ":*")
        ]
        invoke = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
        through = {"ArnLike": {"bedrock:InferenceProfileArn": [f"{prefix}inference-profile/*" for prefix in prefixes]}}
        return {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": invoke, "Resource": [*profiles, *models]},
                {"Effect": "Allow", "Action": invoke, "Resource": _EVERY_MODEL, "Condition": through},
                {"Effect": "Allow", "Action": "logs:StartQuery", "Resource": groups},
            ],
        }


_EVERY_MODEL = "arn:aws:bedrock:*::foundation-model/*"


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


def _trust(principals: list[str]) -> Mapping[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}
