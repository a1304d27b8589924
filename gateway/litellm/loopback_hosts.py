"""Which hosts can only mean this machine, found without asking anybody."""

from __future__ import annotations

import ipaddress
from functools import cache
from pathlib import Path
from typing import Any

HOSTS_FILE = Path("/etc/hosts")


def is_here(host: Any) -> bool:
    """Whether a host, by name or address, is loopback (or none at all, which is where a server listens).

    Names are looked up in the hosts file only. What it does not know would be asked of a name server, which is another
    machine.
    """
    known = _hosts_file(HOSTS_FILE).get(_plain(host), ())
    return is_loopback(host) or (bool(known) and all(_stays(address) for address in known))


def is_loopback(host: Any) -> bool:
    """The same without the hosts file: whether a host is loopback on every machine. Pure."""
    name = _plain(host)
    if not name or name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and _stays(address)


def is_found_here(host: Any) -> bool:
    """Whether its address is found without asking another machine, wherever that address is."""
    return is_here(host) or _plain(host) in _hosts_file(HOSTS_FILE)


def text(host: Any) -> str:
    """A host as a text; what is none becomes an empty one."""
    if host is None:
        return ""
    return host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else str(host)


def _plain(host: Any) -> str:
    return text(host).rstrip(".").lower()


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _stays(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


@cache
def _hosts_file(path: Path) -> dict[str, tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]]:
    """Name → its addresses. Empty where there is no such file."""
    found: dict[str, list[ipaddress.IPv4Address | ipaddress.IPv6Address]] = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        address, *names = line.partition("#")[0].split() or [""]
        if (parsed := _address(address)) is not None:
            for name in names:
                found.setdefault(name.lower(), []).append(parsed)
    return {name: tuple(addresses) for name, addresses in found.items()}
