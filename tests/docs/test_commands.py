"""Every command of the README and of the pages in docs/ is run here.

The commands run in a copy of the project that differs by its ports only. One that needs another machine, an AWS
account or many minutes is run in a shorter variant; which, and why, stands in `SHORTER`. A command that is in none of
the tables below runs as it stands on its page and must exit with 0.
"""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import yaml

from tests.docs.checkout import Copy, wait_for
from tests.docs.pages import PAGES, README, ROOT, all_blocks, commands, files

COMMANDS = commands()

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
    assert len(ended.records) == int(re.search(r"sends (\d+) requests", PAGES[README])[1])  # type: ignore[index]
    assert "report.html" in ended.out.splitlines()[-1]
    table = PAGES[README].split("| Pattern | What is proved |\n|---|---|\n")[1]
    patterns = re.findall(r"^\| (.+?) \|", table, re.MULTILINE)[:5]
    assert [pattern for pattern in patterns if pattern not in ended.out] == []
    table = PAGES["docs/verdicts.md"].split("| File in `runs/ID/` |")[1].split("\n\n")[0]
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
    (block,) = [block for block in all_blocks("console") if f"$ {EMBEDDED_AWS}\nexport" in block]
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
