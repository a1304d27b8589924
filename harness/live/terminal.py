"""What a run says while it runs: a line for what is being done, and a line for each request as it finishes.

Of many requests a table is shown instead, that stays in place; where there is no terminal, a line every ten seconds.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path

import gevent
from rich import box
from rich.console import Group, RenderableType
from rich.live import Live as InPlace
from rich.table import Table
from rich.text import Text

from analysis.claims.claim import State
from analysis.model import REPORT_HTML, Answer, Outcome, Record, worst
from common.console import SteadyConsole
from harness.live.counts import Live, answers, percent

MANY = 200  # requests of a run that get a line each, at most
TABLE_EVERY_S = 0.5
LINE_EVERY_S = 10.0

_console = SteadyConsole(highlight=False)
_errors = SteadyConsole(stderr=True, highlight=False)

_STYLES = {
    Outcome.ANSWERED: "green",
    Outcome.REFUSED_BY_GATEWAY: "yellow",
    Outcome.REFUSED_BY_BEDROCK: "yellow",
    Outcome.FAILED: "red",
}

_ANSWER_STYLES = {Answer.PASS: "bold green", Answer.FAIL: "bold red", Answer.UNKNOWN: "bold yellow"}


def leave_stdout() -> None:
    """From here on all goes to stderr: stdout is Locust's, for its JSON."""
    _console.stderr = True


def say(text: str) -> None:
    """What is being done now."""
    _console.print(Text.assemble(("▸ ", "cyan"), text), soft_wrap=True)


def complain(text: str) -> None:
    """What is wrong and what to do about it."""
    _errors.print(Text.assemble(("Error: ", "bold red"), text), soft_wrap=True)


def report(record: Record) -> None:
    """One finished request: time, pattern, consumer, outcome, who served it, seconds."""
    outcome = record.outcome
    by = record.deployment if outcome is Outcome.ANSWERED else record.error_type
    _console.print(
        Text.assemble(
            (f"{datetime.fromtimestamp(record.started_at):%H:%M:%S} ", "dim"),
            f"{record.pattern:<17}{record.consumer:<14}",
            (f"{outcome.value.replace('_', ' '):<20}", _STYLES[outcome]),
            f"{by:<32}",
            (f"{record.latency_ms / 1000:7.2f} s", "dim"),
        ),
        soft_wrap=True,
    )


def report_conclusion(folder: Path) -> None:
    """In one line: what the verdicts come to, and where the report is."""
    verdicts, report = answers(folder), folder / REPORT_HTML
    if verdicts is not None and report.exists():
        found = [given.answer for given in verdicts]
        answer = worst(found)
        counts = ", ".join(f"{found.count(kind)} {kind.value}" for kind in Answer if kind in found)
        _console.print(
            Text.assemble((f"{answer.value} ", _ANSWER_STYLES[answer]), f"({counts}), report {report}"), soft_wrap=True
        )


class Progress:
    """What is shown of a run under way, from its first request until `stop`."""

    def __init__(self, live: Live, *, many: bool, silent: bool) -> None:
        self._live = live
        self._a_line_each = not many and not silent
        self._in_place: InPlace | None = None
        self._handlers: list[logging.StreamHandler] = []
        self._greenlet: gevent.Greenlet | None = None
        if many and not silent:
            in_place = _console.is_terminal and not _console.is_dumb_terminal
            self._greenlet = gevent.spawn(self._keep_table if in_place else self._report_now_and_then)

    def add(self, record: Record) -> None:
        if self._a_line_each:
            report(record)

    def stop(self) -> None:
        """Takes the table away: what follows is said in full by the analysis."""
        if self._greenlet:
            self._greenlet.kill()
        if self._in_place:
            self._in_place.stop()
        for handler in self._handlers:
            handler.setStream(sys.stderr)
        self._in_place, self._handlers = None, []

    def _keep_table(self) -> None:
        stderr = sys.stderr
        self._in_place = InPlace(console=_console, auto_refresh=False, transient=True, redirect_stderr=stderr.isatty())
        self._in_place.start()
        # Log lines shall go above the table too; their handlers have kept the stream of before.
        for handler in [*logging.getLogger().handlers, *logging.getLogger("locust").handlers]:
            if isinstance(handler, logging.StreamHandler) and handler.stream is stderr:
                handler.setStream(sys.stderr)
                self._handlers.append(handler)
        while True:
            self._in_place.update(table(self._live), refresh=True)
            gevent.sleep(TABLE_EVERY_S)

    def _report_now_and_then(self) -> None:
        while True:
            gevent.sleep(LINE_EVERY_S)
            say(summary(self._live))


def summary(live: Live) -> str:
    """A run under way, in one line."""
    rows = live.patterns()
    refused = sum(row.refused_by_gateway + row.refused_by_bedrock for row in rows)
    answered, failed = sum(row.answered for row in rows), sum(row.failed for row in rows)
    return f"{live.sent:,} sent: {answered:,} answered, {refused:,} refused, {failed:,} failed"


def table(live: Live) -> RenderableType:
    """A run under way, compactly: its patterns, and who serves them."""
    patterns = _table("Pattern", "Sent", "Answered", "Refused\ngateway", "Refused\nBedrock", "Failed", "Fallback")
    patterns.add_column("Claims so far", no_wrap=True)
    for row in live.patterns():
        states = Counter(standing.state for standing in row.claims)
        patterns.add_row(
            Text(row.pattern, style="bold"),
            f"{row.sent:,}",
            f"{row.answered:,}",
            f"{row.refused_by_gateway:,}",
            f"{row.refused_by_bedrock:,}",
            Text(f"{row.failed:,}", style="red" if row.failed else ""),
            "—" if row.by_fallback is None else percent(row.by_fallback, row.answered),
            Text(
                ", ".join(f"{n} {state.name.lower()}" for state, n in states.items()),
                style="red" if State.BROKEN in states else "",
            ),
        )
    served = _table("Served by", "Answered", "Share", "Average time")
    for part in live.deployments():
        served.add_row(
            Text.assemble((part.deployment or "not reported", "bold"), (f"  {part.pattern}", "dim")),
            f"{part.answered:,}",
            percent(part.answered, part.of),
            f"{part.mean_ms / 1000:.3f} s",
        )
    return Group("", patterns, "", served)


def _table(first: str, *others: str) -> Table:
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0, header_style="dim")
    made.add_column(first, no_wrap=True)
    for heading in others:
        made.add_column(heading, justify="right", no_wrap=True)
    return made
