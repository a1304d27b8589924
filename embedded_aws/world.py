"""The world behind the services: accounts, models, quotas, Regions, latencies and the journal. Knows no HTTP.

It takes a clock and a seed: the same settings, seed and order of calls give the same Regions and latencies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import Any, Protocol

from common import inference_profiles
from embedded_aws.bedrock import invocation_log
from embedded_aws.bedrock.bodies import invalid
from embedded_aws.faults import Call, ConnectionIsReset, Fault, FaultBoard, Pace, StreamBreak, modelled
from embedded_aws.models import catalogue
from embedded_aws.models.catalogue import KnownModel
from embedded_aws.models.own import OwnModel, is_own
from embedded_aws.quotas import MINUTE_S, WINDOWS, Limits, Meter, QuotaExceeded, Reservation, Window
from embedded_aws.settings import Account, Embedded, Latency, Length, Provider, check_fault
from embedded_aws.wire import AwsError, Caller

_Z99 = 2.3263478740408408  # the 99th percentile of the standard normal distribution


_QUOTA_TEXTS = {
    "rpm": "Too many requests, please wait before trying again.",
    "tpm": "Too many tokens, please wait before trying again.",
    "tpd": "Too many tokens per day, please wait before trying again.",
}
# Errors in which the model or the service failed; what the caller did wrong is not an invocation.
_LOGGED_ERRORS = frozenset(
    {
        "InternalServerException",
        "ModelErrorException",
        "ModelNotReadyException",
        "ModelTimeoutException",
        "ServiceUnavailableException",
    }
)


class Journal(Protocol):
    def append(
        self, account_id: str, region: str, log_group: str, record: dict[str, Any], deliver_at: float
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Target:
    """What a model identifier stands for, called from one account and Region."""

    id: str  # bare profile or foundation-model id: what quotas and faults go by
    arn: str
    foundation_model_id: str
    model: KnownModel
    destinations: tuple[str, ...]
    is_profile: bool
    own: bool = False  # a model of the account's own, which is known by its ARN only


@dataclass(frozen=True, slots=True)
class Attempt:
    """One authorised call, before anything is decided about it."""

    caller: Caller
    target: Target
    operation: str
    request_id: str
    input_tokens: int
    max_tokens: int | None
    request_metadata: Mapping[str, str] | None
    faults: Sequence[Fault]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One admitted call and how it will go; to be ended exactly once, by `World.end`."""

    attempt: Attempt
    started_at: float  # epoch seconds
    inference_region: str
    pace: Pace
    stream_break: StreamBreak | None
    reservation: Reservation


@dataclass(slots=True)
class _Counter:
    """What one account, source Region and target have of their own: nobody else's calls change it."""

    meter: Meter
    rng: Random


