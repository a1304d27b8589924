"""A master's account of its workers in one run: who had a part in it, what arrived, and who was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.health import ProcessHealth
from harness.run.messages import Finished


class Workers:
    """Empty in a run without workers."""

    def __init__(self) -> None:
        self._expected: set[str] = set()
        self._late: set[str] = set()
        self._arrived: Counter[str] = Counter()  # worker → how many of its records are here
        self._finished: dict[str, Finished] = {}

    def expect(self, worker: str) -> None:
        """It has a share of the schedule."""
        self._expected.add(worker)

    def has_part(self, worker: str) -> bool:
        return worker in self._expected

    def came_late(self, worker: str) -> bool:
        return worker in self._late

    def add_late(self, worker: str) -> None:
        """It joined when the schedule was dealt already."""
        self._late.add(worker)

    def arrived(self, worker: str, records: int) -> None:
        self._arrived[worker] += records

    def finished(self, worker: str, last_word: Finished) -> None:
        self._finished[worker] = last_word

    def unfinished(self) -> set[str]:
        return self._expected - self._finished.keys()

    def health(self) -> list[ProcessHealth]:
        """Of all that have reported it."""
        return [last_word.health for last_word in self._finished.values()]

    def notes_of_losses(self) -> Iterator[str]:
        for worker in sorted(self._expected):
            arrived, last_word = self._arrived[worker], self._finished.get(worker)
            if last_word is None:
                yield f"Worker {worker} was lost: {arrived} of its records arrived, the rest is missing."
            elif last_word.count != arrived:
                yield f"Worker {worker} sent {last_word.count} records, and {arrived} arrived."

    def notes_of_latecomers(self) -> Iterator[str]:
        for worker in sorted(self._late):
            yield f"Worker {worker} joined late and had no part in the schedule."
