"""What follows a run, `python -m analysis all`, as a child that ends with us.

gevent has not patched it, and it is the way old runs are judged too.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

STOP_GRACE_S = 8.0  # it stops its queries first


class Analysis:
    """Fetches, judges and reports the run in `folder`, and prints as it goes, on stdout or else on stderr."""

    def __init__(self, folder: Path, *, on_stdout: bool) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "analysis", "--lifeline", "all", str(folder)],
            stdin=subprocess.PIPE,  # never written to: see lifeline
            stdout=None if on_stdout else sys.stderr,
            start_new_session=True,  # Ctrl-C in the terminal is for us
        )

    def wait(self) -> int:
        """Its exit code."""
        return self._process.wait()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_GRACE_S)
            self._process.kill()
            self._process.wait()
