"""The run as it went: every request, or how many ended how in each slice of time, and the faults."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from analysis.findings import Findings
from analysis.model import FAULTS_JSON, Fault, Outcome
from analysis.numbers.window_search import WINDOW_S
from analysis.outputs.charts.svg import SHAPES, Figure, Scale, axis, clock, line_of_text, rect, shape, svg, text, utc
from analysis.rows import Rows
from analysis.wording import OUTCOME_WORDS, count, plural, seconds

MOST_BARS = 600  # requests drawn one by one; above it they are counted in bins
MOST_STRETCHES = 60  # of the clock, shaded in turn
MOST_FAULTS = 12  # named


def timeline(findings: Findings) -> Figure | None:
    """Every request from its intended start to its end; of many, how many ended how in each slice of time."""
    rows = findings.all_requests
    if not len(rows):
        return None
    due = rows.intended_at
    begin, end = float(due.min()), float((due + rows.latency_ms / 1000).max())
    span = max(end - begin, 1.0)
    scale = Scale(-0.01 * span, 1.02 * span)  # seconds since the first request was due
    each = len(rows) <= MOST_BARS
    seen = _faults_seen(findings.faults, scale, begin)
    top, marks, words = 36.0 + _FAULT_PX * min(len(seen), MOST_FAULTS + 1), [], []
    for name in (consumer.name for consumer in findings.run.consumers):
        part = rows.where(rows.is_("consumer", name))
        if not len(part):
            continue
        counts = _outcomes(part)
        words.append(f"{name}: {', '.join(f'{count(n)} {OUTCOME_WORDS[outcome]}' for outcome, n in counts.items())}")
        drawn, height, note = (_each_request if each else _density)(part, scale, begin, top + 20)
        marks += [*line_of_text(top + 12, name, f"{_in_short(counts)}{note}", heading=True), *drawn]
        top += 20 + height + 14
    stretch = _stretch_s(span)
    background = [*_clock_bands(scale, begin, top, stretch), *_time_axis(scale, top), *_faults(seen, top)]
    what = (
        "Each bar is a request, from when it was due to its end; thin while it waits in the client for a free user."
        if each
        else "Bars count the requests that were due in each slice of time, by what became of them."
    )
    alt = f"Timeline from {clock(begin)} to {clock(end)} UTC. {'; '.join(words)}"
    return Figure(
        "Timeline",
        svg([*background, *marks], top + 20, alt),
        f"Time counts from {clock(begin)} UTC. {what} "
        f"The shading changes every {_stretch_in_words(stretch)} of the clock.",
    )


def _outcomes(part: Rows) -> dict[Outcome, int]:
    found = part.counts("outcome")
    return {outcome: found[outcome,] for outcome in OUTCOME_WORDS if (outcome,) in found}


def _in_short(counts: Mapping[Outcome, int]) -> str:
    """What fits beside a name on a phone; the marks tell who refused."""
    by_word: dict[str, int] = {}
    for outcome, n in counts.items():
        word = OUTCOME_WORDS[outcome].split()[0]
        by_word[word] = by_word.get(word, 0) + n
    return ", ".join(f"{count(n)} {word}" for word, n in by_word.items())


def legend(findings: Findings) -> list[tuple[Markup, str]]:
    """How each outcome that occurs is drawn in the timeline, and what it is called."""
    rows = findings.all_requests
    return [(_swatch(outcome, len(rows) > MOST_BARS), OUTCOME_WORDS[outcome]) for outcome in _outcomes(rows)]


def _swatch(outcome: Outcome, binned: bool) -> Markup:
    if binned:
        marks = [rect(0, 75, 0, 12, f"{outcome} binned")]
    elif outcome in SHAPES:
        marks = [rect(0, 75, 3.5, 5, outcome), shape(75, 6, outcome, "")]
    else:
        marks = [rect(0, 100, 3.5, 5, outcome)]
    return Markup('<svg width="24" height="12" aria-hidden="true">{}</svg>').format(Markup("").join(marks))


def _each_request(part: Rows, scale: Scale, begin: float, top: float) -> tuple[list[Markup], float, str]:
    """Marks, their height, and nothing to add to the lane's summary."""
    part = part.order_by(part.intended_at, part.latency_ms)
    due = part.intended_at - begin
    shortest_s = (scale.high - scale.low) / 250  # what is shorter would not be seen
    ends = np.maximum(due + part.latency_ms / 1000, due + shortest_s)
    lanes = _lanes(due.tolist(), ends.tolist())
    pitch = min(8.0, 320 / (max(lanes) + 1))  # a crowd moves together instead of filling screens
    thick = 0.63 * pitch
    marks: list[Markup] = []
    times = zip(due.tolist(), (part.started_at - begin).tolist(), ends.tolist(), part.latency_ms.tolist(), strict=True)
    whose = zip(part.texts("outcome").tolist(), part.texts("deployment").tolist(), strict=True)
    for lane, (start, sent, end, took_ms), (name, deployment) in zip(lanes, times, whose, strict=True):
        outcome, y = Outcome(name), top + pitch * lane
        by = f" by {deployment}" if deployment else ""
        says = f"{clock(begin + start)} {OUTCOME_WORDS[outcome]}{by} in {seconds(took_ms)}"
        if scale(sent) - scale(start) > 0.2:  # it queued in the client, for long enough to be seen
            marks.append(rect(scale(start), scale(sent) - scale(start), y + thick / 2 - 0.5, 1, "queued"))
        sent = min(sent, end - shortest_s)
        marks.append(rect(scale(sent), scale(end) - scale(sent), y, thick, outcome, says))
        if outcome in SHAPES:
            marks.append(shape(scale(end), y + thick / 2, outcome, says))
    return marks, pitch * (max(lanes) + 1), ""


