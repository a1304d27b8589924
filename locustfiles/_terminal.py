"""What a run says while it runs: a line for what is being done, and a line for each request as it finishes."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console
from rich.text import Text

from analysis.model import Outcome, Record

_console = Console(highlight=False)
_errors = Console(stderr=True, highlight=False)

_STYLES = {
    Outcome.ANSWERED: "green",
    Outcome.REFUSED_BY_GATEWAY: "yellow",
    Outcome.REFUSED_BY_BEDROCK: "yellow",
    Outcome.FAILED: "red",
}


def say(text: str) -> None:
    """What is being done now."""
    _console.print(Text.assemble(("▸ ", "cyan"), text))


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
