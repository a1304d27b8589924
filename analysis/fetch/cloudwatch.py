"""Fetches the run's invocation records from CloudWatch Logs into its folder.

Each AWS profile of the run is asked for its own account's log group. CloudWatch delivers late, by no published figure,
so it is asked again until every answered request has its invocation or the deadline is over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from analysis.fetch.aws_errors import FetchError
from analysis.fetch.insights import LIMIT, Asked, query_string
from analysis.folder import reading, writing
from analysis.folder.reading import FetchLog
from analysis.model import FETCH_JSON, INVOCATIONS_CSV, Invocation, Run
from analysis.numbers.accounts import other_providers
from analysis.rows import Span, Wanted, invocations_by_id, wanted

MARGIN_S = 60  # around the run: clocks differ, and log timestamps are cut to the second


@dataclass(frozen=True, slots=True)
class Progress:
    """How far fetch is."""

    found: int  # answered requests whose invocation has arrived
    wanted: int  # answered requests
    invocations: int
    waited_s: float
    deadline_s: float


def fetch(
    path: Path,
    progress: Callable[[Progress], None] = lambda _: None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    limit: int = LIMIT,
) -> FetchLog:
    """Writes invocations.csv and fetch.json into the run folder `path`; what an earlier fetch found is kept.

    Raises FetchError and RunFolderError. Interrupted, it stops its queries and keeps what it has.
    """
    run = reading.read_run(path)
    answers = wanted(reading.read_records(path), other_providers(run))
    found = _found_before(path)
    missing = {request_id: span for request_id, span in answers.spans.items() if request_id not in found}
    asked = Asked(run, query_string(run), sleep, limit)
    fetching = _Fetching(run, answers, found, missing, asked, progress, clock, sleep, clock())
    reason = "Asking CloudWatch was interrupted."
    try:
        reason = fetching.until_complete()
    except FetchError as error:
        reason = str(error)
        raise
    finally:
        log = fetching.log(reason)
        if found or asked.completed:
            rows = sorted(found.values(), key=lambda invocation: (invocation.at, invocation.request_id))
            writing.write_lines(path / INVOCATIONS_CSV, _lines(rows))
        writing.write_text(path / FETCH_JSON, log.model_dump_json(indent=1) + "\n")
    return log


@dataclass
class _Fetching:
    """A fetch under way: what has been found, and what is still missing."""

    run: Run
    answers: Wanted
    found: dict[str, Invocation]  # by request id
    missing: dict[str, Span]  # of the answers
    asked: Asked
    progress: Callable[[Progress], None]
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    began: float

    def until_complete(self) -> str:
        """Asks again and again; returns why it is not complete, "" when it is. Raises FetchError."""
        window = self._whole
        self._report()
        while True:
            for invocation in self.asked.invocations(window, self._report):
                self.found[invocation.request_id] = invocation
                self.missing.pop(invocation.request_id, None)
            self._report()
            if not self.missing:
                return _UNMATCHABLE.format(self.answers.without_id) if self.answers.without_id else ""
            waited = self.clock() - self.began
            if waited + self.run.fetch.poll_s > self.run.fetch.deadline_s:
                return _incomplete(self.run, len(self.missing), len(self.answers.spans), waited, self.asked.trouble)
            self.sleep(self.run.fetch.poll_s)
            window = _span(self.missing.values(), self._whole)

    def log(self, reason: str) -> FetchLog:
        return FetchLog(
            fetched_at=time.time(),
            waited_s=round(self.clock() - self.began, 3),
            window=self._whole,
            profiles=self.run.aws.profiles,
            query=self.asked.query,
            queries=self.asked.queries,
            invocations=len(self.found),
            answered=len(self.answers.spans) + self.answers.without_id,
            missing=len(self.missing) + self.answers.without_id,
            complete=not reason,
            reason=reason,
        )

    @property
    def _whole(self) -> tuple[int, int]:
        return _window(self.run, self.answers)

    def _report(self) -> None:
        known, waited = len(self.answers.spans), self.clock() - self.began
        deadline_s = self.run.fetch.deadline_s
        self.progress(Progress(known - len(self.missing), known, len(self.found), waited, deadline_s))


# --- what to ask for --------------------------------------------------------------------------------------------


def _found_before(path: Path) -> dict[str, Invocation]:
    earlier = reading.read_invocations(path)
    return {} if earlier is None else invocations_by_id(earlier)


_UNMATCHABLE = "Answers without a request id of Bedrock's own, which no invocation can be matched with: {:,}."


def _window(run: Run, answers: Wanted) -> tuple[int, int]:
    """The run's time range, with the margin: inclusive epoch seconds."""
    last = max(run.ended_at or run.started_at, answers.last_end or run.started_at)
    return math.floor(run.started_at) - MARGIN_S, math.ceil(last) + MARGIN_S


def _span(missing: Iterable[Span], whole: tuple[int, int]) -> tuple[int, int]:
    """The part of the run in which something is still missing."""
    starts, ends = zip(*missing, strict=True)
    return max(whole[0], math.floor(min(starts)) - MARGIN_S), min(whole[1], math.ceil(max(ends)) + MARGIN_S)


def _incomplete(run: Run, missing: int, wanted: int, waited_s: float, trouble: str) -> str:
    if trouble:
        return f"{trouble} {missing:,} of {wanted:,} invocations had not been found after {waited_s:.0f} s."
    return (
        f"{missing:,} of {wanted:,} invocations of run {run.id} had not arrived in log group {run.aws.log_group} after "
        f"{waited_s:.0f} s: logs may be on their way, model invocation logging may be off, or the gateway may drop "
        "requestMetadata, which tags the run."
    )


def _lines(invocations: list[Invocation]) -> Iterator[str]:
    yield Invocation.header_line()
    for invocation in invocations:
        yield invocation.line()
