"""The run as text in the terminal: the tables of each pattern, its verdicts, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from rich import box
from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from analysis import metrics, windows
from analysis.files import RunFolder
from analysis.model import Answer, Run, Verdict, worst
from analysis.wording import UNKNOWN, command, count, listing, location, percent, plural, seconds

STYLES = {Answer.PASS: "bold green", Answer.FAIL: "bold red", Answer.UNKNOWN: "bold yellow"}
EVIDENCE = {"aws": "the real AWS", "embedded": "the embedded AWS"}
_BAR = 24
_WINDOWS = 10  # shown at most


def show(
    console: Console, folder: RunFolder, rows: pd.DataFrame, verdicts: Sequence[Verdict], report: Path | None = None
) -> None:
    """Everything, in the order in which it is read: patterns, ledger, the answer, what to do next."""
    for pattern in folder.run.patterns:
        console.print(Rule(Text(folder.run.title(pattern), style="bold"), style="dim", align="left"))
        for table in tables(folder.run, pattern, rows):
            console.print(Padding(table, (1, 0, 0, 2), expand=False))
        answers = verdict_lines([verdict for verdict in verdicts if verdict.pattern == pattern])
        console.print(Padding(answers, (1, 0, 1, 2), expand=False))
    fetched = folder.invocations is not None
    console.print(ledger_lines(metrics.ledger(folder.run, rows, folder.locust, fetched)))
    console.print()
    console.print(conclusion(folder, verdicts))
    for line in next_steps(folder, verdicts, report):
        console.print(line, soft_wrap=True)  # so that paths and commands can be copied


def tables(run: Run, pattern: str, rows: pd.DataFrame) -> Iterator[RenderableType]:
    """What the pattern's claims are about, as tables."""
    claims = {claim.claim for claim in run.claims if claim.pattern == pattern}
    here = rows[rows["pattern"] == pattern]
    consumers = metrics.consumers(here)
    if "shards_separate" in claims:
        yield _accounts(run, consumers)
        for consumer in consumers:
            yield _regions(here[here["consumer"] == consumer.consumer], f"Region of {consumer.consumer}")
        return
    if claims & {"limited_to_quota", "neighbours_unharmed"} or not claims & _WITH_OWN_TABLE:
        yield _consumers(consumers)
    if claims & {"primaries_filled", "overflow_answered_by_fallback"}:
        yield _served(here)
    if "regions_at_least" in claims:
        yield _regions(here, "Region")
    for chain in _chains(run, pattern, rows):
        if len(chain.windows) > 1:
            yield _windows(chain)


def _chains(run: Run, pattern: str, rows: pd.DataFrame) -> Iterator[windows.Chain]:
    """The quotas that the pattern's claims are about."""
    tenants = [tenant for tenant in run.consumers if tenant.pattern == pattern]
    for claim in run.claims:
        if claim.pattern != pattern:
            continue
        meant = [tenant for tenant in tenants if not claim.consumers or tenant.name in claim.consumers]
        found: list[windows.Windows | None] = []
        if claim.claim == "limited_to_quota":
            found = [windows.consumer_windows(run, rows, tenant) for tenant in meant]
        elif claim.claim == "primaries_filled":
            groups = dict.fromkeys(tenant.model for tenant in meant)
            found = [windows.deployment_windows(run, rows, group) for group in groups]
        yield from (chain for seen in found if seen for chain in seen.chains)


_WITH_OWN_TABLE = {"primaries_filled", "overflow_answered_by_fallback", "regions_at_least"}


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


def _consumers(consumers: Sequence[metrics.ConsumerRow]) -> Table:
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


def _accounts(run: Run, consumers: Sequence[metrics.ConsumerRow]) -> Table:
    table = _table("Account", "Total", "Success", "Failed", "Success rate", "Average time")
    tenants = {tenant.name: tenant for tenant in run.consumers}
    for row in consumers:
        tenant = tenants.get(row.consumer)
        accounts = metrics.accounts_of(run, tenant) if tenant else None
        table.add_row(
            Text.assemble((row.consumer, "bold"), (f"  {listing(sorted(accounts)) if accounts else UNKNOWN}", "dim")),
            count(row.sent),
            count(row.answered),
            _alarming(row.sent - row.answered),
            percent(row.success),
            seconds(row.latency_ms.mean),
        )
    return table


def _regions(rows: pd.DataFrame, heading: str) -> RenderableType:
    found = metrics.regions(rows)
    if not found:
        return Text(f"{heading}: {UNKNOWN} (CloudWatch has no invocation of it yet)", style="dim")
    table = _table(heading, "Invocations", "Percentage", "")
    for row in found:
        table.add_row(row.region, count(row.invocations.count), percent(row.invocations), _bar(row.invocations))
    return table


