"""What LiteLLM's process reads: the user's file as it is, plus what the harness relies on. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gateway.keys import MASTER_KEY
from gateway.litellm.config import Config
from gateway.litellm.deployments import READ, ModelEntry
from gateway.litellm.environment import PREFIX

WARM_UP = "warm-up"  # the model groups that only warm-up requests use, and the run their log records belong to
CUSTOM_AUTH = "gateway.litellm.custom_auth.authenticate"
_BESIDE = frozenset({"rpm", "tpm"})  # which may stand beside litellm_params, too
_LIMITS = ("rpm", "tpm", "weight", "order", "max_parallel_requests")


def litellm_file(config: Config) -> dict[str, Any]:
    """The file without our sections and x- keys; every deployment with the id under which the records name it.

    Values that we read stand there as we read them, for LiteLLM's process may not see the variables any more. A
    custom_auth of the user's own stays.
    """
    return {
        **config.raw,
        "model_list": list(_entries(config)),
        "general_settings": {
            "custom_auth": CUSTOM_AUTH,
            **config.general_settings,
            "master_key": f"os.environ/{MASTER_KEY}",
        },
    }


def with_warm_ups(file: Mapping[str, Any], config: Config, unanswered: Collection[str] = ()) -> dict[str, Any]:
    """One more deployment for each AWS identity, in a group of its own: so warming up uses no deployment's quota."""
    positions = {id(entry): position for position, entry in enumerate(config.model_list)}
    more = []
    for group, entry in warm_up_groups(config, unanswered).items():
        params = file["model_list"][positions[id(entry)]]["litellm_params"]
        unlimited = {name: value for name, value in params.items() if name not in _LIMITS}
        more.append({"model_name": group, "litellm_params": unlimited, "model_info": {"id": group}})
    return {**file, "model_list": [*file["model_list"], *more]}


def _entries(config: Config) -> Iterator[dict[str, Any]]:
    for (deployment, entry), written in zip(config.deployments(), config.raw["model_list"], strict=True):
        read = entry.litellm_params.model_dump(include=set(READ), exclude_none=True, exclude_unset=True)
        params = _as_read(written["litellm_params"], read, READ)
        beside = _as_read(written, entry.model_dump(include={"model_name", *_BESIDE}, exclude_none=True), _BESIDE)
        info = {**(written.get("model_info") or {}), "id": deployment}
        yield {**beside, "litellm_params": params, "model_info": info}


def _as_read(written: Mapping[str, Any], read: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """What is written, with what was read of it in its place; without variables for which nothing was found."""
    return {
        name: read.get(name, value)
        for name, value in written.items()
        if name in read or name not in names or not str(value).startswith(PREFIX)
    }


def warm_up_groups(config: Config, unanswered: Collection[str] = ()) -> dict[str, ModelEntry]:
    """The group for warming up each AWS identity → that identity's first chat deployment.

    Where none is Bedrock's, the first chat deployment of all. `unanswered`: Bedrock's models that nobody answers for.
    """
    chats = [entry for entry in config.model_list if entry.is_chat and entry.bedrock_model_id not in unanswered]
    groups: dict[str, ModelEntry] = {}
    for entry in [entry for entry in chats if entry.is_bedrock] or chats[:1]:
        groups.setdefault(f"{WARM_UP}-{_identity(entry)}", entry)
    return groups


def _identity(entry: ModelEntry) -> str:
    """Whose credentials it uses, without naming any."""
    params = entry.litellm_params
    parts = [params.aws_profile_name or "default"]
    if params.aws_role_name:
        parts.append(params.aws_role_name.rpartition("/")[2])
    if params.litellm_credential_name:
        parts.append(params.litellm_credential_name)
    key = str(params.aws_access_key_id or "")
    if key.startswith(PREFIX):
        parts.append(key.removeprefix(PREFIX))
    return "-".join(parts)
