"""Frames at their time, the histogram of their lateness, and work that waits for them."""

import asyncio
import time

import pytest

from embedded_aws.bedrock.turns import Turns
from embedded_aws.faults import ConnectionIsReset
from embedded_aws.pacing import Lateness, Player


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


def play(frames, write=lambda data: True):
    """What was written, and the lateness of it."""
    lateness = Lateness()

    async def run():
        await asyncio.wait_for(Player(frames, write, lateness).play(), 10)

    asyncio.run(run())
    return lateness.summary()["frames"]


def test_frames_are_written_in_their_order_and_not_before_they_are_due():
    start = time.monotonic()
    written = []

    def frames():
        for number in range(5):
            yield start + number * 0.01, b"%d" % number

    assert play(frames(), lambda data: written.append((data, time.monotonic())) or True) == 5
    assert [data for data, _ in written] == [b"0", b"1", b"2", b"3", b"4"]
    assert all(at >= start + number * 0.01 - 0.001 for number, (_, at) in enumerate(written))  # timers count in ms


def test_a_client_that_does_not_read_is_offered_the_same_frame_again():
    offered = []

    def write(data):
        offered.append(data)
        return len(offered) > 2

    assert play(iter_frames(b"a", b"b"), write) == 2
    assert offered == [b"a", b"a", b"a", b"b"]


def test_what_the_frames_raise_is_raised_and_they_are_closed():
    closed = []

    def frames():
        try:
            yield 0.0, b"a"
            raise ConnectionIsReset
        finally:
            closed.append(True)

    with pytest.raises(ConnectionIsReset):
        play(frames())
    assert closed == [True]


def iter_frames(*pieces):
    return ((0.0, piece) for piece in pieces)


def test_work_that_waits_is_done_one_piece_at_each_turn():
    done = []

    async def run():
        turns = Turns()
        for number in range(3):
            turns.add(lambda number=number: done.append(number))
        assert done == []
        for turn in range(1, 4):
            await asyncio.sleep(0)
            assert done == list(range(turn))
        await asyncio.sleep(0)
        turns.add(lambda: done.append("later"))
        turns.finish()

    asyncio.run(run())
    assert done == [0, 1, 2, "later"]
