"""A child process that ends with its parent, however the parent ends.

The parent keeps the write end of the child's standard input and never writes. When the parent is gone, even by
SIGKILL, the kernel closes that end and the child reads end-of-file.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

GRACE_S = 5.0


def end_with_parent() -> None:
    """Starts watching standard input; at end-of-file this process gets SIGTERM, and is ended outright after GRACE_S."""
    threading.Thread(target=_watch, args=(sys.stdin.fileno(),), name="lifeline", daemon=True).start()


def _watch(descriptor: int) -> None:
    while os.read(descriptor, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)
