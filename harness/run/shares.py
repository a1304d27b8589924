"""How one schedule is dealt to several workers: each arrival is sent by exactly one of them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

Share = tuple[list[int], int]  # a process's turns, of how many: arrival k falls to turn k modulo that
NOTHING: Share = ([], 1)


def divide(held: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, Share]]:
    """Worker → consumer → its share of the arrivals, in proportion to the users it holds.

    Turns are interleaved as evenly as they go: each worker sees the schedule thinned, and not cut in pieces.
    """
    shares: dict[str, dict[str, Share]] = {worker: {} for worker in held}
    for consumer in {consumer for users in held.values() for consumer in users}:
        turns = sorted(
            ((number + 0.5) / users[consumer], worker)
            for worker, users in held.items()
            for number in range(users.get(consumer, 0))
        )
        for worker in held:
            mine = [turn for turn, (_, owner) in enumerate(turns) if owner == worker]
            shares[worker][consumer] = (mine, max(1, len(turns)))
    return shares


def deal(whole: Iterable[float], turns: Collection[int], total: int) -> Iterator[float]:
    """The arrivals that fall to whoever has these turns of `total`."""
    mine = frozenset(turns)
    return (at for number, at in enumerate(whole) if number % total in mine)
