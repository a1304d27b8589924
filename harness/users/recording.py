"""Request events → requests.csv, as they come: a crash loses at most the last second, and memory does not grow."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable
from pathlib import Path

import gevent

from analysis.model import Record

FLUSH_EVERY_S = 1.0
CHUNK_LINES = 2_000  # what a worker sends to its master in one message, at most


class RecordFile:
    """requests.csv of a run: appended to every second, in whole lines. A fault is reported once, and ends it."""

    def __init__(self, path: Path, on_fault: Callable[[OSError], None]) -> None:
        self.path = path
        self._on_fault = on_fault
        self._lines = [Record.header_line()]
        self._file = path.open("xb", buffering=0)
        self._size = 0
        self._faulty = False
        self._flush()
        self._flusher = gevent.spawn(self._flush_often)

    def add(self, record: Record) -> None:
        self._lines.append(record.line())

    def add_lines(self, text: str) -> None:
        self._lines.append(text)

    def close(self) -> None:
        """Writes what is left."""
        self._flusher.kill()
        self._flush()
        self._file.close()

    def _flush_often(self) -> None:
        while True:
            gevent.sleep(FLUSH_EVERY_S)
            self._flush()

    def _flush(self) -> None:
        """After a fault nothing more is written: what there is shall have no gap."""
        lines, self._lines = "".join(self._lines).encode(), []
        if self._faulty:
            return
        written = 0
        try:
            while written < len(lines):
                written += self._file.write(lines[written:])
            self._size += written
        except OSError as error:
            self._faulty = True
            with contextlib.suppress(OSError):
                self._file.truncate(self._size + lines.rfind(b"\n", 0, written) + 1)
            self._on_fault(OSError(error.errno, error.strerror, str(self.path)))


class WorkerRecords:
    """A worker's records, on their way to the master in compressed chunks."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.count = 0

    def add(self, record: Record) -> None:
        self.count += 1
        self._lines.append(record.line())

    def chunks(self) -> list[bytes]:
        """What was added since the last call."""
        lines, self._lines = self._lines, []
        return [
            zlib.compress("".join(lines[at : at + CHUNK_LINES]).encode(), 1) for at in range(0, len(lines), CHUNK_LINES)
        ]


def unpack(chunk: bytes) -> str:
    """The CSV lines of a worker's chunk."""
    return zlib.decompress(chunk).decode()
