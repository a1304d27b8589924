"""An alarm never rings early, and lets others run meanwhile."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import gevent
import pytest

from harness.users.alarm import Alarm


@pytest.mark.parametrize("seconds", [0.0005, 0.003, 0.02])
def test_it_never_rings_early(seconds: float) -> None:
    alarm = Alarm()
    for _ in range(3):
        began = time.perf_counter()
        alarm.wait(seconds)
        assert time.perf_counter() - began >= seconds
    alarm.close()


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_what_is_past_is_not_waited_for(seconds: float) -> None:
    alarm = Alarm()
    with gevent.Timeout(1):
        alarm.wait(seconds)
    alarm.close()


def test_others_run_meanwhile() -> None:
    alarm, ran = Alarm(), gevent.spawn(lambda: "ran")
    alarm.wait(0.05)
    assert ran.value == "ran"
    alarm.close()


def test_one_that_was_stopped_can_be_set_again() -> None:
    alarm = Alarm()
    stopped = gevent.spawn(alarm.wait, 60)
    gevent.sleep(0)
    stopped.kill()
    began = time.perf_counter()
    alarm.wait(0.002)
    assert 0.002 <= time.perf_counter() - began < 30
    alarm.close()


def timers() -> int:
    """The timer descriptors of this process; of other kinds, others may open and close some meanwhile."""
    kinds = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            kinds.append(os.readlink(descriptor))
    return kinds.count("anon_inode:[timerfd]")


def test_closing_gives_the_descriptor_back() -> None:
    before = timers()
    alarms = [Alarm() for _ in range(5)]
    for alarm in alarms:
        alarm.wait(0.0001)
    assert timers() == before + len(alarms)
    for alarm in alarms:
        alarm.close()
    assert timers() == before
