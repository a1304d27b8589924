"""What was counted of a run's requests while it ran, and what that says of its schedule."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from math import inf

from analysis.model import Record
from harness.health import Histogram
from harness.run.plan import Plan
from harness.run.self_check import MAX_LAG_MS, Load

SAMPLED_FROM, SAMPLED_EVERY = 10_000, 16  # of so many requests, every so many is enough for a quartile
STOPPING_S = 1.0  # Locust blocks for some tenths of a second when it is stopped; what was due then is not sent


class Counted:
    """Requests as they end, and how many users there were for them."""

    def __init__(self) -> None:
        self.sent = 0
        self.last_at = 0.0  # when the last request was sent, epoch seconds
        self._users: Counter[str] = Counter()  # consumer → how many there were at most
        self._answer_ms: defaultdict[str, Histogram] = defaultdict(Histogram)  # by consumer, without the queue

    def add_users(self, users: Mapping[str, int]) -> None:
        """Consumer → its users now: a load shape may change them during the run."""
        self._users |= Counter(users)

    def add(self, record: Record) -> None:
        self.sent += 1
        if record.started_at > self.last_at:
            self.last_at = record.started_at
        if record.status and (self.sent < SAMPLED_FROM or not self.sent % SAMPLED_EVERY):
            queued_ms = (record.started_at - record.intended_at) * 1000
            self._answer_ms[record.consumer].add(record.latency_ms - queued_ms)

    def too_few_users(self, plan: Plan, stopped_at: float) -> str:
        """Whose users were too few to keep its schedule; "" if nobody's.

        Requests queue behind a gateway that is slow or stands still as well, which is not to be excused. So what counts
        is the queue that there had been if every answer were as quick as the quickest quarter of them.
        """
        for name, users in self._users.items():
            queued_ms, quick_ms = Histogram(), self._answer_ms[name].percentile(25) or 0.0
            for wait_s in waits_s(due(plan, name, stopped_at), users, quick_ms / 1000):
                queued_ms.add(wait_s * 1000)
            p99_ms = queued_ms.percentile(99) or 0.0
            if p99_ms > MAX_LAG_MS:
                return (
                    f"{name} has too few users. With {users}, 1 % of its requests wait more than {p99_ms / 1000:.1f} s "
                    "for a free one, even if every answer is as quick as the quickest quarter of them. "
                    "Give it more `users`, or a lower rate."
                )
        return ""


def due(plan: Plan, consumer: str, stopped_at: float) -> Iterator[float]:
    """The schedule as far as it was due when the run was stopped, in seconds from the plan's start."""
    return takewhile(lambda at: plan.start_at + at <= stopped_at, plan.arrivals(consumer))


def offered(plan: Plan, sent: int, stopped_at: float, *, ran_out: bool) -> Load:
    """What the schedule had due until the run was stopped.

    Those that were due just before a run was cut off, and not sent any more, are left out; a run that `ran_out` ended
    because there was nothing left to send.
    """
    planned, at_the_end, last_s = 0, 0, 0.0
    for name in plan.consumers:
        for at in due(plan, name, stopped_at):
            planned += 1
            at_the_end += plan.start_at + at > stopped_at - STOPPING_S
            last_s = max(last_s, at)
    if ran_out:
        return Load(planned, last_s)
    not_sent = max(0, planned - sent)
    return Load(planned - min(not_sent, at_the_end), last_s)


def waits_s(due: Iterable[float], users: int, answer_s: float) -> Iterator[float]:
    """How long each arrival would wait for a free user, if every answer took `answer_s`."""
    free_at: deque[float] = deque([-inf] * users, maxlen=users)
    for at in due:
        starts_at = max(at, free_at[0])
        free_at.append(starts_at + answer_s)
        yield starts_at - at
