"""Every command of the README is run here, and its files, folders and error texts are held against the project.

The commands run in a copy of the project that differs by its ports only. One that needs another machine, an AWS
account or many minutes is run in a shorter variant; which, and why, stands in `SHORTER`. A command that is in none of
the tables below runs as it stands in the README and must exit with 0.
"""

from __future__ import annotations

import ast
import fnmatch
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.litellm.config import load_config
from harness.arrivals import arrivals
from harness.settings.patterns import load_patterns
from tests.conftest import free_port, inherited

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

# --- what the README holds ---------------------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, those inside lists too."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", README, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _, block in found]


def console_commands() -> list[str]:
    return [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines() if line[:2] == "$ "]


def files() -> dict[str, str]:
    """The blocks that are files: their first line is a comment with the name."""
    named = [block.split("\n", 1) for language in ("yaml", "python") for block in blocks(language)]
    return {first.removeprefix("# "): rest for first, rest in named}


COMMANDS = console_commands()

MAIN_JOB = "pip install uv && uv run locust --headless"
TESTS = "uv run pytest"
GATEWAY = "uv run python -m gateway"
EMBEDDED_AWS = "uv run python -m embedded_aws"
WEB_UI = "uv run locust"
OWN_CI = ".ci/run"
MASTER, WORKER = (
    "uv run locust --headless --aws live --host http://192.0.2.20:4000 --master --master-bind-host 0.0.0.0 "
    "--expect-workers 2",
    "uv run locust --aws live --worker --master-host 192.0.2.10",
)
OWN_PROGRAM = "uv run python ask.py"
BY_OTHER_MEANS = {MAIN_JOB, TESTS, GATEWAY, EMBEDDED_AWS, WEB_UI, OWN_CI, MASTER, WORKER}

# Command → what is run in its place.
SHORTER = {
    # All five patterns would need the quota window of the next minute; the live endpoint is the embedded one.
    "uv run locust --headless --aws live": "locust -f locustfiles/cris.py --headless --aws live",
    "uv run locust --headless --processes 2": "locust -f locustfiles/account_sharding.py --headless --processes 2",
    "uv run locust --headless --traffic sustained": (
        "locust -f locustfiles/account_sharding.py --headless --traffic sustained -t 8s"
    ),
    # Hundreds of megabytes that nothing but one benchmark wants.
    "uv tool install aiperf": "uv tool install --help",
    "uv tool install --python 3.12 inference-perf": "uv tool install --help",
    # Benchmarks measure for minutes, and a busy machine would only spoil their figures.
    "uv run python -m tests.benchmarks.analysis_million": "python -m tests.benchmarks.analysis_million 2000",
    "uv run python -m tests.benchmarks.embedded_insights": (
        "python -m tests.benchmarks.embedded_insights --records 2000"
    ),
} | {
    command: f"{command.removeprefix('uv run ')} --help"
    for command in COMMANDS
    if command.startswith("uv run python tests/benchmarks/")
}

AS_WRITTEN = [command for command in COMMANDS if command not in BY_OTHER_MEANS]

# --- a copy of the project ---------------------------------------------------------------------------------------

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


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def gateway(copy: Copy) -> Iterator[str]:
    """`python -m gateway` from the README, which every Locust command then uses; what it answers at its address."""
    with copy.started(GATEWAY) as process:
        wait_for(copy.with_our_ports("http://127.0.0.1:4000/health/liveliness"), process)
        assert process.stdout is not None
        printed = ""
        while "Ctrl-C" not in printed:  # it has been warmed up
            line = process.stdout.readline()
            assert line, f"the gateway ended:\n{printed}"
            printed += line
        yield printed


@pytest.fixture(scope="module")
def embedded(copy: Copy, gateway: str) -> dict[str, str]:
    """The environment that points an AWS SDK at the embedded AWS behind the gateway."""
    with urllib.request.urlopen(copy.with_our_ports("http://127.0.0.1:4510/_embedded/health")) as answer:
        environment: dict[str, str] = yaml.safe_load(answer.read())["environment"]
        return environment


@pytest.fixture(scope="module")
def judged(copy: Copy, gateway: str) -> None:
    """A run in runs/latest."""
    copy.run("locust -f locustfiles/cris.py --headless")


# --- the commands ------------------------------------------------------------------------------------------------


def test_every_command_is_known() -> None:
    """A table that names what the README no longer says would test nothing."""
    assert len(COMMANDS) > 20
    assert not (BY_OTHER_MEANS | SHORTER.keys()) - set(COMMANDS)


