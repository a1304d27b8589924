"""The report's charts, as static SVG: from joined rows to pictures, with no library and no browser between.

Across, everything is in percent, so that one picture fits a phone, a desk and paper while its letters keep their size;
down, in px. Colours are CSS classes, which the page defines for light, dark and print. Colour never stands alone:
bars have their names on them, and what was not answered has a shape of its own. What is drawn is bounded by what can be
seen, not by the number of requests nor by how long they took: what is too much for a mark each is counted in bins.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from analysis.metrics import Distribution, Proportion, RegionRow
from analysis.model import FAULTS_JSON, Outcome, Run
from analysis.windows import WINDOW_S, Window, Windows
from analysis.wording import count, percent, plural, seconds

TIMELINE_COLUMNS = ("side", "consumer", "outcome", "deployment", "intended_at", "started_at", "latency_ms")
MOST_DOTS = 250  # above it a latency chart counts in bins
MOST_BARS = 600  # above it the timeline does
MOST_STRETCHES = 60  # of the clock, shaded in turn
MOST_FAULTS = 12  # named in the timeline
MOST_WINDOWS = 180  # above it a bar stands for several quota windows

OUTCOME_WORDS = {
    Outcome.ANSWERED: "answered",
    Outcome.REFUSED_BY_GATEWAY: "refused by the gateway",
    Outcome.REFUSED_BY_BEDROCK: "refused by Bedrock",
    Outcome.FAILED: "failed",
}
SHAPES = {  # of the outcomes that stand out; SVG paths around 0,0
    Outcome.REFUSED_BY_GATEWAY: "M0,-4L4,3L-4,3Z",
    Outcome.REFUSED_BY_BEDROCK: "M0,-4.2L4.2,0L0,4.2L-4.2,0Z",
    Outcome.FAILED: "M-4,-2.4L-2.4,-4L0,-1.6L2.4,-4L4,-2.4L1.6,0L4,2.4L2.4,4L0,1.6L-2.4,4L-4,2.4L-1.6,0Z",
}


@dataclass(frozen=True)
class Figure:
    """A chart for the page."""

    title: str
    svg: Markup
    note: str = ""


# --- who served what, and where -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Bar:
    """One bar under its name; without a proportion it is a heading."""

    label: str
    value: str
    proportion: Proportion | None = None
    colour: str = ""


def served(run: Run, rows: pd.DataFrame, consumers: Sequence[str]) -> Figure | None:
    """Who answered the consumers' requests, and who refused them. `rows`: the requests of one pattern."""
    deployments = {deployment.id: deployment for deployment in run.deployments}
    asked = {tenant.model for tenant in run.consumers if tenant.name in consumers}
    stand_ins = {group for model in asked for group in run.fallbacks.get(model, ())} - asked
    counts = rows.groupby(["consumer", "outcome", "deployment"], observed=True).size()
    bars: list[_Bar] = []
    for consumer in consumers:
        mine = {(outcome, name): int(n) for (who, outcome, name), n in counts.items() if who == consumer}
        sent = sum(mine.values())
        if len(consumers) > 1 and sent:
            bars.append(_Bar(consumer, f"{count(sent)} sent"))
        for (outcome, name), n in mine.items():
            if outcome != Outcome.ANSWERED:
                continue
            deployment = deployments.get(name)
            stands_in = deployment is not None and deployment.group in stand_ins
            quota = f" · quota {count(deployment.rpm)}/min" if deployment and deployment.rpm else ""
            colour, suffix = ("standin", " · fallback") if stands_in else ("answered", quota)
            bars.append(_bar(name or "deployment unknown", Proportion(n, sent), colour, suffix))
        totals = {outcome: sum(n for (what, _), n in mine.items() if what == outcome) for outcome in SHAPES}
        bars += [_bar(OUTCOME_WORDS[outcome], Proportion(n, sent), outcome) for outcome, n in totals.items() if n]
    return _bars("Who served what", bars)


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
        marks += _line_of_text(height + 12, bar.label, bar.value, heading=bar.proportion is None)
        if bar.proportion is None:
            height += 24
            continue
        share = 100 * (bar.proportion.share or 0)
        says = f"{bar.label}: {bar.value}"
        marks += [_rect(0, 100, height + 18, 7, "track"), _rect(0, share, height + 18, 7, bar.colour, says)]
        height += 38
    words = "; ".join(f"{bar.label}: {bar.value}" for bar in bars)
    return Figure(title, _svg(marks, height - 10, f"{title}. {words}"))


