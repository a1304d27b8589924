"""What may stand in embedded.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gateway.embedded_aws.faults import AnyFault
from gateway.embedded_aws.quotas import Limits, WindowKind
from gateway.inference_profiles import COMMERCIAL_REGIONS
from gateway.settings import Count, Positive, Seconds, Strict

AccountId = Annotated[str, Field(pattern=r"^\d{12}$")]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _region(name: str) -> str:
    if name not in COMMERCIAL_REGIONS:
        raise ValueError(f"{name!r} is not a commercial AWS Region")
    return name


class Quota(Strict):
    """Requests and tokens a minute and tokens a day; left out: no such quota."""

    rpm: Count | None = None
    tpm: Count | None = None
    tpd: Count | None = None

    def limits(self) -> Limits:
        return Limits(self.rpm, self.tpm, self.tpd)


class FirstToken(Strict):
    """Milliseconds to the first token, lognormal."""

    median: Milliseconds
    p99: Milliseconds

    @model_validator(mode="after")
    def _ordered(self) -> FirstToken:
        if self.p99 < self.median:
            raise ValueError("p99 must not be below the median")
        return self


class Latency(Strict):
    first_token_ms: FirstToken
    per_token_ms: Milliseconds


class Length(Strict):
    """How many tokens an answer has, both inclusive; which one depends on the question."""

    min: Count
    max: Count

    @model_validator(mode="after")
    def _ordered(self) -> Length:
        if self.max < self.min:
            raise ValueError("max must not be below min")
        return self


class Model(Strict):
    body: Literal["claude", "nova"]  # what InvokeModel takes
    max_output_tokens: Count
    burndown: Count = 1
    on_demand_regions: list[str] = Field(default_factory=list)  # where the bare model id can be invoked
    latency: Latency | None = None
    answer_tokens: Length | None = None

    @field_validator("on_demand_regions")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        return list(map(_region, names))


class Destination(Strict):
    """A Region as a destination of inference profiles."""

    weight: Positive = 1.0
    capacity_rpm: Count | None = None  # over all accounts; beyond it its share goes elsewhere


class InvocationLogging(Strict):
    log_group: str = "/aws/bedrock/modelinvocations"
    delivery_delay_s: Seconds = 2.0
    text: bool = True  # bodies; without them metadata and token counts are still logged
    throttled: bool = False  # nobody has published whether AWS logs what a quota refused


class Account(Strict):
    id: AccountId
    profile: str
    quotas: dict[str, Quota] = Field(default_factory=dict)
    logging: bool = True


class AccountTemplate(Strict):
    """Any number of accounts alike: `{n}` in the profile's name counts from 1, ids go up from `first_id`."""

    count: Annotated[int, Field(ge=0, le=100_000)] = 0
    first_id: AccountId = "300000000001"
    profile: Annotated[str, Field(pattern=r"\{n\}")] = "shard-{n}"
    quotas: dict[str, Quota] = Field(default_factory=dict)
    logging: bool = True

    def accounts(self) -> Iterator[Account]:
        for n in range(self.count):
            yield Account(
                id=f"{int(self.first_id) + n:012d}",
                profile=self.profile.replace("{n}", str(n + 1)),
                quotas=self.quotas,
                logging=self.logging,
            )


class Role(Strict):
    """A role in one account that the principal of another may assume."""

    account: AccountId
    name: Annotated[str, Field(pattern=r"^[\w+=,.@-]{1,64}$")]
    trusted: str  # the profile of the account whose principal is trusted


class Embedded(Strict):
    """The whole of embedded.yaml."""

    seed: int = 0
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    regions: Annotated[list[str], Field(min_length=1)]  # where the accounts may call; the first is their default
    accounts: Annotated[list[Account], Field(min_length=1)]
    account_template: AccountTemplate = AccountTemplate()
    roles: list[Role] = Field(default_factory=list)
    models: Annotated[dict[str, Model], Field(min_length=1)]
    latency: Latency
    answer_tokens: Length
    quota: Quota = Quota()
    quotas: dict[str, Quota] = Field(default_factory=dict)
    quota_window: WindowKind = "fixed"
    destinations: dict[str, Destination] = Field(default_factory=dict)
    invocation_logging: InvocationLogging = InvocationLogging()
    faults: list[AnyFault] = Field(default_factory=list)

    @field_validator("regions")
    @classmethod
    def _known_regions(cls, names: list[str]) -> list[str]:
        return list(map(_region, names))

    @field_validator("destinations")
    @classmethod
    def _known_destinations(cls, destinations: dict[str, Destination]) -> dict[str, Destination]:
        for name in destinations:
            _region(name)
        return destinations

    @model_validator(mode="after")
    def _distinct(self) -> Embedded:
        for what in ("id", "profile"):
            seen: set[str] = set()
            for account in self.all_accounts():
                value = getattr(account, what)
                if value in seen:
                    raise ValueError(f"two accounts have the {what} {value!r}")
                seen.add(value)
        return self

    @model_validator(mode="after")
    def _roles_between_accounts(self) -> Embedded:
        ids = {account.id for account in self.all_accounts()}
        profiles = {account.profile for account in self.all_accounts()}
        for role in self.roles:
            if role.account not in ids:
                raise ValueError(f"role {role.name!r}: there is no account {role.account!r}")
            if role.trusted not in profiles:
                raise ValueError(f"role {role.name!r}: there is no profile {role.trusted!r}")
        return self

    def all_accounts(self) -> Iterator[Account]:
        yield from self.accounts
        yield from self.account_template.accounts()
