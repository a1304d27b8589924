"""What the charts are drawn with: scales, marks and letters. Texts are escaped by Markup.format."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from analysis.model import Outcome

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


def axis(scale: Scale, height: float, unit: str) -> list[Markup]:
    marks = []
    for value in scale.ticks():
        at = scale(value)
        anchor = "start" if at < 4 else "end" if at > 96 else "middle"
        marks.append(rule(at, 16, height, "grid"))
        marks.append(text(at, height + 14, f"{value:,.6g} {unit}", "tick", anchor))
    return marks


def line_of_text(y: float, label: str, value: str, heading: bool = False) -> list[Markup]:
    """A name at the left and its value at the right, the name cut before they would meet in the narrowest column."""
    room_px = 285 - 6.1 * len(value)
    name = short(label, max(int(room_px / (7.3 if heading else 6.7)), 8))
    named = text(0, y, name, "heading" if heading else "label")
    return [named, text(100, y, value, "value", "end")] if value else [named]


def short(text: str, most: int = 40) -> str:
    """SVG neither wraps nor cuts."""
    return text if len(text) <= most else f"{text[: most - 4]}…{text[-3:]}"


def rect(x: float, width: float, y: float, height: float, css: str, says: str = "") -> Markup:
    return Markup('<rect x="{:.2f}%" width="{:.2f}%" y="{:.4g}" height="{:.4g}" class="{}">{}</rect>').format(
        x, max(width, 0.1), y, height, css, title(says)
    )


def rule(x: float, top: float, bottom: float, css: str, says: str = "") -> Markup:
    return Markup('<line x1="{0:.2f}%" x2="{0:.2f}%" y1="{1:.4g}" y2="{2:.4g}" class="{3}">{4}</line>').format(
        x, top, bottom, css, title(says)
    )


def circle(x: float, y: float, says: str) -> Markup:
    return Markup('<circle cx="{:.2f}%" cy="{:.1f}" r="3.6" class="dot">{}</circle>').format(x, y, title(says))


def shape(x: float, y: float, outcome: Outcome, says: str) -> Markup:
    return Markup('<svg x="{:.2f}%" y="{:.4g}" overflow="visible"><path d="{}" class="{}">{}</path></svg>').format(
        x, y, SHAPES[outcome], f"{outcome} shape", title(says)
    )


def text(x: float, y: float, text: str, css: str, anchor: str = "start", dx: int = 0) -> Markup:
    return Markup('<text x="{:.2f}%" y="{:.4g}" dx="{}" text-anchor="{}" class="{}">{}</text>').format(
        x, y, dx, anchor, css, text
    )


def title(says: str) -> Markup:
    """What a browser shows when a mark is pointed at."""
    return Markup("<title>{}</title>").format(says) if says else Markup()


def svg(marks: Iterable[Markup], height: float, alt: str) -> Markup:
    return Markup('<svg width="100%" height="{:.0f}" role="img" aria-label="{}">{}</svg>').format(
        height, alt, Markup("").join(marks)
    )


def clock(at: float) -> str:
    return utc(at, "%H:%M:%S")


def utc(at: float, form: str) -> str:
    """A time as damaged records may hold it too: what no calendar knows is said in seconds."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime(form)
    except (ValueError, OverflowError, OSError):
        return f"{at:.6g} s"
