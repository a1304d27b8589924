"""The report: one HTML page that loads nothing, from a run folder and its verdicts.

The page decides nothing. Verdicts come from `verdicts`, numbers from `metrics`, their wording from `wording`: the same
that the terminal prints. Jinja escapes every text, and charts escape theirs, for most of it came from a server.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from analysis import charts, files, join, locust_csv, metrics, windows
from analysis.metrics import ConsumerRow, Distribution, Proportion, UnheardRow
from analysis.model import LOCUST_REPORT_HTML, REPORT_HTML, Answer, Outcome, Run, Verdict, worst
from analysis.wording import UNKNOWN, clock, command, count, dollars, interval, listing, percent, plural, seconds

_WINDOW_COLUMNS = ("side", "pattern", "consumer", "outcome", "status", "model_asked", "deployment", "started_at")
_SECTION_COLUMNS = (
    "side", "pattern", "consumer", "outcome", "model_asked", "deployment", "intended_at", "latency_ms", "ttft_ms",
    "gateway_overhead_ms", "account_id", "inference_region", "invocation_latency_ms", "error_code",
)  # fmt: skip
_NO_SAMPLES = Distribution(0, None, None, None, None, None)
_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine"}

_PAGE = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Table:
    """Texts in rows; the first `texts` columns are words, the others numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int = 1


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
    figures: tuple[charts.Figure, ...]


def write(folder: files.RunFolder, rows: pd.DataFrame, verdicts: Sequence[Verdict]) -> Path:
    """report.html in the run folder; `rows` as `join.join` gives them. Raises RunFolderError when it cannot write."""
    path = folder.path / REPORT_HTML
    files.write_text(path, render(folder, rows, verdicts))
    return path


