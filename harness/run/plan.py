"""What every Locust process of a run must know, as plain data: the master makes it, workers are sent it."""

from __future__ import annotations

import dataclasses
import math
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from common.yaml_file import ConfigError
from gateway.litellm.config import Config, ModelEntry
from harness.arrivals import check_trace
from harness.settings.patterns import Between, Consumer, Pattern, Patterns, Prompt
from harness.settings.traffic import Traffic

# Where boto3 is sent and whose keys it uses; a worker of an embedded run must have the same.
AWS_VARIABLES = (
    "AWS_ENDPOINT_URL",
    "AWS_BEDROCK_RUNTIME_ENDPOINT",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
)

_TRAFFIC: TypeAdapter[Traffic] = TypeAdapter(Traffic)


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    role: Literal["system", "user", "assistant"]
    content: Annotated[str, Field(min_length=1)]


_JSONL: TypeAdapter[list[_Message]] = TypeAdapter(Annotated[list[_Message], Field(min_length=1)])


@dataclass(frozen=True)
class Tenant:
    """A consumer as a User class sends for it."""

    pattern: str
    name: str
    route: str  # gateway or direct
    model: str  # model group, or Bedrock model id on the direct route
    asked_as: str  # what is sent to the gateway: the group, an alias of it, or a name that its wildcard takes
    profile: str | None  # AWS profile of the direct route
    key: str  # its API key: never written anywhere
    quota_rpm: int | None
    quota_tpm: int | None
    limited: bool  # whether the gateway counts a quota for what it asks: its key's, or a deployment's
    users: int
    stream: bool
    max_tokens: tuple[int, int]  # at least and at most, drawn for each request
    words: tuple[int, int] | None  # of a prompt made for each request, instead of `prompts`
    prompts: tuple[list[dict[str, Any]], ...]  # message lists, used in turn
    traffic: dict[str, Any]

    @property
    def arrivals(self) -> Traffic:
        return _TRAFFIC.validate_python(self.traffic)


_TUPLES = ("prompts", "max_tokens", "words")  # of a Tenant; a message has lists


def _tuple(value: Any) -> Any:
    return None if value is None else tuple(value)


Share = tuple[list[int], int]  # this process's turns, of how many: arrival k falls to turn k modulo that


