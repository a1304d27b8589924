"""The board on injected time, and each fault alone."""

import math
from random import Random

import pytest
from pydantic import TypeAdapter, ValidationError

from common.places import ROOT
from embedded_aws.faults import KINDS, AnyFault, Call, Fault, FaultBoard, Pace, table
from embedded_aws.faults.throttling import Throttle

PARSE = TypeAdapter(AnyFault).validate_python
CALL = Call("111111111111", "us-east-1", "us.anthropic.claude-sonnet-4-6", "anthropic.claude-sonnet-4-6")


def board(*faults, now=1000.0):
    return FaultBoard([PARSE(fault) for fault in faults], now, Random(1))


def test_the_first_fault_does_nothing():
    fault = Fault()
    assert fault.concerns(CALL)
    assert fault.refuse() is fault.refuse_caller() is fault.stream_break() is fault.log_delay_s() is None
    assert fault.pace(Pace(1, 2)) == Pace(1, 2)
    assert not fault.resets()
    assert not fault.closes_region("us-east-1")
    assert not fault.refuses_connections()


def test_faults_start_and_stop_on_their_clock():
    own = board({"kind": "none", "start_s": 10, "duration_s": 5}, {"kind": "throttle", "start_s": 12})

    def kinds(at):
        return [fault.kind for fault in own.active(at)]

    assert [kinds(at) for at in (1009.9, 1010, 1012, 1014.9, 1015, 9e9)] == [
        [], ["none"], ["none", "throttle"], ["none", "throttle"], ["throttle"], ["throttle"]
    ]  # fmt: skip


def test_the_board_remembers_when_each_began_and_ended():
    own = board({"kind": "throttle", "name": "storm", "account": "111111111111", "start_s": 10})
    assert own.events(1000)[0]["state"] == "scheduled"
    assert own.stop(1025, "storm") == 1
    assert own.stop(1030) == 0
    assert own.events(1040) == [
        {
            "name": "storm",
            "kind": "throttle",
            "scope": {"account": "111111111111", "share": 1.0},
            "state": "stopped",
            "started_at": 1010.0,
            "stopped_at": 1025,
        }
    ]


def test_a_fault_that_is_stopped_before_it_began_never_begins():
    own = board({"kind": "throttle", "start_s": 10})
    assert own.stop(1005) == 1
    assert own.active(1011) == ()
    for at in (1006, 1011):
        (event,) = own.events(at)
        assert (event["state"], event["started_at"], event["stopped_at"]) == ("stopped", None, 1005)
        assert own.stop(at) == 0
    own.add(Throttle(name="throttle-1"), 1009)


def test_names_are_given_and_are_not_used_twice_at_once():
    own = board({"kind": "throttle"}, {"kind": "latency", "add_ms": 5})
    assert [event["name"] for event in own.events(1000)] == ["throttle-1", "latency-2"]
    with pytest.raises(ValueError, match="throttle-1"):
        own.add(Throttle(name="throttle-1"), 1000)
    own.stop(1000)
    own.add(Throttle(name="throttle-1"), 1001)
    given = board({"kind": "throttle", "name": "throttle-2"}, {"kind": "throttle"})
    assert [event["name"] for event in given.events(1000)] == ["throttle-2", "throttle-3"]


def test_a_name_may_come_again_when_the_first_of_its_name_is_over():
    storm = {"kind": "throttle", "name": "storm", "duration_s": 5}
    own = board(storm, {**storm, "start_s": 5})
    assert [event["state"] for event in own.events(1005)] == ["stopped", "active"]
    with pytest.raises(ValueError, match="storm"):
        board(storm, {**storm, "start_s": 4.9})
    with pytest.raises(ValueError, match="storm"):
        board({**storm, "start_s": 5}, {"kind": "throttle", "name": "storm"})


@pytest.mark.parametrize(
    ("scope", "concerned"),
    [
        ({}, True),
        ({"account": "111111111111"}, True),
        ({"account": "222222222222"}, False),
        ({"model": "us.anthropic.claude-sonnet-4-6"}, True),
        ({"model": "anthropic.claude-sonnet-4-6"}, True),
        ({"model": "global.anthropic.claude-sonnet-4-6"}, False),
        ({"region": "us-east-1"}, True),
        ({"region": "us-west-2"}, False),
        ({"account": "111111111111", "region": "us-west-2"}, False),
    ],
)
def test_whom_a_fault_concerns(scope, concerned):
    assert bool(board({"kind": "throttle", **scope}).concerning(CALL, 1000)) == concerned


def test_a_share_strikes_that_share_of_the_calls():
    own = board({"kind": "throttle", "share": 0.25})
    struck = sum(bool(own.concerning(CALL, 1000)) for _ in range(10_000))
    assert struck == pytest.approx(2_500, abs=200)


def test_what_each_fault_changes():
    assert PARSE({"kind": "throttle"}).refuse().code == "ThrottlingException"
    assert PARSE({"kind": "error", "error": "ModelTimeoutException"}).refuse().status == 408
    assert PARSE({"kind": "error", "error": "ModelErrorException", "message": "Own"}).refuse().message == "Own"
    assert PARSE({"kind": "latency", "add_ms": 50, "multiply": 3}).pace(Pace(100, 10)) == Pace(350, 30)
    down = PARSE({"kind": "region_down", "region": "us-east-1"})
    assert down.refuse().code == "ServiceUnavailableException"
    assert down.closes_region("us-east-1")
    assert not down.closes_region("us-west-2")
    assert PARSE({"kind": "account_suspended", "account": "111111111111"}).refuse_caller().status == 403
    assert PARSE({"kind": "connection_refused", "duration_s": 1}).refuses_connections()
    assert PARSE({"kind": "connection_reset"}).resets()
    assert PARSE({"kind": "stream_cut", "after_tokens": 3}).stream_break().exception is None
    assert PARSE({"kind": "stream_error", "after_tokens": 3}).stream_break().exception == "modelStreamErrorException"
    assert PARSE({"kind": "slow_logs", "delay_s": 9}).log_delay_s() == 9
    assert PARSE({"kind": "lost_logs"}).log_delay_s() == math.inf


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "throttle", "share": 0},
        {"kind": "throttle", "share": 1.1},
        {"kind": "throttle", "duration_s": 0},
        {"kind": "throttle", "start_s": -1},
        {"kind": "throttle", "after_tokens": 3},
        {"kind": "error", "error": "NoSuchException"},
        {"kind": "region_down"},
        {"kind": "region_down", "region": "us-east-1", "account": "111111111111"},
        {"kind": "account_suspended"},
        {"kind": "credentials_expired", "account": "111111111111", "region": "us-east-1"},
        {"kind": "connection_refused"},
        {"kind": "connection_refused", "duration_s": 1, "account": "111111111111"},
        {"kind": "stream_cut"},
        {"kind": "stream_cut", "after_tokens": -1},
        {"kind": "latency", "multiply": math.nan},
        {"kind": "nothing"},
        {},
    ],
)
def test_faults_that_make_no_sense_are_refused(fault):
    with pytest.raises(ValidationError):
        PARSE(fault)


def test_the_documentation_lists_every_kind():
    page = (ROOT / "docs" / "embedded-aws.md").read_text(encoding="utf-8")
    assert table() in page
    assert set(KINDS) >= {"none", "throttle", "region_down", "stream_cut", "lost_logs"}
