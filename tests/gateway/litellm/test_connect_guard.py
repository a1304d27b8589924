"""With the guard installed, whatever asks for another machine is refused; real clients ask."""

import http.server
import json
import re
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from common.places import ROOT
from gateway.litellm import connect_guard, loopback_hosts
from gateway.litellm.connect_guard import MARK, refused
from gateway.litellm.loopback_hosts import is_found_here, is_here

CLIENTS = ROOT / "tests" / "gateway" / "litellm" / "guarded_clients.py"
HERE = ("127.0.0.1", "localhost")
ELSEWHERE = ("192.0.2.1", "198.51.100.7", "2001:db8::1", "bedrock.example.com")


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, b"yes")

    def do_POST(self):
        self.answer(404, b"<ErrorResponse><Error><Code>NotFound</Code></Error></ErrorResponse>")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def port():
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Server)
    threading.Thread(target=server.serve_forever, args=(0.02,)).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def python(*arguments, before=(), **environment):
    """What a Python said on both outputs, with the repository on its path."""
    return subprocess.run(
        [*before, sys.executable, *arguments],
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def tried(port, tmp_path_factory):
    """What became of each client's tries under the guard, what it wrote, and what the kernel was asked for."""
    traced = tmp_path_factory.mktemp("trace") / "calls"
    before = ["strace", "-f", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(traced)]
    before = before if shutil.which("strace") else []
    ended = python(str(CLIENTS), f"127.0.0.1:{port}", "guarded", *HERE, *ELSEWHERE, before=before)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout), ended.stderr, traced.read_text() if before else None


def test_this_machine_answers_every_client(tried):
    assert {client: [answers[host] for host in HERE] for client, answers in tried[0].items()} == {
        client: ["answered", "answered"] for client in tried[0]
    }
    assert len(tried[0]) > 20


@pytest.mark.parametrize("host", ELSEWHERE)
def test_no_client_gets_to_another_machine(tried, host):
    assert {client: answers[host] for client, answers in tried[0].items()} == dict.fromkeys(tried[0], "refused")


def test_each_host_is_reported_once_a_process(tried):
    assert refused(tried[1]) == ELSEWHERE
    assert all(tried[1].count(f"{MARK}{host}\n") == 1 for host in ELSEWHERE)


@pytest.mark.skipif(shutil.which("strace") is None, reason="without strace the kernel is not asked")
def test_the_kernel_is_never_asked_for_another_machine(tried):
    addresses = re.findall(r"inet_addr\(\"([^\"]+)\"\)|inet_pton\(AF_INET6, \"([^\"]+)\"", tried[2])
    assert {four or six for four, six in addresses} <= {"127.0.0.1", "::1"}
    assert len(addresses) > 20


def own_address():
    """An address of this machine that is not loopback: it can be reached, so that only the guard keeps one from it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        return sock.getsockname()[0]


def test_without_the_guard_the_same_clients_get_there(port):
    if (host := own_address()) is None:
        pytest.skip("this machine has no other address than loopback's")
    ended = python(str(CLIENTS), f"127.0.0.1:{port}", "free", host)
    answers = json.loads(ended.stdout)
    assert {client: found[host] for client, found in answers.items()} == dict.fromkeys(answers, "answered")
    guarded = json.loads(python(str(CLIENTS), f"127.0.0.1:{port}", "guarded", host).stdout)
    assert {client: found[host] for client, found in guarded.items()} == dict.fromkeys(answers, "refused")


UVLOOP_UNWATCHED = """
import asyncio, sys, uvloop
from gateway.litellm import connect_guard
connect_guard._watch_uvloop = lambda: None
connect_guard.install()
async def ask():
    await asyncio.open_connection(sys.argv[1], int(sys.argv[2]))
