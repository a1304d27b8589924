"""The main job, run once the way a user runs it, and judged by the files that it leaves."""

import csv
import json
from collections import Counter

import pytest

from tests.conftest import rows

PATTERNS = ["cris", "account_sharding", "fallback", "load_balancing", "quota_isolation"]


@pytest.fixture(scope="module")
def job(main_job):
    return main_job[1]


@pytest.fixture(scope="module")
def here(main_job):
    return main_job[0]


def test_exits_0_and_leaves_nothing_running(job):
    assert job.code == 0, job.said
    assert job.left == {}


def test_every_claim_passes(job):
    assert set(job.answers.values()) == {"PASS"}, job.out
    assert [pattern for pattern, _ in job.answers] == sorted(
        [pattern for pattern, _ in job.answers], key=PATTERNS.index
    )
    assert len(job.answers) == 12


def test_cris_is_answered_from_more_than_one_region(job):
    asked = [record for record in job.records if record["pattern"] == "cris"]
    assert job.statuses("cris") == {"200": 10}
    regions = {row["request_id"]: row["inference_region"] for row in rows(job.run / "invocations.csv")}
    assert len({regions[record["request_id"]] for record in asked}) > 1


def test_each_account_gets_its_ten(job):
    assert job.served("account_sharding") == {"shard-one": 10, "shard-two": 10}
    accounts = {row["request_id"]: row["account_id"] for row in rows(job.run / "invocations.csv")}
    sharded = [record for record in job.records if record["pattern"] == "account_sharding"]
    invoked = Counter((record["consumer"], accounts[record["request_id"]]) for record in sharded)
    assert invoked == {("account-one", "111111111111"): 10, ("account-two", "222222222222"): 10}


def test_the_accounts_take_turns(job):
    sharded = [record for record in job.records if record["pattern"] == "account_sharding"]
    in_order = [record["consumer"] for record in sorted(sharded, key=lambda record: float(record["intended_at"]))]
    assert in_order == ["account-one", "account-two"] * 10


def test_the_fallback_takes_what_is_over_the_primarys_quota(job):
    assert job.served("fallback") == {"fallback-primary": 3, "fallback-secondary": 7}


def test_two_primaries_and_a_fallback_share_the_load(job):
    assert job.served("load_balancing") == {"balanced-1": 3, "balanced-2": 3, "balanced-fallback": 4}


def test_only_the_noisy_consumer_is_refused(job):
    assert job.statuses("A") == {"200": 3, "429": 2}
    assert job.statuses("B") == job.statuses("C") == {"200": 5}
    refused = [record for record in job.records if record["status"] == "429"]
    assert {(record["consumer"], record["request_id"]) for record in refused} == {("A", "")}  # Bedrock never saw them


