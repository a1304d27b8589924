"""A claim that cannot fail is no claim: every one of them fails here, each for a reason of its own, in one run."""

import pytest

from tests.conftest import rows

FAILURES = {
    # One Region takes practically everything, and account one's quota for the profile is 6.
    ("cris", "all_answered"): ("6 of 10 answered", "ThrottlingException 4"),
    ("cris", "regions_at_least"): ("1 Region: us-east-2 6", "All 6 invocations were served in us-east-2"),
    # Bedrock throttles the shard in account two after 4 of 10.
    ("account_sharding", "all_answered"): ("14 of 20 answered, 6 refused by Bedrock", "6 requests refused by Bedrock"),
    ("account_sharding", "shards_separate"): ("account-two: 4 in 222222222222", "6 requests refused by Bedrock"),
    # Bedrock admits 1 of the primary's 3, and there is no fallback.
    ("fallback", "all_answered"): (
        "1 of 10 answered",
        "7 requests refused by the gateway and 2 requests refused by Bedrock",
    ),
    ("fallback", "primaries_filled"): ("fallback-primary 1 of 10", "where the quota makes it 3"),
    ("fallback", "overflow_answered_by_fallback"): ("0 of 9 answered", "No fallback is configured"),
    # Bedrock admits 1 of the second primary's 3, and the fallback's quota is 2.
    ("load_balancing", "all_answered"): ("6 of 10 answered", "refused by the gateway"),
    ("load_balancing", "primaries_filled"): ("balanced-1 3, balanced-2 1", "where the quota makes it 3"),
    ("load_balancing", "overflow_answered_by_fallback"): (
        "2 of 6 answered by balanced-fallback",
        "refused by the gateway",
    ),
    # All share A's key; B and C spend its quota before A comes, and still ask then.
    ("quota_isolation", "limited_to_quota"): ("A: 0 admitted, 5 refused", "where the quota makes it 3"),
    ("quota_isolation", "neighbours_unharmed"): ("of 5 answered", "7 requests refused by the gateway"),
}


@pytest.fixture(scope="module")
def sabotaged(place):
    here = place("sabotaged")

    config = here.read("config")
    config["cris"]["model_id"] = "us.anthropic.claude-opus-4-6-v1"
    models = {}
    for entry in config["model_list"]:
        models.setdefault(entry["model_name"], []).append(entry["litellm_params"])
    models["shard-two"][0]["model"] = "bedrock/amazon.nova-lite-v1:0"
    models["fallback-primary"][0]["model"] = "bedrock/amazon.nova-pro-v1:0"
    models["balanced"][1]["model"] = "bedrock/amazon.nova-micro-v1:0"
    models["balanced-fallback"][0]["rpm"] = 2
    # Warming up takes each profile's first model, and shall not take from the small quotas.
    config["model_list"].sort(key=lambda entry: entry["model_name"] != "shared")
    config["router_settings"]["fallbacks"] = [{"balanced": ["balanced-fallback"]}]
    here.write("config", config)

    embedded = here.read("embedded")
    one, two = embedded["accounts"]
    one["quotas"] = {"us.anthropic.claude-opus-4-6-v1": {"rpm": 6}, "amazon.nova-pro-v1:0": {"rpm": 1}}
    two["quotas"] = {"amazon.nova-lite-v1:0": {"rpm": 4}, "amazon.nova-micro-v1:0": {"rpm": 1}}
    embedded["destinations"]["us-east-2"]["weight"] = 1e12
    here.write("embedded", embedded)

    patterns = here.read("patterns")
    consumers = patterns["patterns"]["quota_isolation"]["consumers"]
    for consumer in consumers.values():
        consumer["key"] = "CONSUMER_A_KEY"
        consumer["traffic"]["demo"] = {"kind": "constant", "rate_per_s": 1, "duration_s": 5}
    consumers["A"]["traffic"]["demo"] = {"kind": "constant", "rate_per_s": 100, "duration_s": 0.05, "start_s": 4}
    here.write("patterns", patterns)
    return here.locust()


def test_exits_1_and_leaves_nothing_running(sabotaged):
    assert sabotaged.code == 1, sabotaged.said
    assert sabotaged.left == {}


def test_every_claim_is_sabotaged(sabotaged, main_job):
    assert sabotaged.answers.keys() == FAILURES.keys() == main_job[1].answers.keys()


@pytest.mark.parametrize("claim", FAILURES, ids="-".join)
def test_fails_and_says_why(sabotaged, claim):
    verdict = sabotaged.verdicts[claim]
    observed, reason = FAILURES[claim]
    assert verdict["answer"] == "FAIL", verdict
    assert observed in verdict["observed"]
    assert reason in verdict["reason"]


def test_refusals_are_told_apart(sabotaged):
    """Bedrock's carry its request id, the gateway's do not."""
    by_bedrock = [r for r in sabotaged.records if r["status"] == "429" and r["request_id"]]
    by_gateway = [r for r in sabotaged.records if r["status"] == "429" and not r["request_id"]]
    assert {r["error_type"] for r in by_bedrock} == {"ThrottlingException"}
    assert {r["consumer"] for r in by_bedrock} >= {"cris", "account-two"}
    assert {r["consumer"] for r in by_gateway} >= {"A", "B", "C"}


def test_locust_counts_what_failed(sabotaged):
    stats = {row["Name"]: row for row in rows(sabotaged.run / "locust_stats.csv")}
    assert int(stats["cris"]["Failure Count"]) == 4
    assert int(stats["account-two"]["Failure Count"]) == 6
    assert int(stats["account-one"]["Failure Count"]) == 0
    failures = rows(sabotaged.run / "locust_failures.csv")
    assert any("ThrottlingException Too many requests" in row["Error"] for row in failures)


def test_the_terminal_and_the_report_say_it(sabotaged):
    assert "FAIL (12 FAIL), report" in sabotaged.out
    assert "No fallback is configured for fallback-primary" in (sabotaged.run / "report.html").read_text()
