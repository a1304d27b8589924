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
import os
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import orjson

from embedded_aws.logs.insights import Column, Index, Timestamp, Value

LOG_STREAM = "aws/bedrock/modelinvocations"
FIELDS_MAX = 200  # of one JSON event, in document order, are extracted; the rest cannot be queried

BLOCK = 512  # records: small enough that closing one does not hold up the event loop (about 1 ms)
_ROW_BYTES = 1_000  # what a record takes beside its line, about, until its block is closed

# The members that become columns: all scalars of a record but those inside the bodies, and the response's own
# figures. Other fields are read from the records themselves when a query asks for them.
_MEMBERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "",
        (
            *("timestamp", "accountId", "region", "requestId", "operation", "modelId"),
            *("inferenceRegion", "errorCode", "schemaType", "schemaVersion"),
        ),
    ),
    ("identity", ("arn",)),
    ("input", ("inputContentType", "inputTokenCount", "cacheReadInputTokenCount", "cacheWriteInputTokenCount")),
    ("output", ("outputContentType", "outputTokenCount")),
    ("output.outputBodyJson", ("stopReason",)),
    ("output.outputBodyJson.metrics", ("latencyMs",)),
    ("output.outputBodyJson.usage", ("inputTokens", "outputTokens", "totalTokens")),
)
_COLUMNS = tuple(f"{parent}.{member}".lstrip(".") for parent, members in _MEMBERS for member in members)
_METADATA = "requestMetadata."
_NOTHING: Mapping[str, Any] = {}

logger = logging.getLogger(__name__)


class LogGroup(NamedTuple):
    account_id: str
    region: str
    name: str


class Journal:
    """For one thread; the Events that it gives may be read in another."""

    def __init__(self, directory: Path, clock: Callable[[], float], in_memory_bytes: int = 64 << 20) -> None:
        """Starts empty: files of an earlier journal in `directory` are overwritten."""
        directory.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._records = _File(directory / "journal.jsonl")
        self._columns = _File(directory / "journal.columns")
        self._in_memory_bytes = in_memory_bytes
        self._spill_above = in_memory_bytes
        self._bytes = 0  # in memory
        self._groups: dict[LogGroup, LogGroup] = {}  # so that each is kept once
        self._blocks: dict[LogGroup, list[Block]] = {}  # closed ones, oldest first
        self._open: dict[LogGroup, _OpenBlock] = {}  # in the order they were begun
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
            block = self._open[group] = _OpenBlock(group, self._counts[group])
        line = orjson.dumps(record) + b"\n"  # also a copy, for what orjson makes takes up 4 kB however short it is
        block.add(line, record, deliver_at)
        self._bytes += len(line) + _ROW_BYTES
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
                blocks.append(_closed([self._open[group]]))
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

    def _close(self, open_blocks: Sequence[_OpenBlock]) -> None:
        """Makes them one block."""
        block = _closed(open_blocks)
        for part in open_blocks:
            self._blocks.setdefault(part.group, []).append(block)
            del self._open[part.group]
            self._bytes -= sum(map(len, part.lines)) + _ROW_BYTES * len(part.lines)
        self._in_memory.append(block)
        self._bytes += block.store.packed_bytes

    def _begun_first(self) -> list[_OpenBlock]:
        """As many open blocks as make a full one."""
        chosen: list[_OpenBlock] = []
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