class World:
    def __init__(self, settings: Embedded, journal: Journal, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.clock = clock
        self.faults = FaultBoard(settings.faults, clock(), Random(f"{settings.seed}/faults"))
        self._journal = journal
        self._accounts: dict[str, Account] = {account.id: account for account in settings.all_accounts()}
        self._own_models: dict[str, OwnModel] = {}  # by ARN
        self.log_group = settings.invocation_logging.log_group
        self._paces: dict[tuple[str, str], Random] = {}  # of other providers' models
        self._counters: dict[tuple[str, str, str], _Counter] = {}
        self._capacities: dict[str, Window] = {
            region: WINDOWS[settings.quota_window](destination.capacity_rpm, MINUTE_S)
            for region, destination in settings.destinations.items()
            if destination.capacity_rpm is not None
        }
        self.target = lru_cache(maxsize=65_536)(self._target)

    def check_fault(self, fault: Fault) -> None:
        """ValueError for a fault that could never strike, because what it names does not exist."""
        check_fault(fault, self._accounts, self.settings.models)

    # --- before an invocation -----------------------------------------------------------------------------------

    def _target(self, account_id: str, region: str, identifier: str) -> Target:
        """Raises AwsError for what is no model, or cannot be called from that Region."""
        if is_own(identifier):
            return self._own_target(account_id, region, identifier)
        bare = inference_profiles.bare_id(identifier)
        profile = inference_profiles.presume(bare)
        model_id = profile.foundation_model_id if profile else bare
        if profile:
            arn = f"arn:aws:bedrock:{region}:{account_id}:inference-profile/{bare}"
        else:
            arn = f"arn:aws:bedrock:{region}::foundation-model/{bare}"
        model = catalogue.find(model_id, self.settings.models)
        if model is None or identifier not in (bare, arn) or (profile and region not in profile.destinations):
            raise modelled("ValidationException")
        if profile is None and not model.on_demand_in(region):
            raise invalid(
                f"Invocation of model ID {identifier} with on-demand throughput isn't supported. Retry your request "
                "with the ID or ARN of an inference profile that contains this model."
            )
        destinations = profile.destinations[region] if profile else (region,)
        return Target(bare, arn, model_id, model, destinations, profile is not None)

    def _own_target(self, account_id: str, region: str, arn: str) -> Target:
        """A model of the account's own, logged under its own ARN.

        An application inference profile is metered as what it stands for, and served where that is; any other by
        itself, and here.
        """
        own = self._own_models.get(arn)
        if own is None or not arn.startswith(f"arn:aws:bedrock:{region}:{account_id}:"):
            raise modelled("ValidationException")
        target = self._target(account_id, region, own.stands_for)
        if own.is_application_profile:
            return replace(target, arn=arn, is_profile=True, own=True)
        return replace(target, id=arn, arn=arn, destinations=(region,), is_profile=False, own=True)

    # --- what a configuration needs -----------------------------------------------------------------------------

    def add_account(self, account: Account) -> None:
        """An account that is there from now on."""
        self._accounts.setdefault(account.id, account)

    def add_own_model(self, model: OwnModel) -> None:
        """A model of an account's own that is there from now on."""
        self._own_models[model.arn] = model
        self.target.cache_clear()

    def struck_by(self, call: Call, now: float) -> list[Fault]:
        """The faults that strike this call. Raises for those that strike before any service looks at it."""
        if not self.faults.active(now):
            return []
        faults = self.faults.concerning(call, now)
        for fault in faults:
            if fault.resets():
                raise ConnectionIsReset
            if error := fault.refuse_caller():
                raise error
        return faults

    def provider(self, name: str) -> Provider:
        """What embedded.yaml says of another provider than AWS."""
        return {str(key): provider for key, provider in self.settings.providers.items()}.get(name, Provider())

    def pace_of(self, provider: str, model: str) -> Pace:
        """How fast another provider's model answers this time."""
        rng = self._paces.setdefault((provider, model), Random(f"{self.settings.seed}/{provider}/{model}"))
        return _draw(self.provider(provider).latency or self.settings.latency, rng)

    # --- an invocation ------------------------------------------------------------------------------------------

    def begin(self, attempt: Attempt) -> Invocation:
        """Admits a call and decides how it will go. Raises AwsError if a fault or a quota refuses it, or if no Region
        is left; such a call has taken nothing from its quotas."""
        now = self.clock()
        counter = self._counter(attempt)
        try:
            for fault in attempt.faults:
                if error := fault.refuse():
                    raise error
            region = self._choose_region(attempt.target, counter.rng, now)
            reservation = _reserve(counter.meter, attempt, now)
        except AwsError as error:
            if self._is_logged(error.code):
                entry = self._record(attempt, now)
                entry.update(input={}, output={}, errorCode=error.code)
                self._log(attempt, entry, now)
            raise
        if (capacity := self._capacities.get(region)) is not None:
            capacity.take(1, now)
        pace = _draw(attempt.target.model.latency or self.settings.latency, counter.rng)
        stream_break = None
        for fault in attempt.faults:
            pace = fault.pace(pace)
            stream_break = stream_break or fault.stream_break()
        return Invocation(attempt, now, region, pace, stream_break, reservation)

    def answer_length(self, target: Target) -> Length:
        return target.model.answer_tokens or self.settings.answer_tokens

    def end(
        self,
        invocation: Invocation,
        output_tokens: int,
        input_body: Any,
        output_body: Any,
        error_code: str | None = None,
    ) -> None:
        """Settles the quota and writes the journal. A body of None is not logged."""
        now = self.clock()
        attempt = invocation.attempt
        self._counter(attempt).meter.settle(invocation.reservation, attempt.input_tokens, 0, output_tokens, now)
        if not self.settings.invocation_logging.text:
            input_body = output_body = None
        entry = self._record(attempt, invocation.started_at)
        input_counts = {
            "inputTokenCount": attempt.input_tokens,
            "cacheReadInputTokenCount": 0,
            "cacheWriteInputTokenCount": 0,
        }
        entry["input"] = invocation_log.side("input", input_body, input_counts)
        entry["output"] = invocation_log.side("output", output_body, {"outputTokenCount": output_tokens})
        if attempt.target.is_profile:
            entry["inferenceRegion"] = invocation.inference_region
        if error_code is not None:
            entry["errorCode"] = error_code
        self._log(attempt, entry, now)

    # --- inside -------------------------------------------------------------------------------------------------

    def _counter(self, attempt: Attempt) -> _Counter:
        key = (attempt.caller.account_id, attempt.caller.region, attempt.target.id)
        counter = self._counters.get(key)
        if counter is None:
            limits = self._limits(attempt.caller.account_id, attempt.target)
            meter = Meter(limits, attempt.target.model.burndown, self.settings.quota_window)
            counter = self._counters[key] = _Counter(meter, Random(f"{self.settings.seed}/{'/'.join(key)}"))
        return counter

    def _limits(self, account_id: str, target: Target) -> Limits:
        own = self._accounts[account_id].quotas
        return (own.get(target.id) or self.settings.quotas.get(target.id) or self.settings.quota).limits()

    def _choose_region(self, target: Target, rng: Random, now: float) -> str:
        """A destination by weight; those that are down or full give their share to the others."""
        faults = self.faults.active(now)
        open_regions = [
            region
            for region in target.destinations
            if not any(fault.closes_region(region) for fault in faults)
            and (region not in self._capacities or self._capacities[region].room(now) >= 1)
        ]
        if not open_regions:
            raise modelled("ServiceUnavailableException")
        if len(open_regions) == 1:
            return open_regions[0]
        settings = self.settings.destinations
        weights = [settings[region].weight if region in settings else 1.0 for region in open_regions]
        return rng.choices(open_regions, weights)[0]

    def _is_logged(self, code: str) -> bool:
        if code == "ThrottlingException":
            return self.settings.invocation_logging.throttled
        return code in _LOGGED_ERRORS

    def _record(self, attempt: Attempt, at: float) -> dict[str, Any]:
        target, caller = attempt.target, attempt.caller
        # Converse from an SDK is logged under the bare profile id, InvokeModel under the profile's ARN.
        by_arn = target.own or (target.is_profile and attempt.operation.startswith("InvokeModel"))
        return invocation_log.record(
            at=at,
            account_id=caller.account_id,
            region=caller.region,
            request_id=attempt.request_id,
            operation=attempt.operation,
            model_id=target.arn if by_arn else target.id,
            principal_arn=caller.principal_arn,
            request_metadata=attempt.request_metadata,
        )

    def _log(self, attempt: Attempt, entry: dict[str, Any], now: float) -> None:
        caller = attempt.caller
        delays = [delay for fault in attempt.faults if (delay := fault.log_delay_s()) is not None]
        deliver_at = now + self.settings.invocation_logging.delivery_delay_s + sum(delays)
        if self._accounts[caller.account_id].logging:
            self._journal.append(caller.account_id, caller.region, self.log_group, entry, deliver_at)


def _reserve(meter: Meter, attempt: Attempt, now: float) -> Reservation:
    most = attempt.target.model.max_output_tokens if attempt.max_tokens is None else attempt.max_tokens
    try:
        return meter.reserve(attempt.input_tokens, most, now)
    except QuotaExceeded as exceeded:
        raise modelled("ThrottlingException", _QUOTA_TEXTS[exceeded.quota]) from None


def _draw(latency: Latency, rng: Random) -> Pace:
    first = latency.first_token_ms
    if first.p99 > first.median > 0:
        sigma = math.log(first.p99 / first.median) / _Z99
        return Pace(first.median * math.exp(sigma * rng.gauss(0.0, 1.0)), latency.per_token_ms)
    return Pace(first.median, latency.per_token_ms)
