"""The world on injected time: Regions, quotas, latencies and the journal, without HTTP."""

import math
from collections import Counter
from statistics import median

import pytest

from embedded_aws.faults import Fault
from embedded_aws.settings import AccountTemplate, Embedded
from embedded_aws.wire import AwsError, Caller
from embedded_aws.world import Attempt, World

SONNET, GLOBAL_SONNET = "us.anthropic.claude-sonnet-4-6", "global.anthropic.claude-sonnet-4-6"
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NOON = 1_795_348_800.0
SETTINGS = {
    "seed": 1,
    "regions": ["us-east-1", "us-west-2"],
    "accounts": [{"id": "111111111111", "profile": "one"}, {"id": "222222222222", "profile": "two"}],
    "models": {
        "anthropic.claude-sonnet-4-6": {"body": "claude", "max_output_tokens": 64_000, "burndown": 5},
        "anthropic.claude-haiku-4-5-20251001-v1:0": {"body": "claude", "max_output_tokens": 64_000, "burndown": 5},
    },
    "latency": {"first_token_ms": {"median": 200, "p99": 800}, "per_token_ms": 5},
    "answer_tokens": {"min": 10, "max": 20},
    "invocation_logging": {"delivery_delay_s": 2},
}


class Journal:
    def __init__(self):
        self.entries = []

    def append(self, account_id, region, log_group, record, deliver_at):
        self.entries.append((account_id, region, log_group, record, deliver_at))

    @property
    def records(self):
        return [record for _, _, _, record, _ in self.entries]


class Fixture:
    def __init__(self, **changes):
        self.now = NOON
        self.journal = Journal()
        self.world = World(Embedded.model_validate({**SETTINGS, **changes}), self.journal, lambda: self.now)

    def begin(self, model_id=SONNET, account="111111111111", region="us-east-1", tokens=10, max_tokens=100):
        """What an authorised Converse call does."""
        caller = Caller("AKIA", account, f"arn:aws:iam::{account}:user/u", "AIDA", region, "bedrock")
        target = self.world.target(account, region, model_id)
        faults = self.world.struck_by(_call(caller, target), self.now)
        attempt = Attempt(
            caller, target, "Converse", f"id-{len(self.journal.entries)}", tokens, max_tokens, None, faults
        )
        return self.world.begin(attempt)

    def ask(self, **kwargs):
        invocation = self.begin(**kwargs)
        self.world.end(invocation, 10, {}, {})
        return invocation

    def regions(self, count, **kwargs):
        return Counter(self.ask(**kwargs).inference_region for _ in range(count))

    def refusal(self, **kwargs):
        with pytest.raises(AwsError) as caught:
            self.begin(**kwargs)
        return caught.value.code, caught.value.message


def _call(caller, target):
    from embedded_aws.faults import Call

    return Call(caller.account_id, caller.region, target.id, target.foundation_model_id)


# --- Regions ----------------------------------------------------------------------------------------------------


def test_destinations_are_chosen_by_weight():
    weights = {"us-east-1": {"weight": 5}, "us-east-2": {"weight": 3}, "us-west-2": {"weight": 2}}
    shares = Fixture(destinations=weights).regions(5_000)
    assert set(shares) == set(weights)
    for region, weight in weights.items():
        assert shares[region] / 5_000 == pytest.approx(weight["weight"] / 10, abs=0.03)


def test_a_region_that_is_down_gives_its_share_to_the_others():
    fixture = Fixture(faults=[{"kind": "region_down", "region": "us-west-2", "start_s": 60, "duration_s": 30}])
    assert "us-west-2" in fixture.regions(100)
    fixture.now += 60
    assert set(fixture.regions(100)) == {"us-east-1", "us-east-2"}
    fixture.now += 30
    assert "us-west-2" in fixture.regions(100)


