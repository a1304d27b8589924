"""One Logs Insights query under way: what its client sees of it, and what it comes to."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from embedded_aws.logs.insights import Column, Index, Query, Result, Stopped, evaluate
from embedded_aws.logs.journal import Events

logger = logging.getLogger(__name__)

Input = dict[str, Any]


_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class LogsSettings:
    """What AWS publishes as quotas, and what it does not publish at all: how long a query takes."""

    scheduled_s: float = 0.05
    running_s: float = 0.15
    concurrent_queries: int = 100  # of one account and Region
    results_kept_s: float = 7 * _DAY_S
    queries_kept: int = 1_000  # ended ones, over all accounts, the newest first;
    results_kept_bytes: int = 256 << 20  # and no more of their results than this, unless one alone has more
    requests_per_s: Mapping[str, int] = field(default_factory=lambda: {"GetQueryResults": 10, "DescribeLogGroups": 10})
    evaluation_max_s: float = 60.0  # then a query ends as Timeout


@dataclass(frozen=True, slots=True)
class _Answer:
    rows: list[bytes]  # each the JSON of one row
    size_bytes: int
    statistics: dict[str, float]


_NO_ANSWER = _Answer([], 0, {"recordsMatched": 0.0, "recordsScanned": 0.0, "bytesScanned": 0.0})


@dataclass(slots=True)
class Execution:
    """One query. `run` is called in another thread, and hands over by single assignments."""

    id: str
    account_id: str
    region: str
    log_groups: Sequence[str]
    text: str
    created_at: float
    settings: LogsSettings
    stopped_at: float | None = None
    partial: _Answer = _NO_ANSWER
    answer: _Answer | None = None
    failure: str | None = None  # Failed or Timeout

    def run(self, query: Query, events: Events, limit: int | None) -> None:
        deadline = time.monotonic() + self.settings.evaluation_max_s

        def stop() -> bool:
            return self.stopped_at is not None or time.monotonic() > deadline

        try:
            if self.settings.running_s > 0:
                half = _Half(events)
                self.partial = _answer(evaluate(query, half, limit, stop), half, len(self.log_groups))
            self.answer = _answer(evaluate(query, events, limit, stop), events, len(self.log_groups))
        except (Stopped, TimeoutError):
            self.failure = "Timeout"
        except Exception:
            # A thread's exception is seen by nobody else: without this the query would run forever.
            self.failure = "Failed"
            logger.exception("Query failed: %s", self.text)
            raise

    def look(self, now: float) -> tuple[str, _Answer]:
        """(status, what there is of the answer) as a client sees it at `now`."""
        if self.stopped_at is not None:
            return "Cancelled", self._seen(self.stopped_at)[1]
        return self._seen(now)

    def _seen(self, now: float) -> tuple[str, _Answer]:
        if now < self.created_at + self.settings.scheduled_s:
            return "Scheduled", _NO_ANSWER
        if now >= self.created_at + self.settings.scheduled_s + self.settings.running_s:
            if self.failure is not None:
                return self.failure, self.partial
            if self.answer is not None:
                return "Complete", self.answer
        return "Running", self.partial

    @property
    def answer_bytes(self) -> int:
        return self.partial.size_bytes + (self.answer or _NO_ANSWER).size_bytes

    def is_active(self, now: float) -> bool:
        return self.look(now)[0] in ("Scheduled", "Running")

    def description(self, now: float) -> Input:
        status, _ = self.look(now)
        return {
            "queryLanguage": "CWLI",
            "queryId": self.id,
            "queryString": self.text,
            "status": status,
            "createTime": int(self.created_at * 1000),
            "logGroupName": self.log_groups[0],
        }


@dataclass(frozen=True, slots=True)
class _Half:
    """The first half of the events that a query comes across: what it has seen while it is Running."""

    events: Events

    def rows(self, newest_first: bool) -> Index:
        rows = self.events.rows(newest_first)
        return rows[: len(rows) // 2]

    def load(self, names: Sequence[str], rows: Index) -> list[Column]:
        return self.events.load(names, rows)

    def bytes_of(self, rows: Index) -> int:
        return self.events.bytes_of(rows)


def _answer(result: Result, events: Events | _Half, log_groups: int) -> _Answer:
    rows = [
        orjson.dumps([{"field": n, "value": v} for n, v in zip(result.names, row, strict=True) if v is not None])
        for row in result.rows
    ]
    scanned = events.rows(newest_first=False)
    return _Answer(
        rows,
        sum(map(len, rows)),
        {
            "recordsMatched": float(result.matched),
            "recordsScanned": float(len(scanned)),
            "bytesScanned": float(events.bytes_of(scanned)),
            "estimatedRecordsSkipped": 0.0,
            "estimatedBytesSkipped": 0.0,
            "logGroupsScanned": float(log_groups),
            "resultCount": float(len(rows)),
        },
    )