# --- how long it took ---------------------------------------------------------------------------------------------


def latency(title: str, samples: Mapping[str, tuple[NDArray[np.float64], Distribution]]) -> Figure | None:
    """How long answers took: a dot each, or a histogram of many. `samples`: consumer → values in ms, their numbers."""
    samples = {name: pair for name, pair in samples.items() if pair[1].n}
    if not samples:
        return None
    many = sum(distribution.n for _, distribution in samples.values()) > MOST_DOTS
    lowest = min(float(values.min()) for values, _ in samples.values())
    highest = max(float(values.max()) for values, _ in samples.values())
    # Logarithmic where equal bins would squeeze everything but the tail into the first of them.
    logarithmic = many and highest > 4 * max(lowest, 1)
    scale = Scale(max(lowest, 1) * 0.95 if logarithmic else 0, highest * 1.05, logarithmic)
    row, marks, words = 84, [], []
    for place, (name, (values, distribution)) in enumerate(samples.items()):
        top = place * row
        named = (("p50", distribution.p50), ("p95", distribution.p95), ("p99", distribution.p99))
        known = [(quantile, value) for quantile, value in named if value is not None]
        told = " · ".join(f"{quantile} {seconds(value)}" for quantile, value in known)
        words.append(f"{name}: n {count(distribution.n)}{f' · {told}' if told else ''}")
        marks += _line_of_text(top + 12, name, f"n {count(distribution.n)}")
        if told:
            marks.append(_text(0, top + 27, told, "value"))
        marks += _histogram(values, scale, top + 74) if many else _dots(values, scale, top + 44)
        marks += [
            _rule(scale(value), top + 36, top + 76, "ink", f"{name}: {quantile} {seconds(value)}")
            for quantile, value in known
        ]
    height = row * len(samples)
    ticks = _axis(Scale(scale.low / 1000, scale.high / 1000, logarithmic), height, "s")
    return Figure(
        title,
        _svg([*ticks, *marks], height + 20, f"{title}. {'; '.join(words)}"),
        "Of answered requests. Upright lines mark p50, p95 and p99 where there are enough samples to tell.",
    )


def _dots(values: NDArray[np.float64], scale: Scale, top: float) -> list[Markup]:
    """A strip of dots, spread by the golden ratio so that neighbours stay apart."""
    return [
        _circle(scale(value), top + 24 * (place * 0.618034 % 1), seconds(value))
        for place, value in enumerate(np.sort(values).tolist())
    ]


def _histogram(values: NDArray[np.float64], scale: Scale, bottom: float) -> list[Markup]:
    edges = scale.bins(60)
    counts = np.histogram(np.clip(values, scale.low, scale.high), edges)[0]
    heights = 36 * counts / max(counts.max(), 1)
    return [
        _rect(
            scale(edges[i]), scale(edges[i + 1]) - scale(edges[i]), bottom - heights[i], heights[i], "answered",
            f"{seconds(edges[i])} to {seconds(edges[i + 1])}: {count(int(counts[i]))}",
        )
        for i in np.flatnonzero(counts)
    ]  # fmt: skip


# --- the run as it went -------------------------------------------------------------------------------------------


