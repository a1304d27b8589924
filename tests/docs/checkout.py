"""A copy of the project that differs by its ports only, in which the pages' commands are run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import free_port, inherited
from tests.docs.pages import ROOT, files

PORTS = ("4000", "4001", "4510", "5557", "8089")
COPIED = (
    "analysis", "common", "config", "embedded_aws", "gateway", "harness", "iam", "locustfiles", "tests",
    "pyproject.toml",
)  # fmt: skip


class Copy:
    """The project and the README's files in a folder of their own, on free ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = {port: str(free_port()) for port in PORTS}
        self.environment = {
            **inherited(),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "LOCUST_WEB_PORT": self.port("8089"),
            "LOCUST_MASTER_BIND_PORT": self.port("5557"),
            "LOCUST_MASTER_NODE_PORT": self.port("5557"),
            "NO_COLOR": "1",
        }
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / name)
        for path in (folder / "config").glob("*.yaml"):
            path.write_text(self.with_our_ports(path.read_text()))
        for name, content in files().items():
            (folder / name).write_text(self.with_our_ports(content))

    def port(self, shipped: str) -> str:
        return self._ports[shipped]

    def with_our_ports(self, text: str) -> str:
        return re.sub(rf"\b({'|'.join(PORTS)})\b", lambda match: self._ports[match[1]], text)

    def run(self, command: str, more: Mapping[str, str] | None = None, deadline_s: float = 300) -> str:
        """Runs it as a shell would, and returns what it printed; fails unless it exits with 0."""
        with self.started(command, more) as process:
            try:
                output, _ = process.communicate(timeout=deadline_s)
            except subprocess.TimeoutExpired:
                pytest.fail(f"{command}: still running after {deadline_s:.0f} s\n{interrupted(process)}")
        assert process.returncode == 0, f"{command}: exit code {process.returncode}\n{output}"
        return output

    @contextmanager
    def started(self, command: str, more: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
        """The running command; ended at the end, as Ctrl-C would."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {self.with_our_ports(command.removeprefix('uv run '))}"],
            cwd=self.folder, env={**self.environment, **(more or {})}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                interrupted(process)


def interrupted(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0] + "\n(it did not obey SIGINT)"


def wait_for(url: str, process: subprocess.Popen[str], deadline_s: float = 120) -> str:
    """What answers there, as soon as something does."""
    give_up_at = time.monotonic() + deadline_s
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                content: str = answer.read().decode()
                return content
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"nothing answers at {url}:\n{interrupted(process)}")
