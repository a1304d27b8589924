"""Fetches the run's invocation records from CloudWatch Logs into its folder.

Each AWS profile of the run is asked for its own account's log group. CloudWatch delivers late, by no published figure,
so it is asked again until every answered request has its invocation or the deadline is over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis import files
from analysis.aws_errors import FetchError
from analysis.files import FetchLog
from analysis.insights import LIMIT, Asked, query_string
from analysis.join import outcomes
from analysis.model import FETCH_JSON, INVOCATIONS_CSV, Invocation, Outcome, Run

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

    Raises FetchError and files.RunFolderError. Interrupted, it stops its queries and keeps what it has.
    """
    run, records = files.read_run(path), files.read_records(path)
    found = _found_before(path)
    wanted, unmatchable = _answered(records)
    arrived = {request_id for request_id in wanted.index if request_id in found}
    whole = _window(run, records)
    asked = Asked(run, query_string(run), sleep, limit)
    began = clock()
    reason = "Asking CloudWatch was interrupted."

    def tell() -> None:
        progress(Progress(len(arrived), len(wanted), len(found), clock() - began, run.fetch.deadline_s))

    try:
        window = whole
        tell()
        while True:
            for invocation in asked.invocations(window, tell):
                found[invocation.request_id] = invocation
                if invocation.request_id in wanted.index:
                    arrived.add(invocation.request_id)
            tell()
            if len(arrived) == len(wanted):
                reason = _UNMATCHABLE.format(unmatchable) if unmatchable else ""
                break
            waited = clock() - began
            if waited + run.fetch.poll_s > run.fetch.deadline_s:
                reason = _incomplete(run, len(wanted) - len(arrived), len(wanted), waited, asked.trouble)
                break
            sleep(run.fetch.poll_s)
            window = _span(wanted[~wanted.index.isin(arrived)], whole)
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
            answered=len(wanted) + unmatchable,
            missing=len(wanted) - len(arrived) + unmatchable,
            complete=not reason,
            reason=reason,
        )
        if found or asked.completed:
            rows = sorted(found.values(), key=lambda invocation: (invocation.at, invocation.request_id))
            files.write_lines(path / INVOCATIONS_CSV, _lines(rows))
        files.write_text(path / FETCH_JSON, log.model_dump_json(indent=1) + "\n")
    return log


# --- what to ask for --------------------------------------------------------------------------------------------


def _found_before(path: Path) -> dict[str, Invocation]:
    earlier = files.read_invocations(path)
    if earlier is None:
        return {}
    plain = earlier.astype(object).where(earlier.notna(), None)
    rows = plain.itertuples(index=False, name=None)
    return {row[0]: Invocation(*row) for row in rows}


_UNMATCHABLE = "Answers without a request id of Bedrock's own, which no invocation can be matched with: {:,}."


def _answered(records: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The requests that Bedrock must know, by request id, with their times; and how many have no id of their own."""
    answered = records[outcomes(records) == Outcome.ANSWERED]
    answered = answered.assign(ended_at=answered["intended_at"] + answered["latency_ms"] / 1000)
    named = answered[answered["request_id"] != ""].drop_duplicates("request_id")
    return named.set_index("request_id")[["started_at", "ended_at"]], len(answered) - len(named)


def _window(run: Run, records: pd.DataFrame) -> tuple[int, int]:
    """The run's time range, with the margin: inclusive epoch seconds."""
    last = run.ended_at or run.started_at
    if len(records):
        last = max(last, float((records["intended_at"] + records["latency_ms"] / 1000).max()))
    return math.floor(run.started_at) - MARGIN_S, math.ceil(last) + MARGIN_S


def _span(missing: pd.DataFrame, whole: tuple[int, int]) -> tuple[int, int]:
    """The part of the run in which something is still missing."""
    first, last = missing["started_at"].min(), missing["ended_at"].max()
    return max(whole[0], math.floor(first) - MARGIN_S), min(whole[1], math.ceil(last) + MARGIN_S)


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
