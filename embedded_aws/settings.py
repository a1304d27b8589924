"""What may stand in embedded.yaml."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from random import Random
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from common import inference_profiles
from common.fields import Count, Positive, Seconds, Strict
from common.inference_profiles import COMMERCIAL_REGIONS
from common.yaml_file import At
from embedded_aws.faults import AnyFault, Fault, FaultBoard
from embedded_aws.models import table
from embedded_aws.models.families import Body, family_of
from embedded_aws.quotas import Limits, WindowKind

AccountId = Annotated[str, Field(pattern=r"^\d{12}$")]
# What stands in AWS's configuration files between brackets and quotes, and is read back as it was.
PROFILE_NAME = re.compile(r"[^\s\[\]\"'\\#;]([^\n\r\t\v\f\[\]\"'\\]*[^\s\[\]\"'\\])?")


def _profile_name(name: str) -> str:
    if not PROFILE_NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be a profile's name in AWS's configuration files")
    return name


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
    """What differs from what is known of the model and its family; an entry for an unknown model makes it one."""

    body: Body | None = None  # what InvokeModel takes
    max_input_tokens: Count | None = None
    max_output_tokens: Count | None = None
    burndown: Count | None = None
    on_demand_regions: list[str] | None = None  # where the bare model id can be invoked
    latency: Latency | None = None
    answer_tokens: Length | None = None

    @field_validator("on_demand_regions")
    @classmethod
    def _known(cls, names: list[str] | None) -> list[str] | None:
        return None if names is None else list(map(_region, names))


class Destination(Strict):
    """A Region as a destination of inference profiles."""

    weight: Positive = 1.0
    capacity_rpm: Count | None = None  # over all accounts; beyond it its share goes elsewhere


class InvocationLogging(Strict):
    log_group: str = "/aws/bedrock/modelinvocations"
    delivery_delay_s: Seconds = 2.0
    text: bool = True  # bodies; without them metadata and token counts are still logged
    throttled: bool = False  # nobody has published whether AWS logs what a quota refused


class LogQueries(Strict):
    """How CloudWatch Logs Insights answers. How long a query takes is nobody's promise; the rest are AWS's quotas."""

    scheduled_s: Seconds = 0.05
    running_s: Seconds = 0.15
    concurrent_queries: Count = 100
    # One that is left out of it has no limit.
    requests_per_s: dict[Literal["GetQueryResults", "DescribeLogGroups"], Count] = Field(
        default={"GetQueryResults": 10, "DescribeLogGroups": 10}
    )


class Account(Strict):
    id: AccountId
    profile: Annotated[str, AfterValidator(_profile_name)]
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


class Provider(Strict):
    """Another provider than AWS: what each of its models may have, and how much a request may hold."""

    rpm: Count | None = None
    tpm: Count | None = None
    max_input_tokens: Count = 128_000
    models: list[str] = Field(default_factory=lambda: ["gpt-4o", "gpt-4o-mini"])  # that it lists; it answers for any
    latency: Latency | None = None


_EVERY_REGION = ("us-east-1", *(region for region in COMMERCIAL_REGIONS if region != "us-east-1"))


class Embedded(Strict):
    """The whole of embedded.yaml. Sections are checked against those above them."""

    seed: int = 0
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    # Where the accounts may call; the first is their profiles' own.
    regions: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: list(_EVERY_REGION))
    models: dict[str, Model] = Field(default_factory=dict)
    least_privilege: bool = False  # true: accounts may call the models that are named here or needed, and no other
    accounts: Annotated[list[Account], Field(min_length=1)]
    account_template: AccountTemplate = AccountTemplate()
    roles: list[Role] = Field(default_factory=list)
    latency: Latency
    answer_tokens: Length
    quota: Quota = Quota()
    quotas: dict[str, Quota] = Field(default_factory=dict)
    quota_window: WindowKind = "fixed"
    destinations: dict[str, Destination] = Field(default_factory=dict)
    invocation_logging: InvocationLogging = InvocationLogging()
    log_queries: LogQueries = LogQueries()
    providers: dict[Literal["openai", "azure", "anthropic"], Provider] = Field(default_factory=dict)
    faults: list[AnyFault] = Field(default_factory=list)

    @field_validator("regions", "destinations")
    @classmethod
    def _known_regions(cls, names: Any) -> Any:
        for name in names:
            _region(name)
        return names

    @field_validator("accounts")
    @classmethod
    def _accounts(cls, accounts: list[Account], info: ValidationInfo) -> list[Account]:
        _check_distinct(accounts)
        for account in accounts:
            _check_quotas(account.quotas, info)
        return accounts

    @field_validator("account_template")
    @classmethod
    def _template(cls, template: AccountTemplate, info: ValidationInfo) -> AccountTemplate:
        _check_quotas(template.quotas, info)
        _check_distinct([*info.data.get("accounts", []), *template.accounts()])
        return template

    @field_validator("roles")
    @classmethod
    def _roles(cls, roles: list[Role], info: ValidationInfo) -> list[Role]:
        accounts = _accounts_of(info.data)
        ids, profiles = {account.id for account in accounts}, {account.profile for account in accounts}
        there: set[tuple[str, str]] = set()
        for number, role in enumerate(roles):
            _check_known("account", role.account, ids)
            _check_known("profile", role.trusted, profiles)
            if (role.account, role.name) in there:
                text = f"account {role.account!r} has a role {role.name!r} already: give each a name of its own"
                raise At((number, "name"), text)
            there.add((role.account, role.name))
        return roles

    @field_validator("quotas")
    @classmethod
    def _quotas(cls, quotas: dict[str, Quota], info: ValidationInfo) -> dict[str, Quota]:
        _check_quotas(quotas, info)
        return quotas

    @field_validator("faults")
    @classmethod
    def _faults(cls, faults: list[Fault], info: ValidationInfo) -> list[Fault]:
        board = FaultBoard((), 0.0, Random())
        ids = {account.id for account in _accounts_of(info.data)}
        for number, fault in enumerate(faults):
            check_fault(fault, ids, info.data.get("models", {}))
            try:
                board.add(fault, 0.0)
            except ValueError as error:
                raise At((number, "name"), str(error)) from None
        return faults

    def all_accounts(self) -> list[Account]:
        return _accounts_of(dict(self))


def check_fault(fault: Fault, account_ids: Collection[str], models: Mapping[str, Model]) -> None:
    """ValueError for a fault that could never strike, because what it names does not exist."""
    if fault.account is not None:
        _check_known("account", fault.account, account_ids)
    if fault.model is not None and fault.provider is None:
        check_target(fault.model, models)
    if fault.region is not None:
        _region(fault.region)


def check_target(name: str, models: Mapping[str, Model]) -> None:
    """ValueError for what is no model and no inference profile. `models`: those that embedded.yaml names."""
    profile = inference_profiles.presume(name)
    model = profile.foundation_model_id if profile else name
    if model in models or family_of(model) is not None:
        return
    known = {*models, *table.limits(), *inference_profiles.PROFILES}
    _check_known("model or inference profile", name, known)


# What follows takes the sections by name, for it serves validators, which run before there is an Embedded; a section
# that is itself wrong is missing then.


def _accounts_of(sections: Mapping[str, Any]) -> list[Account]:
    template: AccountTemplate = sections.get("account_template", AccountTemplate())
    return [*sections.get("accounts", []), *template.accounts()]


def _check_quotas(quotas: Mapping[str, Quota], info: ValidationInfo) -> None:
    for target in quotas:
        check_target(target, info.data.get("models", {}))


def _check_distinct(accounts: Sequence[Account]) -> None:
    for what, values in (("id", [a.id for a in accounts]), ("profile", [a.profile for a in accounts])):
        repeated = [value for value, count in Counter(values).items() if count > 1]
        if repeated:
            raise ValueError(f"two accounts have the {what} {repeated[0]!r}: give each its own")


_COMPARED = 500  # names to find the one that was meant: a posted fault is checked while streams wait


def _check_known(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        close = difflib.get_close_matches(name, islice(known, _COMPARED), n=1)
        raise ValueError(f"there is no {what} {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
