"""Signals during the start."""

import signal

import pytest

from common.interruption import Interrupted, interruptible, uninterrupted

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)


@SIGNALS
def test_a_signal_unwinds_what_is_waited_for_and_later_ones_mean_what_they_did(number):
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=f"^{128 + number}$") as caught, interruptible():
        signal.raise_signal(number)
    assert caught.value.code == 128 + number
    assert number.name in caught.value.text
    assert signal.getsignal(number) is before


@SIGNALS
def test_a_signal_waits_until_what_is_being_started_is_known(number):
    started = []

    def start():
        with uninterrupted():
            signal.raise_signal(number)
            started.append("a process")
        started.append("another")

    with pytest.raises(Interrupted), interruptible():
        start()
    assert started == ["a process"]


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
