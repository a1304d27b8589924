"""What every Locust process of a run must know, as plain data: the master makes it, workers are sent it."""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from common.yaml_file import ConfigError
from gateway.litellm.config import Config
from harness.run.shares import Share, deal
from harness.settings.consumers import ResolvedConsumer, resolve
from harness.settings.patterns import Patterns
from harness.settings.prompt import bounds, messages
from harness.settings.traffic import Traffic

# Where boto3 is sent and whose keys it uses; a worker of an embedded run must have the same.
AWS_VARIABLES = (
    "AWS_ENDPOINT_URL",
    "AWS_BEDROCK_RUNTIME_ENDPOINT",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
)

_TRAFFIC: TypeAdapter[Traffic] = TypeAdapter(Traffic)


@dataclass(frozen=True)
class PlannedConsumer:
    """A consumer as a User class sends for it."""

    pattern: str
    name: str
    route: str  # gateway or direct
    model: str  # model group, or Bedrock model id on the direct route
    asked_as: str  # what is sent to the gateway: the group, an alias of it, or a name that its wildcard takes
    profile: str | None  # AWS profile of the direct route
    region: str  # of the direct route
    key: str  # its API key: never written anywhere
    quota_rpm: int | None
    quota_tpm: int | None
    limited: bool  # whether the gateway counts a quota for what it asks: its key's, or a deployment's
    tagged: bool  # whether its requests carry the run's id into Bedrock's log
    users: int
    stream: bool
    max_tokens: tuple[int, int]  # at least and at most, drawn for each request
    words: tuple[int, int] | None  # of a prompt made for each request, instead of `prompts`
    prompts: tuple[list[dict[str, Any]], ...]  # message lists, used in turn
    traffic: dict[str, Any]  # as configured

    @property
    def schedule(self) -> Traffic:
        return _TRAFFIC.validate_python(self.traffic)


_TUPLES = ("prompts", "max_tokens", "words")  # of a PlannedConsumer; a message has lists


@dataclass(frozen=True)
class Plan:
    """One run. `consumers` is keyed by their names."""

    run_id: str
    url: str
    timeout_s: float  # of silence, after which a request counts as not answered
    seed: int
    run_time_s: float | None
    start_at: float  # on the clock of the process that made the plan
    consumers: dict[str, PlannedConsumer]
    shares: dict[str, Share] = field(default_factory=dict)  # consumer → what falls to one worker; none: all of it
    environment: dict[str, str] = field(default_factory=dict)

    def seed_of(self, consumer: str) -> int:
        """A seed of its own for each consumer: those of one rate shall not march in step."""
        return self.seed ^ zlib.crc32(consumer.encode())

    def arrivals(self, consumer: str) -> Iterator[float]:
        """The consumer's whole schedule, in seconds from `start_at`."""
        return self.consumers[consumer].schedule.arrivals(self.seed_of(consumer), self.run_time_s)

    def own_arrivals(self, consumer: str) -> Iterator[float]:
        """What of it falls to this process."""
        whole = self.arrivals(consumer)
        return deal(whole, *self.shares[consumer]) if self.shares else whole

    def with_shares(self, shares: Mapping[str, Share]) -> Plan:
        return replace(self, shares=dict(shares))

    def to_message(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Plan:
        consumers = {
            name: PlannedConsumer(
                **{key: _tuple(value) if key in _TUPLES else value for key, value in consumer.items()}
            )
            for name, consumer in message["consumers"].items()
        }
        shares = {name: tuple(share) for name, share in message["shares"].items()}
        return cls(**{**message, "consumers": consumers, "shares": shares})


def _tuple(value: Any) -> Any:
    return None if value is None else tuple(value)


def planned(
    config: Config, patterns: Patterns, names: Collection[str], traffic: str, keys: Mapping[str, str]
) -> dict[str, PlannedConsumer]:
    """The named consumers, made ready to send, in the order of the patterns file. Raises ConfigError."""
    made = {
        name: _planned(resolve(config, pattern_name, pattern, name), patterns, traffic, keys)
        for pattern_name, pattern in patterns.patterns.items()
        for name in pattern.consumers
        if name in names
    }
    if unknown := set(names) - made.keys():
        known = ", ".join(name for pattern in patterns.patterns.values() for name in pattern.consumers)
        raise ConfigError(
            f"A User class names the consumer {min(unknown)!r}, which is not in the patterns file (there is: {known})."
        )
    return made


def _planned(consumer: ResolvedConsumer, patterns: Patterns, traffic: str, keys: Mapping[str, str]) -> PlannedConsumer:
    written = consumer.written
    if traffic not in written.traffic:
        known = ", ".join(sorted(written.traffic))
        raise ConfigError(f"--traffic {traffic}: {consumer.where} has no traffic of that name (it has: {known}).")
    chosen, prompt = written.traffic[traffic], written.prompt or patterns.prompt
    try:
        chosen.check()
        prompts = messages(prompt)
    except ConfigError as error:
        raise ConfigError(f"{str(error).rstrip('.')}. It is named in {consumer.where}.") from None
    return PlannedConsumer(
        pattern=consumer.pattern,
        name=consumer.name,
        route=consumer.route,
        model=consumer.model,
        asked_as=consumer.asked_as,
        profile=consumer.profile,
        region=consumer.region,
        key=keys.get(written.key, ""),
        quota_rpm=written.quota_rpm,
        quota_tpm=written.quota_tpm,
        limited=consumer.limited,
        tagged=consumer.tagged,
        users=written.users,
        stream=written.stream,
        max_tokens=bounds(prompt.max_tokens),
        words=None if prompt.words is None else bounds(prompt.words),
        prompts=prompts,
        traffic=chosen.model_dump(),
    )


def seconds(text: str) -> float:
    """A duration that a user has entered. Raises ValueError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError(f"{text!r} is not a number of seconds above 0")
    return value


def aws_variables() -> dict[str, str]:
    """Those of this process's variables that decide which AWS is meant."""
    return {name: os.environ[name] for name in AWS_VARIABLES if name in os.environ}