class _File:
    """A file that only grows, read at random."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def append(self, data: bytes) -> int:
        """The offset at which `data` stands. What a failed write leaves behind is overwritten by the next."""
        offset, view = self.size, memoryview(data)
        while view:
            view = view[os.pwrite(self._descriptor, view, offset + len(data) - len(view)) :]
        self.size += len(data)
        return offset

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, offset)

    def close(self) -> None:
        os.close(self._descriptor)


_Sizes = npt.NDArray[np.uint32]  # of records, in bytes


class _Codes(NamedTuple):
    """One field of the events of a block."""

    codes: npt.NDArray[np.uint16]
    values: Sequence[Value]


class _Source(Protocol):
    def read(self, offset: int, length: int) -> bytes: ...


class _Memory(NamedTuple):
    data: bytes

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


@dataclass(frozen=True, slots=True)
class _Store:
    """Lines and columns of a block, packed, in memory as on disk; or those of a part of it."""

    records: _Source
    records_start: int
    sizes: _Sizes
    columns: _Source
    columns_start: int
    places: Mapping[str, tuple[int, int]]  # column → (offset of its codes, length of its values, which follow)
    packed_bytes: int  # of the whole block
    packed_rows: int
    first_row: int = 0

    def lines(self) -> Sequence[bytes]:
        return self.records.read(self.records_start, self._records_bytes()).split(b"\n")[:-1]

    def column(self, name: str) -> _Codes | None:
        if name not in self.places:
            return None
        offset, length = self.places[name]
        codes_bytes = 2 * self.packed_rows
        data = self.columns.read(self.columns_start + offset, codes_bytes + length)
        codes, values = np.frombuffer(data[:codes_bytes], dtype=np.uint16), orjson.loads(data[codes_bytes:])
        if len(self.sizes) == self.packed_rows:
            return _Codes(codes, values)
        own, renumbered = np.unique(codes[self.first_row : self.first_row + len(self.sizes)], return_inverse=True)
        return _Codes(renumbered.astype(np.uint16), [values[code] for code in own.tolist()])

    def part(self, start: int, end: int) -> _Store:
        records_start = self.records_start + int(self.sizes[:start].sum()) + start
        return replace(self, records_start=records_start, sizes=self.sizes[start:end], first_row=start)

    def moved_to(self, records: _File, columns: _File) -> _Store:
        lines = self.records.read(self.records_start, self._records_bytes())
        packed = self.columns.read(self.columns_start, self.packed_bytes - len(lines))
        return replace(
            self,
            records=records,
            records_start=records.append(lines),
            columns=columns,
            columns_start=columns.append(packed),
        )

    def _records_bytes(self) -> int:
        return int(self.sizes.sum()) + len(self.sizes)  # each has its line end


def _packed(lines: Sequence[bytes], columns: Mapping[str, _Codes]) -> _Store:
    records, packed = b"".join(lines), bytearray()
    places = {}
    for name, (codes, values) in columns.items():
        printed = orjson.dumps(values)
        places[name] = (len(packed), len(printed))
        packed += codes.tobytes() + printed
    return _Store(
        _Memory(records),
        0,
        np.fromiter((len(line) - 1 for line in lines), dtype=np.uint32),
        _Memory(bytes(packed)),
        0,
        places,
        packed_bytes=len(records) + len(packed),
        packed_rows=len(lines),
    )


@dataclass(slots=True, eq=False)
class Block:
    """Consecutive events of a log group, or those of several, one group after the other. Only where they are kept ever
    changes, in one assignment."""

    groups: Sequence[LogGroup]
    firsts: Sequence[int]  # the number of each group's first event within it
    bounds: Sequence[int]  # where the events of each group begin, and where the last ones end
    times_ms: Index
    deliver_at: npt.NDArray[np.float64]
    store: _Store
    span_ms: tuple[int, int]  # of the times, both inclusive

    def __len__(self) -> int:
        return len(self.times_ms)

    def of(self, group: LogGroup) -> Block:
        """The group's events alone."""
        if len(self.groups) == 1:
            return self
        place = self.groups.index(group)
        start, end = self.bounds[place], self.bounds[place + 1]
        times_ms = self.times_ms[start:end]
        return Block(
            (group,),
            (self.firsts[place],),
            (0, end - start),
            times_ms,
            self.deliver_at[start:end],
            self.store.part(start, end),
            (int(times_ms.min()), int(times_ms.max())),
        )


