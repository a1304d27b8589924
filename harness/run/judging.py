"""What follows a run, `python -m analysis all`, each in a greenlet that nobody ends before it is done."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import gevent

from harness.live.counts import Live, answers, read_regions
from harness.live.terminal import complain
from harness.run.analysis import Analysis
from harness.run.exit_code import UNKNOWN, USAGE_ERROR
from harness.run.state import Stage


class Judging:
    """The runs of this Locust that are saved: judged one beside the other, if need be."""

    def __init__(self, *, on_stdout: bool, shown: bool, exit_with: Callable[[int], None]) -> None:
        self._on_stdout = on_stdout
        self._shown = shown  # whether anybody looks at a run that is over
        self._exit_with = exit_with
        self._greenlets: list[gevent.Greenlet] = []
        self._analyses: list[Analysis] = []  # under way
        self._hurried = False
        self.judged_last: Path | None = None  # a run folder

    def begin(self, live: Live) -> None:
        self._greenlets.append(gevent.spawn(self._judge, live))

    def wait(self) -> None:
        gevent.joinall(self._greenlets)

    def hurry(self) -> None:
        """From here on nothing is waited for: runs are left unjudged."""
        self._hurried = True
        for analysis in self._analyses[:]:
            analysis.stop()

    def _judge(self, live: Live) -> None:
        live.state.to(Stage.JUDGING)
        code = UNKNOWN if self._hurried else self._analyse(live.folder)
        found = answers(live.folder)
        if code != USAGE_ERROR and found is None:  # it crashed or was ended, which proves nothing
            judge = shlex.join(["uv", "run", "python", "-m", "analysis", "all", str(live.folder)])
            complain(f"{live.folder} was not judged. Its records are kept: `{judge}`.")
        self.judged_last = live.folder
        self._exit_with(code)
        if self._shown:
            live.judged(found, read_regions(live.folder, live.run.patterns, lambda: gevent.sleep(0)))
        live.state.to(Stage.UNJUDGED if found is None else Stage.JUDGED)

    def _analyse(self, folder: Path) -> int:
        analysis = Analysis(folder, on_stdout=self._on_stdout)
        self._analyses.append(analysis)
        code = analysis.wait()
        self._analyses.remove(analysis)
        return code
