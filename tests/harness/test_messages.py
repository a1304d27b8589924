"""What a master and its workers say to each other is the same at the other end of Locust's wire."""

from __future__ import annotations

import msgpack

from harness.health import Histogram, ProcessHealth
from harness.run.messages import Begin, Finished, Refused
from harness.run.plan import Plan


def sent(data: dict[str, object]) -> dict[str, object]:
    received: dict[str, object] = msgpack.loads(msgpack.dumps(data), strict_map_key=False)
    return received


def test_the_plan_and_the_masters_clock() -> None:
    begin = Begin(Plan("r1", "http://gateway", 60.0, 1, None, 5.0, {}, {"A": ([0, 2], 3)}), 7.5)
    assert Begin.from_data(sent(begin.to_data())) == begin


def test_a_workers_last_word() -> None:
    lag = Histogram()
    for value_ms in (0, 0.5, 1500):
        lag.add(value_ms)
    found = Finished.from_data(sent(Finished(42, ProcessHealth(lag, Histogram(), 55.5, -1.0)).to_data()))
    assert (found.count, found.health.cpu_percent, found.health.clock_step_ms) == (42, 55.5, -1.0)
    assert (found.health.lag.n, found.health.lag.longest, found.health.loop_delay.n) == (3, 1500, 0)
    assert found.health.lag.percentile(50) == lag.percentile(50)


def test_why_a_worker_cannot_send() -> None:
    assert Refused.from_data(sent(Refused("no such profile").to_data())) == Refused("no such profile")
