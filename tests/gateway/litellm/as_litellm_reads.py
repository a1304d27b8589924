"""What LiteLLM's proxy makes of each file that is named, one line of JSON each. A process of its own: it remembers."""

import asyncio
import contextlib
import io
import json
import logging
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm.proxy.proxy_server import ProxyConfig
from litellm.router_utils.fallback_event_handlers import get_fallback_model_group

KINDS = {"": "fallbacks", "context_window": "context_window_fallbacks", "content_policy": "content_policy_fallbacks"}
PARAMS = ("model", "rpm", "tpm", "weight", "order", "aws_region_name", "aws_profile_name")


def router(path):
    for name in (*KINDS.values(), "default_fallbacks", "num_retries"):
        setattr(litellm, name, None)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        made, _, _ = asyncio.run(ProxyConfig().load_config(None, path))
    return made


def names(made, asked):
    """The groups that answer for a name."""
    try:
        _, found = made._common_checks_available_deployment(model=asked)
    except litellm.BadRequestError:
        return []
    return sorted({one["model_name"] for one in ([found] if isinstance(found, dict) else found)})


def following(entries, group):
    found, _ = get_fallback_model_group(entries or [], group)
    listed = [one.get("model") if isinstance(one, dict) else one for one in found or ()]
    return list(dict.fromkeys(listed))


def read(path, asked):
    try:
        made = router(path)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    entries = made.model_list
    groups = sorted({entry["model_name"] for entry in entries})
    return {
        "deployments": [
            [entry["model_name"], *(entry["litellm_params"].get(name) for name in PARAMS)] for entry in entries
        ],
        "checks": bool(made.enable_pre_call_checks),
        "groups": {name: names(made, name) for name in asked} if not made._has_default_fallbacks() else {},
        "fallbacks": {
            kind: {group: following(getattr(made, name), group) for group in groups} for kind, name in KINDS.items()
        },
    }


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        path, asked = json.loads(line)
        print(json.dumps(read(path, asked)), flush=True)
    sys.stdout.flush()
    os._exit(0)  # LiteLLM's own threads have nothing left to do