uvloop.run(ask())
"""


def test_uvloop_needs_a_watch_of_its_own(port):
    """It connects in C: were this to fail one day, its audit events would be enough."""
    if (host := own_address()) is None:
        pytest.skip("this machine has no other address than loopback's")
    assert python("-c", UVLOOP_UNWATCHED, host, str(port)).returncode == 0
    watched = UVLOOP_UNWATCHED.replace("connect_guard._watch_uvloop = lambda: None", "")
    assert "LeavesThisMachine" in python("-c", watched, host, str(port)).stderr


GUARDED = "from gateway.litellm import connect_guard; connect_guard.install(); "


@pytest.mark.parametrize(
    "program",
    [
        "import subprocess; subprocess.run(['true'])",
        "import subprocess; subprocess.run('true', shell=True)",
        "import os; os.system('true')",
        "import os; os.execv('/bin/true', ['true'])",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import sys, subprocess; subprocess.run([sys.executable, '-I', '-c', ''])",
        "import sys, subprocess; subprocess.run([sys.executable, '-c', ''], env={})",
        "import asyncio; asyncio.run(asyncio.create_subprocess_exec('true'))",
        "import asyncio, uvloop; uvloop.run(asyncio.create_subprocess_exec('true'))",
        "import asyncio, uvloop; uvloop.run(asyncio.create_subprocess_shell('true'))",
    ],
)
def test_programs_that_could_not_be_watched_are_not_started(program):
    ended = python("-c", GUARDED + program)
    assert "LeavesThisMachine" in ended.stderr
    assert [found.startswith(connect_guard.PROGRAM) for found in refused(ended.stderr)] == [True]


CHILD = "import socket; socket.create_connection(('192.0.2.1', 9), 0.2)"


@pytest.mark.parametrize(
    "program",
    [
        f"import sys, subprocess; subprocess.run([sys.executable, '-c', {CHILD!r}])",
        f"import asyncio, sys, uvloop\nasync def run():\n    child = await asyncio.create_subprocess_exec("
        f"sys.executable, '-c', {CHILD!r})\n    await child.wait()\nuvloop.run(run())",
        f"import os\nif os.fork():\n    os.wait()\nelse:\n    {CHILD}",
        "import multiprocessing, socket\nchild = multiprocessing.get_context('spawn').Process("
        "target=socket.create_connection, args=(('192.0.2.1', 9), 0.2))\nchild.start()\nchild.join()",
    ],
    ids=["subprocess", "uvloop", "fork", "spawn"],
)  # fmt: skip
def test_a_python_that_is_started_is_guarded_too(program):
    ended = python("-c", f"{GUARDED.removesuffix('; ')}\n{program}")
    assert refused(ended.stderr) == ("192.0.2.1",), ended.stderr


def test_a_child_that_cannot_be_guarded_does_not_run():
    """`site` would go on: a guard that fails to install ends the process."""
    broken = "import sys; sys.modules['gateway'] = None"
    ended = python("-S", "-c", f"{broken}; sys.path.insert(0, {str(connect_guard.CHILDREN)!r}); import sitecustomize; "
                   "print('runs')", GATEWAY_CONNECT_GUARD="1")  # fmt: skip
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "could not be guarded" in ended.stderr


@pytest.mark.parametrize("module", ["psycopg_binary", "hf_xet", "zmq", "grpc"])
def test_extensions_with_a_network_of_their_own_are_as_if_not_installed(module):
    ended = python("-c", f"{GUARDED}import importlib\ntry:\n    importlib.import_module({module!r})\n"
                   "except ImportError as error:\n    print(type(error).__name__, error.name)")  # fmt: skip
    assert ended.stdout == f"ModuleNotFoundError {module}\n", ended.stderr


def test_refused_hosts_are_read_from_a_log():
    log = f"INFO: x\n{MARK}api.example.com\nmore\nERROR {MARK}192.0.2.1\n{MARK}api.example.com\n"
    assert refused(log) == ("api.example.com", "192.0.2.1")
    assert refused("") == ()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "localhost", "LOCALHOST.", "a.localhost",
     "", None, b"localhost", "::1%lo", "[::1]"],
)  # fmt: skip
def test_here(host):
    assert is_here(host)


@pytest.mark.parametrize(
    "host",
    ["192.0.2.1", "10.0.0.1", "169.254.169.254", "fd00::1", "::ffff:10.0.0.1", "localhost.example.com", "128.0.0.1",
     b"example.com", "127.0.0.1.nip.example", "2130706433", "not a host"],
)  # fmt: skip
def test_elsewhere(host):
    assert not is_here(host)


def test_names_are_found_in_the_hosts_file_only(tmp_path, monkeypatch):
    hosts = tmp_path / "hosts"
    hosts.write_text("# a comment\n127.0.1.1 Box box.example # mine\n10.1.2.3 db box2\n127.0.0.1 both\n10.0.0.1 both\n")
    monkeypatch.setattr(loopback_hosts, "HOSTS_FILE", hosts)
    assert [is_here(name) for name in ("box", "box.example", "db", "both", "other")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert [is_found_here(name) for name in ("box", "db", "both", "other")] == [True, True, True, False]
    monkeypatch.setattr(loopback_hosts, "HOSTS_FILE", tmp_path / "none")
    assert not is_here("box")
