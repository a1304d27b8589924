"""Bedrock's quotas: requests a minute, tokens a minute and tokens a day. Pure: every call is given the time.

A request reserves its input and the most it may answer; when it has ended that settles to what it used, the
output multiplied by the model's burndown rate. AWS says so, but not how a window runs; three algorithms are here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

MINUTE_S = 60.0
DAY_S = 86_400.0

WindowKind = Literal["fixed", "sliding", "bucket"]


class Window(Protocol):
    """How much of a limit is left. `take` may overdraw: what a request used beyond its reservation is owed."""

    def room(self, now: float) -> float: ...

    def take(self, amount: int, now: float) -> None: ...

    def give_back(self, amount: int, taken_at: float, now: float) -> None: ...


class FixedWindow:
    """Counts from the start of each UTC minute (or day) and forgets at its end."""

    def __init__(self, limit: int, period_s: float) -> None:
        self.limit = limit
        self.period_s = period_s
        self._period = -1
        self._used = 0

    def room(self, now: float) -> float:
        return self.limit - (self._used if self._period == now // self.period_s else 0)

    def take(self, amount: int, now: float) -> None:
        period = int(now // self.period_s)
        if period != self._period:
            self._period, self._used = period, 0
        self._used += amount

    def give_back(self, amount: int, taken_at: float, now: float) -> None:
        if self._period == taken_at // self.period_s:
            self._used -= amount


class SlidingWindow:
    """Counts what was taken in the last 60 s (or 24 h), in 60 slots, so that its memory stays the same.

    A slot leaves when all of it is older than the period: never is more than the limit admitted within one.
    """

    SLOTS = 60

    def __init__(self, limit: int, period_s: float) -> None:
        self.limit = limit
        self._slot_s = period_s / self.SLOTS
        self._slots: deque[list[int]] = deque()  # [slot number, amount], oldest first
        self._used = 0

    def room(self, now: float) -> float:
        oldest = now // self._slot_s - self.SLOTS
        while self._slots and self._slots[0][0] < oldest:
            self._used -= self._slots.popleft()[1]
        return self.limit - self._used

    def take(self, amount: int, now: float) -> None:
        number = int(now // self._slot_s)
        if not self._slots or self._slots[-1][0] != number:
            self._slots.append([number, 0])
        self._slots[-1][1] += amount
        self._used += amount

    def give_back(self, amount: int, taken_at: float, now: float) -> None:
        self.room(now)
        number = int(taken_at // self._slot_s)
        for slot in self._slots:
            if slot[0] == number:
                slot[1] -= amount
                self._used -= amount


class TokenBucket:
    """A bucket that starts full, holds one period's limit and refills evenly."""

    def __init__(self, limit: int, period_s: float) -> None:
        self.limit = limit
        self.period_s = period_s
        self._level = float(limit)
        self._at = 0.0

    def room(self, now: float) -> float:
        if now > self._at:
            self._level = min(float(self.limit), self._level + (now - self._at) * self.limit / self.period_s)
            self._at = now
        return self._level

    def take(self, amount: int, now: float) -> None:
        self._level = self.room(now) - amount

    def give_back(self, amount: int, taken_at: float, now: float) -> None:
        self._level = min(float(self.limit), self.room(now) + amount)


WINDOWS: dict[WindowKind, Callable[[int, float], Window]] = {
    "fixed": FixedWindow,
    "sliding": SlidingWindow,
    "bucket": TokenBucket,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no such quota, as some models have no requests per minute."""

    rpm: int | None
    tpm: int | None
    tpd: int | None


class QuotaExceeded(Exception):
    """`quota` is rpm, tpm or tpd."""

    def __init__(self, quota: str) -> None:
        super().__init__(quota)
        self.quota = quota


@dataclass(frozen=True, slots=True)
class Reservation:
    tokens: int
    at: float  # epoch seconds


class Meter:
    """The three quotas of one account, source Region and model or profile. A refused request takes nothing."""

    def __init__(self, limits: Limits, burndown: int, window: WindowKind) -> None:
        build = WINDOWS[window]
        self._burndown = burndown
        self._requests = None if limits.rpm is None else build(limits.rpm, MINUTE_S)
        self._tokens = [
            (name, build(limit, period_s))
            for name, limit, period_s in (("tpm", limits.tpm, MINUTE_S), ("tpd", limits.tpd, DAY_S))
            if limit is not None
        ]

    def reserve(self, input_tokens: int, max_tokens: int, now: float) -> Reservation:
        """Takes one request and input + max_tokens, the output not yet multiplied; or raises QuotaExceeded."""
        tokens = input_tokens + max_tokens
        if self._requests is not None and self._requests.room(now) < 1:
            raise QuotaExceeded("rpm")
        for name, window in self._tokens:
            if window.room(now) < tokens:
                raise QuotaExceeded(name)
        if self._requests is not None:
            self._requests.take(1, now)
        for _, window in self._tokens:
            window.take(tokens, now)
        return Reservation(tokens, now)

    def settle(
        self, reservation: Reservation, input_tokens: int, cache_write_tokens: int, output_tokens: int, now: float
    ) -> None:
        """Corrects the reservation to what counts: input + cache writes + output x burndown; cache reads do not."""
        owed = input_tokens + cache_write_tokens + output_tokens * self._burndown - reservation.tokens
        for _, window in self._tokens:
            if owed < 0:
                window.give_back(-owed, reservation.at, now)
            elif owed > 0:
                window.take(owed, now)