@pytest.mark.parametrize("command", AS_WRITTEN)
def test_command(command: str, copy: Copy, request: pytest.FixtureRequest) -> None:
    if "-m analysis " in command:
        request.getfixturevalue("judged")
    if "locust " in command or "curl " in command:
        request.getfixturevalue("gateway")
    wants_aws = "--aws live" in command or command == OWN_PROGRAM or " fetch " in command
    environment = request.getfixturevalue("embedded") if wants_aws else {}
    copy.run(SHORTER.get(command, command), environment)


def test_main_job(main_job: tuple[Any, Any]) -> None:
    """It does what the README says, and leaves the files that the README lists."""
    _, ended = main_job
    assert ended.code == 0, ended.said
    assert len(ended.records) == int(re.search(r"sends (\d+) requests", README)[1])  # type: ignore[index]
    assert "report.html" in ended.out.splitlines()[-1]
    patterns = re.findall(r"^\| (.+?) \|", README.split("| Pattern | What is proved |\n|---|---|\n")[1], re.MULTILINE)[
        :5
    ]
    assert [pattern for pattern in patterns if pattern not in ended.out] == []
    table = README.split("| File in `runs/ID/` |")[1].split("\n\n")[0]
    named = [name for row in table.splitlines()[2:] for name in re.findall(r"`(.+?)`", row.split("|")[1])]
    left = [path.name for path in ended.run.iterdir()]
    assert [name for name in named if not fnmatch.filter(left, name)] == []
    assert [name for name in left if not any(fnmatch.fnmatch(name, pattern) for pattern in named)] == []


def test_gateway_names_its_address(copy: Copy, gateway: str) -> None:
    assert copy.with_our_ports("http://127.0.0.1:4000") in gateway


def test_web_ui(copy: Copy, gateway: str) -> None:
    with copy.started(WEB_UI) as process:
        page = wait_for(copy.with_our_ports("http://127.0.0.1:8089"), process)
        assert "ConsumerA" in page


def test_embedded_aws_prints_the_environment(copy: Copy) -> None:
    """The lines in the README, and an unmodified program that works with them."""
    (block,) = [block for block in blocks("console") if f"$ {EMBEDDED_AWS}\n" in block]
    told = [line.split("=")[0] for line in block.splitlines() if line.startswith("export ")]
    with copy.started(f"{EMBEDDED_AWS} --port 0") as process:
        assert process.stdout is not None
        printed = [process.stdout.readline().strip() for _ in told]
        environment = dict(line.removeprefix("export ").split("=", 1) for line in printed)
        assert [line.split("=")[0] for line in printed] == told
        assert "inputTokens" in copy.run(OWN_PROGRAM, environment)


def test_master_and_workers(copy: Copy, embedded: dict[str, str]) -> None:
    """As in the README, but on this machine."""

    def here(command: str) -> str:
        command = command.replace("locust ", "locust -f locustfiles/cris.py ", 1).replace("0.0.0.0", "127.0.0.1")
        return re.sub(r"--host \S+", "", command).replace("192.0.2.10", "127.0.0.1")

    with ExitStack() as workers:
        for _ in range(2):
            workers.enter_context(copy.started(here(WORKER), embedded))
        copy.run(here(MASTER), embedded)


def test_own_ci_is_a_script_that_runs_the_tests() -> None:
    """It cannot be run from the tests that it runs."""
    script = (ROOT / OWN_CI).read_text()
    subprocess.run(["bash", "-n", ROOT / OWN_CI], check=True)
    assert os.access(ROOT / OWN_CI, os.X_OK)
    assert TESTS in script


def test_ci_example_runs_the_main_job() -> None:
    steps = yaml.safe_load(files()["gateway.yml"])["jobs"]["gateway"]["steps"]
    runs = [step["run"] for step in steps if "run" in step]
    assert " && ".join(runs).startswith(MAIN_JOB)


# --- what it says of the project ----------------------------------------------------------------------------------


def test_folder_map_is_complete() -> None:
    """Every path in it exists, and every folder that a newcomer sees is in it."""
    (block,) = blocks("text")
    mapped = {line.split()[0].rstrip("/") for line in block.splitlines()}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))}
    assert folders - mapped == set()
    made_by_runs = {"runs"}
    parents = (ROOT, ROOT / "config", ROOT / "gateway")
    assert {name for name in mapped - made_by_runs if not any((parent / name).exists() for parent in parents)} == set()


