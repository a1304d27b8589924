"""SIGINT and SIGTERM while something starts: what was begun is unwound, so that it ends in order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(SystemExit):
    """Raised out of whatever is being waited for; its exit code is the one that shells give.

    A SystemExit, because a signal may come while gevent's hub runs: that hands one on to the main greenlet, silently.
    """

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(self.exit_code)
        self.text = f"{signal.Signals(number).name} came during the start. What had been started was ended."


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it both signals raise Interrupted; after it they do what they did before."""
    with _handled_by(_interrupt):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within it both signals wait for its end: whoever starts a process must come to know of it."""
    waiting: list[int] = []
    with _handled_by(lambda number, _: waiting.append(number)):
        yield
    if waiting:
        signal.raise_signal(waiting[0])


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handled = [number for number in former if former[number] is not signal.SIG_IGN]  # as in a shell's background
    for number in handled:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, former[number])


def _interrupt(number: int, _: FrameType | None) -> None:
    raise Interrupted(number)
