"""Consumers' keys and quotas, as LiteLLM's custom_auth: real per-key limits without a database.

LiteLLM imports this module into its own process and calls `authenticate` for every request; the limits that come
back with the key are enforced by LiteLLM's own rate limiter.
"""

from __future__ import annotations

import hmac
import os
from functools import cache
from pathlib import Path

from fastapi import Request
from litellm.proxy._types import LitellmUserRoles, ProxyErrorTypes, ProxyException, UserAPIKeyAuth

from gateway.keys import ANY_KEY, KEYS_FILE, MASTER_KEY, load_key_table


@cache
def _consumers() -> list[tuple[bytes, UserAPIKeyAuth]]:
    """Every known key, with what LiteLLM shall know of whom it belongs to."""
    known = [
        (
            os.environ[name].encode(),
            UserAPIKeyAuth(api_key=os.environ[name], key_alias=limit.owner, rpm_limit=limit.rpm, tpm_limit=limit.tpm),
        )
        for name, limit in load_key_table(Path(os.environ[KEYS_FILE])).items()
    ]
    master = os.environ[MASTER_KEY]
    admin = UserAPIKeyAuth(api_key=master, key_alias="master", user_role=LitellmUserRoles.PROXY_ADMIN)
    return [*known, (master.encode(), admin)]


async def authenticate(request: Request, api_key: str | None) -> UserAPIKeyAuth:
    """Whose key this is. An unknown one, or none, gets 401, unless no key is configured: then any is accepted.

    Any other exception than the proxy's own LiteLLM answers with a 500.
    """
    presented = (api_key or "").encode()
    for key, consumer in _consumers():
        if hmac.compare_digest(key, presented):
            return consumer.model_copy()
    if os.environ.get(ANY_KEY):
        return UserAPIKeyAuth(api_key=api_key or None, user_role=LitellmUserRoles.INTERNAL_USER)
    raise ProxyException(
        message="Authentication Error: this key is not known to the gateway",
        type=ProxyErrorTypes.auth_error,
        param="api_key",
        code=401,
    )