def test_a_full_region_gives_its_share_to_the_others_until_the_next_minute():
    fixture = Fixture(destinations={"us-east-2": {"capacity_rpm": 7}})
    assert fixture.regions(200)["us-east-2"] == 7
    assert fixture.regions(200)["us-east-2"] == 0
    fixture.now += 60
    assert fixture.regions(200)["us-east-2"] == 7


def test_when_every_region_is_full_or_down_bedrock_is_unable():
    fixture = Fixture(
        destinations={"us-east-1": {"capacity_rpm": 1}, "us-east-2": {"capacity_rpm": 1}},
        faults=[{"kind": "region_down", "region": "us-west-2"}],
    )
    assert sum(fixture.regions(2).values()) == 2
    assert fixture.refusal() == ("ServiceUnavailableException", "Bedrock is unable to process your request.")


def test_a_global_profile_goes_further_than_a_geographic_one():
    regions = Fixture().regions(400, model_id=GLOBAL_SONNET)
    assert any(region.startswith("eu-") for region in regions)
    assert any(region.startswith("ap-") for region in regions)


def test_one_seed_always_gives_the_same_regions_and_latencies():
    def run(seed):
        fixture = Fixture(seed=seed)
        return [(i.inference_region, i.pace) for i in (fixture.ask() for _ in range(30))]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_what_others_do_does_not_change_what_an_account_gets():
    alone, crowded = Fixture(), Fixture()
    crowded.regions(7, account="222222222222")
    assert [alone.ask().pace for _ in range(9)] == [crowded.ask().pace for _ in range(9)]


# --- latency ----------------------------------------------------------------------------------------------------


def test_first_tokens_have_the_median_and_the_tail_that_were_asked_for():
    fixture = Fixture()
    drawn = sorted(fixture.ask().pace.first_token_ms for _ in range(20_000))
    assert median(drawn) == pytest.approx(200, rel=0.05)
    assert drawn[19_800] == pytest.approx(800, rel=0.15)


def test_a_model_may_have_a_latency_of_its_own():
    own = {
        "body": "claude",
        "max_output_tokens": 9,
        "latency": {"first_token_ms": {"median": 7, "p99": 7}, "per_token_ms": 3},
    }
    pace = Fixture(models={"anthropic.claude-sonnet-4-6": own}).ask(max_tokens=9).pace
    assert (pace.first_token_ms, pace.per_token_ms) == (7, 3)


# --- quotas -----------------------------------------------------------------------------------------------------


def test_accounts_source_regions_models_and_geographies_have_quotas_of_their_own():
    fixture = Fixture(quota={"rpm": 1})
    for apart in (
        {},
        {"account": "222222222222"},
        {"region": "us-west-2"},
        {"model_id": HAIKU},
        {"model_id": GLOBAL_SONNET},
    ):
        fixture.ask(**apart)
        assert fixture.refusal(**apart)[0] == "ThrottlingException"


def test_a_profile_and_its_arn_share_a_quota():
    fixture = Fixture(quota={"rpm": 1})
    fixture.ask()
    arn = f"arn:aws:bedrock:us-east-1:111111111111:inference-profile/{SONNET}"
    assert fixture.refusal(model_id=arn)[0] == "ThrottlingException"


@pytest.mark.parametrize(
    ("quota", "message"),
    [
        ({"rpm": 1}, "Too many requests, please wait before trying again."),
        ({"tpm": 150}, "Too many tokens, please wait before trying again."),
        ({"tpd": 150}, "Too many tokens per day, please wait before trying again."),
    ],
)
def test_each_quota_refuses_with_its_own_text(quota, message):
    fixture = Fixture(quota=quota)
    fixture.ask()
    assert fixture.refusal() == ("ThrottlingException", message)


def test_max_tokens_left_out_reserves_what_the_model_could_say():
    fixture = Fixture(quota={"tpm": 64_010})
    fixture.begin(max_tokens=None)
    assert fixture.refusal(tokens=1, max_tokens=1)[0] == "ThrottlingException"


