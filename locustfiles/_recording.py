"""Request events → requests.csv, as they come: a crash loses at most the last second, and memory does not grow."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent

from analysis.model import Record

FLUSH_EVERY_S = 1.0
CHUNK_LINES = 2_000  # what a worker sends to its master in one message, at most

OnRecord = Callable[[Record], None]


class RecordFile:
    """requests.csv of a run: appended to, flushed every second. The first fault is kept and told once."""

    def __init__(self, path: Path, on_fault: Callable[[OSError], None]) -> None:
        self.path = path
        self._on_fault = on_fault
        self._lines: list[str] = []
        self._file = path.open("x", encoding="utf-8", newline="")
        self._file.write(Record.header_line())
        self._file.flush()
        self._fault: OSError | None = None
        self._flusher = gevent.spawn(self._flush_often)

    def add(self, record: Record) -> None:
        self._lines.append(record.line())

    def add_lines(self, text: str) -> None:
        self._lines.append(text)

    def close(self) -> None:
        """Writes what is left."""
        self._flusher.kill()
        self._flush()
        try:
            self._file.close()
        except OSError as error:
            self._fail(error)

    def _flush_often(self) -> None:
        while True:
            gevent.sleep(FLUSH_EVERY_S)
            self._flush()

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        try:
            self._file.write("".join(lines))
            self._file.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        if self._fault is None:
            self._fault = error
            self._on_fault(error)


class WorkerRecords:
    """A worker's records, on their way to the master in compressed chunks."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.count = 0

    def add(self, record: Record) -> None:
        self.count += 1
        self._lines.append(record.line())

    def chunks(self) -> list[dict[str, Any]]:
        """What was added since the last call."""
        lines, self._lines = self._lines, []
        return [
            {"count": len(chunk), "lines": zlib.compress("".join(chunk).encode(), 1)}
            for chunk in (lines[at : at + CHUNK_LINES] for at in range(0, len(lines), CHUNK_LINES))
        ]


def unpack(chunk: dict[str, Any]) -> str:
    """The CSV lines of a worker's chunk."""
    return zlib.decompress(chunk["lines"]).decode()