@dataclass(slots=True, eq=False)
class _OpenBlock:
    group: LogGroup
    first: int
    lines: list[bytes] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)  # scalars by _COLUMNS, then requestMetadata
    deliver_at: array[float] = field(default_factory=lambda: array("d"))

    def add(self, line: bytes, record: dict[str, Any], deliver_at: float) -> None:
        # A JSON text with n commas has at most n + 1 leaves: the cheap proof that all of them are extracted.
        row = _members(record) if line.count(b",") < FIELDS_MAX else _extracted_members(record)
        self.lines.append(line)
        self.rows.append(row)
        self.deliver_at.append(deliver_at)


def _closed(parts: Sequence[_OpenBlock]) -> Block:
    *scalars, metadata = zip(*chain.from_iterable(part.rows for part in parts), strict=True)
    columns = {name: _encode(values) for name, values in zip(_COLUMNS, scalars, strict=True)}
    for key in dict.fromkeys(key for entry in metadata for key in entry):
        columns[_METADATA + key] = _encode([entry.get(key) for entry in metadata])
    times = columns["timestamp"]
    milliseconds = [_milliseconds(value) for value in times.values]
    return Block(
        tuple(part.group for part in parts),
        array("q", (part.first for part in parts)),
        array("q", accumulate((len(part.lines) for part in parts), initial=0)),
        np.array(milliseconds, dtype=np.int64)[times.codes],
        np.concatenate([part.deliver_at for part in parts]),
        _packed([line for part in parts for line in part.lines], columns),
        (min(milliseconds), max(milliseconds)),
    )


def flatten(record: dict[str, Any]) -> dict[str, Value]:
    """The fields that Logs Insights discovers in an event: scalars by their dotted path, the first FIELDS_MAX of them.
    A null is no field, and true and false are 1 and 0."""
    fields: dict[str, Value] = {}
    for path, value in _leaves("", record):
        if len(fields) == FIELDS_MAX:
            break
        fields[path] = int(value) if isinstance(value, bool) else value
    return fields


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _leaves(f"{path}.{key}" if path else key, member)
    elif isinstance(value, list):
        for position, member in enumerate(value):
            yield from _leaves(f"{path}.{position}", member)
    elif value is not None:
        yield path, value


def _members(record: dict[str, Any]) -> list[Any]:
    """The values of _COLUMNS in a record, None for what it lacks, then its requestMetadata."""
    output = _object(record, "output")
    body = _object(output, "outputBodyJson")  # none in the log of an InvokeModel stream, which is a list of events
    parents = (
        *(record, _object(record, "identity"), _object(record, "input"), output, body),
        *(_object(body, "metrics"), _object(body, "usage")),
    )
    row = [parent.get(member) for parent, (_, members) in zip(parents, _MEMBERS, strict=True) for member in members]
    row.append(_object(record, "requestMetadata"))
    return row


def _object(parent: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    value = parent.get(member)
    return value if type(value) is dict else _NOTHING


def _extracted_members(record: dict[str, Any]) -> list[Any]:
    fields = flatten(record)
    metadata = {path.removeprefix(_METADATA): fields[path] for path in fields if path.startswith(_METADATA)}
    return [*map(fields.get, _COLUMNS), metadata]


def _encode(values: Sequence[Any]) -> _Codes:
    numbers: dict[Value, int] = {}
    try:
        codes = [numbers.setdefault(value, len(numbers)) for value in values]
    except TypeError:  # an object or a list where a scalar is usual: its leaves are other fields
        return _encode([value if isinstance(value, str | int | float) else None for value in values])
    return _Codes(np.array(codes, dtype=np.uint16), list(numbers))


def _milliseconds(timestamp: Value) -> int:
    return round(datetime.fromisoformat(str(timestamp)).timestamp() * 1000)


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
        if name in _COLUMNS or name.startswith(_METADATA):
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


def _constant(block: Block, value: Value) -> _Codes:
    return _Codes(np.zeros(len(block), dtype=np.uint16), [value])


def _merged(parts: Iterable[_Codes]) -> Column:
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
