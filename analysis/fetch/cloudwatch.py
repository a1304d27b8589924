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
    whole = _window(run, answers)
    asked = Asked(run, query_string(run), sleep, limit)
    began = clock()
    reason = "Asking CloudWatch was interrupted."

    def report() -> None:
        known, waited = len(answers.spans), clock() - began
        progress(Progress(known - len(missing), known, len(found), waited, run.fetch.deadline_s))

    try:
        window = whole
        report()
        while True:
            for invocation in asked.invocations(window, report):
                found[invocation.request_id] = invocation
                missing.pop(invocation.request_id, None)
            report()
            if not missing:
                reason = _UNMATCHABLE.format(answers.without_id) if answers.without_id else ""
                break
            waited = clock() - began
            if waited + run.fetch.poll_s > run.fetch.deadline_s:
                reason = _incomplete(run, len(missing), len(answers.spans), waited, asked.trouble)
                break
            sleep(run.fetch.poll_s)
            window = _span(missing.values(), whole)
    except FetchError as error:
        reason = str(error)
        raise
    finally:
        log = FetchLog(
            fetched_at=time.time(),
            waited_s=round(clock() - began, 3),
            window=whole,
            profiles=run.aws.profiles,
            query=asked.query,
            queries=asked.queries,
            invocations=len(found),
            answered=len(answers.spans) + answers.without_id,
            missing=len(missing) + answers.without_id,
            complete=not reason,
            reason=reason,
        )
        if found or asked.completed:
            rows = sorted(found.values(), key=lambda invocation: (invocation.at, invocation.request_id))
            writing.write_lines(path / INVOCATIONS_CSV, _lines(rows))
        writing.write_text(path / FETCH_JSON, log.model_dump_json(indent=1) + "\n")
    return log


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
