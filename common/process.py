"""A process that we start, wait for, and end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from common.lifeline import FOLDER

LAST_LINES = 15
STOP_GRACE_S = 8.0
USAGE_ERROR = 2  # the exit code of a command that was called or configured wrongly

T = TypeVar("T")


class ChildError(Exception):
    """A child that did not come up, or died; the text is shown as it is and holds the end of its log."""


class Child:
    """A running child process. It ends with us (see lifeline), and its output is in `log`.

    `folder` is ours and goes with us: the child removes it when we cannot.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, env={**environment, FOLDER: str(folder)},
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is for us; we end our children in order
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], T | None], deadline_s: float) -> T:
        """What `ready` returns once it is something; raises ChildError when the child dies or the deadline passes."""
        give_up_at = time.monotonic() + deadline_s
        while not (found := ready()):
            if not self.alive:
                raise ChildError(f"{self.name} ended with code {self._process.returncode}{self.last_words()}")
            if time.monotonic() > give_up_at:
                self.stop()
                raise ChildError(f"{self.name} did not answer within {deadline_s:.0f} s{self.last_words()}")
            time.sleep(0.1)
        return found

    @property
    def usage_error(self) -> str:
        """What it found wrong with its own options or configuration, where that has ended it; "" otherwise."""
        if self._process.poll() != USAGE_ERROR:
            return ""
        return self.log.read_text(errors="replace").rpartition("Error: ")[2].strip()

    def last_words(self) -> str:
        """The end of its log, for an error message."""
        lines = self.log.read_text(errors="replace").strip().splitlines()[-LAST_LINES:]
        quoted = "".join(f"\n  | {line}" for line in lines) or "\n  | (it printed nothing)"
        return f". The end of {self.log}:{quoted}"

    def stop(self) -> None:
        """SIGTERM, and SIGKILL to its whole session when it does not obey."""
        if self.alive:
            self._process.terminate()
            try:
                self._process.wait(STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
