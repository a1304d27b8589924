"""What the load benchmarks share: the server that knows the truth, our harness in front of it, and the bare Locust."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import click
import pandas as pd
import psutil
import yaml
from _embedded_aws import ROOT, child, cores, embedded_aws, settings, wait_until

BENCHMARKS = Path(__file__).resolve().parent
OURS, BARE = BENCHMARKS / "load_locustfile.py", BENCHMARKS / "load_bare_locustfile.py"
LOCUST = Path(sys.executable).parent / "locust"
EMBEDDED = settings({"first_token_ms": {"median": 250, "p99": 900}, "per_token_ms": 6}, tokens=10)  # is asked nothing
KEY = "sk-benchmark"  # the truth server lets everybody in
SAMPLE_EVERY_S = 0.2
DEADLINE_S = 180


undisturbed_option = click.option(
    "--undisturbed", is_flag=True, help="Schedule server and client before everything else here; needs root."
)


class TruthServer:
    """A running truth_server.py."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.url = process.stdout.readline().decode().strip()
        self.pid = process.pid

    def behave(self, **behaviour: float) -> None:
        """Forgets all requests and changes the behaviour."""
        self._ask("behaviour", json.dumps(behaviour).encode())

    def count(self) -> int:
        return int(self._ask("count"))

    def truth(self) -> tuple[pd.DataFrame, tuple[float, float] | None]:
        """One row a request, in the order of their arrival, and the freeze."""
        told = json.loads(self._ask(""))
        return pd.DataFrame(told["requests"]).set_index("request_id"), told["freeze"]

    def _ask(self, what: str, body: bytes | None = None) -> bytes:
        request = Request(f"{self.url}/truth/{what}".rstrip("/"), body, method="PUT" if body else "GET")
        with urlopen(request, timeout=60) as answer:
            return bytes(answer.read())


@dataclass
class Bench:
    """Where everything runs: the truth server on one core, what is measured on the other."""

    server: TruthServer
    load_core: int
    directory: Path
    aws_port: int
    undisturbed: bool

    @property
    def log(self) -> Path:
        """What Locust printed last."""
        return self.directory / "locust.log"


@contextmanager
def bench(undisturbed: bool) -> Iterator[Bench]:
    server_core, load_core = cores()
    with tempfile.TemporaryDirectory() as directory, embedded_aws(EMBEDDED, server_core) as aws:
        command = [sys.executable, str(BENCHMARKS / "truth_server.py")]
        with child(command, {}, server_core, subprocess.PIPE) as process:
            server = TruthServer(process)
            wait_until(lambda: server.count() == 0)
            yield Bench(server, load_core, Path(directory), aws.address[1], undisturbed)


@dataclass
class Sample:
    """A process at one moment: what it used so far, and how many of its requests had arrived."""

    at: float
    arrived: int
    cpu_s: float
    rss_mb: float


@dataclass
class Ran:
    """A Locust that has ended."""

    samples: list[Sample]
    truth: pd.DataFrame
    freeze: tuple[float, float] | None
    records: pd.DataFrame  # requests.csv; empty of the bare Locust

    def per_s(self) -> float:
        """Requests a second by the server's count, without the first and the last second."""
        since, until = self.truth.arrived_at.iloc[0] + 1, self.truth.arrived_at.iloc[-1] - 1
        return float(self.truth.arrived_at.between(since, until).sum() / (until - since))

    def cpu_us(self) -> float:
        """Processor time of the client for one request, while it sent and did nothing else."""
        busy = [sample for sample in self.samples if len(self.truth) / 5 < sample.arrived < len(self.truth)]
        return (busy[-1].cpu_s - busy[0].cpu_s) / (busy[-1].arrived - busy[0].arrived) * 1e6

    def rss_mb(self, arrived: int) -> float:
        """Memory when that many requests had arrived."""
        return next(sample for sample in self.samples if sample.arrived >= arrived).rss_mb

    def joined(self) -> pd.DataFrame:
        """Records beside the truth, by request id. Raises ClickException unless each has its other half."""
        both = self.records.join(self.truth, on="request_id", how="inner")
        if not len(both) == len(self.records) == len(self.truth):
            raise click.ClickException(
                f"{len(self.truth)} requests arrived, {len(self.records)} were recorded, {len(both)} match"
            )
        return both