@pytest.mark.parametrize("pattern", ["cris", "fallback", "load_balancing", "quota_isolation"])
def test_a_burst_is_at_once_and_within_one_quota_window(job, pattern):
    burst = [record for record in job.records if record["pattern"] == pattern]
    assert len({record["intended_at"] for record in burst}) == 1
    minutes = {int(float(record["started_at"]) + float(record["latency_ms"]) / 1000) // 60 for record in burst}
    assert len(minutes) == 1


def test_locusts_tables_agree_with_the_records_to_the_last_request(job):
    recorded = Counter(record["consumer"] for record in job.records)
    stats = {row["Name"]: row for row in rows(job.run / "locust_stats.csv")}
    assert {name: int(row["Request Count"]) for name, row in stats.items() if name != "Aggregated"} == recorded
    assert int(stats["Aggregated"]["Request Count"]) == sum(recorded.values()) == 65
    assert int(stats["Aggregated"]["Failure Count"]) == 0  # a refusal that the own quota explains is no failure
    for name in recorded:
        slowest = max(float(record["latency_ms"]) for record in job.records if record["consumer"] == name)
        assert float(stats[name]["Max Response Time"]) == pytest.approx(slowest, abs=1e-3)
    history = [row for row in rows(job.run / "locust_stats_history.csv") if row["Name"] == "Aggregated"]
    assert int(history[-1]["Total Request Count"]) == 65


def test_every_csv_file_is_whole(job):
    for file in job.run.glob("*.csv"):
        with file.open(newline="") as opened:
            widths = {len(row) for row in csv.reader(opened, strict=True)}
        assert len(widths) == 1, file
        assert file.read_bytes().endswith(b"\n"), file


def test_the_run_folder_holds_what_a_run_leaves(job):
    assert {file.name for file in job.run.iterdir()} == {
        "run.json", "requests.csv", "invocations.csv", "fetch.json", "verdicts.json", "report.html",
        "locust_stats.csv", "locust_stats_history.csv", "locust_failures.csv", "locust_exceptions.csv",
        "locust_report.html", "faults.json",
    }  # fmt: skip
    assert (job.runs / "latest").is_symlink()
    assert job.settings["id"] == job.run.name
    assert job.settings["evidence"] == "embedded"


def test_run_json_says_what_the_gateways_file_makes_it_do(job):
    assert job.settings["format"] == 2
    assert job.settings["routing"]["strategy"] == "simple-shuffle"
    assert job.settings["routing"]["limits"] == ["pre_call_checks"]
    assert {(one["provider"], one["limited"]) for one in job.settings["deployments"]} == {("bedrock", True)}


def test_verdicts_json_names_each_claim_and_what_decides_it(job):
    verdicts = json.loads((job.run / "verdicts.json").read_text())
    configured = [(one["pattern"], one["claim"], one["consumers"], one["parameters"]) for one in job.settings["claims"]]
    assert [(one["pattern"], one["claim"], one["consumers"], one["parameters"]) for one in verdicts] == configured
    assert {one["cause"] for one in verdicts} == {"proved"}


def test_both_reports_are_pages_and_ours_links_to_locusts(job):
    assert "locust_report.html" in (job.run / "report.html").read_text()
    locusts = (job.run / "locust_report.html").read_text()
    assert "<html" in locusts
    assert "load-balanced" in locusts


def test_no_key_is_anywhere(here, job):
    """Neither the run's keys nor the embedded AWS's, whose secret access keys live in files that are gone now."""
    written = [file for file in here.folder.rglob("*") if file.is_file()]
    assert any(file.name == "litellm.log" for file in written)
    for file in written:
        content = file.read_bytes()
        for name, key in here.keys.items():
            assert key.encode() not in content, f"{name} in {file}"
        assert b"aws_secret_access_key" not in content, file


def test_it_says_what_it_does(job):
    stages = [
        "Starting the embedded AWS", "Starting the gateway", "litellm.log", "Warming up", "Sending, run ",
        "waiting for logs", "judging", "writing the report", "PASS", "report.html",
    ]  # fmt: skip
    positions = [job.out.find(stage) for stage in stages]
    assert -1 not in positions
    assert positions == sorted(positions)


def test_it_tells_each_request_in_a_line(job):
    lines = [line for line in job.out.splitlines() if line.rstrip().endswith(" s") and line[2:3] == ":"]
    assert len(lines) == 65
    refused = [line.split() for line in lines if "refused by gateway" in line]
    assert [(line[1], line[2]) for line in refused] == [("quota_isolation", "A")] * 2


def test_the_warm_up_counts_nowhere(job):
    """It is said in run.json, and neither records, nor Locust, nor the run's invocations hold it."""
    assert job.settings["self_check"]["warmup_requests"] == 10
    answered = {record["request_id"] for record in job.records if record["status"] == "200"}
    assert {row["request_id"] for row in rows(job.run / "invocations.csv")} == answered


def test_run_json_has_the_settings_with_keys_by_name_only(job):
    assert job.settings["settings"]["patterns.yaml"]["patterns"].keys() == set(PATTERNS)
    assert job.settings["settings"]["patterns.yaml"]["patterns"]["quota_isolation"]["consumers"]["A"]["key"] == (
        "CONSUMER_A_KEY"
    )
