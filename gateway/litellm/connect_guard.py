"""In LiteLLM's process, with the embedded AWS: whatever asks for another machine is refused.

The second line of defence, for all that `gateway.litellm.containment` may have missed. Three ways lead out of a
Python process, and each is closed:

- Python's own sockets, by an audit hook (PEP 578), which nothing in the process can take away again;
- code that opens sockets in C or Rust, where no hook sees it: uvloop is watched at its entrances, and extensions that
  bring a network stack of their own cannot be imported (whoever tries finds them not installed);
- other processes: Python ones inherit this guard by `guarded_python/sitecustomize.py`, any other program is refused.

It is made against a configuration that nobody has thought through, not against code that means to get round it.
"""

from __future__ import annotations

import errno
import functools
import os
import socket
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

from gateway.litellm.loopback_hosts import is_found_here, is_here, text

MARK = "Refused to leave this machine: "  # before the host, in what is written to standard error
PROGRAM = "a program that is not Python: "
INSTALLED = "GATEWAY_CONNECT_GUARD"  # in the environment of whatever must be guarded
CHILDREN = Path(__file__).with_name("guarded_python")  # on PYTHONPATH it guards every Python from its start

# Extensions with sockets of their own, and what would use them. Source: what LiteLLM 1.106.2 imports, and its extras.
NATIVE_NETWORKS = frozenset(
    {
        "litellm.rust_bridge._native",  # reqwest: OCR, transcription, Anthropic's messages with LITELLM_RUST
        "grpc",  # OTel exporters, Vertex AI, Riva, Qdrant, Milvus
        "pycares",  # aiodns, aiohttp's other resolver
        "pycurl",
        "psycopg_binary", "psycopg_c", "psycopg2",  # libpq
        "pymssql", "MySQLdb", "oracledb.thick_impl",
        "hf_xet",  # Hugging Face's downloads
        "pyroscope",  # profiles, sent by a Rust thread
        "zmq", "confluent_kafka", "pulsar", "ddtrace.internal.native",
        "zuvloop", "rloop",  # event loops whose connections nobody watches
    }
)  # fmt: skip
_LOCAL_FAMILIES = frozenset(
    getattr(socket, name) for name in ("AF_UNIX", "AF_NETLINK", "AF_ALG") if hasattr(socket, name)
)
# What Python's own library starts to find out about the machine (`ctypes.util`, `platform`, `uuid`): it asks nobody.
_HARMLESS = frozenset(
    {"ldconfig", "gcc", "cc", "ld", "objdump", "uname", "lsb_release", "ifconfig", "ip", "arp", "netstat"}
)  # fmt: skip
_WITHOUT_SITE = frozenset("ISE")  # interpreter options with which a Python would not load `sitecustomize`

_reported: set[str] = set()  # each is said once a process


class LeavesThisMachine(ConnectionRefusedError):
    """Raised instead of a connection: to whoever asked, it looks like a machine that refuses one."""

    def __init__(self, what: str) -> None:
        super().__init__(
            errno.ECONNREFUSED, f"{what} is not this machine, and nothing leaves it while the embedded AWS is used"
        )


class _NotHere(MetaPathFinder):
    """Makes extensions that no hook can watch look as if they were not installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in NATIVE_NETWORKS:
            raise ModuleNotFoundError(
                f"{name} opens connections that cannot be watched, so it is not loaded", name=name
            )


def install() -> None:
    """For the rest of this process's life, and for the Pythons that it starts."""
    if any(isinstance(finder, _NotHere) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _NotHere())
    sys.addaudithook(_watch)
    _watch_names()
    _watch_uvloop()
    os.environ[INSTALLED] = "1"
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(CHILDREN) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CHILDREN), *paths]))


def refused(log: str) -> tuple[str, ...]:
    """The hosts and programs that a guarded process said it refused, each once, in order."""
    marked = (line.partition(MARK)[2].strip() for line in log.splitlines() if MARK in line)
    return tuple(dict.fromkeys(marked))


def check(host: Any) -> None:
    """Raises LeavesThisMachine for any host but this one, and says so once a host."""
    if not is_here(host):
        _refuse(text(host))


