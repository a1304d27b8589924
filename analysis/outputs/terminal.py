"""The run as text in the terminal: the tables of each pattern, its verdicts, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich import box
from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from analysis.claims.about import About
from analysis.claims.claim import Shows
from analysis.claims.registry import claims
from analysis.findings import Findings
from analysis.model import Answer, Run, Verdict, worst
from analysis.numbers.accounts import accounts_of
from analysis.numbers.ledger import Ledger
from analysis.numbers.proportion import Proportion
from analysis.numbers.tables import ConsumerRow, RegionRow
from analysis.numbers.window_search import Chain
from analysis.wording import UNKNOWN, command, count, listing, location, percent, plural, seconds

STYLES = {Answer.PASS: "bold green", Answer.FAIL: "bold red", Answer.UNKNOWN: "bold yellow"}
EVIDENCE = {"aws": "the real AWS", "embedded": "the embedded AWS"}
_BAR = 24
_WINDOWS = 10  # shown at most


def show(console: Console, findings: Findings, verdicts: Sequence[Verdict], report: Path | None = None) -> None:
    """Everything, in the order in which it is read: patterns, ledger, the answer, what to do next."""
    for pattern in findings.run.patterns:
        console.print(Rule(Text(findings.run.title(pattern), style="bold"), style="dim", align="left"))
        for table in tables(findings, pattern):
            console.print(Padding(table, (1, 0, 0, 2), expand=False))
        answers = verdict_lines([verdict for verdict in verdicts if verdict.pattern == pattern])
        console.print(Padding(answers, (1, 0, 1, 2), expand=False))
    console.print(ledger_lines(findings.ledger))
    console.print()
    console.print(conclusion(findings, verdicts))
    for line in next_steps(findings, verdicts, report):
        console.print(line, soft_wrap=True)  # so that paths and commands can be copied


def tables(findings: Findings, pattern: str) -> Iterator[RenderableType]:
    """What the pattern's claims are about, as tables; where they ask for none, its consumers."""
    run, consumers = findings.run, findings.consumers_of(pattern)
    shown = {kind for claim in run.claims if claim.pattern == pattern for kind in _shows(claim.claim)}
    if Shows.ACCOUNTS in shown:
        yield _accounts(run, consumers)
        for row in consumers:
            yield _regions(findings.regions(pattern, (row.consumer,)), f"Region of {row.consumer}")
    if Shows.CONSUMERS in shown or not shown:
        yield _consumers(consumers)
    if Shows.SERVED_BY in shown:
        yield _served(findings, pattern)
    if Shows.REGIONS in shown:
        yield _regions(findings.regions(pattern), "Region")
    for chain in _chains(findings, pattern):
        if len(chain.windows) > 1:
            yield _windows(chain)


def _shows(claim: str) -> tuple[Shows, ...]:
    known = claims().get(claim)
    return known.shows if known else ()


def _chains(findings: Findings, pattern: str) -> Iterator[Chain]:
    """The quotas that the pattern's claims are about."""
    for claim in findings.run.claims:
        if claim.pattern != pattern:
            continue
        about = About(findings.run, claim)
        found = []
        if Shows.CONSUMER_WINDOWS in _shows(claim.claim):
            found += [findings.consumer_windows(name) for name in about.names]
        if Shows.GROUP_WINDOWS in _shows(claim.claim):
            found += [findings.group_windows(group) for group in about.groups]
        yield from (chain for seen in found if seen for chain in seen.chains)