def test_an_accounts_quota_wins_over_the_models_and_that_over_the_default():
    fixture = Fixture(
        quota={"rpm": 1},
        quotas={SONNET: {"rpm": 2}},
        accounts=[
            {"id": "111111111111", "profile": "one", "quotas": {SONNET: {"rpm": 3}}},
            {"id": "222222222222", "profile": "two"},
        ],
    )
    for kwargs, rpm in (({}, 3), ({"account": "222222222222"}, 2), ({"model_id": HAIKU}, 1)):
        for _ in range(rpm):
            fixture.ask(**kwargs)
        assert fixture.refusal(**kwargs)[0] == "ThrottlingException"


@pytest.mark.parametrize(("window", "after_20_s"), [("fixed", 3), ("sliding", 0), ("bucket", 1)])
def test_the_window_is_a_setting(window, after_20_s):
    fixture = Fixture(quota={"rpm": 3}, quota_window=window)
    fixture.now = NOON + 50
    for _ in range(3):
        fixture.ask()
    fixture.now += 20
    for _ in range(after_20_s):
        fixture.ask()
    assert fixture.refusal()[0] == "ThrottlingException"


# --- the journal ------------------------------------------------------------------------------------------------


def test_logs_go_to_the_callers_account_and_source_region_and_come_late():
    fixture = Fixture()
    fixture.ask(account="222222222222", region="us-west-2")
    ((account_id, region, log_group, record, deliver_at),) = fixture.journal.entries
    assert (account_id, region, log_group) == ("222222222222", "us-west-2", "/aws/bedrock/modelinvocations")
    assert deliver_at == NOON + 2
    assert record["timestamp"] == "2026-11-22T12:00:00Z"


def test_refused_by_a_quota_is_logged_only_if_the_settings_say_so():
    for logged in (False, True):
        fixture = Fixture(quota={"rpm": 1}, invocation_logging={"throttled": logged})
        fixture.ask()
        fixture.refusal()
        assert [record.get("errorCode") for record in fixture.journal.records][1:] == ["ThrottlingException"] * logged


def test_what_failed_in_the_service_is_logged_with_its_code_and_what_the_caller_did_wrong_is_not():
    for error, logged in (
        ("ModelErrorException", True),
        ("InternalServerException", True),
        ("ValidationException", False),
    ):
        fixture = Fixture(faults=[{"kind": "error", "error": error}])
        assert fixture.refusal()[0] == error
        assert [record["errorCode"] for record in fixture.journal.records] == [error] * logged
        if logged:
            record = fixture.journal.records[0]
            assert record["input"] == record["output"] == {}
            assert "inferenceRegion" not in record


def test_an_account_may_have_logging_off():
    fixture = Fixture(accounts=[{"id": "111111111111", "profile": "one", "logging": False}])
    fixture.ask()
    assert fixture.journal.entries == []


def test_faults_of_the_logs():
    slow = {"kind": "slow_logs", "delay_s": 300, "account": "111111111111"}
    fixture = Fixture(faults=[slow, {"kind": "lost_logs", "account": "222222222222"}])
    fixture.ask()
    fixture.ask(account="222222222222")
    assert [entry[4] for entry in fixture.journal.entries] == [NOON + 302, math.inf]


def test_logs_are_lost_in_the_share_that_was_asked_for():
    fixture = Fixture(faults=[{"kind": "lost_logs", "share": 0.3}])
    fixture.regions(2_000)
    assert sum(entry[4] < math.inf for entry in fixture.journal.entries) == pytest.approx(1_400, abs=80)


# --- faults -----------------------------------------------------------------------------------------------------


def test_a_posted_fault_is_checked_without_making_the_accounts_anew(monkeypatch):
    world = Fixture(account_template={"count": 3}).world
    monkeypatch.setattr(AccountTemplate, "accounts", None)
    world.check_fault(Fault(account="300000000003", model=SONNET))
    with pytest.raises(ValueError, match="there is no account '300000000004'; did you mean"):
        world.check_fault(Fault(account="300000000004"))