@dataclass(frozen=True)
class Plan:
    """One run. `tenants` is keyed by consumer."""

    run_id: str
    url: str
    region: str
    timeout_s: float  # of silence, after which a request counts as not answered
    seed: int
    run_time_s: float | None
    start_at: float  # on the clock of the process that made the plan
    tenants: dict[str, Tenant]
    shares: dict[str, Share] = dataclasses.field(default_factory=dict)  # consumer → first user, users, of how many
    environment: dict[str, str] = dataclasses.field(default_factory=dict)

    def seed_of(self, consumer: str) -> int:
        """A seed of its own for each consumer: those of one rate shall not march in step."""
        return self.seed ^ zlib.crc32(consumer.encode())

    def to_message(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Plan:
        tenants = {
            name: Tenant(**{key: _tuple(value) if key in _TUPLES else value for key, value in tenant.items()})
            for name, tenant in message["tenants"].items()
        }
        shares = {name: tuple(share) for name, share in message["shares"].items()}
        return cls(**{**message, "tenants": tenants, "shares": shares})


def tenants(
    config: Config, patterns: Patterns, consumers: Iterable[str], traffic: str, keys: Mapping[str, str]
) -> dict[str, Tenant]:
    """The named consumers, made ready to send. Raises ConfigError."""
    wanted = set(consumers)
    made = {
        name: _tenant(config, patterns, pattern_name, pattern, name, consumer, traffic, keys)
        for pattern_name, pattern in patterns.patterns.items()
        for name, consumer in pattern.consumers.items()
        if name in wanted
    }
    if unknown := wanted - made.keys():
        known = ", ".join(name for pattern in patterns.patterns.values() for name in pattern.consumers)
        raise ConfigError(
            f"A User class names the consumer {min(unknown)!r}, which is not in the patterns file (there is: {known})."
        )
    return made


def _tenant(
    config: Config,
    patterns: Patterns,
    pattern_name: str,
    pattern: Pattern,
    name: str,
    consumer: Consumer,
    traffic: str,
    keys: Mapping[str, str],
) -> Tenant:
    where = f"patterns.{pattern_name}.consumers.{name}"
    if traffic not in consumer.traffic:
        known = ", ".join(sorted(consumer.traffic))
        raise ConfigError(f"--traffic {traffic}: {where} has no traffic of that name (it has: {known}).")
    chosen = consumer.traffic[traffic]
    prompt = consumer.prompt or patterns.prompt
    try:
        check_trace(chosen)
        prompts = messages(prompt)
    except ConfigError as error:
        raise ConfigError(f"{str(error).rstrip('.')}. It is named in {where}.") from None
    route = consumer.route or pattern.route
    group = config.group_of(consumer.model) if consumer.model else None
    entries = config.groups.get(group or "", [])
    if route == "direct" and consumer.model is None and config.cris is None:
        raise ConfigError(
            f"{where}: the direct route needs a model. Give it one, or a section cris with a model_id, in the patterns "
            "file or beside LiteLLM's own sections."
        )
    entry = entries[0] if entries else None
    direct_model = entry.bedrock_model_id if entry else consumer.model or (config.cris.model_id if config.cris else "")
    direct_profile = consumer.profile or (entry.profile if entry else None)
    return Tenant(
        pattern=pattern_name,
        name=name,
        route=route,
        model=direct_model if route == "direct" else group or "",
        asked_as=consumer.model or "",
        profile=(direct_profile or config.aws.profile_name) if route == "direct" else None,
        key=keys.get(consumer.key, ""),
        quota_rpm=consumer.quota_rpm,
        quota_tpm=consumer.quota_tpm,
        limited=route == "gateway" and _limited(consumer, entries),
        users=consumer.users,
        stream=consumer.stream,
        max_tokens=_range(prompt.max_tokens),
        words=None if prompt.words is None else _range(prompt.words),
        prompts=prompts,
        traffic=chosen.model_dump(),
    )


def _range(number: int | Between) -> tuple[int, int]:
    return (number, number) if isinstance(number, int) else (number.min, number.max)


def _limited(consumer: Consumer, group: Iterable[ModelEntry]) -> bool:
    own = consumer.quota_rpm or consumer.quota_tpm
    return bool(own or any(entry.quota_rpm or entry.quota_tpm for entry in group))


def messages(prompt: Prompt) -> tuple[list[dict[str, Any]], ...]:
    """The message lists of a prompt; none where words are drawn. Raises ConfigError naming a line that is no list."""
    if prompt.words is not None:
        return ()
    if prompt.text is not None:
        return ([{"role": "user", "content": prompt.text}],)
    path = Path(prompt.file or "")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # a text may hold line ends of other kinds
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the prompts cannot be read: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(_JSONL.validate_json(line))
            except ValidationError:
                raise ConfigError(
                    f"{path}:{number}: is not a message list. A line holds "
                    '[{"role": "user", "content": "…"}]; the roles are system, user and assistant.'
                ) from None
    if not found:
        raise ConfigError(f"{path}: has no message list. Write one a line.")
    return tuple([message.model_dump() for message in messages] for messages in found)


def divide(held: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, Share]]:
    """Worker → consumer → its share of the arrivals, in proportion to the users it holds.

    Turns are interleaved as evenly as they go: each worker sees the schedule thinned, and not cut in pieces.
    """
    shares: dict[str, dict[str, Share]] = {worker: {} for worker in held}
    for consumer in {consumer for users in held.values() for consumer in users}:
        turns = sorted(
            ((number + 0.5) / users[consumer], worker)
            for worker, users in held.items()
            for number in range(users.get(consumer, 0))
        )
        for worker in held:
            mine = [turn for turn, (_, owner) in enumerate(turns) if owner == worker]
            shares[worker][consumer] = (mine, max(1, len(turns)))
    return shares


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
