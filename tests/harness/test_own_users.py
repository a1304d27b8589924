"""User classes of one's own: whatever they override, the schedule is kept, and nothing is sent before."""

from collections import Counter

import pytest

OWN = """
import os
from contextlib import suppress

from locust import constant, events, task

from harness import BedrockUser


class Own(BedrockUser):
    consumer = "account-one"

    def on_start(self):
        self.topic = "load"

    def on_stop(self):
        self.topic = None

    @task
    def converse_twice(self):
        self.ask(self.topic)
        self.ask()


class Closed(BedrockUser):
    consumer = "cris"
    wait_time = constant(0.5)

    @task
    def converse(self):
        self.ask()


@events.quitting.add_listener
def tell(**_):
    alarms = 0
    for descriptor in range(200):
        with suppress(OSError):
            alarms += "timerfd" in os.readlink(f"/proc/self/fd/{descriptor}")
    print(alarms, "alarms left")
"""


@pytest.fixture(scope="module")
def here(place):
    here = place("own-users")
    patterns = here.read("patterns")
    patterns["patterns"]["account_sharding"]["route"] = "direct"
    burst = {"users": 10, "traffic": {"demo": {"kind": "burst", "requests": 10}}}
    patterns["patterns"]["account_sharding"]["consumers"]["account-one"] |= burst
    patterns["patterns"]["cris"]["consumers"]["cris"]["users"] = 2
    here.write("patterns", patterns)
    return here


@pytest.fixture(scope="module")
def ended(here, tmp_path_factory):
    file = tmp_path_factory.mktemp("own") / "own.py"
    file.write_text(OWN)
    return here.locust("-f", str(file), "-t", "4s")


def test_on_start_and_on_stop_are_the_users_own(ended):
    asked = Counter(record["consumer"] for record in ended.records)
    assert asked["account-one"] == 10
    (due_at,) = {record["intended_at"] for record in ended.records if record["consumer"] == "account-one"}
    assert all(float(record["started_at"]) >= float(due_at) for record in ended.records)
    assert "Traceback" not in ended.said


def test_consumers_without_a_class_are_told(ended):
    assert ended.settings["notes"] == ["Account sharding ran without account-two: no User class has this `consumer`."]
    assert ended.settings["notes"][0] in ended.out.replace("\n", " ")


def test_a_closed_model_waits_for_the_start_of_the_run_too(ended):
    starts = {record["started_at"] for record in ended.records if record["consumer"] == "cris"}
    due_at = min(float(record["intended_at"]) for record in ended.records if record["consumer"] == "account-one")
    assert len(starts) > 2
    assert float(min(starts)) >= due_at


def test_no_alarm_outlives_its_user(ended):
    assert "0 alarms left" in ended.out
