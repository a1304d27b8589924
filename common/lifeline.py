"""A child process that ends with its parent, however the parent ends.

The parent keeps the write end of the child's standard input and never writes. When the parent is gone, even by
SIGKILL, the kernel closes that end and the child reads end-of-file.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import threading
import time

FOLDER = "LIFELINE_FOLDER"  # names the parent's temporary folder, which it can no longer remove itself then
GRACE_S = 5.0


def end_with_parent() -> None:
    """Starts watching standard input.

    At end-of-file the parent's folder is removed, this process gets SIGTERM, and is ended outright after GRACE_S.
    """
    threading.Thread(target=_watch, args=(sys.stdin.fileno(),), name="lifeline", daemon=True).start()


def _watch(descriptor: int) -> None:
    while os.read(descriptor, 1024):
        pass
    atexit.register(_remove_folder)  # once more: until its end this process may write there
    _remove_folder()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    _remove_folder()
    os._exit(1)


def _remove_folder() -> None:
    if folder := os.environ.get(FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