def test_every_benchmark_is_told() -> None:
    programs = {path.stem for path in (ROOT / "tests" / "benchmarks").glob("*.py") if "def main(" in path.read_text()}
    assert programs - {"truth_server"} == set(re.findall(r"tests[/.]benchmarks[/.](\w+)", " ".join(COMMANDS)))


def test_links_and_pictures_exist() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


@pytest.mark.parametrize(("traffic", "said"), [("demo", "(\\d+) requests cost"), ("sustained", "(\\d+) of `--traffic")])
def test_cost_is_what_the_prices_make_it(traffic: str, said: str) -> None:
    """At most: every answer as long as it may be, each from the dearest model that may give it."""
    requests, cost_usd = 0, 0.0
    for prices, sent in asked(traffic):
        requests += sent
        cost_usd += sent * max(prices)
    told = re.search(rf"{said}.*?at most (\d+) US cents", README, re.DOTALL)
    assert told is not None
    assert requests == int(told[1])
    assert math.ceil(100 * cost_usd) == int(told[2])


def asked(traffic: str) -> Iterator[tuple[list[float], int]]:
    """For each consumer: what one request may cost in USD, by every model that may answer, and how many it sends."""
    spec = find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    price_list = json.loads(Path(spec.origin).with_name("model_prices_and_context_window_backup.json").read_text())
    config = load_config()
    patterns = load_patterns(None, config)
    stand_ins = config.stand_ins()
    for pattern in patterns.patterns.values():
        for consumer in pattern.consumers.values():
            groups = [consumer.model, *stand_ins.get(consumer.model, ())] if consumer.model else []
            models = [entry.bedrock_model_id for group in groups for entry in config.groups[group]]
            tokens = (consumer.prompt or patterns.prompt).max_tokens
            prices = [price_list[model] for model in models or [config.cris.model_id]]
            costs = [PROMPT_TOKENS * p["input_cost_per_token"] + tokens * p["output_cost_per_token"] for p in prices]
            yield costs, sum(1 for _ in arrivals(consumer.traffic[traffic], seed=patterns.seed))


PROMPT_TOKENS = 20  # more than the shipped prompt has


def test_error_texts_are_the_real_ones() -> None:
    """What the table under Troubleshooting quotes stands in the code, apart from the gaps marked …"""
    table = README.split("## Troubleshooting")[1].split("\n## ")[0]
    quoted = [text for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for text in re.findall(r"`(.+?)`", row)]
    assert len(quoted) > 8
    texts = [text for folder in ("analysis", "gateway", "locustfiles") for text in texts_in(ROOT / folder)]
    for quote in quoted:
        pieces = [piece.strip() for piece in re.split(r"…|\d+|https?://\S+|_?[A-Z]{2,}_\S+", quote)]
        for piece in pieces:
            assert any(piece in text for text in texts), f"{piece!r} of {quote!r} is nowhere in the code"


def texts_in(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@pytest.mark.parametrize("heading", ["kind", "Exit code"])
def test_tables_are_complete(heading: str) -> None:
    """The kinds of traffic and of faults, and the exit codes, are all of them."""
    from analysis.__main__ import FAILED, OPEN, PASSED, UNUSABLE
    from common.interruption import Interrupted

    def first_column(table: str) -> set[str]:
        return {cell for row in re.findall(r"^\| (.+?) \|", table, re.MULTILINE) for cell in re.findall(r"\w+", row)}

    tables = re.findall(rf"^\| `?{heading}`? \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", README, re.MULTILINE)
    if heading == "Exit code":
        interrupted = (Interrupted(number).exit_code for number in (signal.SIGINT, signal.SIGTERM))
        codes = {str(code) for code in (PASSED, FAILED, UNUSABLE, OPEN, *interrupted)}
        assert [first_column(table) for table in tables] == [codes]
    else:
        assert [first_column(table) for table in tables] == [traffic_kinds(), fault_kinds() - {"none"}]


def traffic_kinds() -> set[str]:
    from harness.settings.traffic import Burst, Constant, Phases, Poisson, Ramp, Steps, Trace

    return {model.__name__.lower() for model in (Burst, Constant, Phases, Poisson, Ramp, Steps, Trace)}


def fault_kinds() -> set[str]:
    from typing import get_args

    from embedded_aws.faults import AnyFault

    union, *_ = get_args(AnyFault)
    return {fault.model_fields["kind"].default for fault in get_args(union)}
