"""The model invocation log: what CloudWatch Logs holds, by account, source Region and log group.

Appending is on the path of every invocation, so it takes microseconds: a record is serialised, its scalar members are
noted, and every BLOCK records of a log group these become columns, which is what queries read. A block, once full,
never changes. When all that is in memory exceeds `in_memory_bytes`, the oldest blocks move to two files in `directory`;
if none is full, as with very many log groups, those begun first are made into one. None is lost.

What stays in memory of a record on disk is its time, delivery time and length: 20 bytes; of a block 5 kB, for 256
records or more on average; and of a log group in a block that it shares, some 40 bytes. So it is less than 100 bytes a
record however many log groups there are, beside the half kilobyte that each log group itself takes, once.
"""

from __future__ import annotations

import base64
import logging
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from embedded_aws.logs.blocks import (
    COLUMNS,
    METADATA,
    ROW_BYTES,
    Block,
    Codes,
    File,
    LogGroup,
    OpenBlock,
    closed,
    flatten,
)
from embedded_aws.logs.insights import Column, Index, Timestamp, Value

LOG_STREAM = "aws/bedrock/modelinvocations"

BLOCK = 512  # records: small enough that closing one does not hold up the event loop (about 1 ms)


logger = logging.getLogger(__name__)


class Journal:
    """For one thread; the Events that it gives may be read in another."""

    def __init__(self, directory: Path, clock: Callable[[], float], in_memory_bytes: int = 64 << 20) -> None:
        """Starts empty: files of an earlier journal in `directory` are overwritten."""
        directory.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._records = File(directory / "journal.jsonl")
        self._columns = File(directory / "journal.columns")
        self._in_memory_bytes = in_memory_bytes
        self._spill_above = in_memory_bytes
        self._bytes = 0  # in memory
        self._groups: dict[LogGroup, LogGroup] = {}  # so that each is kept once
        self._blocks: dict[LogGroup, list[Block]] = {}  # closed ones, oldest first
        self._open: dict[LogGroup, OpenBlock] = {}  # in the order they were begun
        self._in_memory: deque[Block] = deque()  # closed ones, oldest first
        self._stored_bytes: Counter[LogGroup] = Counter()
        self._counts: Counter[LogGroup] = Counter()
        self._lost = 0

    def append(self, account_id: str, region: str, log_group: str, record: dict[str, Any], deliver_at: float) -> None:
        """`record` is a ModelInvocationLog. From `deliver_at` (epoch seconds) on queries see it; inf: never."""
        if deliver_at == math.inf:
            self._lost += 1
            return
        group = LogGroup(account_id, region, log_group)
        block = self._open.get(group)
        if block is None:
            group = self._groups.setdefault(group, group)
            block = self._open[group] = OpenBlock(group, self._counts[group])
        line = orjson.dumps(record) + b"\n"  # also a copy, for what orjson makes takes up 4 kB however short it is
        block.add(line, record, deliver_at)
        self._bytes += len(line) + ROW_BYTES
        self._stored_bytes[group] += len(line) - 1
        self._counts[group] += 1
        if len(block.lines) >= BLOCK:
            self._close([block])
        if self._bytes > self._spill_above:
            self._spill()

    def events(self, log_groups: Sequence[LogGroup], start_ms: int, end_ms: int) -> Events:
        """What has been delivered by now, with a timestamp in [start_ms, end_ms], as a source for queries. It does
        not change when records are appended or delivered later."""
        blocks: list[Block] = []
        for group in log_groups:
            blocks += [block.of(group) for block in self._blocks.get(group, ())]
            if group in self._open:
                blocks.append(closed([self._open[group]]))
        return Events(blocks, start_ms, end_ms, self._clock())

    def stored_bytes(self, log_group: LogGroup) -> int:
        return self._stored_bytes[log_group]

    def stats(self) -> dict[str, Any]:
        return {
            "records": self._counts.total(),
            "lost": self._lost,
            "bytes_in_memory": self._bytes,
            "bytes_in_memory_at_most": self._in_memory_bytes,
            "bytes_on_disk": self._records.size + self._columns.size,
            "log_groups": [{**group._asdict(), "records": count} for group, count in self._counts.items()],
        }

    def close(self) -> None:
        self._records.close()
        self._columns.close()

    def _close(self, open_blocks: Sequence[OpenBlock]) -> None:
        """Makes them one block."""
        block = closed(open_blocks)
        for part in open_blocks:
            self._blocks.setdefault(part.group, []).append(block)
            del self._open[part.group]
            self._bytes -= sum(map(len, part.lines)) + ROW_BYTES * len(part.lines)
        self._in_memory.append(block)
        self._bytes += block.store.packed_bytes

    def _begun_first(self) -> list[OpenBlock]:
        """As many open blocks as make a full one."""
        chosen: list[OpenBlock] = []
        records = 0
        for block in self._open.values():
            records += len(block.lines)
            if chosen and records > BLOCK:
                break
            chosen.append(block)
        return chosen

    def _spill(self) -> None:
        while self._bytes > self._in_memory_bytes:
            if not self._in_memory:
                self._close(self._begun_first())
            block = self._in_memory[0]
            packed_bytes = block.store.packed_bytes
            try:
                block.store = block.store.moved_to(self._records, self._columns)
            except OSError as error:
                # Nothing is lost by keeping it; try again when there is some more to write.
                logger.error("The journal stays in memory: cannot write to %s: %s", self._records.path, error)
                self._spill_above = self._bytes + self._in_memory_bytes // 8
                return
            self._in_memory.popleft()
            self._bytes -= packed_bytes
        self._spill_above = self._in_memory_bytes


