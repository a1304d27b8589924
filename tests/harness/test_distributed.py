"""Several Locust processes: one schedule, one run folder, and nobody lost without a word."""

import sys
from collections import Counter
from itertools import pairwise

import pytest

from tests.conftest import LOCUST, free_port, rows


@pytest.fixture(scope="module")
def straight(place):
    """Two forked workers, and `route: direct`: no gateway at all."""
    here = place("straight")
    patterns = here.read("patterns")
    patterns["patterns"]["account_sharding"]["route"] = "direct"
    patterns["patterns"]["account_sharding"]["consumers"]["account-two"]["users"] = 15  # for 10 requests
    here.write("patterns", patterns)
    port = str(free_port())
    files = "locustfiles/account_sharding.py,locustfiles/cris.py"
    return here.locust("-f", files, "--processes", "2", "--master-bind-port", port, "--master-port", port)


def test_direct_sharding_asks_each_account_with_its_profile(straight):
    assert straight.code == 0, straight.said
    assert straight.left == {}
    assert "Starting the gateway" not in straight.out
    assert straight.served("account_sharding") == {"account-one": 10, "account-two": 10}
    assert {record["model_asked"] for record in straight.records} == {"us.anthropic.claude-sonnet-4-6"}
    assert set(straight.answers.values()) == {"PASS"}
    assert len(straight.answers) == 4


def test_users_without_a_request_end_without_a_word(straight):
    assert "ERROR" not in straight.err


def test_two_processes_send_the_schedule_once_and_record_it_whole(straight):
    assert len(straight.records) == 30
    assert len({record["worker"] for record in straight.records}) == 2
    one = sorted(float(r["intended_at"]) for r in straight.records if r["consumer"] == "account-one")
    assert [later - earlier for earlier, later in pairwise(one)] == pytest.approx([0.5] * 9, abs=1e-3)
    stats = {row["Name"]: int(row["Request Count"]) for row in rows(straight.run / "locust_stats.csv")}
    assert stats == {"account-one": 10, "account-two": 10, "cris": 10, "Aggregated": 30}
    assert straight.settings["self_check"]["workers"] == 2
    assert straight.settings["notes"] == []


def test_each_request_is_told_once(straight):
    lines = [line.split()[1] for line in straight.out.splitlines() if line[2:3] == ":" and line.endswith(" s")]
    assert Counter(lines) == {"cris": 10, "account_sharding": 20}


def by_worker(started):
    """How many requests of each worker are recorded on disk."""
    return Counter(record["worker"] for record in started.records)


@pytest.fixture(scope="module")
def depleted(place):
    """A master that loses one of its two workers in the middle of the run, and gets another one too late."""
    here = place("depleted")
    traffic = {"demo": {"kind": "constant", "rate_per_s": 6, "duration_s": 20}}
    here.change_consumer("cris", "cris", traffic=traffic)
    port = str(free_port())
    file = ["-f", "locustfiles/cris.py"]
    worker = [LOCUST, *here.options, *file, "--worker", "--master-port", port]
    master = here.start_locust(*file, "--master", "--master-bind-port", port, "--expect-workers", "2")
    workers = [here.start(worker), here.start(worker)]
    master.until(lambda: len(recorded := by_worker(master)) == 2 and min(recorded.values()) >= 5)
    workers[0].process.kill()
    workers.append(here.start(worker))
    ended = master.wait()
    for each in workers:
        each.gone()
    ended.err += workers[2].err
    return ended


def test_a_lost_worker_is_told_and_what_it_had_reported_is_kept(depleted):
    assert any("was lost" in note for note in depleted.settings["notes"])
    recorded = by_worker(depleted)
    assert len(recorded) == 2
    assert min(recorded.values()) >= 5
    assert max(recorded.values()) == 60  # half the schedule, and not more


def test_a_late_worker_is_told_and_sends_nothing(depleted):
    assert any("joined late" in note for note in depleted.settings["notes"])
    assert "Traceback" not in depleted.said


def test_a_run_that_lost_a_worker_proves_nothing(depleted):
    assert depleted.code == 3, depleted.said
    assert depleted.left == {}
    assert set(depleted.answers.values()) == {"UNKNOWN"}
    assert "never sent" in depleted.verdicts["cris", "all_answered"]["reason"]
    assert depleted.settings["self_check"]["not_sent"] > 0


def test_a_worker_that_cannot_send_ends_the_run_and_says_why(place):
    """Its machine lacks the AWS profile: there is no such file as the one that the plan names."""
    here = place("unable")
    port = str(free_port())
    file = ["-f", "locustfiles/cris.py"]
    master = here.start_locust(*file, "--master", "--master-bind-port", port, "--expect-workers", "1")
    worker = here.start(
        [sys.executable, "-c", WITHOUT_PROFILES, *here.options, *file, "--worker", "--master-port", port]
    )
    ended = master.wait(60)
    worker.gone(within_s=20)
    assert ended.code == 3, ended.said
    assert "cannot send: ProfileNotFound: The config profile (account-one) could not be found." in ended.err
    assert set(ended.answers.values()) == {"UNKNOWN"}
    assert "cannot send: ProfileNotFound" in ended.verdicts["cris", "all_answered"]["reason"]
    assert any("cannot send: ProfileNotFound" in note for note in ended.settings["notes"])
    assert ended.left == {}


WITHOUT_PROFILES = """
import sys

from locust import main

import botocore.session

botocore.session.Session.full_config = {"profiles": {}}
main.main()
"""
