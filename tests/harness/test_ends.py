"""A run is judged, or says that it was not: however it ends, exit code 0 stands for verdicts."""

import json
import os
import signal

import pytest

from tests.conftest import LOCUST, RUNS, free_port

LONG = {"demo": {"kind": "constant", "rate_per_s": 20, "duration_s": 30}}
CRIS = ["-f", "locustfiles/cris.py"]
SHAPED = """
from locust import LoadTestShape, task

from harness import BedrockUser


class Shaped(BedrockUser):
    consumer = "cris"

    @task
    def converse(self):
        self.ask()


class Stages(LoadTestShape):
    def tick(self):
        return (5, 10) if self.get_run_time() < 2 else (10, 10)
"""

RAISING = """
import itertools

from locust import task

from harness import BedrockUser

numbers = itertools.count()


class Raising(BedrockUser):
    consumer = "cris"

    @task
    def converse(self):
        if next(numbers) == 4:
            raise KeyError("no topic")
        self.ask()
"""


@pytest.fixture(scope="module")
def here(place):
    return place("ends")


@pytest.fixture(scope="module")
def long(place):
    """A run that is ended before it ends by itself, and logs that do not come while it is judged."""
    here = place("long")
    here.change_consumer("cris", "cris", traffic=LONG)
    embedded = here.read("embedded")
    embedded["invocation_logging"]["delivery_delay_s"] = 3600
    here.write("embedded", embedded)
    return here


def ctrl_c(started):
    """As a terminal sends it: to all processes of the foreground group."""
    os.killpg(started.process.pid, signal.SIGINT)


def under_way(started):
    started.until(lambda: len(started.records) > 20)


def assert_not_judged(ended):
    assert ended.code == 3, ended.said
    assert ended.left == {}
    assert not (ended.run / "verdicts.json").exists()
    assert "was not judged. Its records are kept: `uv run python -m analysis all " in ended.err
    assert "Traceback" not in ended.said
    assert ended.settings["ended_at"] is not None


@pytest.mark.parametrize(
    "interrupt", [ctrl_c, lambda started: started.signal(signal.SIGTERM)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_while_a_run_is_judged_gives_that_up(long, interrupt):
    started = long.start_locust(*CRIS, "-t", "3s")
    started.until("waiting for logs")
    interrupt(started)
    assert_not_judged(started.wait(30))


def test_a_second_ctrl_c_gives_up_what_the_first_one_left_to_do(long):
    started = long.start_locust(*CRIS)
    under_way(started)
    ctrl_c(started)
    started.until("waiting for logs")
    ctrl_c(started)
    assert_not_judged(started.wait(30))


def test_ctrl_c_of_a_run_with_forked_workers_ends_it_in_order(here, long):
    """They get it as well, and leave it to the master."""
    port = str(free_port())
    options = ["--patterns", str(long.files["patterns"])]
    started = here.start_locust(*CRIS, *options, "--processes", "2", "--master-bind-port", port, "--master-port", port)
    under_way(started)
    ctrl_c(started)
    ended = started.wait(60)
    assert ended.code == 0, ended.said
    assert ended.left == {}
    assert set(ended.answers.values()) == {"PASS"}
    assert "Traceback" not in ended.said
    assert not [note for note in ended.settings["notes"] if "lost" in note]


def test_a_run_that_a_load_shape_steers_is_judged(here, tmp_path):
    file = tmp_path / "shaped.py"
    file.write_text(SHAPED)
    ended = here.locust("-f", str(file))
    assert ended.code == 0, ended.said
    assert ended.left == {}
    assert set(ended.answers.values()) == {"PASS"}
    assert len(ended.records) == 10


def test_the_analysis_ends_with_a_locust_that_is_killed(long):
    started = long.start_locust(*CRIS, "-t", "3s")
    started.until("waiting for logs")
    started.process.kill()
    started.gone(within_s=15)


def test_what_a_users_own_code_raises_is_told(here, tmp_path):
    file = tmp_path / "raising.py"
    file.write_text(RAISING)
    ended = here.locust("-f", str(file))
    assert "A User class raised once, and may not have sent what was due: 'no topic'" in ended.settings["notes"]
    assert "may not have sent what was due" in ended.out
    assert len(ended.records) == 10  # another user took what this one had been about to send


def test_an_aws_that_dies_during_the_run_leaves_verdicts_that_say_so(long):
    started = long.start_locust(*CRIS, "-t", "3s")
    under_way(started)
    (aws,) = (pid for pid, command in started.children.items() if "embedded_aws" in command)
    os.kill(aws, signal.SIGKILL)
    ended = started.wait(60)
    assert ended.code in (1, 3), ended.said
    assert ended.answers["cris", "all_answered"] == "FAIL"
    assert ended.settings["ended_at"] is not None
    assert "The embedded AWS could not say which faults it had." in ended.settings["notes"]
    assert "died during the run" in ended.err


def test_faults_are_asked_for_again_while_the_aws_refuses_connections(here):
    here.change("embedded", faults=[{"kind": "connection_refused", "start_s": 2, "duration_s": 2}])
    ended = here.locust(*CRIS, "-t", "2s")
    here.change("embedded", faults=[])
    assert [fault["kind"] for fault in json.loads((ended.run / "faults.json").read_text())] == ["connection_refused"]
    assert ended.settings["ended_at"] is not None
    assert ended.answers


def test_json_on_stdout_is_locusts_alone(here):
    ended = here.locust(*CRIS, "--json", "--skip-log")
    (cris,) = json.loads(ended.out)
    assert (cris["name"], cris["num_requests"]) == ("cris", 10)
    assert "Sending, run" in ended.err
    assert "waiting for logs" in ended.err


def test_a_run_that_ends_before_its_users_are_there_says_so(here):
    ended = here.locust(*CRIS, "-t", "2s", "-r", "1")
    assert ended.code == 3, ended.said
    assert "The run was ended before all of its users were there, so nothing was sent." in ended.settings["notes"]


def test_autoquit_follows_a_run_that_ends_by_itself(here):
    options = [*here.options, "--runs", RUNS, "--web-port", str(free_port())]
    started = here.start([LOCUST, *CRIS, *options, "--autostart", "--autoquit", "1"])
    ended = started.wait(60)
    assert ended.code == 0, ended.said
    assert set(ended.answers.values()) == {"PASS"}
    assert ended.left == {}