def timeline(run: Run, rows: pd.DataFrame, faults: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Every request from its intended start to its end; of many, how many ended how in each slice of time."""
    if rows.empty:
        return None
    due = rows["intended_at"].to_numpy()
    begin, end = float(due.min()), float((due + rows["latency_ms"].to_numpy() / 1000).max())
    span = max(end - begin, 1.0)
    scale = Scale(-0.01 * span, 1.02 * span)  # seconds since the first request was due
    parts = {consumer.name: rows[rows["consumer"] == consumer.name] for consumer in run.consumers}
    each = len(rows) <= MOST_BARS
    seen = _faults_seen(faults, scale, begin)
    top, marks, words = 36.0 + _FAULT_PX * min(len(seen), MOST_FAULTS + 1), [], []
    for name, part in parts.items():
        if part.empty:
            continue
        counts = {outcome: n for outcome in OUTCOME_WORDS if (n := int((part["outcome"] == outcome).sum()))}
        words.append(f"{name}: {', '.join(f'{count(n)} {OUTCOME_WORDS[outcome]}' for outcome, n in counts.items())}")
        drawn, height, note = (_each_request if each else _density)(part, scale, begin, top + 20)
        marks += [*_line_of_text(top + 12, name, f"{_in_short(counts)}{note}", heading=True), *drawn]
        top += 20 + height + 14
    stretch = _stretch_s(span)
    background = [*_clock_bands(scale, begin, top, stretch), *_time_axis(scale, top), *_faults(seen, top)]
    what = (
        "Each bar is a request, from when it was due to its end; thin while it waits in the client for a free user."
        if each
        else "Bars count the requests that were due in each slice of time, by what became of them."
    )
    alt = f"Timeline from {_clock(begin)} to {_clock(end)} UTC. {'; '.join(words)}"
    return Figure(
        "Timeline",
        _svg([*background, *marks], top + 20, alt),
        f"Time counts from {_clock(begin)} UTC. {what} "
        f"The shading changes every {_stretch_in_words(stretch)} of the clock.",
    )


def _in_short(counts: Mapping[Outcome, int]) -> str:
    """What fits beside a name on a phone; the marks tell who refused."""
    by_word: dict[str, int] = {}
    for outcome, n in counts.items():
        word = OUTCOME_WORDS[outcome].split()[0]
        by_word[word] = by_word.get(word, 0) + n
    return ", ".join(f"{count(n)} {word}" for word, n in by_word.items())


def legend(rows: pd.DataFrame) -> list[tuple[Markup, str]]:
    """How each outcome that occurs is drawn in the timeline of these rows, and what it is called."""
    binned = len(rows) > MOST_BARS
    return [
        (_swatch(outcome, binned), words)
        for outcome, words in OUTCOME_WORDS.items()
        if (rows["outcome"] == outcome).any()
    ]


def _swatch(outcome: Outcome, binned: bool) -> Markup:
    if binned:
        marks = [_rect(0, 75, 0, 12, f"{outcome} binned")]
    elif outcome in SHAPES:
        marks = [_rect(0, 75, 3.5, 5, outcome), _shape(75, 6, outcome, "")]
    else:
        marks = [_rect(0, 100, 3.5, 5, outcome)]
    return Markup('<svg width="24" height="12" aria-hidden="true">{}</svg>').format(Markup("").join(marks))


def _each_request(part: pd.DataFrame, scale: Scale, begin: float, top: float) -> tuple[list[Markup], float, str]:
    """Marks, their height, and nothing to add to the lane's summary."""
    part = part.sort_values(["intended_at", "latency_ms"], kind="stable")
    due = part["intended_at"].to_numpy() - begin
    shortest_s = (scale.high - scale.low) / 250  # what is shorter would not be seen
    ends = np.maximum(due + part["latency_ms"].to_numpy() / 1000, due + shortest_s)
    lanes = _lanes(due.tolist(), ends.tolist())
    pitch = min(8.0, 320 / (max(lanes) + 1))  # a crowd moves together instead of filling screens
    thick = 0.63 * pitch
    marks: list[Markup] = []
    for lane, end, request in zip(lanes, ends.tolist(), part.itertuples(), strict=True):
        outcome = Outcome(str(request.outcome))
        by = f" by {request.deployment}" if request.deployment else ""
        says = f"{_clock(request.intended_at)} {OUTCOME_WORDS[outcome]}{by} in {seconds(request.latency_ms)}"
        start, sent, y = request.intended_at - begin, request.started_at - begin, top + pitch * lane
        if scale(sent) - scale(start) > 0.2:  # it queued in the client, for long enough to be seen
            marks.append(_rect(scale(start), scale(sent) - scale(start), y + thick / 2 - 0.5, 1, "queued"))
        sent = min(sent, end - shortest_s)
        marks.append(_rect(scale(sent), scale(end) - scale(sent), y, thick, outcome, says))
        if outcome in SHAPES:
            marks.append(_shape(scale(end), y + thick / 2, outcome, says))
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


def _density(part: pd.DataFrame, scale: Scale, begin: float, top: float) -> tuple[list[Markup], float, str]:
    """Marks, their height, and what the tallest of them means."""
    edges = scale.bins(100)
    due, outcomes = part["intended_at"].to_numpy() - begin, part["outcome"].to_numpy()
    counts = {outcome: np.histogram(due[outcomes == outcome], edges)[0] for outcome in OUTCOME_WORDS}
    total = np.sum(list(counts.values()), axis=0)
    most, marks = int(total.max()), []
    bottom = np.full(len(total), top + 46.0)
    for outcome, numbers in counts.items():
        heights = 46 * numbers / most
        bottom -= heights
        marks += [
            _rect(
                scale(edges[i]), scale(edges[i + 1]) - scale(edges[i]), bottom[i], heights[i], f"{outcome} binned",
                f"{_clock(begin + edges[i])} {count(int(numbers[i]))} {OUTCOME_WORDS[outcome]}",
            )
            for i in np.flatnonzero(numbers)
        ]  # fmt: skip
    return marks, 46, f" · up to {most / float(edges[1] - edges[0]):,.3g}/s"


def _time_axis(scale: Scale, height: float) -> list[Markup]:
    unit_s, unit = (WINDOW_S, "min") if scale.high > 3 * WINDOW_S else (1.0, "s")
    return _axis(Scale(scale.low / unit_s, scale.high / unit_s), height, unit)


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
            marks.append(_rect(low, high - low, 0, height, "band"))
        if place % every == 0 and low < 92:
            at = stretch * stretch_s
            marks.append(_text(low, 12, _utc(at, "%H:%M" if stretch_s < _DAY_S else "%m-%d"), "tick", dx=4))
    return marks


@dataclass(frozen=True)
class _FaultSeen:
    """A fault within the timeline, from and to in percent of its width."""

    name: str
    when: str
    low: float
    high: float


_FAULT_PX = 24


def _faults_seen(faults: Sequence[Mapping[str, Any]], scale: Scale, begin: float) -> list[_FaultSeen]:
    found = []
    for fault in sorted(faults, key=lambda fault: float(fault["started_at"])):
        started, stopped = fault["started_at"], fault["stopped_at"]
        low = max(scale(started - begin), 0)
        high = 100 if stopped is None else min(scale(stopped - begin), 100)
        if low < high:
            when = f"from {_clock(started)}" if stopped is None else f"{_clock(started)} to {_clock(stopped)}"
            found.append(_FaultSeen(f"fault: {fault['name']}", when, low, high))
    return found


def _faults(seen: Sequence[_FaultSeen], height: float) -> list[Markup]:
    """A bar for each under its name, from which its shade hangs down; of many only the first ones."""
    marks = []
    for place, fault in enumerate(seen[:MOST_FAULTS]):
        top, width, says = 20 + _FAULT_PX * place, fault.high - fault.low, f"{fault.name}, {fault.when}"
        marks += [
            *_line_of_text(top + 12, fault.name, ""),
            _rect(fault.low, width, top + 17, 3, "faultbar", says),
            _rect(fault.low, width, top + 17, height - top - 17, "fault", says),
        ]
    if (more := len(seen) - MOST_FAULTS) > 0:
        marks.append(_text(0, 32 + _FAULT_PX * MOST_FAULTS, f"and {count(more)} more: see {FAULTS_JSON}", "tick"))
    return marks


def windows(title: str, seen: Windows, note: str = "") -> Figure | None:
    """What each quota let through in each of its windows, against the quota. Of use from the second window on."""
    if all(len(chain.windows) < 2 for chain in seen.chains):
        return None
    row, marks, words = 66, [], []
    together = math.ceil(max(len(chain.windows) for chain in seen.chains) / MOST_WINDOWS)
    for place, chain in enumerate(seen.chains):
        top = place * row
        served = [window.served for window in chain.windows] or [0]
        most = max(*served, chain.quota_rpm)
        value = f"{_least_to_most(served)} a window · quota {count(chain.quota_rpm)}"
        words.append(f"{chain.name}: {value}")
        marks += _line_of_text(top + 12, chain.name, value)
        bars = [chain.windows[first : first + together] for first in range(0, len(chain.windows), together)]
        step, line = 100 / max(len(bars), 1), top + 55 - 36 * chain.quota_rpm / most
        for number, part in enumerate(bars):
            left, width = (number + 0.1) * step, 0.8 * step
            height = 36 * max(window.served for window in part) / most
            marks += [
                _rect(left, width, top + 56 - height, height, "answered", f"{chain.name}, {_told(part)}"),
                _rect(left, width, line, 1.5, "ink"),
            ]
    what = "A bar for each window" if together == 1 else f"A bar for {count(together)} windows, as high as the fullest"
    return Figure(
        title,
        _svg(marks, row * len(seen.chains) - 6, f"{title}. {'; '.join(words)}"),
        f"{what}: a window opens with the first request that is served, and lasts a minute. The line is the quota."
        f"{note and ' '}{note}",
    )


def _told(part: Sequence[Window]) -> str:
    """What one bar shows."""
    if len(part) == 1:
        return f"{_clock(part[0].starts_at)}: {count(part[0].served)} of {count(part[0].offered)} offered"
    each = _least_to_most([window.served for window in part])
    return f"{_clock(part[0].starts_at)} to {_clock(part[-1].starts_at + WINDOW_S)}: {each} a window"


def _least_to_most(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return count(least) if least == most else f"{count(least)} to {count(most)}"


def _clock(at: float) -> str:
    return _utc(at, "%H:%M:%S")


def _utc(at: float, form: str) -> str:
    """A time as damaged records may hold it too: what no calendar knows is told in seconds."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime(form)
    except (ValueError, OverflowError, OSError):
        return f"{at:.6g} s"


# --- SVG: texts are escaped by Markup.format ----------------------------------------------------------------------


@dataclass(frozen=True)
class Scale:
    """From values to percent of the width."""

    low: float
    high: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        if self.logarithmic:
            return 100 * math.log(value / self.low) / math.log(self.high / self.low)
        return 100 * (value - self.low) / (self.high - self.low)

    def bins(self, n: int) -> NDArray[np.float64]:
        """The n + 1 edges of n bins that are equally wide in the picture."""
        return (np.geomspace if self.logarithmic else np.linspace)(self.low, self.high, n + 1)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values: 1, 2 and 5 times a power of ten."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [mantissa * 10.0**power for power in powers for mantissa in (1, 2, 5)]
        else:
            rough = (self.high - self.low) / about
            power = 10.0 ** math.floor(math.log10(rough))
            step = next(mantissa * power for mantissa in (1, 2, 5, 10) if mantissa * power >= rough)
            found = [step * i for i in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        inside = [value for value in found if self.low <= value <= self.high]
        return inside[:: math.ceil(len(inside) / (about + 2))]


def _axis(scale: Scale, height: float, unit: str) -> list[Markup]:
    marks = []
    for value in scale.ticks():
        at = scale(value)
        anchor = "start" if at < 4 else "end" if at > 96 else "middle"
        marks.append(_rule(at, 16, height, "grid"))
        marks.append(_text(at, height + 14, f"{value:,.6g} {unit}", "tick", anchor))
    return marks


def _line_of_text(y: float, label: str, value: str, heading: bool = False) -> list[Markup]:
    """A name at the left and its value at the right, the name cut before they would meet in the narrowest column."""
    room_px = 285 - 6.1 * len(value)
    name = _short(label, max(int(room_px / (7.3 if heading else 6.7)), 8))
    named = _text(0, y, name, "heading" if heading else "label")
    return [named, _text(100, y, value, "value", "end")] if value else [named]


def _short(text: str, most: int = 40) -> str:
    """SVG neither wraps nor cuts."""
    return text if len(text) <= most else f"{text[: most - 4]}…{text[-3:]}"


def _rect(x: float, width: float, y: float, height: float, css: str, says: str = "") -> Markup:
    return Markup('<rect x="{:.2f}%" width="{:.2f}%" y="{:.4g}" height="{:.4g}" class="{}">{}</rect>').format(
        x, max(width, 0.1), y, height, css, _title(says)
    )


def _rule(x: float, top: float, bottom: float, css: str, says: str = "") -> Markup:
    return Markup('<line x1="{0:.2f}%" x2="{0:.2f}%" y1="{1:.4g}" y2="{2:.4g}" class="{3}">{4}</line>').format(
        x, top, bottom, css, _title(says)
    )


def _circle(x: float, y: float, says: str) -> Markup:
    return Markup('<circle cx="{:.2f}%" cy="{:.1f}" r="3.6" class="dot">{}</circle>').format(x, y, _title(says))


def _shape(x: float, y: float, outcome: Outcome, says: str) -> Markup:
    return Markup('<svg x="{:.2f}%" y="{:.4g}" overflow="visible"><path d="{}" class="{}">{}</path></svg>').format(
        x, y, SHAPES[outcome], f"{outcome} shape", _title(says)
    )


def _text(x: float, y: float, text: str, css: str, anchor: str = "start", dx: int = 0) -> Markup:
    return Markup('<text x="{:.2f}%" y="{:.4g}" dx="{}" text-anchor="{}" class="{}">{}</text>').format(
        x, y, dx, anchor, css, text
    )


def _title(says: str) -> Markup:
    """What a browser shows when a mark is pointed at."""
    return Markup("<title>{}</title>").format(says) if says else Markup()


def _svg(marks: Iterable[Markup], height: float, alt: str) -> Markup:
    return Markup('<svg width="100%" height="{:.0f}" role="img" aria-label="{}">{}</svg>').format(
        height, alt, Markup("").join(marks)
    )
