"""A pattern on the page: its verdicts, tables and charts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.findings import AccountFound, Findings
from analysis.model import Answer, Run, Verdict, worst
from analysis.numbers.accounts import groups_reached
from analysis.numbers.stats import Distribution
from analysis.numbers.tables import ConsumerRow, RegionRow, ServedRow
from analysis.outputs.charts.bars import regions, served
from analysis.outputs.charts.latency import latency
from analysis.outputs.charts.svg import Figure
from analysis.outputs.charts.windows import windows
from analysis.outputs.html.table import LATENCY_COLUMNS, Table, saying, table
from analysis.wording import UNKNOWN, count, dollars, interval, listing, percent, seconds

_NO_SAMPLES = Distribution(0, None, None, None, None, None)


@dataclass(frozen=True)
class Section:
    """One pattern on the page."""

    title: str
    answer: Answer
    verdicts: tuple[Verdict, ...]
    headline: str
    consumers: Table | None
    notes: tuple[str, ...]
    served: Table | None
    effort: Table | None
    regions: Table | None
    figures: tuple[Figure, ...]


def section(findings: Findings, pattern: str, verdicts: Sequence[Verdict]) -> Section:
    """`verdicts`: those of all patterns."""
    run, mine = findings.run, findings.consumers_of(pattern)
    given = tuple(verdict for verdict in verdicts if verdict.pattern == pattern)
    unproved = [verdict for verdict in given if verdict.answer is not Answer.PASS]
    unproved.sort(key=lambda verdict: verdict.answer is not Answer.FAIL)
    figures = (*_figures(findings, pattern), *_quota_figures(findings, pattern))
    return Section(
        title=run.title(pattern),
        answer=worst([verdict.answer for verdict in given]),
        verdicts=given,
        headline=unproved[0].reason or unproved[0].observed
        if unproved
        else " · ".join(verdict.observed for verdict in given),
        consumers=_consumers_table(mine),
        notes=tuple(_notes(findings, pattern)),
        served=_served_table(findings, pattern),
        effort=_effort_table(mine),
        regions=_regions_table(run, findings.accounts(pattern)),
        figures=tuple(figure for figure in figures if figure),
    )


def account_in_words(run: Run, account: str) -> str:
    """Its id, with the profile that leads there, where it is only one."""
    profiles = [profile for profile, known in run.aws.accounts.items() if known == account]
    return f"{profiles[0]} · {account}" if len(profiles) == 1 else account


def _notes(findings: Findings, pattern: str) -> Iterator[str]:
    """What is worth a sentence beneath the pattern's table."""
    for row in findings.consumers_of(pattern):
        if row.errors:
            yield f"Errors of {row.consumer}: {listing([f'{kind} {count(n)}' for kind, n in row.errors.items()])}"
    if (after_ms := findings.first_fallback_ms(pattern)) is not None:
        yield f"The first answer of a fallback came {seconds(after_ms)} after the pattern's first request was due."
    if (ratio := findings.amplification.get(pattern, 1)) > 1:
        yield f"{max(ratio, 1.01):.2f} invocations at Bedrock for each request that reached it: see the ledger."


def _figures(findings: Findings, pattern: str) -> Iterator[Figure | None]:
    run, consumers = findings.run, findings.consumers_of(pattern)
    yield served(findings, pattern)
    yield regions(
        {account_in_words(run, account.account_id): account.regions for account in findings.accounts(pattern)}
    )
    answered = {row.consumer: findings.requests(pattern, (row.consumer,)).answered for row in consumers}
    yield latency("Latency", {row.consumer: (answered[row.consumer].latency_ms, row.latency_ms) for row in consumers})
    ttft_ms = {name: part.ttft_ms[~np.isnan(part.ttft_ms)] for name, part in answered.items()}
    yield latency("Time to first token", {row.consumer: (ttft_ms[row.consumer], row.ttft_ms) for row in consumers})


def _quota_figures(findings: Findings, pattern: str) -> Iterator[Figure | None]:
    """The windows that the verdicts are about: a quota is asked by all patterns that lead to it."""
    run = findings.run
    mine = [consumer for consumer in run.consumers if consumer.pattern == pattern]
    for group in dict.fromkeys(run.group_of(consumer.model) for consumer in mine if consumer.route == "gateway"):
        if seen := findings.group_windows(group):
            others = [c for c in run.consumers if c.pattern != pattern and group in groups_reached(run, c)]
            also = listing(list(dict.fromkeys(run.title(consumer.pattern) for consumer in others)))
            yield windows(f"Quota windows of {group}", seen, f"Requests of {also} count too." if also else "")
    for consumer in mine:
        if consumer.quota_rpm and (seen := findings.consumer_windows(consumer.name)):
            yield windows(f"Quota windows of {consumer.name}", seen)


