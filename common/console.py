"""Where a run and its verdicts are told: a terminal, or whatever reads what would stand there."""

from __future__ import annotations

import os

from rich.console import Console


class SteadyConsole(Console):
    """Goes on in silence when its reader has left (`… | head`): the exit code stays the verdict's, not rich's 1."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
