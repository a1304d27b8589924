"""Where a gateway keeps state outside its process: caches, Redis, databases, secret managers."""

from __future__ import annotations

from typing import Any

from gateway.litellm.containment.addresses import host_is_elsewhere
from gateway.litellm.containment.draft import Draft, mappings

# Source: LiteLLM 1.106.2, `LiteLLMCacheType` in `types/caching.py`, `Router.__init__`, `ConfigGeneralSettings` in
# `proxy/_types.py`, `KeyManagementSystem` in `types/secret_managers/main.py`.
LOCAL_CACHES = ("local", "disk")
REDIS_CACHES = ("redis",)  # the semantic ones ask an embedding model of their own first
REDIS = ("redis_host", "redis_port", "redis_password", "redis_url", "redis_db", "redis_ssl", "redis_username",
         "redis_startup_nodes", "redis_sentinel_nodes", "cache_kwargs")  # fmt: skip
DATABASE = ("database_url", "database_type", "database_args", "store_model_in_db", "store_prompts_in_spend_logs",
            "use_redis_transaction_buffer", "supported_db_objects")  # fmt: skip
SECRETS = ("key_management_system", "key_management_settings", "use_google_kms", "use_azure_key_vault",
           "google_kms_resource_name")  # fmt: skip
_SHARED = "state that replicas share is not part of this run: it is kept in the gateway's own memory"
_DATABASE = "the gateway runs without a database here"
_SECRET = "no other machine is asked for secrets"


def switch_off(draft: Draft) -> None:
    """All of them, but for what is kept in the process, or in a Redis on this machine."""
    _cache(draft)
    _router(draft)
    general = draft.section("general_settings")
    coordination = general.get("coordination_redis")
    if isinstance(coordination, dict) and _is_here(draft, coordination, ""):
        draft.fix(coordination)
    else:
        draft.drop(general, "general_settings", "coordination_redis", _SHARED)
    draft.drop_all(general, "general_settings", DATABASE, _DATABASE)
    draft.drop_all(general, "general_settings", SECRETS, _SECRET)


def _cache(draft: Draft) -> None:
    settings = draft.section("litellm_settings")
    params = settings.get("cache_params")
    if isinstance(params, dict):
        kind = draft.value(params.get("type")) or "redis"
        if kind in LOCAL_CACHES:
            return
        if kind in REDIS_CACHES and _is_here(draft, params, ""):
            draft.fix(params)
            return
        draft.report("litellm_settings.cache_params", f"the cache is switched off; {_SHARED}")
        del settings["cache_params"]
        settings.pop("cache", None)
    elif settings.get("cache") is True:
        draft.drop(settings, "litellm_settings", "cache", f"the cache would be a Redis; {_SHARED}")
    draft.drop(settings, "litellm_settings", "enable_redis_auth_cache", _SHARED)


def _router(draft: Draft) -> None:
    router = draft.section("router_settings")
    if _is_here(draft, router, "redis_"):
        kept = {name: router[name] for name in REDIS if name in router}
        draft.fix(kept)
        router |= kept
        return
    draft.drop_all(router, "router_settings", REDIS, _SHARED)


def _is_here(draft: Draft, params: dict[str, Any], prefix: str) -> bool:
    """Whether a Redis is named, and only this machine's."""
    addresses = [params[name] for name in (f"{prefix}url", f"{prefix}host") if params.get(name) is not None]
    for nodes in ("startup_nodes", "sentinel_nodes"):
        written = params.get(f"{prefix}{nodes}")
        addresses += [node.get("host") for node in mappings(written)]
        if isinstance(written, list):
            addresses += [node[0] for node in written if isinstance(node, list) and node]
    found = [draft.value(address) for address in addresses]
    return bool(found) and not any(one is None or host_is_elsewhere(one) for one in found)
