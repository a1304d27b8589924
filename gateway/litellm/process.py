"""The LiteLLM proxy as a child process: its start, what it lists, its warm-up."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from common.loopback import NO_ANSWER
from common.places import ROOT
from common.process import Child
from common.yaml_file import ConfigError
from gateway.keys import ANY_KEY, GUARDED, KEYS_FILE, MASTER_KEY, KeyTable, write_key_table
from gateway.litellm import request_metadata
from gateway.litellm.deployments import ModelEntry
from gateway.litellm.rendering import WARM_UP

HOST = "127.0.0.1"
START_DEADLINE_S = 120.0
CHAT_LOGGED = b'"POST /v1/chat/completions '  # as uvicorn's access log writes it
WARM_UPS_AT_ONCE = 4
KEEP_ALIVE_S = 120  # longer than users pause: LiteLLM's own 5 s would meet requests on connections that it closes
TOO_MANY_REQUESTS = 429


def prices(url: str, master_key: str) -> dict[str, tuple[float | None, float | None]]:
    """Deployment id → US dollars per input and output token, as LiteLLM reckons them; empty when it does not tell.

    LiteLLM tells a stream's cost at its end, so it tells none of one that broke.
    """
    try:
        listed = _listed(f"{url}/v1/model/info", master_key)
    except NO_ANSWER:
        return {}
    models = [info for model in listed if isinstance(info := model.get("model_info"), dict)]
    return {
        model["id"]: (model.get("input_cost_per_token"), model.get("output_cost_per_token"))
        for model in models
        if "id" in model
    }


@dataclass(frozen=True)
class Settings:
    """What LiteLLM's process is started with. `file` is what it reads, `environment` what it has beside ours."""

    file: Mapping[str, Any]
    port: int
    modules: Path  # the folder of the user's file, where LiteLLM looks for Python modules that it names
    table: KeyTable
    keys: Mapping[str, str]
    guarded: bool  # whether it may connect to this machine only
    any_key: bool  # whether a key that is not known is accepted, as LiteLLM does where none is configured
    environment: Mapping[str, str | None] = field(default_factory=dict)  # None: not set there


def start(settings: Settings, directory: Path, log: Path) -> Child:
    """LiteLLM, coming up on its port."""
    rendered = directory / "litellm.yaml"
    rendered.touch(mode=0o600)  # it may hold the user's secrets
    rendered.write_text(yaml.safe_dump(dict(settings.file), sort_keys=False), encoding="utf-8")
    write_key_table(settings.table, directory / "keys.json")
    environment = {
        **_changed(os.environ, settings.environment),
        **settings.keys,
        KEYS_FILE: str(directory / "keys.json"),
        ANY_KEY: "1" if settings.any_key else "",
        GUARDED: "1" if settings.guarded else "",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(settings.modules)]),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # otherwise it asks the internet for prices
        # Only this machine reaches it, and nothing behind it is real: the examples' own key will do.
        **({"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"} if settings.guarded else {}),
        "PYTHONWARNINGS": "ignore",
        "PYTHONUNBUFFERED": "1",  # its access log is counted
    }
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        environment["AWS_BEDROCK_RUNTIME_ENDPOINT"] = endpoint  # LiteLLM ignores AWS_ENDPOINT_URL
    command = [
        sys.executable, "-m", "gateway.litellm.launcher", "--config", str(rendered),
        "--host", HOST, "--port", str(settings.port), "--telemetry", "False",
        "--keepalive_timeout", str(KEEP_ALIVE_S),
    ]  # fmt: skip
    return Child("LiteLLM", command, environment, log, directory)


def _changed(environment: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    changed = {**environment, **changes}
    return {name: value for name, value in changed.items() if value is not None}


def answers(url: str) -> bool:
    """Whether a LiteLLM proxy answers there."""
    try:
        with urllib.request.urlopen(f"{url}/health/liveliness", timeout=5) as answer:
            return b"alive" in answer.read()
    except NO_ANSWER:
        return False


def chats_logged(log: Path, after: int) -> int:
    """How many chat requests LiteLLM's access log tells of, after so many bytes of it."""
    with log.open("rb") as file:
        file.seek(after)
        return sum(CHAT_LOGGED in line for line in file)


def check_accepts(url: str, keys: Mapping[str, str], groups: Iterable[str]) -> None:
    """That a gateway which was already running knows our master key and every model group. Raises ConfigError."""
    try:
        known = {str(model.get("id")) for model in _listed(f"{url}/v1/models", keys[MASTER_KEY])}
    except urllib.error.HTTPError as error:
        raise ConfigError(
            f"The gateway at {url} was already running, and answers {error.code} to {MASTER_KEY}. Set the key that it "
            "was started with in the environment or in .env, or end it to have one started."
        ) from None
    except NO_ANSWER as error:
        raise ConfigError(f"The gateway at {url} does not list its models: {error}") from None
    if missing := sorted(set(groups) - known):
        raise ConfigError(
            f"The gateway at {url} was already running, and has no model group {missing[0]!r} "
            f"(it has: {', '.join(sorted(known))}). Start it with this configuration, or end it to have one started."
        )


def _listed(url: str, key: str) -> list[dict[str, Any]]:
    """The `data` of one of LiteLLM's lists. Raises NO_ANSWER, a ValueError for any other answer."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        match json.load(answer):
            case {"data": list(entries)} if all(isinstance(entry, dict) for entry in entries):
                return entries
    raise ValueError("what it answers is no list")


def warm_up(port: int, groups: Mapping[str, ModelEntry], key: str, say: Callable[[str], None]) -> int:
    """Sends a few requests for each AWS identity, so that lazy imports and credentials are not measured later.

    Returns how many. An identity that cannot be asked is reported, and only its own deployments cannot work; where none
    can, nothing would be answered. Raises ConfigError then.
    """
    pool = ThreadPoolExecutor(WARM_UPS_AT_ONCE)
    sent, problems = 0, []
    try:
        for group, entry in groups.items():
            ask = partial(_ask, port, group, key, request_metadata.takes(entry.name))
            try:
                ask()
                sent += 1
                for answered in [pool.submit(ask) for _ in range(WARM_UPS_AT_ONCE)]:
                    answered.result()
                    sent += 1
            except ConfigError as error:
                problems.append(str(error))
        if problems and not sent:
            raise ConfigError(problems[0])
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # whoever is interrupted here ends the gateway, and they with it
    for problem in problems:
        say(f"Warning: {problem}")
    return sent


def _ask(port: int, group: str, key: str, tagged: bool) -> None:
    body: dict[str, Any] = {
        "model": group,
        "messages": [{"role": "user", "content": "Hi!"}],
        "max_tokens": 1,
    }
    if tagged:
        body["requestMetadata"] = {"run": WARM_UP}
    request = urllib.request.Request(
        f"http://{HOST}:{port}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        if error.code == TOO_MANY_REQUESTS:
            return  # a small quota of the account is spent: as warm as it gets, and no reason to give up
        raise ConfigError(
            f"Warming up {group}: LiteLLM answered {error.code}: {error.read().decode(errors='replace')[:500]}"
        ) from None
    except NO_ANSWER as error:
        raise ConfigError(f"Warming up {group}: LiteLLM did not answer: {error}") from None
