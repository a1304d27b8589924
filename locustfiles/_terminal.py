"""What a run says while it runs: a line for what is being done, and a line for each request as it finishes."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from analysis.model import REPORT_HTML, VERDICTS_JSON, Answer, Outcome, Record, worst

_console = Console(highlight=False)
_errors = Console(stderr=True, highlight=False)

_STYLES = {
    Outcome.ANSWERED: "green",
    Outcome.REFUSED_BY_GATEWAY: "yellow",
    Outcome.REFUSED_BY_BEDROCK: "yellow",
    Outcome.FAILED: "red",
}

_ANSWER_STYLES = {Answer.PASS: "bold green", Answer.FAIL: "bold red", Answer.UNKNOWN: "bold yellow"}


def say(text: str) -> None:
    """What is being done now."""
    _console.print(Text.assemble(("▸ ", "cyan"), text), soft_wrap=True)


def complain(text: str) -> None:
    """What is wrong and what to do about it."""
    _errors.print(Text.assemble(("Error: ", "bold red"), text), soft_wrap=True)


def tell(record: Record) -> None:
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


def tell_conclusion(folder: Path) -> None:
    """In one line: what the verdicts come to, and where the report is."""
    verdicts, report = folder / VERDICTS_JSON, folder / REPORT_HTML
    if verdicts.exists() and report.exists():
        answers = [Answer(verdict["answer"]) for verdict in json.loads(verdicts.read_text())]
        answer = worst(answers)
        counts = ", ".join(f"{answers.count(kind)} {kind.value}" for kind in Answer if kind in answers)
        _console.print(
            Text.assemble((f"{answer.value} ", _ANSWER_STYLES[answer]), f"({counts}), report {report}"), soft_wrap=True
        )
