"""The LiteLLM proxy as a child process: its configuration, its start, its warm-up."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from common.loopback import NO_ANSWER
from common.places import ROOT
from common.process import Child
from common.yaml_file import ConfigError
from gateway.keys import KEYS_FILE, MASTER_KEY, KeyTable, write_key_table
from gateway.litellm.config import Config

HOST = "127.0.0.1"
START_DEADLINE_S = 120.0
CHAT_LOGGED = b'"POST /v1/chat/completions '  # as uvicorn's access log writes it
WARM_UP = "warm-up"  # the model groups that only warm-up requests use, and the run their log records belong to
WARM_UPS_AT_ONCE = 4
TOO_MANY_REQUESTS = 429


def litellm_config(config: Config, user_file: Mapping[str, Any]) -> dict[str, Any]:
    """What LiteLLM reads: the user's file without our sections, plus what the harness relies on.

    Every deployment gets the id under which the records name it. Each AWS profile gets one more deployment in a group
    of its own, so that warming up uses no deployment's rpm. The user's own general settings win over ours.
    """
    entries = []
    for deployment, entry in config.deployments():
        written = entry.model_dump(exclude_none=True, exclude_unset=True)
        entries.append(written | {"model_info": written.get("model_info", {}) | {"id": deployment}})
    for group, model in warm_up_groups(config).items():
        entries.append({"model_name": group, "litellm_params": model, "model_info": {"id": group}})
    ours = ("aws", "litellm", "cris", "fetch")
    return {
        **{section: content for section, content in user_file.items() if section not in ours},
        "model_list": entries,
        "general_settings": {
            "master_key": f"os.environ/{MASTER_KEY}",
            "custom_auth": "gateway.litellm.custom_auth.authenticate",
            **config.general_settings,
        },
    }


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


def warm_up_groups(config: Config) -> dict[str, dict[str, Any]]:
    """A model group for warming up each AWS profile: that profile's first deployment, without limits."""
    groups: dict[str, dict[str, Any]] = {}
    for entry in config.model_list:
        params = entry.litellm_params.model_dump(exclude_none=True, exclude_unset=True)
        unlimited = {name: value for name, value in params.items() if name not in ("rpm", "tpm")}
        groups.setdefault(f"{WARM_UP}-{entry.litellm_params.aws_profile_name or 'default'}", unlimited)
    return groups


def start(
    config: Config,
    config_file: Path,
    table: KeyTable,
    keys: Mapping[str, str],
    directory: Path,
    log: Path,
) -> Child:
    """LiteLLM, coming up on config.litellm.port."""
    rendered = directory / "litellm.yaml"
    rendered.write_text(yaml.safe_dump(litellm_config(config, yaml.safe_load(config_file.read_text()))))
    write_key_table(table, directory / "keys.json")
    environment = {
        **os.environ,
        **keys,
        KEYS_FILE: str(directory / "keys.json"),
        "PYTHONPATH": str(ROOT),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # otherwise it asks the internet for prices
        "PYTHONWARNINGS": "ignore",
        "PYTHONUNBUFFERED": "1",  # its access log is counted
    }
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        environment["AWS_BEDROCK_RUNTIME_ENDPOINT"] = endpoint  # LiteLLM ignores AWS_ENDPOINT_URL
    command = [
        sys.executable, "-m", "gateway.litellm.launcher", "--config", str(rendered),
        "--host", HOST, "--port", str(config.litellm.port), "--telemetry", "False",
    ]  # fmt: skip
    return Child("LiteLLM", command, environment, log, directory)


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


def warm_up(config: Config, keys: Mapping[str, str]) -> int:
    """Sends a few requests for each AWS profile, so that lazy imports and credentials are not measured later.

    Returns how many. Raises ConfigError when one fails: then nothing else would be answered.
    """
    groups = warm_up_groups(config)
    pool = ThreadPoolExecutor(WARM_UPS_AT_ONCE)
    try:
        for group in groups:
            ask = partial(_ask, config.litellm.port, group, keys[MASTER_KEY])
            ask()
            for answered in [pool.submit(ask) for _ in range(WARM_UPS_AT_ONCE)]:
                answered.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # whoever is interrupted here ends the gateway, and they with it
    return len(groups) * (1 + WARM_UPS_AT_ONCE)


def _ask(port: int, group: str, key: str) -> None:
    body = {
        "model": group,
        "messages": [{"role": "user", "content": "Hi!"}],
        "max_tokens": 1,
        "requestMetadata": {"run": WARM_UP},
    }
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
