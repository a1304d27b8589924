"""Work that can wait, one piece at each turn of the event loop.

Ending a stream takes longer than sending a frame. When many end at once, the loop would do all of it before it looks at
its timers again, and every frame that is due by then would be late by the sum.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

Work = Callable[[], None]


class Turns:
    """A queue of work; frames that are due come first."""

    def __init__(self) -> None:
        self._waiting: deque[Work] = deque()
        self._turning = False

    def add(self, work: Work) -> None:
        """`work` is done at one of the next turns of the running loop."""
        self._waiting.append(work)
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        if not self._waiting:
            self._turning = False
            return
        asyncio.get_running_loop().call_soon(self._turn)
        self._waiting.popleft()()

    def finish(self) -> None:
        """Does what is left."""
        while self._waiting:
            self._waiting.popleft()()
