"""How much traffic puts a quota to the test, and no more than that. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from gateway.adopt.proposal import Traffic

USUAL = 10  # requests of a pattern that needs no number in particular
FEW = 5
MOST_AT_ONCE = 100  # of one consumer; a gateway process serves some tens a second
MOST_PER_S = 10.0
WINDOW_S = 60
_WITHIN_S = 45  # a quota is exceeded well before its window ends
_SUSTAINED_S = 180
_REQUEST_S = 5.0  # how long a request may take until its user is free again, generously
MOST_IN_A_WINDOW = int(MOST_PER_S * _WITHIN_S)


class Budget:
    """What all patterns together, since they run at once, may ask of each group in one window."""

    def __init__(self, capacities: Mapping[str, int | None], share: float = 1.0) -> None:
        self._left = {name: None if most is None else math.floor(most * share) for name, most in capacities.items()}

    def room(self, groups: Iterable[str]) -> int | None:
        """What these groups together still take; None: without limit."""
        left = [self._left[group] for group in groups]
        known = [number for number in left if number is not None]
        return sum(known) if len(known) == len(left) else None

    def take(self, groups: Iterable[str], number: int) -> None:
        """So many requests, by the first of the groups that has room."""
        for group in groups:
            left = self._left[group]
            if left is None:
                return
            self._left[group] = left - min(left, number)
            number -= min(left, number)


def over(quota: int, room: int | None, least: int, most: int) -> int | None:
    """Requests in one window that surely exceed a quota, with `room` for those that do. None: no number does."""
    wanted = max(least, quota + max(2, quota // 4))
    if room is not None:
        wanted = min(wanted, quota + room)
    return wanted if quota < wanted <= most else None


def at_once(requests: int, note: str = "") -> Traffic:
    """A burst; where that is too much for one gateway process, as many within a quota window."""
    if requests <= MOST_AT_ONCE:
        return Traffic({"kind": "burst", "requests": requests}, note)
    rate = math.ceil(requests / _WITHIN_S * 10) / 10
    duration_s = math.ceil(requests / rate * 1000) / 1000
    return Traffic({"kind": "constant", "rate_per_s": rate, "duration_s": _short(duration_s)}, note)


def again(requests: int, note: str = "") -> Traffic:
    """The same burst in three windows, one after another; what is no burst, once."""
    once = at_once(requests, note)
    return Traffic({**once.fields, "repeat": 3}, note) if once.fields["kind"] == "burst" else once


def steady(rate_per_s: float, duration_s: float = _SUSTAINED_S, start_s: float = 0.0, note: str = "") -> Traffic:
    fields = {"kind": "constant", "rate_per_s": _short(rate_per_s), "duration_s": _short(duration_s)}
    return Traffic({**fields, "start_s": _short(start_s)} if start_s else fields, note)


def users(*traffics: Traffic) -> int:
    """As many as are busy at one time."""
    needed = [
        traffic.fields.get("requests") or math.ceil(traffic.fields["rate_per_s"] * _REQUEST_S) for traffic in traffics
    ]
    return max(1, *(int(number) for number in needed))


def _short(number: float) -> int | float:
    rounded = round(number, 3)
    return int(rounded) if rounded == int(rounded) else rounded