def run_ours(bench: Bench, traffic: dict[str, Any], users: int, *options: str, stream: bool = False) -> Ran:
    """Our harness, as a user runs it: `locust --headless`, a run folder, the analysis at its end."""
    runs = Path(tempfile.mkdtemp(dir=bench.directory))
    files = _configuration(bench, runs, traffic, users, stream)
    arguments = ["--runs", str(runs), "--host", bench.server.url, *files, *options]
    samples = _run(bench, OURS, arguments)
    requests = runs / "latest" / "requests.csv"
    if not requests.exists():
        raise click.ClickException(f"the run left no records:\n{bench.log.read_text()[-2000:]}")
    records = pd.read_csv(requests, dtype={"request_id": str}, keep_default_na=False)
    numbers = ["latency_ms", "ttft_ms", "gap_mean_ms", "gap_p50_ms", "gap_p95_ms", "gap_p99_ms"]
    records[numbers] = records[numbers].apply(pd.to_numeric)
    return Ran(samples, *bench.server.truth(), records)


def run_bare(bench: Bench, users: int, *options: str) -> Ran:
    """Locust alone, in a closed loop."""
    arguments = ["--host", bench.server.url, "-u", str(users), "-r", "100", *options]
    samples = _run(bench, BARE, arguments)
    return Ran(samples, *bench.server.truth(), pd.DataFrame())


def _run(bench: Bench, locustfile: Path, arguments: list[str]) -> list[Sample]:
    command = [str(LOCUST), "-f", str(locustfile), "--headless", *arguments]
    environment = {**os.environ, "LITELLM_MASTER_KEY": KEY}
    with bench.log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.sched_setaffinity(0, {bench.load_core}),
        )
        try:
            samples = list(_samples(bench, process))
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(60)
    if process.returncode not in (0, 1, 3):  # a claim that fails or stays open is not the benchmark's matter
        raise click.ClickException(
            f"{' '.join(command)} exited with {process.returncode}:\n{bench.log.read_text()[-2000:]}"
        )
    return samples


def _samples(bench: Bench, process: subprocess.Popen[bytes]) -> Iterator[Sample]:
    """Until it has ended. Only the process itself: not the analysis that it starts when the run is over."""
    client = psutil.Process(process.pid)
    ends_at, began = time.monotonic() + DEADLINE_S, False
    while process.poll() is None:
        if time.monotonic() > ends_at:
            raise click.ClickException(f"not done after {DEADLINE_S} s")
        try:
            with client.oneshot():
                times, memory = client.cpu_times(), client.memory_info()
        except psutil.NoSuchProcess:
            return
        if arrived := bench.server.count():
            if bench.undisturbed and not began:
                began = True
                for pid in (bench.server.pid, process.pid, *(worker.pid for worker in client.children())):
                    _schedule_first(pid)
            yield Sample(time.monotonic(), arrived, times.user + times.system, memory.rss / 2**20)
        time.sleep(SAMPLE_EVERY_S)


def _schedule_first(pid: int) -> None:
    """Whenever one of its threads can run, it does; what it starts from then on is scheduled as usual."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setscheduler(int(thread.name), os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def _configuration(bench: Bench, runs: Path, traffic: dict[str, Any], users: int, stream: bool) -> list[str]:
    """The files of a gateway without limits, and the options that name them."""
    config = {
        "aws": {
            "endpoint": "embedded",
            "profile_name": "account-one",
            "secondary_profile_name": "account-two",
            "region_name": "us-east-1",
            "bedrock_log_group_name": "/aws/bedrock/modelinvocations",
        },
        "fetch": {"deadline_s": 0.1, "poll_s": 0.1},  # nothing of this reaches CloudWatch
        "cris": {"model_id": "us.anthropic.claude-sonnet-4-6"},
        "model_list": [
            {"model_name": "load", "litellm_params": {"model": "bedrock/us.anthropic.claude-sonnet-4-6"}},
        ],
    }
    consumer = {"model": "load", "users": users, "stream": stream, "traffic": {"demo": traffic}}
    pattern = {"title": "Load", "consumers": {"load": consumer}, "claims": [{"claim": "all_answered"}]}
    contents: dict[str, dict[str, Any]] = {
        "gateway": config,
        "patterns": {"patterns": {"load": pattern}},
        "embedded": EMBEDDED | {"port": bench.aws_port},
    }
    options = []
    for name, content in contents.items():
        path = runs / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content))
        options += ["--patterns" if name == "patterns" else f"--{name}-config", str(path)]
    return options


def percentiles(values: pd.Series) -> str:
    """p50, p99 and maximum, in milliseconds, with their sign."""
    p50, p99 = (values.quantile(share, interpolation="inverted_cdf") for share in (0.5, 0.99))
    return f"p50 {p50:+7.2f}  p99 {p99:+7.2f}  max {values.max():+7.2f} ms"
