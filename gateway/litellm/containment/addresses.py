"""Which values of a configuration lead to another machine. Pure."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from gateway.litellm.loopback_hosts import is_loopback

_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_NO_NETWORK = ("file", "sqlite", "unix")


def is_elsewhere(value: Any) -> bool:
    """Whether a value is, as a whole, the URL of another machine."""
    if not isinstance(value, str) or not _URL.fullmatch(value.strip()):
        return False
    return not _is_here(value.strip())


def host_is_elsewhere(value: Any) -> bool:
    """The same of a value that is known to be an address: a URL, a host, or host:port."""
    if not isinstance(value, str) or not value.strip():
        return False
    value = value.strip()
    if "://" in value:
        return is_elsewhere(value)
    return not is_loopback(value) and not _is_here(f"//{value}")


def _is_here(url: str) -> bool:
    try:
        parts = urlsplit(url)
        if parts.scheme in _NO_NETWORK:
            return True
        return bool(parts.hostname) and is_loopback(parts.hostname)
    except ValueError:  # whoever reads it differently might follow it
        return False
