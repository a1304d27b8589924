"""The histogram of lateness."""

import pytest

from gateway.embedded_aws.pacing import Lateness


def test_percentiles_are_right_to_a_tenth_of_a_millisecond():
    lateness = Lateness()
    for tenths in range(1, 101):
        lateness.record(tenths / 10_000 - 0.000_05)
    summary = lateness.summary()
    assert summary == {"frames": 100, "late_p50_ms": 5.0, "late_p99_ms": 9.9, "late_max_ms": pytest.approx(9.95)}


def test_early_frames_are_not_late_and_very_late_ones_are_counted():
    lateness = Lateness()
    lateness.record(-0.5)
    assert lateness.summary()["late_max_ms"] == 0
    lateness.record(75.0)
    assert lateness.summary()["frames"] == 2
    assert lateness.summary()["late_max_ms"] == 75_000
    assert lateness.summary()["late_p99_ms"] > 1_000


def test_without_frames_nothing_is_claimed():
    lateness = Lateness()
    lateness.record(0.1)
    lateness.reset()
    assert lateness.summary() == {"frames": 0, "late_p50_ms": None, "late_p99_ms": None, "late_max_ms": None}
