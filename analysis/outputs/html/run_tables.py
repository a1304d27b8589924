"""The tables of the whole run: Locust's statistics, attempts, cost, who asked for what, the deployments, the client."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from analysis.findings import Findings
from analysis.model import Run
from analysis.numbers.cost import UnmatchedAttempts
from analysis.numbers.proportion import Proportion
from analysis.numbers.tables import LocustRow
from analysis.outputs.html.section import account_in_words
from analysis.outputs.html.table import Table, saying, table
from analysis.wording import UNKNOWN, count, dollars, listing, percent, plural, seconds


def locust_table(findings: Findings) -> Table | None:
    """Locust's statistics with the Regions beside them."""
    if not (lines := findings.locust):
        return None
    columns: dict[str, Callable[[LocustRow], str]] = {
        "Name": lambda line: line.entry.name,
        "Type": lambda line: line.entry.type,
        "Requests": lambda line: count(line.entry.requests),
        "Failures": lambda line: count(line.entry.failures),
        "Median": lambda line: seconds(line.entry.median_ms),
        "95%": lambda line: seconds(line.entry.p95_ms),
        "Max": lambda line: seconds(line.entry.max_ms),
        "Requests/s": lambda line: UNKNOWN if line.entry.requests_per_s is None else f"{line.entry.requests_per_s:.2f}",
        "Invocations": lambda line: count(line.invocations),
        **{region: functools.partial(_region_cell, region) for region in lines[0].regions},
    }
    return table("Locust's own statistics, and the Regions of the same requests", columns, lines, texts=2)


def _region_cell(region: str, line: LocustRow) -> str:
    if not line.invocations:
        return UNKNOWN
    return f"{count(line.regions[region])} ({percent(Proportion(line.regions[region], line.invocations))})"


def attempts_table(findings: Findings) -> Table | None:
    run, attempts = findings.run, findings.attempts
    columns: dict[str, Callable[[UnmatchedAttempts], str]] = {
        "Account": lambda row: account_in_words(run, row.account_id),
        "Model": lambda row: row.model_id,
        "Error": lambda row: row.error_code or "none",
        "Pattern": lambda row: _one_of([run.title(pattern) for pattern in row.patterns]),
        "Invocations": lambda row: count(row.attempts),
        "Input tokens": lambda row: count(row.input_tokens or None),
        "Output tokens": lambda row: count(row.output_tokens or None),
        "Cost": lambda row: dollars(row.cost_usd),
    }
    return table("Unmatched invocations by account, model and error", saying(columns, attempts), attempts, texts=4)


def _one_of(names: Sequence[str]) -> str:
    return listing(names, "or") if len(names) < 3 else f"one of {count(len(names))}"


def cost_in_words(findings: Findings) -> tuple[str, str]:
    """What the run cost at the prices that the gateway reckons with: the sum, and a sentence on what is in it."""
    cost, run = findings.cost, findings.run
    if not cost.known:
        return UNKNOWN, ""
    total = f"{'at least ' if cost.unpriced or not cost.complete else ''}{dollars(cost.total_usd)}"
    said = f"At LiteLLM's prices the run {'cost' if run.evidence == 'aws' else 'would have cost'} {total}"
    if cost.unmatched_usd is not None:
        asked, unmatched = dollars(cost.asked_usd or 0), dollars(cost.unmatched_usd)
        said += f": {asked} for what clients asked, {unmatched} for attempts unknown to them"
    if cost.unpriced:
        said += f"; of {plural(cost.unpriced, 'answer')} no price is known"
    if not cost.complete:
        said += "; attempts that CloudWatch has not reported are not in it"
    return total, f"{said}. Reckoned from tokens; the bill is AWS's."


def traffic_table(run: Run) -> Table | None:
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
    return table("Who asked for what", columns, run.consumers, texts=5)


def deployments_table(run: Run) -> Table | None:
    columns: dict[str, Callable[[Any], str]] = {
        "Deployment": lambda d: d.id,
        "Model group": lambda d: d.group,
        "Model": lambda d: d.model_id,
        "Profile": lambda d: d.profile or UNKNOWN,
        "Account": lambda d: d.account_id or UNKNOWN,
        "Falls back to": lambda d: listing(run.fallbacks_of(d.group)) or UNKNOWN,
        "Quota": lambda d: _quota(d.rpm, d.tpm),
    }
    return table("The gateway's deployments", columns, run.deployments, texts=6)


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


def self_check_lines(found: Mapping[str, Any]) -> list[tuple[str, str]]:
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
