"""What listens on this machine is asked directly, whatever proxy the environment names."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from http.client import HTTPException
from urllib.parse import urlsplit

HOSTS = ("127.0.0.1", "localhost")
# What urllib raises where nothing answers, or something that does not speak HTTP, or the URL is none.
NO_ANSWER = (OSError, ValueError, HTTPException)


def bypassing(environment: Mapping[str, str], *hosts: str) -> dict[str, str]:
    """NO_PROXY and no_proxy with these hosts and loopback added to what either of them holds.

    Some libraries read the one, some the other, and an asterisk means every host only where it stands alone.
    """
    written = [host.strip() for name in ("no_proxy", "NO_PROXY") for host in environment.get(name, "").split(",")]
    value = "*" if "*" in written else ",".join(dict.fromkeys(filter(None, [*written, *HOSTS, *hosts])))
    return {"NO_PROXY": value, "no_proxy": value}


def bypass_proxies(*urls: str) -> None:
    """Makes this process, and all that it starts, send to these URLs' hosts and to loopback without a proxy."""
    os.environ.update(bypassing(os.environ, *map(_host, urls)))


def _host(url: str) -> str:
    """The host that a URL names; empty where it names none."""
    with contextlib.suppress(ValueError):
        return urlsplit(url).hostname or ""
    return ""


def listening(host: str, port: int) -> bool:
    """Whether anything accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False
