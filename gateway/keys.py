"""The master key and the consumers' keys: from the environment, else from .env, else generated into .env once."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict

from common.fields import Count, VariableName
from common.yaml_file import ConfigError, load

ENV_FILE = Path(".env")
MASTER_KEY = "LITELLM_MASTER_KEY"
ANY_KEY = "GATEWAY_ANY_KEY"  # in LiteLLM's environment: set where any key is accepted
GUARDED = "GATEWAY_GUARDED"  # there too: set where it may connect to this machine only
KEYS_FILE = "GATEWAY_KEYS_FILE"  # in LiteLLM's environment: where the table of keys stands


@dataclass(frozen=True)
class KeyUse:
    """One consumer's use of a key, with the quota that is meant for it."""

    consumer: str
    variable: str  # the environment variable that holds the key
    rpm: int | None
    tpm: int | None


@dataclass(frozen=True)
class Limits:
    """What a key may do; None is without limit."""

    owner: str  # the consumers that use it
    rpm: int | None
    tpm: int | None


KeyTable = Mapping[str, Limits]  # the variable of a key → what the gateway allows it; the master key has no limits


def key_table(uses: Iterable[KeyUse]) -> dict[str, Limits]:
    """Of consumers that share a key LiteLLM sees one: the strictest of their quotas holds for all of them together."""
    sharing: dict[str, list[KeyUse]] = {}
    for use in uses:
        if use.variable != MASTER_KEY:
            sharing.setdefault(use.variable, []).append(use)
    return {
        variable: Limits(
            ", ".join(use.consumer for use in shared),
            _least(use.rpm for use in shared),
            _least(use.tpm for use in shared),
        )
        for variable, shared in sharing.items()
    }


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _Consumer(_Lenient):
    key: VariableName = MASTER_KEY
    quota_rpm: Count | None = None
    quota_tpm: Count | None = None


class _Pattern(_Lenient):
    consumers: dict[str, _Consumer] = {}


class _Keys(_Lenient):
    """Of a patterns file only whose key it is and what it may do; all else is the harness's to judge."""

    patterns: dict[str, _Pattern] = {}


def read_key_table(patterns_file: Path) -> dict[str, Limits]:
    """The keys that a patterns file names. Raises ConfigError."""
    return key_table(
        KeyUse(name, consumer.key, consumer.quota_rpm, consumer.quota_tpm)
        for pattern in load(patterns_file, _Keys).patterns.values()
        for name, consumer in pattern.consumers.items()
    )


def write_key_table(table: KeyTable, path: Path) -> None:
    """For LiteLLM's process: whose variable it is and what it may do, never a key itself. Mode 0600."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({variable: asdict(limits) for variable, limits in table.items()}, file)


def load_key_table(path: Path) -> dict[str, Limits]:
    """What `write_key_table` wrote."""
    table = json.loads(path.read_text(encoding="utf-8"))
    return {variable: Limits(**limits) for variable, limits in table.items()}


def _least(quotas: Iterable[int | None]) -> int | None:
    return min((quota for quota in quotas if quota is not None), default=None)


def find_or_make(names: Iterable[str], environment: Mapping[str, str], path: Path = ENV_FILE) -> dict[str, str]:
    """A key for every variable of that name. Keys that stand nowhere are made, and appended to `path` (mode 0600).

    Raises ConfigError.
    """
    names = tuple(dict.fromkeys(names))
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
    check(keys)
    return keys


def check(keys: Mapping[str, str]) -> None:
    """That LiteLLM can use these keys. Raises ConfigError, which names variables and no key."""
    for name, key in keys.items():
        if not key.startswith("sk-"):
            raise ConfigError(f"{name}: must start with 'sk-', as LiteLLM wants of every key. Set another one.")
        if not re.fullmatch(r"[!-~]+", key):
            raise ConfigError(f"{name}: holds a space, a line end or another character that no HTTP header can carry.")
    _all_different(keys)


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
