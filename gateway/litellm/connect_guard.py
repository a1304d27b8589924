"""In LiteLLM's process with the embedded AWS: connections to any other machine are refused, whatever asks for them.

Python's own sockets are watched by an audit hook, which nothing in the process can take away. uvloop connects and looks
names up in C, where no hook sees it, so its loops are watched at their two entrances. What is started from here (a
subprocess) inherits the guard through `sitecustomize` only if it is Python; anything else is refused.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any

MARK = "Refused to leave this machine: "
_seen: set[str] = set()  # each host is reported once a process


class LeavesThisMachine(ConnectionRefusedError):
    """Raised instead of a connection; to whoever asked it looks like a machine that does not answer."""


def install() -> None:
    """For the rest of this process's life."""
    sys.addaudithook(_watch)
    _watch_uvloop()


def is_here(host: Any) -> bool:
    """Whether a host, by name or address, is this machine's loopback, or none at all."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost", "localhost."):
        return True
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or address.is_unspecified or bool(mapped and mapped.is_loopback)


def check(host: Any) -> None:
    """Raises LeavesThisMachine, and says so once a host."""
    if is_here(host):
        return
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host not in _seen:
        _seen.add(host)
        print(f"{MARK}{host}", file=sys.stderr, flush=True)
    raise LeavesThisMachine(f"{host} is not this machine, and nothing leaves it while the embedded AWS is used")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        family, address = arguments[0].family, arguments[1]
        if family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            check(address[0])
    elif event == "socket.getaddrinfo" or event in ("socket.gethostbyname", "socket.gethostbyaddr"):
        host = arguments[0]
        if event != "socket.gethostbyname" or host != socket.gethostname():  # who asks for its own name goes nowhere
            check(host)


def _watch_uvloop() -> None:
    try:
        import uvloop
    except ImportError:
        return
    plain = uvloop.Loop

    class Guarded(plain):  # type: ignore[misc, valid-type]
        """A loop that checks where it is to go first."""

        async def create_connection(self, factory: Any, host: Any = None, *args: Any, **options: Any) -> Any:
            if host is not None:
                check(host)
            return await super().create_connection(factory, host, *args, **options)

        async def getaddrinfo(self, host: Any, *args: Any, **options: Any) -> Any:
            check(host)
            return await super().getaddrinfo(host, *args, **options)

        async def sock_connect(self, sock: Any, address: Any) -> Any:
            if isinstance(address, tuple):
                check(address[0])
            return await super().sock_connect(sock, address)

        async def create_datagram_endpoint(
            self, factory: Any, local_addr: Any = None, remote_addr: Any = None, **options: Any
        ) -> Any:
            if remote_addr is not None:
                check(remote_addr[0])
            return await super().create_datagram_endpoint(factory, local_addr, remote_addr, **options)

    uvloop.Loop = Guarded  # type: ignore[misc]
    uvloop.new_event_loop = Guarded
