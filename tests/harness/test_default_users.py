"""Consumers without a User class get a plain one when the whole folder runs: alone, with workers, in the web UI."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import Any

import pytest

from tests.conftest import LOCUST, RUNS, Ended, free_port

BURST = {"demo": {"kind": "burst", "requests": 6}}
# Of other names than the shipped ones; `cris` has one, and takes the other route.
PATTERNS = {
    "patterns": {
        "mine": {
            "title": "Mine",
            "consumers": {
                "chat-a": {"model": "fallback-primary", "users": 6, "traffic": BURST},
                "cris": {"model": "shared", "users": 6, "traffic": BURST},
            },
            "claims": [{"claim": "all_answered"}],
        },
        "straight": {
            "title": "Straight",
            "route": "direct",
            "consumers": {"straight on": {"users": 6, "traffic": BURST}},
            "claims": [{"claim": "all_answered"}],
        },
    }
}
CLASSES = {"chat-a": "ChatAUser", "cris": "CrisUser2", "straight on": "StraightOnUser"}


@pytest.fixture(scope="module")
def here(place: Any) -> Any:
    made = place("default-users")
    made.write("patterns", PATTERNS)
    return made


def check(ended: Ended) -> None:
    assert ended.code == 0, ended.said
    assert {consumer["name"]: consumer["user_class"] for consumer in ended.settings["consumers"]} == CLASSES
    assert {consumer: ended.statuses(consumer) for consumer in CLASSES} == {
        consumer: {"200": 6} for consumer in CLASSES
    }
    assert set(ended.answers.values()) == {"PASS"}
    assert ended.settings["notes"] == []
    assert "plain one: chat-a (ChatAUser), cris (CrisUser2), straight on (StraightOnUser)" in ended.out
    assert "left out: " in ended.out
    assert ended.left == {}


def test_alone(here: Any) -> None:
    check(here.locust())


def test_with_forked_workers(here: Any) -> None:
    port = str(free_port())
    ended = here.locust("--processes", "2", "--master-bind-port", port, "--master-port", port)
    check(ended)
    assert len({record["worker"] for record in ended.records}) == 2


def test_with_a_worker_that_has_no_patterns_file(here: Any) -> None:
    """As on another machine; it connects before the master has anything ready."""
    port = str(free_port())
    worker = here.start([LOCUST, "--worker", "--master-port", port])
    master = here.start_locust("--master", "--master-bind-port", port, "--expect-workers", "1")
    ended = master.wait()
    worker.gone()
    check(ended)


def test_the_class_picker_shows_them_and_starts_one_alone(here: Any) -> None:
    port = free_port()
    started = here.start([LOCUST, *here.options, "--runs", RUNS, "--web-port", str(port)])
    started.until(lambda: answers(port))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
        shown = page.read().decode()
    assert all(name in shown for name in CLASSES.values())
    assert "AccountOneUser" not in shown
    form = urllib.parse.urlencode({"user_count": 6, "spawn_rate": 100, "user_classes": "StraightOnUser"}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/swarm", form) as answer:
        assert json.load(answer)["success"]
    started.until(lambda: (started.run / "verdicts.json").exists())
    assert {record["consumer"] for record in started.records} == {"straight on"}
    assert len(started.records) == 6
    started.kill_all()


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/"):
            return True
    except OSError:
        return False


def test_a_consumer_that_cannot_be_sent_for_is_no_fault_of_the_others(here: Any, place: Any) -> None:
    """`straight on` names no model, and nothing says which one is meant: that matters to its own runs only."""
    made = place("without-cris")
    made.write("patterns", PATTERNS)
    config = made.read("config")
    del config["cris"]
    made.write("config", config)
    refused = made.locust()
    assert refused.code == 2, refused.said
    assert "patterns.straight.consumers.straight on: the direct route needs a model" in refused.err
    file = made.folder / "one.py"
    file.write_text(
        "from locust import task\nfrom harness import GatewayUser\n\n\nclass One(GatewayUser):\n"
        "    consumer = 'chat-a'\n\n    @task\n    def chat(self):\n        self.ask()\n"
    )
    ended = made.locust("-f", str(file))
    assert ended.statuses("chat-a") == {"200": 6}, ended.said