def _table(*headings: str) -> Table:
    """The first column is text, the others numbers; a heading of "" is a bar."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.header_style = table.border_style = "dim"
    table.add_column(headings[0], no_wrap=True, overflow="fold")
    for heading in headings[1:]:
        if heading:
            table.add_column(heading, justify="right", overflow="fold")
        else:
            table.add_column(max_width=_BAR)
    return table


def _consumers(consumers: Sequence[ConsumerRow]) -> Table:
    table = _table("Consumer", "Success rate", "Total", "Success", "Failed", "Rate limited", "Average time")
    for row in consumers:
        table.add_row(
            Text(row.consumer, style="bold"),
            percent(row.success),
            count(row.sent),
            count(row.answered),
            _alarming(row.failed),
            count(row.refused),
            seconds(row.latency_ms.mean),
        )
    return table


def _accounts(run: Run, consumers: Sequence[ConsumerRow]) -> Table:
    table = _table("Account", "Total", "Success", "Failed", "Success rate", "Average time")
    configured = {consumer.name: consumer for consumer in run.consumers}
    for row in consumers:
        consumer = configured.get(row.consumer)
        accounts = accounts_of(run, consumer) if consumer else None
        table.add_row(
            Text.assemble((row.consumer, "bold"), (f"  {listing(sorted(accounts)) if accounts else UNKNOWN}", "dim")),
            count(row.sent),
            count(row.answered),
            _alarming(row.sent - row.answered),
            percent(row.success),
            seconds(row.latency_ms.mean),
        )
    return table


def _regions(found: Sequence[RegionRow], heading: str) -> RenderableType:
    if not found:
        return Text(f"{heading}: {UNKNOWN} (CloudWatch has no invocation of it yet)", style="dim")
    table = _table(heading, "Invocations", "Percentage", "")
    for row in found:
        table.add_row(row.region, count(row.invocations.count), percent(row.invocations), _bar(row.invocations))
    return table


def _served(findings: Findings, pattern: str) -> Table:
    table = _table("Served by", "Requests", "Percentage", "Average time", "")
    requests, served = findings.requests(pattern), findings.served_by(pattern)
    for row in served:
        share = Proportion(row.requests.count, len(requests))
        table.add_row(
            Text(row.deployment or "not reported", style="bold"),
            count(share.count),
            percent(share),
            seconds(row.latency_ms.mean),
            _bar(share),
        )
    unanswered = Proportion(len(requests) - sum(row.requests.count for row in served), len(requests))
    if unanswered.count:
        table.add_row(
            Text("nobody", style="red"), count(unanswered.count), percent(unanswered), UNKNOWN, _bar(unanswered, "red")
        )
    return table


def _windows(chain: Chain) -> Table:
    """Admitted against configured; of many windows the last ones, and those that are not as they should be."""
    table = _table(f"Window of {chain.name} (UTC)", "Offered", "Admitted", "Quota", "")
    off = [window for window in chain.windows[:-_WINDOWS] if not chain.holds(window)]
    shown = [*off[:_WINDOWS], *chain.windows[-_WINDOWS:]]
    if left_out := len(chain.windows) - len(shown):
        table.add_row(Text(f"{plural(left_out, 'earlier window')}", style="dim"))
    for window in shown:
        right = chain.holds(window)
        share = Proportion(min(window.admitted, chain.quota_rpm), chain.quota_rpm)
        table.add_row(
            f"{datetime.fromtimestamp(window.starts_at, UTC):%H:%M:%S}",
            count(window.offered),
            Text(count(window.admitted), style="" if right else "red"),
            count(chain.quota_rpm),
            _bar(share, "cyan" if right else "red"),
        )
    return table


def _bar(proportion: Proportion, colour: str = "cyan") -> Bar:
    """As wide as there is room."""
    return Bar(size=proportion.of, begin=0, end=proportion.count, color=colour)


def _alarming(n: int) -> Text:
    return Text(count(n), style="red" if n else "")


def verdict_lines(verdicts: Sequence[Verdict]) -> RenderableType:
    """A line for what was proved; for what was not, also what was seen, what should have been, and why."""
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True)
    lines.add_column()
    for verdict in verdicts:
        lines.add_row(Text(verdict.answer, style=STYLES[verdict.answer]), _verdict(verdict))
    return lines


def _verdict(verdict: Verdict) -> RenderableType:
    sentence = Text(verdict.sentence)
    if verdict.answer is Answer.PASS:
        seen = "\n".join(filter(None, (verdict.observed, verdict.note)))
        return Group(sentence, Text(seen, style="dim"))
    facts = Table.grid(padding=(0, 1))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    said = {"seen": verdict.observed, "expected": verdict.expected, "because": verdict.reason, "note": verdict.note}
    for name, text in said.items():
        if text:
            facts.add_row(name, Text(text))
    return Group(sentence, facts)


def ledger_lines(ledger: Ledger) -> RenderableType:
    """Four counts of the same requests."""
    parts = [
        f"{ledger.answered:,} answered",
        *(f"{n:,} {words}" for n, words in (
            (ledger.refused_by_gateway, "refused by the gateway"),
            (ledger.refused_by_bedrock, "refused by Bedrock"),
            (ledger.failed, "failed"),
        ) if n),
    ]  # fmt: skip
    counts = Table.grid(padding=(0, 2))
    counts.add_column(style="dim", no_wrap=True)
    counts.add_column()
    counts.add_row("clients", f"{plural(ledger.sent, 'request')} sent = {' + '.join(parts)}")
    counts.add_row("Locust", UNKNOWN if ledger.locust_sent is None else plural(ledger.locust_sent, "request"))
    saw = ledger.gateway_saw
    counts.add_row("gateway", UNKNOWN if saw is None else f"{plural(saw, 'request')} by its own log")
    found = plural(ledger.invocations, "invocation")
    found += f", {ledger.answered_matched:,} of {plural(ledger.answered, 'answer')} matched"
    if ledger.unmatched_invocations:
        found += f", {ledger.unmatched_invocations:,} unmatched"
    counts.add_row("CloudWatch", found if ledger.fetched else UNKNOWN)
    problems = [Text(f"· {problem}", style="yellow") for problem in ledger.problems()]
    problems += [Text(f"· {note}", style="dim") for note in ledger.notes()]
    heading = Text("The ledger closes" if ledger.closes else "The ledger does not close", style="bold")
    body = Padding(Group(counts, *problems), (1, 0, 0, 2), expand=False)
    return Group(Rule(heading, style="dim", align="left"), body)


def conclusion(findings: Findings, verdicts: Sequence[Verdict]) -> Panel:
    """The answer of the whole run."""
    answer = worst([verdict.answer for verdict in verdicts])
    counts = {kind: sum(verdict.answer is kind for verdict in verdicts) for kind in Answer}
    words = {Answer.PASS: "proved", Answer.FAIL: "disproved", Answer.UNKNOWN: "open"}
    said = listing([f"{n} {words[kind]}" for kind, n in counts.items() if n]) or "no claims"
    style = STYLES[answer]
    said = f"  {plural(len(verdicts), 'claim')}: {said}, on {EVIDENCE[findings.run.evidence]}"
    text = Text.assemble((f" {answer} ", f"{style} reverse"), said)
    return Panel(text, box=box.ROUNDED, border_style=style.removeprefix("bold "), expand=False, padding=(0, 1))


def next_steps(findings: Findings, verdicts: Sequence[Verdict], report: Path | None) -> Iterator[Text]:
    """Where to look, and what to do about what is not proved."""
    if report:
        yield _step("report", location(report))
    answers = {verdict.answer for verdict in verdicts}
    if not report:
        yield _step("report", command("report", findings.path.resolve()))
    if Answer.UNKNOWN in answers and not (findings.fetch and findings.fetch.complete):
        yield _step("logs", f"{command('all', findings.path.resolve())}   asks CloudWatch again")
    for note in findings.run.notes:
        yield _step("note", note)


def _step(name: str, text: str) -> Text:
    return Text.assemble((f"{name:>8}  ", "dim"), text)
