"""uvloop's event loop, which asks before it resolves a name, connects, or starts a process.

All other ways of an event loop to send something go through Python's sockets, where the audit hook sees them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def guarded(
    plain: Any, check: Callable[[Any], None], check_name: Callable[[Any], None], starts: Callable[..., None]
) -> Any:
    """A loop like `plain`, which asks these first; they raise to refuse.

    `check` gets a host to go to, `check_name` one to look up, `starts` a program with its arguments.
    """

    class GuardedLoop(plain):
        async def create_connection(self, factory: Any, host: Any = None, *args: Any, **options: Any) -> Any:
            check(host)
            return await super().create_connection(factory, host, *args, **options)

        async def getaddrinfo(self, host: Any, *args: Any, **options: Any) -> Any:
            check_name(host)
            return await super().getaddrinfo(host, *args, **options)

        async def getnameinfo(self, address: Any, flags: int = 0) -> Any:
            check_name(address[0])
            return await super().getnameinfo(address, flags)

        async def sock_connect(self, sock: Any, address: Any) -> Any:
            if isinstance(address, tuple):
                check(address[0])
            return await super().sock_connect(sock, address)

        async def create_datagram_endpoint(
            self, factory: Any, local_addr: Any = None, remote_addr: Any = None, **options: Any
        ) -> Any:
            # One without a peer sends, from C, wherever each datagram says.
            check(remote_addr[0] if remote_addr else _peer(options.get("sock")))
            return await super().create_datagram_endpoint(factory, local_addr, remote_addr, **options)

        async def subprocess_exec(self, factory: Any, program: Any, *args: Any, **options: Any) -> Any:
            starts(program, [program, *args], None, options.get("env"))
            return await super().subprocess_exec(factory, program, *args, **options)

        async def subprocess_shell(self, factory: Any, command: Any, **options: Any) -> Any:
            starts("a shell")
            return await super().subprocess_shell(factory, command, **options)

    return GuardedLoop


def _peer(sock: Any) -> str:
    """The host that a datagram socket is connected to; a text that is no host where it is connected to none."""
    try:
        peer = sock.getpeername()
    except (AttributeError, OSError):
        return "a datagram endpoint without a peer"
    return peer[0] if isinstance(peer, tuple) else "localhost"