class Events:
    """Some events of the journal, as columns: a `Source` of queries. Each of the blocks is of one log group.

    An event's number is its place in the blocks, one after the other.
    """

    def __init__(self, blocks: Sequence[Block], start_ms: int, end_ms: int, now: float) -> None:
        self._blocks = [block for block in blocks if block.span_ms[0] <= end_ms and start_ms <= block.span_ms[1]]
        self._bounds = (start_ms, end_ms, now)
        self._starts = np.cumsum([0, *map(len, self._blocks)], dtype=np.int64)
        self._columns: dict[str, Column | None] = {}  # those asked for so far, of all events of the blocks

    def rows(self, newest_first: bool) -> Index:
        start_ms, end_ms, now = self._bounds
        times = self._joined(lambda block: block.times_ms)
        delivered = self._joined(lambda block: block.deliver_at) <= now
        rows = np.flatnonzero((times >= start_ms) & (times <= end_ms) & delivered)
        return rows[::-1][np.argsort(-times[rows[::-1]], kind="stable")] if newest_first else rows

    def load(self, names: Sequence[str], rows: Index) -> list[Column]:
        for name in names:
            if name not in self._columns:
                self._columns[name] = self._column(name)
        columns = {name: column for name in names if (column := self._columns[name]) is not None}
        others = self._read([name for name in names if name not in columns], rows)
        return [
            others[name] if name in others else Column(columns[name].codes[rows], columns[name].values)
            for name in names
        ]

    def bytes_of(self, rows: Index) -> int:
        return int(self._joined(lambda block: block.store.sizes)[rows].sum())

    def _column(self, name: str) -> Column | None:
        """The field of all events of these blocks; None if it is in no column but in the records."""
        if name == "@timestamp":
            times, codes = np.unique(self._joined(lambda block: block.times_ms), return_inverse=True)
            return Column(codes, list(map(Timestamp, times.tolist())))
        if name == "@ingestionTime":
            moments, codes = np.unique(self._joined(lambda block: block.deliver_at), return_inverse=True)
            return Column(codes, [Timestamp(round(moment * 1000)) for moment in moments.tolist()])
        if name == "@logStream":
            return _merged(_constant(block, LOG_STREAM) for block in self._blocks)
        if name == "@log":
            return _merged(_constant(block, _log(block.groups[0])) for block in self._blocks)
        if name in COLUMNS or name.startswith(METADATA):
            return _merged(block.store.column(name) or _constant(block, None) for block in self._blocks)
        return None

    def _read(self, names: Sequence[str], rows: Index) -> dict[str, Column]:
        """Fields of which there is no column, from the records."""
        values: dict[str, list[Value]] = {name: [None] * len(rows) for name in names}
        fields = [name for name in names if name not in ("@message", "@ptr")]
        for number, places in self._by_block(rows if names else rows[:0]):
            block = self._blocks[number]
            lines = block.store.lines() if names != ["@ptr"] else ()
            for place, position in zip(places.tolist(), (rows[places] - self._starts[number]).tolist(), strict=True):
                if "@ptr" in values:
                    values["@ptr"][place] = _pointer(block.groups[0], block.firsts[0] + position)
                if "@message" in values:
                    values["@message"][place] = lines[position].decode()
                if fields:
                    extracted = flatten(orjson.loads(lines[position]))
                    for name in fields:
                        values[name][place] = extracted.get(name)
        return {name: Column(np.arange(len(rows)), column) for name, column in values.items()}

    def _by_block(self, rows: Index) -> Iterator[tuple[int, Index]]:
        """(number of a block, which of `rows` are in it)"""
        if not len(rows):
            return
        blocks = np.searchsorted(self._starts, rows, side="right") - 1
        order = np.argsort(blocks, kind="stable")
        numbers, first = np.unique(blocks[order], return_index=True)
        yield from zip(numbers.tolist(), np.split(order, first[1:]), strict=True)

    def _joined(self, part: Callable[[Block], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate([part(block) for block in self._blocks]) if self._blocks else np.zeros(0)


def _constant(block: Block, value: Value) -> Codes:
    return Codes(np.zeros(len(block), dtype=np.uint16), [value])


def _merged(parts: Iterable[Codes]) -> Column:
    numbers: dict[Value, int] = {}
    values: list[Value] = []
    merged = [np.zeros(0, dtype=np.int64)]
    for codes, own in parts:
        if len(own) == len(codes):  # unique, as request ids are: not worth looking for in the other blocks
            renumbered = np.arange(len(values), len(values) + len(own))
            values += own
        else:
            for value in own:
                if numbers.setdefault(value, len(values)) == len(values):
                    values.append(value)
            renumbered = np.array([numbers[value] for value in own], dtype=np.int64)
        merged.append(renumbered[codes])
    return Column(np.concatenate(merged), values)


def _log(group: LogGroup) -> str:
    return f"{group.account_id}:{group.name}"


def _pointer(group: LogGroup, number: int) -> str:
    place = f"{group.account_id}:{group.region}:{group.name}:{LOG_STREAM}:{number}"
    return base64.b64encode(place.encode()).decode()
