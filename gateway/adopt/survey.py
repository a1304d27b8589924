"""What a configuration holds, group by group, as far as it decides which patterns and claims it can support. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from gateway.litellm import request_metadata
from gateway.litellm.config import Config
from gateway.litellm.deployments import ModelEntry
from gateway.litellm.fallback_chains import EVERY
from gateway.litellm.model_id import account_of_arn

TOKENS_PER_REQUEST = 100  # at most, of the prompt and answer that the patterns ask for
ENFORCING = "enforce_model_rate_limits"
USAGE = "usage-based-routing"  # and -v2


@dataclass(frozen=True)
class Account:
    """An AWS account as the file names it: by a role, a profile or credentials. Two names may mean one account."""

    label: str  # short, and fit to name a consumer
    identity: str


@dataclass(frozen=True)
class Group:
    """A model group that can be asked for chat answers."""

    name: str
    entries: tuple[ModelEntry, ...]
    fallbacks: tuple[str, ...]  # groups that can answer for it, in order
    is_fallback: bool
    quota: int | None  # requests a minute of all its deployments; None: nothing in the file limits it
    capacity: int | None  # those that it surely takes, whichever deployment each is given to
    counted: bool  # whether its requests a minute, and nothing else, decide when it is full
    fillable: bool  # whether, besides, it surely takes all that its quota allows before it turns anything away
    account: Account | None  # of all its deployments; None: several, or none

    @property
    def several(self) -> bool:
        return len(self.entries) > 1

    @property
    def has_role(self) -> bool:
        """Whether it takes part in a fallback, or spreads over deployments."""
        return bool(self.fallbacks) or self.is_fallback or self.several

    @property
    def traced(self) -> bool:
        """Whether answers carry the id under which their maker logged them.

        LiteLLM hands on no headers of InvokeModel but for Claude. Source: LiteLLM 1.106.2, `llms/bedrock/chat`.
        """
        return all(
            not entry.is_bedrock or "claude" in entry.name.id or request_metadata.takes(entry.name)
            for entry in self.entries
        )

    @property
    def models(self) -> tuple[tuple[str, str], ...]:
        """The providers and models of its deployments, whatever account or Region they use."""
        return tuple(sorted((entry.provider, entry.name.id) for entry in self.entries))


class Survey:
    """Reads a Config once; every kind of pattern and every finding is made from this."""

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def groups(self) -> dict[str, Group]:
        """Name → group, of those that can be asked by their own name, in the order of the file."""
        chains = {name: self._chain(name) for name in self._askable}
        taking_over = {group for chain in chains.values() for group in chain}
        return {
            name: Group(
                name=name,
                entries=tuple(entries),
                fallbacks=chains[name],
                is_fallback=name in taking_over,
                quota=self._together(entries, sum),
                capacity=self._together(entries, sum if self.exact else min),
                counted=self._counted(entries),
                fillable=self._counted(entries) and (self.exact or (self.by_choice and len(entries) == 1)),
                account=self._account(entries),
            )
            for name, entries in self._askable.items()
        }

    @cached_property
    def not_askable(self) -> dict[str, str]:
        """Group → why no pattern asks for it."""
        return {name: why for name, entries in self.config.groups.items() if (why := self._why_not(name, entries))}

    @cached_property
    def exact(self) -> bool:
        """Whether a full deployment is passed over for one with room.

        Else it is noticed only after the choice, so a request may be turned away although another had room, and counts
        begin with the minute of the clock. Source: LiteLLM 1.106.2, `Router._pre_call_checks`,
        `ModelRateLimitingCheck` and `LowestTPMLoggingHandler_v2`; tried with bursts of 10 on one and two deployments.
        """
        return self.config.pre_call_checks and not self.enforces and not self.by_usage

    @cached_property
    def by_choice(self) -> bool:
        """Whether the limit is checked, exactly, on the deployment that was chosen."""
        return self.enforces and not self.by_usage

    @cached_property
    def enforces(self) -> bool:
        checks = self.config.router_settings.get("optional_pre_call_checks")
        return isinstance(checks, list) and ENFORCING in checks

    @cached_property
    def by_usage(self) -> bool:
        """Whether usage decides who is asked; such counts may be off by some when requests come at once."""
        return self.config.routing_strategy.startswith(USAGE)

    def _together(self, entries: Iterable[ModelEntry], of: Callable[[Iterable[int]], int]) -> int | None:
        """The limits of all deployments made one; None: one of them has none."""
        if not self.config.limits_enforced:
            return None
        limits = [self._limit(entry) for entry in entries]
        known = [limit for limit in limits if limit is not None]
        return of(known) if len(known) == len(limits) else None

    def _limit(self, entry: ModelEntry) -> int | None:
        limits = [] if entry.quota_rpm is None else [entry.quota_rpm]
        if (self.enforces or self.by_usage) and entry.quota_tpm is not None:
            limits.append(entry.quota_tpm // TOKENS_PER_REQUEST)
        return min(limits, default=None)

    def _counted(self, entries: Iterable[ModelEntry]) -> bool:
        return self.config.limits_enforced and all(
            entry.quota_rpm and self._limit(entry) == entry.quota_rpm for entry in entries
        )

    @cached_property
    def _askable(self) -> dict[str, list[ModelEntry]]:
        return {name: entries for name, entries in self.config.groups.items() if name not in self.not_askable}

    def _why_not(self, name: str, entries: list[ModelEntry]) -> str:
        if "*" in name or any(entry.name.wildcard for entry in entries):
            return "it is a wildcard, which is no model that can be asked: give a consumer a model that it takes"
        if name in self.config.aliases:
            return f"its name is an alias of {self.config.aliases[name]}, which gets its requests"
        if not all(entry.is_chat for entry in entries):
            return "it does not answer chat requests"
        return ""

    def _chain(self, name: str) -> tuple[str, ...]:
        direct = self.config.direct_fallbacks()
        found: list[str] = []
        coming = [name]
        for one in coming:
            for named in direct.get(one, direct.get(EVERY, ())):
                group = self.config.group_of(named)
                if group in self._askable and group not in (name, *found):
                    found.append(group)
                    coming.append(group)
        return tuple(found)

    def _account(self, entries: Iterable[ModelEntry]) -> Account | None:
        accounts = {self.account_of(entry) for entry in entries}
        return accounts.pop() if len(accounts) == 1 else None

    def account_of(self, entry: ModelEntry) -> Account | None:
        """Whose credentials a deployment of Bedrock's uses; None for other providers."""
        if not entry.is_bedrock:
            return None
        params = entry.litellm_params
        if entry.role:
            account = account_of_arn(entry.role)
            return Account(account or entry.role.rpartition("/")[2], account or entry.role)
        if entry.profile:
            return Account(entry.profile, f"profile {entry.profile}")
        if params.aws_access_key_id:
            key = str(params.aws_access_key_id)
            return Account(key.rpartition("/")[2] if key.startswith("os.environ/") else entry.model_name, f"key {key}")
        if params.litellm_credential_name:
            return Account(params.litellm_credential_name, f"credential {params.litellm_credential_name}")
        if account := account_of_arn(entry.bedrock_model_id):
            return Account(account, account)
        return Account(self.config.profile, f"profile {self.config.profile}")
