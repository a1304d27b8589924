"""What the benchmarks of the embedded AWS share: starting one, signing once, and many connections that ask again."""

from __future__ import annotations

import asyncio
import configparser
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import click
import psutil
import yaml
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ROOT = Path(__file__).resolve().parents[2]
PROFILE, MODEL = "account-one", "us.anthropic.claude-sonnet-4-6"
BODY = {
    "messages": [{"role": "user", "content": [{"text": "Tell me in one sentence what a gateway is good for."}]}],
    "inferenceConfig": {"maxTokens": 200},
    "requestMetadata": {"run": "benchmark"},
}


def settings(latency: Mapping[str, Any], tokens: int) -> dict[str, Any]:
    """The shipped configuration, with quotas that count and never refuse."""
    shipped = yaml.safe_load((ROOT / "config" / "embedded.yaml").read_text())
    for model in shipped["models"].values():
        model.pop("latency", None)
    endless = {"rpm": 10**9, "tpm": 10**12, "tpd": 10**15}
    return {**shipped, "latency": latency, "answer_tokens": {"min": tokens, "max": tokens}, "quota": endless}


@dataclass
class Server:
    url: str
    process: psutil.Process
    environment: dict[str, str]

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def cpu_s(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system

    def admin(self, path: str, method: str = "GET") -> Any:
        return json.load(urlopen(Request(f"{self.url}/_embedded/{path}", method=method)))

    def request(self, operation: str) -> bytes:
        """One signed request as bytes; a signature is good for five minutes, however often it is sent."""
        path = f"/model/{MODEL}/{operation}"
        keys = configparser.ConfigParser()
        keys.read(self.environment["AWS_SHARED_CREDENTIALS_FILE"])
        body = json.dumps(BODY).encode()
        headers = {"host": self.url.removeprefix("http://"), "content-type": "application/json"}
        signed = AWSRequest("POST", self.url + path, data=body, headers=headers)
        own = keys[PROFILE]
        SigV4Auth(Credentials(own["aws_access_key_id"], own["aws_secret_access_key"]), "bedrock", "us-east-1").add_auth(
            signed
        )
        return http_request(path, dict(signed.headers.items()), body)


@contextmanager
def embedded_aws(written: Mapping[str, Any], core: int) -> Iterator[Server]:
    """One process on one core."""
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory, "embedded.yaml")
        config.write_text(yaml.safe_dump(dict(written)))
        state = Path(directory, "state")
        command = ["-m", "embedded_aws", "--port", "0", "--lifeline", "--config", config, "--state", state]
        with child([sys.executable, *map(str, command)], {}, core, subprocess.PIPE) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline().decode().split() for _ in range(4)]
            environment = dict(line[1].split("=", 1) for line in lines)
            server = Server(environment["AWS_ENDPOINT_URL"], psutil.Process(process.pid), environment)
            wait_until(lambda: server.admin("health")["ready"])
            yield server


@contextmanager
def child(
    command: list[str], environment: Mapping[str, str], core: int, stdout: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=stdout,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(15)


def wait_until(ready: Callable[[], Any], deadline_s: float = 90) -> None:
    ends_at = time.monotonic() + deadline_s
    while time.monotonic() < ends_at:
        try:
            if ready():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise click.ClickException(f"not ready after {deadline_s:g} s")


def http_request(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    given = {**headers, "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


class Asker(asyncio.Protocol):
    """Sends the same request again as soon as the answer is whole; counts what is not a 200."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.answered = self.refused = 0
        self.last = b""
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._received.lower().index(b"content-length: ") + 16
        length = int(self._received[at : self._received.index(b"\r\n", at)])
        if len(self._received) < head + 4 + length:
            return
        self.answered += 1
        self.refused += not self._received.startswith(b"HTTP/1.1 200")
        self.last, self._received = self._received, b""
        self.transport.write(self.request)


@dataclass
class Load:
    answered: int
    refused: int
    seconds: float
    last: bytes

    @property
    def per_s(self) -> float:
        return self.answered / self.seconds


async def ask(address: tuple[str, int], request: bytes, connections: int, warm_up_s: float, measured_s: float) -> Load:
    loop = asyncio.get_running_loop()
    askers = [
        (await loop.create_connection(lambda: Asker(request), *address))[1] for _ in range(connections)
    ]  # fmt: skip
    await asyncio.sleep(warm_up_s)
    before = sum(asker.answered for asker in askers)
    started = time.perf_counter()
    await asyncio.sleep(measured_s)
    seconds = time.perf_counter() - started
    answered = sum(asker.answered for asker in askers) - before
    load = Load(answered, sum(asker.refused for asker in askers), seconds, askers[0].last)
    for asker in askers:
        asker.transport.abort()
    return load


def cores() -> tuple[int, int]:
    """One for the server and one for the load; the same if there is but one."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


def describe_machine() -> str:
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return f"{os.cpu_count()} cores, load average {load}, Python {platform.python_version()}"