def _lanes(starts: Iterable[float], ends: Iterable[float]) -> list[int]:
    """The lowest free lane of each interval; starts ascend."""
    lanes: list[int] = []
    busy: list[tuple[float, int]] = []
    free: list[int] = []
    for start, end in zip(starts, ends, strict=True):
        while busy and busy[0][0] <= start:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lane = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (end, lane))
        lanes.append(lane)
    return lanes


def _density(part: Rows, scale: Scale, begin: float, top: float) -> tuple[list[Markup], float, str]:
    """Marks, their height, and what the tallest of them means."""
    edges = scale.bins(100)
    due = part.intended_at - begin
    counts = {outcome: np.histogram(due[part.is_("outcome", outcome)], edges)[0] for outcome in OUTCOME_WORDS}
    total = np.sum(list(counts.values()), axis=0)
    most, marks = int(total.max()), []
    bottom = np.full(len(total), top + 46.0)
    for outcome, numbers in counts.items():
        heights = 46 * numbers / most
        bottom -= heights
        marks += [
            rect(
                scale(edges[i]), scale(edges[i + 1]) - scale(edges[i]), bottom[i], heights[i], f"{outcome} binned",
                f"{clock(begin + edges[i])} {count(int(numbers[i]))} {OUTCOME_WORDS[outcome]}",
            )
            for i in np.flatnonzero(numbers)
        ]  # fmt: skip
    return marks, 46, f" · up to {most / float(edges[1] - edges[0]):,.3g}/s"


def _time_axis(scale: Scale, height: float) -> list[Markup]:
    unit_s, unit = (WINDOW_S, "min") if scale.high > 3 * WINDOW_S else (1.0, "s")
    return axis(Scale(scale.low / unit_s, scale.high / unit_s), height, unit)


_DAY_S = 86_400.0
_STRETCHES_S = (*(60.0 * minutes for minutes in (1, 2, 5, 10, 15, 30)), *(3600.0 * h for h in (1, 2, 4, 8, 12)), _DAY_S)


def _stretch_s(span_s: float) -> float:
    """How long each stretch of the clock is that is shaded or not: a minute, unless those would be too many to see."""
    least = span_s / MOST_STRETCHES
    return next((length for length in _STRETCHES_S if length >= least), _DAY_S * math.ceil(least / _DAY_S))


def _stretch_in_words(stretch_s: float) -> str:
    unit_s, unit = next((u, name) for u, name in ((_DAY_S, "day"), (3600, "hour"), (60, "minute")) if stretch_s >= u)
    return plural(round(stretch_s / unit_s), unit).removeprefix("1 ")


def _clock_bands(scale: Scale, begin: float, height: float, stretch_s: float) -> list[Markup]:
    """The clock's minutes, or longer stretches, shaded in turn and named where they begin."""
    stretches = range(math.floor((begin + scale.low) / stretch_s), math.ceil((begin + scale.high) / stretch_s))
    every = math.ceil(len(stretches) / 6)  # names that would touch are left out
    marks = []
    for place, stretch in enumerate(stretches):
        low = max(scale(stretch * stretch_s - begin), 0)
        high = min(scale((stretch + 1) * stretch_s - begin), 100)
        if place % 2:
            marks.append(rect(low, high - low, 0, height, "band"))
        if place % every == 0 and low < 92:
            at = stretch * stretch_s
            marks.append(text(low, 12, utc(at, "%H:%M" if stretch_s < _DAY_S else "%m-%d"), "tick", dx=4))
    return marks


@dataclass(frozen=True)
class _FaultSeen:
    """A fault within the timeline, from and to in percent of its width."""

    name: str
    when: str
    low: float
    high: float


_FAULT_PX = 24


def _faults_seen(faults: Sequence[Fault], scale: Scale, begin: float) -> list[_FaultSeen]:
    found = []
    for fault in sorted(faults, key=lambda fault: fault.started_at):
        stopped = fault.stopped_at
        low = max(scale(fault.started_at - begin), 0)
        high = 100 if stopped is None else min(scale(stopped - begin), 100)
        if low < high:
            started = clock(fault.started_at)
            when = f"from {started}" if stopped is None else f"{started} to {clock(stopped)}"
            found.append(_FaultSeen(f"fault: {fault.name}", when, low, high))
    return found


def _faults(seen: Sequence[_FaultSeen], height: float) -> list[Markup]:
    """A bar for each under its name, from which its shade hangs down; of many only the first ones."""
    marks = []
    for place, fault in enumerate(seen[:MOST_FAULTS]):
        top, width, says = 20 + _FAULT_PX * place, fault.high - fault.low, f"{fault.name}, {fault.when}"
        marks += [
            *line_of_text(top + 12, fault.name, ""),
            rect(fault.low, width, top + 17, 3, "faultbar", says),
            rect(fault.low, width, top + 17, height - top - 17, "fault", says),
        ]
    if (more := len(seen) - MOST_FAULTS) > 0:
        marks.append(text(0, 32 + _FAULT_PX * MOST_FAULTS, f"and {count(more)} more: see {FAULTS_JSON}", "tick"))
    return marks
