"""Who is there and what they may use: what embedded.yaml says at the start, and what configurations need besides."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random

from embedded_aws.auth import identities
from embedded_aws.auth.credentials import Credentials
from embedded_aws.auth.permissions import Permissions, trust
from embedded_aws.logs.service import Logs
from embedded_aws.needs import Impossible, NeededProfile, Needs, dealt_account
from embedded_aws.settings import Account, Embedded
from embedded_aws.sts import Role, Sts
from embedded_aws.world import World


class Inhabitants:
    """Profiles with their accounts, roles, Regions, log groups, and the accounts' own models. They only grow.

    Bedrock's models need no entry: any that Bedrock has is there.
    """

    def __init__(
        self, settings: Embedded, directory: Path, services: tuple[World, Credentials, Sts, Logs], rng: Random
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._world, self._credentials, self._sts, self._logs = services
        self._rng = rng
        self._people = {account.profile: identities.create(account, rng) for account in settings.all_accounts()}
        self._own_regions: dict[str, str] = {}  # profile → its Region, where it is not everybody's
        self._regions = dict.fromkeys(settings.regions)
        self._log_groups = dict.fromkeys([settings.invocation_logging.log_group])
        self._role_ids: dict[str, str] = {}
        self._trusted = {identities.role_arn(role.account, role.name): [role.trusted] for role in settings.roles}
        self._models: dict[str, None] = {}  # those that are needed
        self._default = ""
        self._settle()

    @property
    def accounts(self) -> dict[str, str]:
        """Profile → account id."""
        return {profile: person.credential.account_id for profile, person in self._people.items()}

    def furnish(self, needs: Needs) -> list[str]:
        """Adds what is missing. Returns the models that are not answered for.

        Raises Impossible, and changes nothing, for what cannot be or contradicts what is there.
        """
        needs.check()
        profiles = dict(needs.profiles)
        if needs.default_profile:
            profiles.setdefault(needs.default_profile, NeededProfile())
        accounts = {name: self._account_of(name, needed.account) for name, needed in profiles.items()}
        own_models, unanswered = needs.own_models(), needs.unanswered(self._settings.models)
        for name, account_id in accounts.items():
            self._add_profile(name, account_id)
        self._own_regions |= {name: needed.region for name, needed in profiles.items() if needed.region}
        for arn in needs.roles:
            account_id = arn.split(":")[4]
            self._world.add_account(Account(id=account_id, profile=f"account-{account_id}"))
            self._trusted[arn] = list(dict.fromkeys([*self._trusted.get(arn, []), *self._people]))
        for model in own_models:
            self._world.add_own_model(model)
        self._models |= dict.fromkeys(name for name in needs.models if name not in unanswered)
        self._regions |= dict.fromkeys([*needs.regions, *self._own_regions.values()])
        self._add_log_groups(needs.log_groups)
        self._default = needs.default_profile or self._default
        self._settle()
        return unanswered

    def _account_of(self, profile: str, wanted: str | None) -> str:
        """A profile's account: as embedded.yaml has it, as it is wanted, or one dealt by its name alone."""
        if (person := self._people.get(profile)) is None:
            return wanted or dealt_account(profile, set(self.accounts.values()).__contains__)
        account_id = person.credential.account_id
        if wanted not in (None, account_id):
            raise Impossible(
                profile,
                f"is the profile of account {account_id}, and is used for an ARN of account {wanted}: "
                "give it that account in embedded.yaml, or use another profile",
            )
        return account_id

    def _add_profile(self, name: str, account_id: str) -> None:
        if name not in self._people:
            account = Account(id=account_id, profile=name)
            self._people[name] = identities.create(account, self._rng)
            self._world.add_account(account)

    def _add_log_groups(self, names: list[str]) -> None:
        """As on AWS an account logs to one: the last that was needed."""
        if names:
            self._log_groups |= dict.fromkeys(names)
            self._logs.add_log_groups(names)
            self._world.log_group = names[-1]

    def _settle(self) -> None:
        """Everybody's permissions as they are now, the roles, and the files that SDKs read."""
        permissions = Permissions(self._settings, self._regions, self._models, list(self._log_groups))
        assumed: dict[str, list[str]] = {profile: [] for profile in self._people}
        for arn, trusted in self._trusted.items():
            for profile in trusted:
                assumed[profile].append(arn)
            self._sts.add_role(self._role(arn, trusted, permissions))
        for profile, person in self._people.items():
            policies = partial(permissions.policies, person.credential.account_id, tuple(assumed[profile]))
            self._credentials.add_person(person, policies)
        everybodys = dict.fromkeys(self._people, self._settings.regions[0])
        identities.write_profiles(self._directory, self._people, {**everybodys, **self._own_regions}, self._default)

    def _role(self, arn: str, trusted: list[str], permissions: Permissions) -> Role:
        return Role(
            arn=arn,
            role_id=self._role_ids.setdefault(arn, identities.role_id(self._rng)),
            trust=trust([self._people[name].credential.principal_arn for name in trusted]),
            policies=permissions.policies(arn.split(":")[4], ()),
        )
