"""Where a gateway keeps state outside its process: caches, Redis, databases, secret managers."""

from __future__ import annotations

from typing import Any

from gateway.litellm.containment.change import Draft, on_this_machine

_DATABASE = ("database_url", "database_type", "database_args", "store_model_in_db", "store_prompts_in_spend_logs",
             "use_redis_transaction_buffer", "database_connection_pool_limit", "allow_requests_on_db_unavailable",
             "coordination_redis")  # fmt: skip
_SECRETS = ("use_google_kms", "use_azure_key_vault", "key_management_system", "key_management_settings",
            "google_kms_resource_name")  # fmt: skip
_REDIS = ("redis_host", "redis_port", "redis_password", "redis_url", "redis_db", "redis_ssl", "redis_username",
          "cache_kwargs")  # fmt: skip
_LOCAL_CACHES = ("local", "disk")
_SHARED = "state that replicas share is not part of this run: it is kept in the gateway's own memory"


def switch_off(draft: Draft) -> None:
    """All of them, but for what is kept in the process or on loopback."""
    settings = draft.section("litellm_settings")
    params = settings.get("cache_params")
    if isinstance(params, dict) and not _is_local(params):
        kind = params.get("type") or "redis"
        draft.report("litellm_settings.cache_params", f"a {kind} cache is switched off; {_SHARED}")
        del settings["cache_params"]
        settings.pop("cache", None)
    elif settings.get("cache") is True and not isinstance(params, dict):
        draft.drop(settings, "litellm_settings", "cache", f"the cache would be Redis; {_SHARED}")
    router = draft.section("router_settings")
    if not on_this_machine(router.get("redis_url") or router.get("redis_host")):
        for name in _REDIS:
            draft.drop(router, "router_settings", name, _SHARED)
        if router.get("cache_responses"):
            draft.drop(router, "router_settings", "cache_responses", "answers are not taken from a cache here")
    general = draft.section("general_settings")
    for name in _DATABASE:
        draft.drop(general, "general_settings", name, "the gateway runs without a database here")
    for name in _SECRETS:
        draft.drop(general, "general_settings", name, "secrets are not asked for on another machine")


def _is_local(params: dict[str, Any]) -> bool:
    if params.get("type", "redis") in _LOCAL_CACHES:
        return True
    return params.get("type", "redis") == "redis" and on_this_machine(params.get("url") or params.get("host"))
