"""A client that cannot keep its schedule proves nothing, and does not blame the gateway."""

import pytest

STALLING = """
import time

import gevent
from locust import events, task

from harness import BedrockUser


class Stalling(BedrockUser):
    consumer = "cris"

    @task
    def converse(self):
        self.ask()


def stall():
    until = time.perf_counter() + 3
    while time.perf_counter() < until:
        pass


@events.spawning_complete.add_listener
def begin(**_):
    gevent.spawn(stall)
"""


@pytest.fixture
def here(place):
    return place("saturated")


def schedule(here, users=10, **traffic):
    here.change_consumer("cris", "cris", users=users, traffic={"demo": traffic})


def test_a_burst_that_a_busy_client_sends_late_proves_nothing(here, tmp_path):
    """Every user was free all the time, and none of them was awake."""
    file = tmp_path / "stalling.py"
    file.write_text(STALLING)
    schedule(here, kind="constant", rate_per_s=1000, duration_s=0.01)  # which waits for no quota window
    ended = here.start_locust("-f", str(file)).wait()
    assert ended.code == 3, ended.said
    late = [float(record["started_at"]) - float(record["intended_at"]) for record in ended.records]
    assert len(late) == 10
    check = ended.settings["self_check"]
    assert check["lag_max_ms"] == pytest.approx(max(late) * 1000, rel=0.01)
    assert check["lag_p50_ms"] > 1500
    assert set(ended.answers.values()) == {"UNKNOWN"}
    assert "although a user was free" in ended.verdicts["cris", "all_answered"]["reason"]


SLOW = {"kind": "latency", "add_ms": 1000}
STANDS_STILL = {"kind": "latency", "add_ms": 7000, "start_s": 2, "duration_s": 2}


def run(here, users, *faults):
    """5 requests a second for 5 seconds."""
    here.change("embedded", faults=list(faults))
    schedule(here, users, kind="constant", rate_per_s=5, duration_s=5)
    ended = here.start_locust("-f", "locustfiles/cris.py", "--only-summary").wait()
    assert len(ended.records) == 25
    assert ended.settings["self_check"]["offered_per_s"] == pytest.approx(25 / 4.8)
    return ended


def test_users_enough_send_at_the_offered_rate(here):
    ended = run(here, 20, SLOW)
    assert ended.code == 0, ended.said
    assert 25 / 6 < ended.settings["self_check"]["achieved_per_s"] <= 25 / 4.8 + 1e-6  # the last one up to 1.2 s late


def test_too_few_users_prove_nothing(here):
    ended = run(here, 2, SLOW)
    assert ended.code == 3, ended.said
    assert ended.settings["self_check"]["achieved_per_s"] < 3
    reason = ended.verdicts["cris", "all_answered"]["reason"]
    assert "cris has too few users. With 2, 1 % of its requests wait more than" in reason


def test_requests_that_queue_because_the_far_side_stands_still_are_not_the_clients_fault(here):
    ended = run(here, 5, STANDS_STILL)
    assert max(float(record["started_at"]) - float(record["intended_at"]) for record in ended.records) > 1.5
    assert ended.code == 0, ended.said
    assert ended.settings["self_check"]["bottleneck"] == ""