def _refuse(what: str) -> None:
    if what not in _reported:
        _reported.add(what)
        print(f"{MARK}{what}", file=sys.stderr, flush=True)
    raise LeavesThisMachine(what)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if (handler := _HANDLERS.get(event)) is not None:
        handler(*arguments)


def _goes_to(sock: Any, address: Any) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        if isinstance(address, tuple) and address:
            check(address[0])
    elif sock.family not in _LOCAL_FAMILIES:
        _refuse(f"a socket of family {sock.family!s}")


def check_name(host: Any, *_: Any) -> None:
    """As `check`, for who only wants to know the address: the hosts file may say it."""
    if not is_found_here(host):
        _refuse(text(host))


def _asks_for_name(address: Any) -> None:
    check_name(address[0])


def _starts(program: Any, arguments: Any = None, _directory: Any = None, environment: Any = None) -> None:
    """A child process. One that is Python, with our environment and its `site`, guards itself."""
    words = [os.fsdecode(word) for word in arguments] if isinstance(arguments, list | tuple) else []
    path = os.fsdecode(program) if program is not None else (words[0] if words else "")
    if Path(path).name in _HARMLESS:
        return
    if not _is_python(path) or not _loads_site(words[1:]) or not _inherits(environment):
        _refuse(f"{PROGRAM}{Path(path).name}")


def _runs(path: Any, arguments: Any, environment: Any) -> None:
    _starts(path, arguments, None, environment)


def _spawns(_mode: Any, path: Any, arguments: Any, environment: Any) -> None:
    _starts(path, arguments, None, environment)


def _asks_a_shell(command: Any) -> None:
    _refuse(f"{PROGRAM}a shell")


def _is_python(path: str) -> bool:
    return bool(path) and os.path.realpath(path) == os.path.realpath(sys.executable)


def _loads_site(options: Sequence[str]) -> bool:
    for option in options:
        if not option.startswith("-") or option in ("-c", "-m", "-"):
            return True
        if not option.startswith("--") and _WITHOUT_SITE & set(option[1:2]):
            return False
    return True


def _inherits(environment: Any) -> bool:
    if environment is None:
        return True
    known = {os.fsdecode(name): os.fsdecode(value) for name, value in dict(environment).items()}
    return INSTALLED in known and str(CHILDREN) in known.get("PYTHONPATH", "").split(os.pathsep)


_HANDLERS: dict[str, Callable[..., None]] = {
    "socket.connect": _goes_to,
    "socket.sendto": _goes_to,
    "socket.sendmsg": _goes_to,
    "socket.getaddrinfo": check_name,
    "socket.gethostbyname": check_name,
    "socket.gethostbyaddr": check_name,
    "socket.getnameinfo": _asks_for_name,
    "subprocess.Popen": _starts,
    "os.exec": _runs,
    "os.posix_spawn": _runs,
    "os.spawn": _spawns,
    "os.system": _asks_a_shell,
    "pty.spawn": _asks_a_shell,
}


def _watch_names() -> None:
    """A socket that is given a name asks a name server before any hook is called: it is looked at before."""
    for method in ("connect", "connect_ex", "sendto", "sendmsg"):
        setattr(socket.socket, method, _looking(getattr(socket.socket, method)))


def _looking(plain: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(plain)
    def method(sock: socket.socket, *arguments: Any) -> Any:
        if arguments and isinstance(address := arguments[-1], tuple):
            _goes_to(sock, address)
        return plain(sock, *arguments)

    return method


def _watch_uvloop() -> None:
    """uvloop resolves, connects and starts processes in C: its loops are watched before they do."""
    try:
        import uvloop
    except ImportError:
        return
    from gateway.litellm.guarded_uvloop import guarded

    loop = guarded(uvloop.Loop, check, check_name, _starts)
    names: dict[str, Any] = vars(uvloop)
    names["Loop"] = names["new_event_loop"] = loop
    uvloop.run.__kwdefaults__ = {**(uvloop.run.__kwdefaults__ or {}), "loop_factory": loop}
