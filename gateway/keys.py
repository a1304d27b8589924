"""The master key and the consumers' keys: from the environment, else from .env, else generated into .env once."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from gateway.settings import MASTER_KEY, ConfigError, Consumer, Patterns

ENV_FILE = Path(".env")


@dataclass(frozen=True)
class Limits:
    """What a key may do; None is without limit."""

    owner: str  # the consumers that use it
    rpm: int | None
    tpm: int | None


def key_names(patterns: Patterns) -> tuple[str, ...]:
    """The environment variables that hold keys, the master key's first."""
    consumers = (c.key for pattern in patterns.patterns.values() for c in pattern.consumers.values())
    return tuple(dict.fromkeys([MASTER_KEY, *consumers]))


def find_or_make(names: tuple[str, ...], environment: Mapping[str, str], path: Path = ENV_FILE) -> dict[str, str]:
    """A key for every name. Keys that stand nowhere are appended to `path` (mode 0600). Raises ConfigError."""
    try:
        written = dotenv_values(path, interpolate=False) if path.exists() else {}
        found = {name: environment.get(name) or written.get(name) or "" for name in names}
        missing = {name: f"sk-{secrets.token_urlsafe(32)}" for name, key in found.items() if not key}
        if missing:
            _append(path, missing)
        elif path.exists() and path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(
            f"{path}: the keys {', '.join(names)} are not all in the environment, and the file that should hold them "
            f"cannot be used: {problem}. Set them in the environment, or make the file readable and writable."
        ) from None
    keys = found | missing
    for name, key in keys.items():
        if not key.startswith("sk-"):
            raise ConfigError(f"{name}: must start with 'sk-', as LiteLLM wants of every key. Set another one.")
        if not re.fullmatch(r"[!-~]+", key):
            raise ConfigError(f"{name}: holds a space, a line end or another character that no HTTP header can carry.")
    _all_different(keys)
    return keys


def limits(patterns: Patterns) -> dict[str, Limits]:
    """The variable of each consumer's key → what the gateway shall allow it; the master key has no limits.

    Of consumers that share a key LiteLLM sees one: the strictest limits of them are enforced, on all of them together.
    """
    sharing: dict[str, dict[str, Consumer]] = {}
    for pattern in patterns.patterns.values():
        for name, consumer in pattern.consumers.items():
            if consumer.key != MASTER_KEY:
                sharing.setdefault(consumer.key, {})[name] = consumer
    return {
        key: Limits(
            ", ".join(consumers),
            _least(consumer.quota_rpm for consumer in consumers.values()),
            _least(consumer.quota_tpm for consumer in consumers.values()),
        )
        for key, consumers in sharing.items()
    }


def _least(quotas: Iterable[int | None]) -> int | None:
    return min((quota for quota in quotas if quota is not None), default=None)


def _append(path: Path, keys: Mapping[str, str]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a") as file:
        os.fchmod(descriptor, 0o600)
        if file.tell() and not path.read_bytes().endswith(b"\n"):
            file.write("\n")
        file.writelines(f"{name}={key}\n" for name, key in keys.items())


def _all_different(keys: Mapping[str, str]) -> None:
    names_of: dict[str, str] = {}
    for name, key in keys.items():
        if (other := names_of.setdefault(key, name)) != name:
            raise ConfigError(f"{name}: is the same key as {other}. Give each its own, or name one variable in both.")
