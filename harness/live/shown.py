"""What people see of the newest run: the counts that the web UI's tabs hold, and the terminal's progress."""

from __future__ import annotations

from pathlib import Path

from analysis.model import Record, Run
from harness.live.counts import Live
from harness.live.terminal import Progress
from harness.run.state import RunState


class Shown:
    """One run at a time; its counts stay until the next one begins."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self._progress: Progress | None = None
        self.live: Live | None = None  # of the newest run

    def prepare(self, run: Run, folder: Path, state: RunState) -> None:
        """A run is coming up."""
        self.live = Live(run, folder, state)

    def begin(self, starts_at: float, *, many: bool) -> None:
        """It is planned: its first request is due then, epoch seconds, and it has `many` or gets a line for each."""
        assert self.live is not None
        self.live.planned(starts_at)
        self._progress = Progress(self.live, many=many, silent=self._silent)

    def add(self, record: Record) -> None:
        """A request of the newest run has ended."""
        if self.live and self._progress and record.run_id == self.live.run.id:
            self.live.add(record)
            self._progress.add(record)

    def stop(self) -> None:
        """Takes the progress away: what follows is said in full by the analysis."""
        if self._progress:
            self._progress.stop()
            self._progress = None
