"""Who served what, and where, as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.findings import Findings
from analysis.model import Outcome
from analysis.numbers.proportion import Proportion
from analysis.numbers.tables import RegionRow
from analysis.outputs.charts.svg import SHAPES, Figure, line_of_text, rect, svg
from analysis.wording import OUTCOME_WORDS, count, percent


@dataclass(frozen=True)
class _Bar:
    """One bar under its name; without a proportion it is a heading."""

    label: str
    value: str
    proportion: Proportion | None = None
    colour: str = ""


def served(findings: Findings, pattern: str) -> Figure | None:
    """Who answered the requests of each of a pattern's consumers, and who refused them."""
    consumers = [row.consumer for row in findings.consumers_of(pattern)]
    bars: list[_Bar] = []
    for consumer in consumers:
        counts = findings.requests(pattern, (consumer,)).counts("outcome", "deployment")
        sent = sum(counts.values())
        if len(consumers) > 1 and sent:
            bars.append(_Bar(consumer, f"{count(sent)} sent"))
        for (outcome, name), n in counts.items():
            if outcome == Outcome.ANSWERED:
                bars.append(_answered(findings, pattern, name, Proportion(n, sent)))
        totals = {outcome: sum(n for (what, _), n in counts.items() if what == outcome) for outcome in SHAPES}
        bars += [_bar(OUTCOME_WORDS[outcome], Proportion(n, sent), outcome) for outcome, n in totals.items() if n]
    return _bars("Who served what", bars)


def _answered(findings: Findings, pattern: str, name: str, share: Proportion) -> _Bar:
    deployment = next((each for each in findings.run.deployments if each.id == name), None)
    if deployment and deployment.group in _fallback_groups(findings, pattern):
        return _bar(name, share, "fallback", " · fallback")
    quota = f" · quota {count(deployment.rpm)}/min" if deployment and deployment.rpm else ""
    return _bar(name or "deployment unknown", share, "answered", quota)


def _fallback_groups(findings: Findings, pattern: str) -> set[str]:
    """The model groups that only take over: nobody of the pattern asks for them."""
    run = findings.run
    asked = {consumer.model for consumer in run.consumers if consumer.pattern == pattern}
    return {group for model in asked for group in run.fallbacks_of(model)} - {run.group_of(model) for model in asked}


def regions(by_account: Mapping[str, Sequence[RegionRow]]) -> Figure | None:
    """Where Bedrock computed the answers. `by_account`: an account's name → its Regions."""
    bars: list[_Bar] = []
    for account, lines in by_account.items():
        if len(by_account) > 1:
            bars.append(_Bar(account, f"{count(sum(line.invocations.count for line in lines))} invocations"))
        bars += [_bar(line.region, line.invocations, "region") for line in lines]
    return _bars("Regions, as CloudWatch saw them", bars)


def _bar(label: str, proportion: Proportion, colour: str, suffix: str = "") -> _Bar:
    return _Bar(label, f"{count(proportion.count)} · {percent(proportion)}{suffix}", proportion, colour)


def _bars(title: str, bars: Sequence[_Bar]) -> Figure | None:
    """Horizontal bars, as long as their share of the whole."""
    if not bars:
        return None
    height, marks = 0, []
    for bar in bars:
        height += 12 if bar.proportion is None and height else 0
        marks += line_of_text(height + 12, bar.label, bar.value, heading=bar.proportion is None)
        if bar.proportion is None:
            height += 24
            continue
        share = 100 * (bar.proportion.share or 0)
        says = f"{bar.label}: {bar.value}"
        marks += [rect(0, 100, height + 18, 7, "track"), rect(0, share, height + 18, 7, bar.colour, says)]
        height += 38
    words = "; ".join(f"{bar.label}: {bar.value}" for bar in bars)
    return Figure(title, svg(marks, height - 10, f"{title}. {words}"))