def render(folder: files.RunFolder, rows: pd.DataFrame, verdicts: Sequence[Verdict]) -> str:
    """The page as text."""
    run = folder.run
    requests = metrics.sent(rows[list(charts.TIMELINE_COLUMNS)])
    ledger = metrics.ledger(run, rows, folder.locust, fetched=folder.invocations is not None)
    consumers = metrics.consumers(rows, run.deployments)
    attempts = metrics.unheard(run, rows)
    ratios = metrics.amplification(rows, attempts)
    quota_rows = metrics.sent(rows[list(_WINDOW_COLUMNS)])  # what is copied often has no more columns than it needs
    shown = rows[list(_SECTION_COLUMNS)]
    cost, made_up_of = _cost(
        run, consumers, attempts, complete=ledger.fetched and ledger.answered_matched == ledger.answered
    )
    return _PAGE.get_template("report.html").render(
        run=run,
        answer=worst([verdict.answer for verdict in verdicts]),
        headline=_headline(run, verdicts),
        tally=_tally(verdicts),
        sections=[
            _section(run, pattern, shown[shown["pattern"] == pattern], quota_rows, consumers, ratios, verdicts)
            for pattern in run.patterns
        ],
        timeline=charts.timeline(run, requests, folder.faults),
        legend=charts.legend(requests),
        locust=_locust_table(folder.locust, rows),
        locust_report=LOCUST_REPORT_HTML if (folder.path / LOCUST_REPORT_HTML).exists() else None,
        ledger=ledger,
        attempts=_attempts_table(run, attempts),
        cost=cost,
        made_up_of=made_up_of,
        accounts=sorted(set(run.aws.accounts.values())),
        bottleneck=run.self_check.get("bottleneck"),
        self_check=_self_check(run.self_check),
        fetch=folder.fetch,
        fetched=folder.invocations is not None,
        traffic=_traffic_table(run),
        deployments=_deployments_table(run),
        settings=json.dumps(run.settings, indent=2, ensure_ascii=False, default=str) if run.settings else "",
        command=functools.partial(command, folder=folder.path.resolve()),  # `latest` leads elsewhere tomorrow
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
    told = [f"{n} {answer}" for n, answer in counts if n]
    claims = plural(len(verdicts), "claim")
    return f"{claims}: {listing(told)}." if len(told) > 1 else f"All {claims}." if told else "No claims."


# --- a pattern ----------------------------------------------------------------------------------------------------


def _section(
    run: Run,
    pattern: str,
    here: pd.DataFrame,
    quota_rows: pd.DataFrame,
    consumers: Sequence[ConsumerRow],
    ratios: Mapping[str, float],
    verdicts: Sequence[Verdict],
) -> Section:
    """`here`: the pattern's rows. `quota_rows`: all patterns' requests, for they may draw on the same quotas."""
    mine = [row for row in consumers if row.pattern == pattern]
    given = tuple(verdict for verdict in verdicts if verdict.pattern == pattern)
    unproved = [verdict for verdict in given if verdict.answer is not Answer.PASS]
    unproved.sort(key=lambda verdict: verdict.answer is not Answer.FAIL)
    by_account = _by_account(run, here)
    return Section(
        title=run.title(pattern),
        answer=worst([verdict.answer for verdict in given]),
        verdicts=given,
        headline=unproved[0].reason or unproved[0].observed
        if unproved
        else " · ".join(verdict.observed for verdict in given),
        consumers=_consumers_table(mine),
        notes=tuple(_notes(run, here, mine, ratios.get(pattern, 1))),
        served=_served_table(run, here),
        effort=_effort_table(mine),
        regions=_regions_table(by_account),
        figures=tuple(
            figure
            for figure in (*_figures(run, here, mine, by_account), *_quota_figures(run, pattern, quota_rows))
            if figure
        ),
    )


def _notes(run: Run, here: pd.DataFrame, consumers: Sequence[ConsumerRow], ratio: float) -> Iterator[str]:
    """What is worth a sentence beneath the pattern's table. `ratio`: invocations for each request at Bedrock."""
    for row in consumers:
        if row.errors:
            yield f"Errors of {row.consumer}: {listing([f'{kind} {count(n)}' for kind, n in row.errors.items()])}"
    if (after_ms := metrics.first_fallback_ms(run, here)) is not None:
        yield f"The first answer of a fallback came {seconds(after_ms)} after the pattern's first request was due."
    if ratio > 1:
        yield f"{max(ratio, 1.01):.2f} invocations at Bedrock for each request that reached it: see the ledger."


def _figures(
    run: Run, here: pd.DataFrame, consumers: Sequence[ConsumerRow], by_account: Mapping[str, pd.DataFrame]
) -> list[charts.Figure | None]:
    answered = here.loc[here["outcome"] == Outcome.ANSWERED, ["consumer", "latency_ms", "ttft_ms"]]
    by_consumer = {row.consumer: answered[answered["consumer"] == row.consumer] for row in consumers}
    return [
        charts.served(run, here, [row.consumer for row in consumers]),
        charts.regions({account: metrics.regions(part) for account, part in by_account.items()}),
        charts.latency(
            "Latency",
            {row.consumer: (by_consumer[row.consumer]["latency_ms"].to_numpy(), row.latency_ms) for row in consumers},
        ),
        charts.latency(
            "Time to first token",
            {
                row.consumer: (by_consumer[row.consumer]["ttft_ms"].dropna().to_numpy(), row.ttft_ms)
                for row in consumers
            },
        ),
    ]


def _quota_figures(run: Run, pattern: str, rows: pd.DataFrame) -> Iterator[charts.Figure | None]:
    """The windows that the verdicts are about: a quota is asked by all patterns that lead to it."""
    tenants = [consumer for consumer in run.consumers if consumer.pattern == pattern]
    for group in dict.fromkeys(tenant.model for tenant in tenants if tenant.route == "gateway"):
        if seen := windows.deployment_windows(run, rows, group):
            others = [t for t in run.consumers if t.pattern != pattern and group in metrics.groups_reached(run, t)]
            also = listing(list(dict.fromkeys(run.title(tenant.pattern) for tenant in others)))
            yield charts.windows(f"Quota windows of {group}", seen, f"Requests of {also} count too." if also else "")
    for tenant in tenants:
        if tenant.quota_rpm and (seen := windows.consumer_windows(run, rows, tenant)):
            yield charts.windows(f"Quota windows of {tenant.name}", seen)


def _by_account(run: Run, here: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows that reached an account, under its name: with the profile that leads there, where it is only one."""
    found = {}
    for account, part in sorted(here.groupby("account_id", observed=True), key=lambda pair: str(pair[0])):
        found[_account(run, str(account))] = part
    return found


def _account(run: Run, account: str) -> str:
    profiles = [profile for profile, known in run.aws.accounts.items() if known == account]
    return f"{profiles[0]} · {account}" if len(profiles) == 1 else account


_LATENCY_COLUMNS: Mapping[str, Callable[[Any], str]] = {
    "Average": lambda row: seconds(row.latency_ms.mean),
    "p50": lambda row: seconds(row.latency_ms.p50),
    "p95": lambda row: seconds(row.latency_ms.p95),
    "p99": lambda row: seconds(row.latency_ms.p99),
    "Max": lambda row: seconds(row.latency_ms.max),
    "n": lambda row: count(row.latency_ms.n),
}


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
        **_LATENCY_COLUMNS,
    }
    return _table("What each consumer saw; times are of answered requests, from when they were due", columns, consumers)


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
    return _table("What it took", _telling(columns, consumers), consumers)


def _served_table(run: Run, here: pd.DataFrame) -> Table | None:
    lines = metrics.served_by(here)
    overhead_ms = metrics.distributions(here, "gateway_overhead_ms", "deployment")
    models = {tenant.profile: tenant.model for tenant in run.consumers if tenant.route == "direct"}
    models |= {deployment.id: deployment.model_id for deployment in run.deployments}
    columns: dict[str, Callable[[metrics.ServedRow], str]] = {
        "Served by": lambda row: row.deployment or "deployment unknown",
        "Model": lambda row: models.get(row.deployment, UNKNOWN),
        "Answered": lambda row: count(row.requests.count),
        "Share": lambda row: percent(row.requests),
        **_LATENCY_COLUMNS,
        "Gateway's overhead, average": lambda row: seconds(overhead_ms[row.deployment].mean),
    }
    return _table("How fast each deployment answered, as clients saw it", _telling(columns, lines), lines, texts=2)


def _regions_table(by_account: Mapping[str, pd.DataFrame]) -> Table | None:
    lines = [
        (account, row, clients.get(row.region, _NO_SAMPLES))
        for account, part in by_account.items()
        for clients in [metrics.distributions(part, "latency_ms", "inference_region")]
        for row in metrics.regions(part)
    ]
    columns: dict[str, Callable[[tuple[str, metrics.RegionRow, Distribution]], str]] = {
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
    return _table("Successful invocations by Region, as CloudWatch saw them", columns, lines, texts=2)


def _telling(columns: Mapping[str, Callable[[Any], str]], lines: Sequence[Any]) -> dict[str, Callable[[Any], str]]:
    """Without those that say nothing in any line."""
    return {name: cell for name, cell in columns.items() if any(cell(line) != UNKNOWN for line in lines)}


def _table(
    caption: str, columns: Mapping[str, Callable[[Any], str]], lines: Sequence[Any], texts: int = 1
) -> Table | None:
    if not lines:
        return None
    body = tuple(tuple(cell(line) for cell in columns.values()) for line in lines)
    return Table(caption, tuple(columns), body, texts)


# --- the whole run ------------------------------------------------------------------------------------------------


def _locust_table(locust: pd.DataFrame | None, rows: pd.DataFrame) -> Table | None:
    """Locust's statistics with the Regions beside them."""
    if locust is None or locust.empty:
        return None
    joined = join.regions_of_locust(locust, rows)
    regions = list(joined.columns[list(joined.columns).index("invocations") + 1 :])
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "Name": lambda line: str(line[locust_csv.NAME]),
        "Type": lambda line: str(line[locust_csv.TYPE]),
        "Requests": lambda line: count(line[locust_csv.REQUESTS]),
        "Failures": lambda line: count(line[locust_csv.FAILURES]),
        "Median": lambda line: seconds(line.get("Median Response Time")),
        "95%": lambda line: seconds(line.get("95%")),
        "Max": lambda line: seconds(line.get("Max Response Time")),
        "Requests/s": lambda line: f"{line.get('Requests/s', float('nan')):.2f}",
        "Invocations": lambda line: count(line["invocations"]),
        **{region: functools.partial(_region_cell, region) for region in regions},
    }
    caption = "Locust's own statistics, and the Regions of the same requests"
    return _table(caption, columns, joined.to_dict("records"), texts=2)


def _region_cell(region: str, line: Mapping[str, Any]) -> str:
    if not line["invocations"]:
        return UNKNOWN
    return f"{count(line[region])} ({percent(Proportion(int(line[region]), int(line['invocations'])))})"


def _attempts_table(run: Run, attempts: Sequence[UnheardRow]) -> Table | None:
    columns: dict[str, Callable[[UnheardRow], str]] = {
        "Account": lambda row: _account(run, row.account_id),
        "Model": lambda row: row.model_id,
        "Error": lambda row: row.error_code or "none",
        "Pattern": lambda row: _one_of([run.title(pattern) for pattern in row.patterns]),
        "Invocations": lambda row: count(row.attempts),
        "Input tokens": lambda row: count(row.input_tokens or None),
        "Output tokens": lambda row: count(row.output_tokens or None),
        "Cost": lambda row: dollars(row.cost_usd),
    }
    return _table("The invocations that no client knows", _telling(columns, attempts), attempts, texts=4)


def _one_of(names: Sequence[str]) -> str:
    return listing(names, "or") if len(names) < 3 else f"one of {count(len(names))}"


def _cost(
    run: Run, consumers: Sequence[ConsumerRow], attempts: Sequence[UnheardRow], *, complete: bool
) -> tuple[str, str]:
    """What the run cost at the prices that the gateway reckons with: the sum, and a sentence on what is in it.

    `complete`: whether CloudWatch has told of every answer, so that it may be taken to know of the other attempts too.
    """
    heard = [row.cost_usd for row in consumers if row.cost_usd is not None]
    unheard = [row.cost_usd for row in attempts if row.cost_usd is not None]
    if not heard and not unheard:
        return UNKNOWN, ""
    unpriced = sum(row.unpriced for row in consumers)
    unpriced += sum(row.attempts for row in attempts if row.cost_usd is None and row.output_tokens)
    total = f"{'at least ' if unpriced or not complete else ''}{dollars(sum(heard) + sum(unheard))}"
    told = f"At LiteLLM's prices the run {'cost' if run.evidence == 'aws' else 'would have cost'} {total}"
    if unheard:
        told += f": {dollars(sum(heard))} for what clients asked, {dollars(sum(unheard))} for attempts unknown to them"
    if unpriced:
        told += f"; of {plural(unpriced, 'answer')} no price is known"
    if not complete:
        told += "; attempts that CloudWatch has not told of are not in it"
    return total, f"{told}. Reckoned from tokens; the bill is AWS's."


def _traffic_table(run: Run) -> Table | None:
    columns: dict[str, Callable[[Any], str]] = {
        "Consumer": lambda c: c.name,
        "Pattern": lambda c: run.title(c.pattern),
        "User class": lambda c: c.user_class,
        "Asks for": lambda c: c.model if c.route == "gateway" else f"{c.model}, straight from Bedrock",
        "Traffic": lambda c: ", ".join(
            _plain(value) if key == "kind" else f"{key} {_plain(value)}" for key, value in c.traffic.items()
        ),
        "Quota": lambda c: _quota(c.quota_rpm, c.quota_tpm),
        "Users": lambda c: count(c.users),
    }
    return _table("Who asked for what", columns, run.consumers, texts=5)


def _deployments_table(run: Run) -> Table | None:
    columns: dict[str, Callable[[Any], str]] = {
        "Deployment": lambda d: d.id,
        "Model group": lambda d: d.group,
        "Model": lambda d: d.model_id,
        "Profile": lambda d: d.profile or UNKNOWN,
        "Account": lambda d: d.account_id or UNKNOWN,
        "Falls back to": lambda d: listing(run.fallbacks.get(d.group, ())) or UNKNOWN,
        "Quota": lambda d: _quota(d.rpm, d.tpm),
    }
    return _table("The gateway's deployments", columns, run.deployments, texts=6)


def _quota(rpm: int | None, tpm: int | None) -> str:
    limits = [f"{count(rpm)}/min" if rpm else "", f"{count(tpm)} tokens/min" if tpm else ""]
    return " · ".join(filter(None, limits)) or UNKNOWN


def _milliseconds(value: float) -> str:
    return f"{value:,.1f} ms" if value < 1000 else seconds(value)


def _rate(value: float) -> str:
    return f"{value:,.4g}/s"


_SELF_CHECK: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "offered_per_s": ("Offered rate", _rate),
    "achieved_per_s": ("Achieved rate", _rate),
    "not_sent": ("Due but not sent", count),
    "lag_p50_ms": ("Scheduling lag, p50", _milliseconds),
    "lag_p99_ms": ("Scheduling lag, p99", _milliseconds),
    "lag_max_ms": ("Scheduling lag, max", _milliseconds),
    "client_cpu_percent": ("Client CPU, of one core", lambda value: f"{value:.0f} %"),
    "loop_delay_p50_ms": ("Event-loop delay, p50", _milliseconds),
    "loop_delay_p99_ms": ("Event-loop delay, p99", _milliseconds),
    "loop_delay_max_ms": ("Event-loop delay, max", _milliseconds),
    "clock_step_ms": ("Clock step during the run", _milliseconds),
    "warmup_requests": ("Warm-up requests, counted nowhere", count),
    "workers": ("Locust processes", count),
}


def _self_check(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known first, in a fixed order; whatever else was recorded under its own name."""
    known = [
        (words, show(found[key]) if isinstance(found[key], int | float) else _plain(found[key]))
        for key, (words, show) in _SELF_CHECK.items()
        if key in found
    ]
    elsewhere = ("bottleneck", "gateway_requests")  # at the top, and in the ledger
    others = [key for key in found if key not in _SELF_CHECK and key not in elsewhere]
    return known + [(key.replace("_", " "), _plain(found[key])) for key in others]


def _plain(value: Any) -> str:
    if value is None:
        return UNKNOWN
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _per_second(distribution: Distribution) -> str:
    return UNKNOWN if distribution.p50 is None else f"{distribution.p50:,.1f}"