def _consumers_table(consumers: Sequence[ConsumerRow]) -> Table | None:
    columns: dict[str, Callable[[ConsumerRow], str]] = {
        "Consumer": lambda row: row.consumer,
        "Sent": lambda row: count(row.sent),
        "Answered": lambda row: count(row.answered),
        "Refused by the gateway": lambda row: count(row.refused_by_gateway),
        "Refused by Bedrock": lambda row: count(row.refused_by_bedrock),
        "Failed": lambda row: count(row.failed),
        "Success rate": lambda row: percent(row.success),
        "95 % interval": lambda row: interval(row.success),
        **LATENCY_COLUMNS,
    }
    return table("What each consumer saw; times are of answered requests, from when they were due", columns, consumers)


def _effort_table(consumers: Sequence[ConsumerRow]) -> Table | None:
    columns: dict[str, Callable[[ConsumerRow], str]] = {
        "Consumer": lambda row: row.consumer,
        "Queued in the client, max": lambda row: seconds(row.queued_ms.max),
        "Gateway's overhead, average": lambda row: seconds(row.overhead_ms.mean),
        "First token, p50": lambda row: seconds(row.ttft_ms.p50),
        "First token, p99": lambda row: seconds(row.ttft_ms.p99),
        "Gap between pieces, average": lambda row: seconds(row.gap_mean_ms.mean),
        "Gap's p99, median": lambda row: seconds(row.gap_p99_ms.p50),
        "Output tokens/s, p50": lambda row: _per_second(row.output_tokens_per_s),
        "Input tokens": lambda row: count(row.input_tokens),
        "Output tokens": lambda row: count(row.output_tokens),
        "Cost": lambda row: dollars(row.cost_usd),
        "Tokens of broken answers": lambda row: count(row.wasted_tokens) if row.wasted_tokens else UNKNOWN,
        "Their cost": lambda row: dollars(row.wasted_usd),
        "Retries": lambda row: count(row.retries),
        "Fallbacks": lambda row: count(row.fallbacks),
        "Seen by CloudWatch": lambda row: count(row.invocations),
    }
    return table("What it took", saying(columns, consumers), consumers)


def _served_table(findings: Findings, pattern: str) -> Table | None:
    run, lines, overhead_ms = findings.run, findings.served_by(pattern), findings.overheads(pattern)
    models = {consumer.profile: consumer.model for consumer in run.consumers if consumer.route == "direct"}
    models |= {deployment.id: deployment.model_id for deployment in run.deployments}
    columns: dict[str, Callable[[ServedRow], str]] = {
        "Served by": lambda row: row.deployment or "deployment unknown",
        "Model": lambda row: models.get(row.deployment, UNKNOWN),
        "Answered": lambda row: count(row.requests.count),
        "Share": lambda row: percent(row.requests),
        **LATENCY_COLUMNS,
        "Gateway's overhead, average": lambda row: seconds(overhead_ms[row.deployment].mean),
    }
    return table("How fast each deployment answered, as clients saw it", saying(columns, lines), lines, texts=2)


def _regions_table(run: Run, accounts: Sequence[AccountFound]) -> Table | None:
    lines = [
        (account_in_words(run, account.account_id), row, account.clients.get(row.region, _NO_SAMPLES))
        for account in accounts
        for row in account.regions
    ]
    columns: dict[str, Callable[[tuple[str, RegionRow, Distribution]], str]] = {
        "Account": lambda line: line[0],
        "Region": lambda line: line[1].region,
        "Invocations": lambda line: count(line[1].invocations.count),
        "Share": lambda line: percent(line[1].invocations),
        "Bedrock's average": lambda line: seconds(line[1].latency_ms.mean),
        "Bedrock's p50": lambda line: seconds(line[1].latency_ms.p50),
        "Clients' average": lambda line: seconds(line[2].mean),
        "Clients' p50": lambda line: seconds(line[2].p50),
        "Clients' n": lambda line: count(line[2].n),
    }
    return table("Successful invocations by Region, as CloudWatch saw them", columns, lines, texts=2)


def _per_second(distribution: Distribution) -> str:
    return UNKNOWN if distribution.p50 is None else f"{distribution.p50:,.1f}"
