"""Whether the client kept up: its own numbers, and what they say of the verdicts."""

import pytest

from gateway.litellm.config import load_config
from harness.health import Histogram, ProcessHealth
from harness.run.counted import waits_s
from harness.run.plan import planned
from harness.run.self_check import MAX_LAG_MS, Load, self_check
from harness.settings.patterns import load_patterns


def process(lag_ms=(0,), loop_delay_ms=(0,)):
    """What a process reports of itself."""
    lag, delay = Histogram(), Histogram()
    for value in lag_ms:
        lag.add(value)
    for value in loop_delay_ms:
        delay.add(value)
    return ProcessHealth(lag, delay, cpu_percent=1.0, clock_step_ms=0.0)


def test_the_achieved_rate_is_what_was_sent_over_the_time_it_took():
    check = self_check([process()], Load(100, 10.0), Load(100, 25.0))
    assert (check.offered_per_s, check.achieved_per_s) == (10, 4)
    assert check.bottleneck == ""


def test_a_burst_has_no_rate():
    check = self_check([process()], Load(10, 0.0), Load(10, 0.003))
    assert (check.offered_per_s, check.achieved_per_s) == (None, None)


def test_without_a_schedule_nothing_was_offered():
    check = self_check([process()], Load(None, 0.0), Load(10, 5.0))
    assert (check.offered_per_s, check.achieved_per_s, check.not_sent) == (None, 2, None)


@pytest.mark.parametrize(
    ("other", "offered", "sent", "says"),
    [
        (process(lag_ms=[2 * MAX_LAG_MS]), 1, 1, "started more than 3.0 s late although a user was free"),
        (process(lag_ms=[1] * 98 + [2 * MAX_LAG_MS] * 2), 100, 100, "started more than 3.0 s late"),
        (process(loop_delay_ms=[2 * MAX_LAG_MS]), 1, 1, "it was busy for 3.0 s at a time"),
        (process(), 100, 98, "2 of the 100 requests that were due were never sent"),
        (process(), 100, 99, ""),
        (process(lag_ms=[1] * 99 + [2 * MAX_LAG_MS]), 100, 100, ""),
    ],
)
def test_a_client_that_does_not_keep_up_says_so(other, offered, sent, says):
    bottleneck = self_check([process(), other], Load(offered, 10.0), Load(sent, 10.0)).bottleneck
    assert says in bottleneck
    assert bool(bottleneck) == bool(says)


def test_arrivals_wait_for_the_user_that_is_free_first():
    assert list(waits_s([0, 0, 0, 1, 9], 2, 1.5)) == [0, 0, 1.5, 0.5, 0]
    assert list(waits_s([0, 0.1, 0.2], 3, 100)) == [0, 0, 0]
    assert list(waits_s([0, 0, 0], 1, 0)) == [0, 0, 0]


@pytest.mark.parametrize("traffic", ["demo", "sustained"])
def test_the_shipped_traffic_has_enough_users_for_answers_of_two_seconds(traffic):
    config = load_config()
    patterns = load_patterns(None, config)
    names = [name for pattern in patterns.patterns.values() for name in pattern.consumers]
    for name, consumer in planned(config, patterns, names, traffic, {}).items():
        assert max(waits_s(consumer.schedule.arrivals(1), consumer.users, 2.0)) * 1000 < MAX_LAG_MS, name
