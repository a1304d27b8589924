"""python -m analysis fetch | judge | report | all RUN: what follows a run, on any run folder, as often as you like."""

from __future__ import annotations

import signal
import sys
import traceback
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from analysis import verdicts
from analysis.fetch import cloudwatch
from analysis.fetch.aws_errors import FetchError
from analysis.findings import Findings
from analysis.folder import reading
from analysis.folder.errors import RunFolderError
from analysis.folder.reading import FetchLog
from analysis.folder.verdicts_file import write_verdicts
from analysis.model import Answer, Verdict, worst
from analysis.outputs import claims_table, registry, terminal
from analysis.wording import location
from common.console import SteadyConsole
from common.lifeline import end_with_parent

PASSED, FAILED, UNUSABLE, OPEN = 0, 1, 2, 3
EXIT_CODES = {Answer.PASS: PASSED, Answer.FAIL: FAILED, Answer.UNKNOWN: OPEN}

_RUN = click.argument("run", metavar="RUN", type=click.Path(path_type=Path))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--lifeline", is_flag=True, hidden=True, help="End when standard input reaches its end.")
def main(lifeline: bool) -> None:
    """What follows a run. RUN is its folder, runs/latest for instance.

    Exit codes: 0 all claims pass, 1 a claim fails, 2 wrong usage or an unusable run folder, 3 unknown and none failed.
    """
    if lifeline:
        end_with_parent()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # unwinds, so that queries are stopped


@main.command()
@_RUN
def fetch(run: Path) -> None:
    """Ask CloudWatch for the run's invocations, until they are complete or the deadline is over."""
    console = SteadyConsole()
    log = _fetch(console, run)
    sys.exit(PASSED if log.complete else OPEN)


@main.command()
@_RUN
def judge(run: Path) -> None:
    """Give a verdict on each claim: PASS, FAIL or UNKNOWN."""
    findings, answers = _judge(run)
    terminal.show(SteadyConsole(), findings, answers)
    sys.exit(_exit_code(answers))


@main.command()
@_RUN
def report(run: Path) -> None:
    """Write the report, one self-contained HTML page, and what other outputs there are."""
    findings, answers = _judge(run)
    for written in registry.write_all(findings, answers).values():
        SteadyConsole().print(location(written), highlight=False, markup=False, soft_wrap=True)
    sys.exit(_exit_code(answers))


@main.command(name="all")
@_RUN
def everything(run: Path) -> None:
    """Fetch, judge and report. What CloudWatch does not say leaves claims open, and the rest is judged."""
    console = SteadyConsole()
    try:
        _fetch(console, run)
    except FetchError as error:
        _complain(error)
    _say(console, "judging")
    findings, answers = _judge(run)
    _say(console, "writing the report")
    written = registry.write_all(findings, answers)
    terminal.show(console, findings, answers, written["html"])
    sys.exit(_exit_code(answers))


@main.command()
def claims() -> None:
    """Print the claims that a pattern may make, as the documentation's table."""
    click.echo(claims_table.table(), nl=False)


def _fetch(console: Console, run: Path) -> FetchLog:
    columns = (
        SpinnerColumn(),
        TextColumn("waiting for logs"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} answers in CloudWatch"),
        TextColumn("[dim]{task.fields[waited]}"),
    )
    if console.is_terminal:
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=0, waited="")

            def report(progress: cloudwatch.Progress) -> None:
                waited = f"{progress.waited_s:.0f} of at most {progress.deadline_s:.0f} s"
                bar.update(task, completed=progress.found, total=progress.wanted, waited=waited)

            log = cloudwatch.fetch(run, report)
    else:
        _say(console, "waiting for logs")
        log = cloudwatch.fetch(run)
    found = f"{log.answered - log.missing:,} of {log.answered:,} answers found in CloudWatch"
    counts = f"{found}, {log.invocations:,} invocations, {log.waited_s:.1f} s"
    console.print(counts, style="" if log.complete else "yellow", highlight=False)
    if log.reason:
        console.print(log.reason, style="yellow", highlight=False, markup=False, soft_wrap=True)
    return log


def _say(console: Console, doing: str) -> None:
    console.print(Text.assemble(("▸ ", "cyan"), doing))


def _judge(run: Path) -> tuple[Findings, list[Verdict]]:
    findings = Findings(reading.read(run))
    answers = verdicts.judge(findings)
    write_verdicts(run, answers)
    return findings, answers


def _exit_code(answers: list[Verdict]) -> int:
    return EXIT_CODES[worst([verdict.answer for verdict in answers])]


def _complain(error: Exception) -> None:
    SteadyConsole(stderr=True).print(Text.assemble(("error ", "bold red"), str(error)), soft_wrap=True)


def run_command_line() -> None:
    try:
        main(standalone_mode=False)  # where Ctrl-C would exit with 1, which means that a claim fails
    except click.ClickException as error:
        error.show()
        sys.exit(UNUSABLE)
    except click.Abort:
        sys.exit(128 + signal.SIGINT)
    except (RunFolderError, FetchError) as error:
        _complain(error)
        sys.exit(UNUSABLE)
    except Exception:  # a crash proves nothing: Python's own exit code, 1, means that a claim fails
        traceback.print_exc()
        sys.exit(OPEN)


if __name__ == "__main__":
    run_command_line()
