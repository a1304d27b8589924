"""Records of the journal, packed: what is kept of each, in memory and on disk."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import orjson

from embedded_aws.logs.insights import Index, Value

FIELDS_MAX = 200  # of one JSON event, in document order, are extracted; the rest cannot be queried


ROW_BYTES = 1_000  # what a record takes beside its line, about, until its block is closed


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


COLUMNS = tuple(f"{parent}.{member}".lstrip(".") for parent, members in _MEMBERS for member in members)


METADATA = "requestMetadata."


_NOTHING: Mapping[str, Any] = {}


class LogGroup(NamedTuple):
    account_id: str
    region: str
    name: str


class File:
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


class Codes(NamedTuple):
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

    def column(self, name: str) -> Codes | None:
        if name not in self.places:
            return None
        offset, length = self.places[name]
        codes_bytes = 2 * self.packed_rows
        data = self.columns.read(self.columns_start + offset, codes_bytes + length)
        codes, values = np.frombuffer(data[:codes_bytes], dtype=np.uint16), orjson.loads(data[codes_bytes:])
        if len(self.sizes) == self.packed_rows:
            return Codes(codes, values)
        own, renumbered = np.unique(codes[self.first_row : self.first_row + len(self.sizes)], return_inverse=True)
        return Codes(renumbered.astype(np.uint16), [values[code] for code in own.tolist()])

    def part(self, start: int, end: int) -> _Store:
        records_start = self.records_start + int(self.sizes[:start].sum()) + start
        return replace(self, records_start=records_start, sizes=self.sizes[start:end], first_row=start)

    def moved_to(self, records: File, columns: File) -> _Store:
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


def _packed(lines: Sequence[bytes], columns: Mapping[str, Codes]) -> _Store:
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
class OpenBlock:
    group: LogGroup
    first: int
    lines: list[bytes] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)  # scalars by COLUMNS, then requestMetadata
    deliver_at: array[float] = field(default_factory=lambda: array("d"))

    def add(self, line: bytes, record: dict[str, Any], deliver_at: float) -> None:
        # A JSON text with n commas has at most n + 1 leaves: the cheap proof that all of them are extracted.
        row = _members(record) if line.count(b",") < FIELDS_MAX else _extracted_members(record)
        self.lines.append(line)
        self.rows.append(row)
        self.deliver_at.append(deliver_at)


def closed(parts: Sequence[OpenBlock]) -> Block:
    *scalars, metadata = zip(*chain.from_iterable(part.rows for part in parts), strict=True)
    columns = {name: _encode(values) for name, values in zip(COLUMNS, scalars, strict=True)}
    for key in dict.fromkeys(key for entry in metadata for key in entry):
        columns[METADATA + key] = _encode([entry.get(key) for entry in metadata])
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
    """The values of COLUMNS in a record, None for what it lacks, then its requestMetadata."""
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
    metadata = {path.removeprefix(METADATA): fields[path] for path in fields if path.startswith(METADATA)}
    return [*map(fields.get, COLUMNS), metadata]


def _encode(values: Sequence[Any]) -> Codes:
    numbers: dict[Value, int] = {}
    try:
        codes = [numbers.setdefault(value, len(numbers)) for value in values]
    except TypeError:  # an object or a list where a scalar is usual: its leaves are other fields
        return _encode([value if isinstance(value, str | int | float) else None for value in values])
    return Codes(np.array(codes, dtype=np.uint16), list(numbers))


def _milliseconds(timestamp: Value) -> int:
    return round(datetime.fromisoformat(str(timestamp)).timestamp() * 1000)
