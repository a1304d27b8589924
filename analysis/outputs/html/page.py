"""The report: one HTML page that loads nothing.

The page decides nothing and computes nothing: verdicts and findings are given, their wording is `wording`'s, the same
that the terminal prints. Jinja escapes every text, and charts escape theirs, for most of it came from a server.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path

import jinja2

from analysis.findings import Findings
from analysis.model import LOCUST_REPORT_HTML, Answer, Run, Verdict, worst
from analysis.outputs.charts.timeline import legend, timeline
from analysis.outputs.html.run_tables import (
    attempts_table,
    cost_in_words,
    deployments_table,
    locust_table,
    self_check_lines,
    traffic_table,
)
from analysis.outputs.html.section import section
from analysis.wording import clock, command, count, listing, plural, seconds

_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine"}

_PAGE = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(findings: Findings, verdicts: Sequence[Verdict]) -> str:
    """The page as text."""
    run = findings.run
    cost, made_up_of = cost_in_words(findings)
    return _PAGE.get_template("report.html").render(
        run=run,
        answer=worst([verdict.answer for verdict in verdicts]),
        headline=_headline(run, verdicts),
        tally=_tally(verdicts),
        sections=[section(findings, pattern, verdicts) for pattern in run.patterns],
        timeline=timeline(findings),
        legend=legend(findings),
        locust=locust_table(findings),
        locust_report=LOCUST_REPORT_HTML if (findings.path / LOCUST_REPORT_HTML).exists() else None,
        ledger=findings.ledger,
        attempts=attempts_table(findings),
        cost=cost,
        made_up_of=made_up_of,
        accounts=sorted(set(run.aws.accounts.values())),
        bottleneck=run.self_check.get("bottleneck"),
        self_check=self_check_lines(run.self_check),
        fetch=findings.fetch,
        fetched=findings.fetched,
        traffic=traffic_table(run),
        deployments=deployments_table(run),
        settings=json.dumps(run.settings, indent=2, ensure_ascii=False, default=str) if run.settings else "",
        command=functools.partial(command, folder=findings.path.resolve()),  # `latest` leads elsewhere tomorrow
        clock=clock, count=count, seconds=seconds, plural=plural, listing=listing,
    )  # fmt: skip


def _headline(run: Run, verdicts: Sequence[Verdict]) -> str:
    """What was proved, in a sentence."""
    if not verdicts:
        return "Nothing was judged"
    given = {p: [verdict.answer for verdict in verdicts if verdict.pattern == p] for p in run.patterns}
    named = {answer: [run.title(p) for p, of in given.items() if of and worst(of) is answer] for answer in Answer}
    everything = f"{_NUMBERS.get(len(run.patterns), len(run.patterns))} patterns"
    if failed := named[Answer.FAIL]:
        if len(failed) == len(run.patterns) > 1:
            return f"All {everything} fail"
        return f"{listing(failed)} {'fails' if len(failed) == 1 else 'fail'}"
    if unknown := named[Answer.UNKNOWN]:
        if len(unknown) == len(run.patterns) > 1:
            return f"None of the {everything} is proved"
        return f"{listing(unknown)} {'is' if len(unknown) == 1 else 'are'} not proved"
    held = named[Answer.PASS]
    return f"{held[0]} holds" if len(held) == 1 else f"All {_NUMBERS.get(len(held), len(held))} patterns hold"


def _tally(verdicts: Sequence[Verdict]) -> str:
    counts = [(sum(verdict.answer is answer for verdict in verdicts), answer) for answer in Answer]
    said = [f"{n} {answer}" for n, answer in counts if n]
    claims = plural(len(verdicts), "claim")
    return f"{claims}: {listing(said)}." if len(said) > 1 else f"All {claims}." if said else "No claims."
