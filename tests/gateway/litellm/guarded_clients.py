"""Run as a program by test_connect_guard: every kind of client tries every address, under the guard or without it.

Arguments: the address of a server (host:port of this machine's loopback), "guarded" or "free", then the hosts to try.
Writes JSON: client → host → "answered", "refused" (by the guard) or the name of another error.
"""

import asyncio
import json
import socket
import subprocess
import sys
import urllib.request

TIMEOUT_S = 10.0  # for imports on a busy machine: nobody here answers late


def by_socket(host, port):
    with socket.create_connection((host, port), TIMEOUT_S) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert sock.recv(100)


def by_connect_ex(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.settimeout(TIMEOUT_S)
        if error := sock.connect_ex((host, port)):
            raise OSError(error, "connect_ex")


def by_datagram(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", (host, port))


def by_name(host, port):
    socket.gethostbyname(host)


def by_urllib(host, port):
    urllib.request.urlopen(f"http://{_bracketed(host)}:{port}/", timeout=TIMEOUT_S).read()


def by_requests(host, port):
    import requests

    assert requests.get(f"http://{_bracketed(host)}:{port}/", timeout=TIMEOUT_S).ok


def by_urllib3(host, port):
    import urllib3

    assert urllib3.PoolManager(retries=False, timeout=TIMEOUT_S).request("GET", f"http://{_bracketed(host)}:{port}/")


def by_boto3(host, port):
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 1})
    boto3.client(
        "sts", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x", config=config,
        endpoint_url=f"http://{_bracketed(host)}:{port}",
    ).get_caller_identity()  # fmt: skip


async def by_stream(host, port):
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert await reader.read(100)
    writer.close()


async def by_loop_getaddrinfo(host, port):
    await asyncio.get_running_loop().getaddrinfo(host, port)


async def by_sock_connect(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (host, port))


async def by_datagram_endpoint(host, port):
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=(host, port)
    )
    transport.sendto(b"x")
    await asyncio.sleep(0.01)
    transport.close()


async def by_httpx(host, port):
    import httpx

    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
        await client.get(f"http://{_bracketed(host)}:{port}/")


async def by_aiohttp(host, port):
    import aiohttp

    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT_S)) as session,
        session.get(f"http://{_bracketed(host)}:{port}/") as answer,
    ):
        await answer.read()


def by_python_child(host, port):
    code = f"import socket; socket.create_connection(({host!r}, {port}), {TIMEOUT_S})"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if child.returncode:
        raise OSError(child.stderr.strip().splitlines()[-1])


PLAIN = [by_socket, by_connect_ex, by_datagram, by_name, by_urllib, by_requests, by_urllib3, by_boto3, by_python_child]
ASYNC = [by_stream, by_loop_getaddrinfo, by_sock_connect, by_datagram_endpoint, by_httpx, by_aiohttp]


def _bracketed(host):
    return f"[{host}]" if ":" in host else host


def _said(error):
    """What became of it. A client wraps the guard's error in its own."""
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        if "LeavesThisMachine" in type(error).__name__ or "nothing leaves it while" in str(error):
            return "refused"
        if isinstance(error, ModuleNotFoundError):
            return str(error)
        if type(error).__name__ == "ClientError":
            return "answered"  # by a server that is not AWS
        error = error.__cause__ or error.__context__
    return f"{type(seen[0]).__name__}: {seen[0]}"


def tried(client, host, port, loop_factory=None):
    try:
        if loop_factory is None:
            client(host, port)
        else:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                runner.run(asyncio.wait_for(client(host, port), TIMEOUT_S))
    except Exception as error:
        return _said(error)
    return "answered"


def main(address, guard, *hosts):
    _, _, port = address.rpartition(":")
    if guard == "guarded":
        from gateway.litellm.connect_guard import install

        install()
    import uvloop

    result = {client.__name__: {host: tried(client, host, int(port)) for host in hosts} for client in PLAIN}
    for name, factory in (("asyncio", asyncio.SelectorEventLoop), ("uvloop", uvloop.new_event_loop)):
        for client in ASYNC:
            result[f"{name} {client.__name__}"] = {host: tried(client, host, int(port), factory) for host in hosts}
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