def _served(rows: pd.DataFrame) -> Table:
    table = _table("Served by", "Requests", "Percentage", "Average time", "")
    requests = metrics.sent(rows)
    served = metrics.served_by(rows)
    for row in served:
        share = metrics.Proportion(row.requests.count, len(requests))
        table.add_row(
            Text(row.deployment or "not told", style="bold"),
            count(share.count),
            percent(share),
            seconds(row.latency_ms.mean),
            _bar(share),
        )
    unanswered = metrics.Proportion(len(requests) - sum(row.requests.count for row in served), len(requests))
    if unanswered.count:
        table.add_row(
            Text("nobody", style="red"), count(unanswered.count), percent(unanswered), UNKNOWN, _bar(unanswered, "red")
        )
    return table


def _windows(chain: windows.Chain) -> Table:
    """Admitted against configured; of many windows the last ones, and those that are not as they should be."""
    table = _table(f"Window of {chain.name} (UTC)", "Offered", "Served", "Quota", "")
    off = [window for window in chain.windows[:-_WINDOWS] if not chain.holds(window)]
    told = [*off[:_WINDOWS], *chain.windows[-_WINDOWS:]]
    if left_out := len(chain.windows) - len(told):
        table.add_row(Text(f"{plural(left_out, 'earlier window')}", style="dim"))
    for window in told:
        right = chain.holds(window)
        share = metrics.Proportion(min(window.served, chain.quota_rpm), chain.quota_rpm)
        table.add_row(
            f"{datetime.fromtimestamp(window.starts_at, UTC):%H:%M:%S}",
            count(window.offered),
            Text(count(window.served), style="" if right else "red"),
            count(chain.quota_rpm),
            _bar(share, "cyan" if right else "red"),
        )
    return table


def _bar(proportion: metrics.Proportion, colour: str = "cyan") -> Bar:
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
    sentence = Text(verdict.claim)
    if verdict.answer is Answer.PASS:
        return Group(sentence, Text(verdict.observed, style="dim"))
    facts = Table.grid(padding=(0, 1))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column()
    for name, text in (("seen", verdict.observed), ("expected", verdict.expected), ("because", verdict.reason)):
        if text:
            facts.add_row(name, Text(text))
    return Group(sentence, facts)


def ledger_lines(ledger: metrics.Ledger) -> RenderableType:
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
        found += f", {ledger.unmatched_invocations:,} that no client heard of"
    counts.add_row("CloudWatch", found if ledger.fetched else UNKNOWN)
    problems = [Text(f"· {problem}", style="yellow") for problem in ledger.problems()]
    problems += [Text(f"· {note}", style="dim") for note in ledger.notes()]
    heading = Text("The ledger closes" if ledger.closes else "The ledger does not close", style="bold")
    body = Padding(Group(counts, *problems), (1, 0, 0, 2), expand=False)
    return Group(Rule(heading, style="dim", align="left"), body)


def conclusion(folder: RunFolder, verdicts: Sequence[Verdict]) -> Panel:
    """The answer of the whole run."""
    answer = worst([verdict.answer for verdict in verdicts])
    counts = {kind: sum(verdict.answer is kind for verdict in verdicts) for kind in Answer}
    words = {Answer.PASS: "proved", Answer.FAIL: "disproved", Answer.UNKNOWN: "open"}
    told = listing([f"{n} {words[kind]}" for kind, n in counts.items() if n]) or "no claims"
    style = STYLES[answer]
    told = f"  {plural(len(verdicts), 'claim')}: {told}, on {EVIDENCE[folder.run.evidence]}"
    text = Text.assemble((f" {answer} ", f"{style} reverse"), told)
    return Panel(text, box=box.ROUNDED, border_style=style.removeprefix("bold "), expand=False, padding=(0, 1))


def next_steps(folder: RunFolder, verdicts: Sequence[Verdict], report: Path | None) -> Iterator[Text]:
    """Where to look, and what to do about what is not proved."""
    if report:
        yield _step("report", location(report))
    answers = {verdict.answer for verdict in verdicts}
    if not report:
        yield _step("report", command("report", folder.path.resolve()))
    if Answer.UNKNOWN in answers and not (folder.fetch and folder.fetch.complete):
        yield _step("logs", f"{command('all', folder.path.resolve())}   asks CloudWatch again")
    for note in folder.run.notes:
        yield _step("note", note)


def _step(name: str, text: str) -> Text:
    return Text.assemble((f"{name:>8}  ", "dim"), text)
