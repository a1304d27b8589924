"""However a run ends: nothing is left running, and what was recorded is kept."""

import json
import os
import signal
import sys
from collections import Counter

import pytest

from tests.conftest import LOCUST, RUNS, free_port, rows

LONG = {"demo": {"kind": "constant", "rate_per_s": 20, "duration_s": 30}}


@pytest.fixture(scope="module")
def here(place):
    """Only straight to Bedrock, for a minute: a run that is ended before it ends by itself."""
    here = place("life-and-death")
    here.change_consumer("cris", "cris", traffic=LONG)
    return here


def under_way(started, records=20):
    """Waits until so many requests are recorded on disk."""
    started.until(lambda: len(started.records) > records)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_the_run_in_order(here, number):
    started = here.start_locust("-f", "locustfiles/cris.py")
    under_way(started)
    assert any("embedded_aws" in command for command in started.children.values())
    started.signal(number)
    ended = started.wait()
    assert ended.left == {}
    assert 20 < len(ended.records) < 600
    assert ended.settings["ended_at"] is not None
    stats = {row["Name"]: int(row["Request Count"]) for row in rows(ended.run / "locust_stats.csv")}
    assert stats["cris"] == len(ended.records)
    assert set(ended.answers.values()) == {"PASS"}  # what was sent, was answered
    assert ended.code == 0, ended.said
    assert (ended.run / "report.html").exists()


def test_sigkill_leaves_no_orphan_and_keeps_what_was_recorded(here):
    started = here.start_locust("-f", "locustfiles/cris.py")
    under_way(started)
    started.process.kill()
    started.gone()
    assert temporary(started) == []
    run = started.run
    text = (run / "requests.csv").read_text()
    kept = rows(run / "requests.csv")
    assert len(kept) > 20
    assert text.endswith("\n")
    assert json.loads((run / "run.json").read_text())["ended_at"] is None
    judged = here.python("-m", "analysis", "judge", str(run))
    assert judged.code == 3, judged.said
    assert "UNKNOWN" in judged.out


LOCUST_RUN = ["--headless", "-f", "locustfiles/fallback.py", "--runs", RUNS]
COMMANDS = {"locust": [LOCUST, *LOCUST_RUN], "gateway": [sys.executable, "-m", "gateway", "--logs", RUNS]}


def coming_up(here, command, child="gateway.litellm.launcher"):
    """Starts a command and waits until such a child of it is coming up."""
    started = here.start([*COMMANDS[command], *here.options])
    started.until(lambda: any(child in command for command in started.children.values()))
    assert [path.name[:8] for path in temporary(started)] == ["gateway-"]
    return started


def temporary(started):
    """What it has in its folder for temporary files."""
    return list((started.folder / "tmp").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_signal_during_the_start_ends_what_was_started(here, command, number):
    """Ctrl-C comes to all processes of the terminal, SIGTERM to one."""
    started = coming_up(here, command)
    if number == signal.SIGINT:
        os.killpg(started.process.pid, number)
    else:
        started.signal(number)
    ended = started.wait()
    assert ended.code == 128 + number, ended.said
    assert ended.left == {}
    assert temporary(started) == []
    assert f"{number.name} came during the start" in ended.err
    assert "Traceback" not in ended.said
    assert "KeyboardInterrupt" not in ended.said


def test_a_master_that_ends_before_the_run_tells_its_workers(here):
    port = str(free_port())
    file = ["-f", "locustfiles/fallback.py"]
    master = here.start_locust(*file, "--master", "--master-bind-port", port, "--expect-workers", "1")
    worker = here.start([LOCUST, *here.options, *file, "--worker", "--master-port", port])
    master.until("1 workers connected")
    master.signal(signal.SIGTERM)
    ended = master.wait()
    assert ended.code == 128 + signal.SIGTERM, ended.said
    assert ended.left == {}
    assert "Got quit message from master" in worker.wait().said


@pytest.mark.parametrize("child", ["embedded_aws", "gateway.litellm.launcher"])
def test_sigkill_during_the_start_leaves_neither_orphan_nor_credentials(here, child):
    started = coming_up(here, "locust", child)
    started.process.kill()
    started.gone()
    assert temporary(started) == []


@pytest.fixture(scope="module")
def bereaved(place):
    """A gateway that dies in the middle of a run, which Ctrl-C ends then."""
    here = place("bereaved")
    traffic = {"demo": {"kind": "constant", "rate_per_s": 5, "duration_s": 60}}
    here.change_consumer("account_sharding", "account-one", traffic=traffic)
    started = here.start_locust("-f", "locustfiles/account_sharding.py", "AccountOneUser")
    started.until(lambda: len(started.records) > 5)
    (litellm,) = (pid for pid, command in started.children.items() if "gateway.litellm.launcher" in command)
    os.kill(litellm, signal.SIGKILL)
    started.until("LiteLLM died during the run")
    started.until(lambda: Counter(row["status"] for row in started.records)["0"] > 5)
    started.signal(signal.SIGINT)
    return started.wait()


def test_a_gateway_that_dies_is_told_at_once_with_its_last_words(bereaved):
    assert "litellm.log" in bereaved.err
    assert "  | INFO:" in bereaved.err


def test_a_gateway_that_dies_loses_no_record_and_is_no_pass(bereaved):
    assert bereaved.code == 1, bereaved.said
    assert bereaved.left == {}
    statuses = bereaved.statuses("account-one")
    assert statuses["200"] > 5
    assert statuses["0"] > 5
    verdict = bereaved.verdicts["account_sharding", "all_answered"]
    assert verdict["answer"] == "FAIL"
    assert "no answer" in verdict["reason"]
    assert all(float(record["latency_ms"]) > 0 for record in bereaved.records)
    assert "LiteLLM died during the run" in bereaved.settings["notes"]


@pytest.fixture(scope="module")
def without_logs(place):
    """An AWS whose logs do not come within an hour, and a fetch that does not wait so long."""
    here = place("no-logs")
    embedded = here.read("embedded")
    embedded["invocation_logging"]["delivery_delay_s"] = 3600
    here.write("embedded", embedded)
    return here


def test_logs_that_never_come_leave_the_claims_open(without_logs):
    without_logs.change("config", fetch={"deadline_s": 2, "poll_s": 0.5})
    ended = without_logs.locust("-f", "locustfiles/cris.py")
    assert ended.code == 3, ended.said
    assert set(ended.answers.values()) == {"UNKNOWN"}
    assert "model invocation logging may be off" in ended.verdicts["cris", "all_answered"]["reason"]
    assert ended.left == {}


def test_an_analysis_that_dies_proves_nothing(without_logs):
    """Python's exit code after a crash, and a claim's that fails, are both 1."""
    without_logs.change("config", fetch={"deadline_s": 60, "poll_s": 0.5})
    started = without_logs.start_locust("-f", "locustfiles/cris.py")
    started.until("waiting for logs")
    (analysis,) = (pid for pid, command in started.children.items() if "analysis --lifeline all" in command)
    os.kill(analysis, signal.SIGKILL)
    ended = started.wait()
    assert ended.code == 3, ended.said
    assert "was not judged. Its records are kept: `uv run python -m analysis all " in ended.err
    assert len(ended.records) == 10
    assert ended.left == {}
