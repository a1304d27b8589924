"""The charts' geometry, read back from their SVG with an XML parser."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.findings import Findings
from analysis.folder.reading import RunFolder
from analysis.model import Answer, Fault
from analysis.numbers.stats import Distribution, distribution
from analysis.numbers.window_search import Chain, Window
from analysis.numbers.windows import Windows
from analysis.outputs.charts import bars, latency, timeline
from analysis.outputs.charts import windows as quota_windows
from analysis.outputs.charts.svg import Figure, Scale
from tests.analysis import synthetic
from tests.analysis.synthetic import Synthetic

INTERVALS = st.lists(st.tuples(st.floats(0, 1000), st.floats(0.001, 100)), min_size=1, max_size=60)


def elements(figure: Figure | None, tag: str, css: str) -> list[ElementTree.Element]:
    """The figure's elements of a tag that have a class."""
    assert figure is not None
    return [e for e in ElementTree.fromstring(figure.svg).iter(tag) if css in e.get("class", "").split()]


def says(element: ElementTree.Element) -> str:
    title = element.find("title")
    return "" if title is None or title.text is None else title.text


def width(element: ElementTree.Element) -> float:
    return float(element.attrib["width"].removesuffix("%"))


def findings_of(run: Synthetic, *faults: Fault) -> Findings:
    numbers = ("retries", "fallbacks", "input_tokens", "output_tokens")  # NA in memory, as they are empty in the file
    typed = {name: pd.to_numeric(run.records[name], errors="coerce").astype("float64") for name in numbers}
    return Findings(RunFolder(Path(), run.run, run.records.assign(**typed), run.invocations, None, None, faults))


# --- scales and lanes ---------------------------------------------------------------------------------------------


@given(st.floats(-1e4, 1e4), st.floats(0.01, 1e5))
def test_linear_ticks_lie_inside_and_are_as_many_as_fit(low: float, span: float) -> None:
    scale = Scale(low, low + span)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))
    assert all(-1e-6 <= scale(tick) <= 100 + 1e-6 for tick in ticks)


@given(st.floats(0.5, 1e3), st.floats(4, 1e5))
def test_logarithmic_ticks_lie_inside_and_are_as_many_as_fit(low: float, factor: float) -> None:
    scale = Scale(low, low * factor, logarithmic=True)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 8
    assert all(-1e-6 <= scale(tick) <= 100 + 1e-6 for tick in ticks)


def test_logarithmic_bins_are_equally_wide_in_the_picture() -> None:
    scale = Scale(10, 1000, logarithmic=True)
    assert np.diff([scale(edge) for edge in scale.bins(8)]) == pytest.approx(np.full(8, 12.5))


@given(INTERVALS)
def test_lanes_never_overlap_and_none_is_wasted(intervals: list[tuple[float, float]]) -> None:
    intervals.sort()
    starts = [start for start, _ in intervals]
    ends = [start + length for start, length in intervals]
    lanes = timeline._lanes(starts, ends)
    last_end: dict[int, float] = {}
    for start, end, lane in zip(starts, ends, lanes, strict=True):
        assert last_end.get(lane, -1) <= start
        last_end[lane] = end
    at_once = max(sum(s <= start < e for s, e in zip(starts, ends, strict=True)) for start in starts)
    assert max(lanes) + 1 == at_once


# --- who served what, where ---------------------------------------------------------------------------------------


def test_bars_are_as_long_as_the_share_they_stand_for() -> None:
    run = synthetic.demo()
    figure = bars.served(findings_of(run), "fallback")
    assert [(says(bar), width(bar)) for bar in elements(figure, "rect", "answered")] == [
        ("fallback-primary: 3 · 30.0 % · quota 3/min", 30.0)
    ]
    assert [(says(bar), width(bar)) for bar in elements(figure, "rect", "fallback")] == [
        ("fallback-secondary: 7 · 70.0 % · fallback", 70.0)
    ]


def test_a_refusal_is_told_by_name_and_by_whom() -> None:
    run = synthetic.demo()
    isolation = bars.served(findings_of(run), "quota_isolation")
    assert [says(bar) for bar in elements(isolation, "rect", "refused_by_gateway")] == [
        "refused by the gateway: 2 · 40.0 %"
    ]
    throttled = synthetic.demo(sabotage="shard_throttled")
    sharding = bars.served(findings_of(throttled), "account_sharding")
    assert [says(bar) for bar in elements(sharding, "rect", "refused_by_bedrock")] == ["refused by Bedrock: 5 · 50.0 %"]


def test_regions_are_split_by_account_only_where_there_are_several() -> None:
    run = synthetic.demo()
    cris = findings_of(run).regions("cris")
    assert not elements(bars.regions({"111111111111": cris}), "text", "heading")
    two = bars.regions({"111111111111": cris, "222222222222": cris})
    assert [heading.text for heading in elements(two, "text", "heading")] == ["111111111111", "222222222222"]
    assert bars.regions({}) is None


# --- how long it took ---------------------------------------------------------------------------------------------


def test_few_answers_are_dots_and_many_are_binned_without_losing_one() -> None:
    few, many = np.linspace(300, 900, 20), np.random.default_rng(1).lognormal(6, 0.8, 5000)
    assert len(elements(latency.latency("Latency", {"A": (few, distribution(few))}), "circle", "dot")) == 20
    figure = latency.latency("Latency", {"A": (many, distribution(many))})
    counted = [int(says(bar).rsplit(": ", 1)[1].replace(",", "")) for bar in elements(figure, "rect", "answered")]
    assert sum(counted) == 5000
    assert len(counted) <= 60


def test_percentiles_stand_where_their_value_is_and_only_where_there_are_enough_samples() -> None:
    values = np.arange(1.0, 101.0) * 10
    figure = latency.latency("Latency", {"A": (values, distribution(values))})
    assert [says(line) for line in elements(figure, "line", "ink")] == ["A: p50 0.500 s", "A: p95 0.950 s"]
    p50 = elements(figure, "line", "ink")[0]
    assert float(p50.attrib["x1"].removesuffix("%")) == pytest.approx(100 * 500 / 1050, abs=0.01)
    few = np.array([100.0, 200.0])
    assert not elements(latency.latency("Latency", {"A": (few, distribution(few))}), "line", "ink")


def test_nobody_answered_is_no_chart() -> None:
    assert latency.latency("Latency", {"A": (np.array([]), Distribution(0, None, None, None, None, None))}) is None


# --- the run as it went -------------------------------------------------------------------------------------------


def test_every_request_of_a_short_run_is_a_mark() -> None:
    run = synthetic.demo()
    figure = timeline.timeline(findings_of(run))
    assert len(elements(figure, "rect", "answered")) == 63
    refused = elements(figure, "path", "refused_by_gateway")
    assert len(refused) == 2
    assert all("refused by the gateway in 0.0" in says(shape) for shape in refused)


def test_a_crowd_at_once_does_not_fill_screens() -> None:
    run = synthetic.demo()
    crowd = pd.concat([run.records[run.records["consumer"] == "cris"]] * 50, ignore_index=True)
    figure = timeline.timeline(findings_of(replace(run, records=crowd, invocations=None)))
    assert figure is not None
    assert len(elements(figure, "rect", "answered")) == 500
    assert float(ElementTree.fromstring(figure.svg).attrib["height"]) < 450


def test_a_long_run_is_counted_in_bins_without_losing_a_request() -> None:
    run = synthetic.sustained(6500)
    figure = timeline.timeline(findings_of(run))
    binned = elements(figure, "rect", "binned")
    assert sum(int(says(bar).split()[1].replace(",", "")) for bar in binned) == len(run.records)
    assert len(binned) < 8 * 4 * 100


def test_a_fault_is_shaded_from_its_start_to_its_end() -> None:
    run = synthetic.demo()
    begin = float(run.records["intended_at"].min())
    fault = Fault(name="no us-east-2", started_at=begin + 1, stopped_at=begin + 2)
    (band,) = elements(timeline.timeline(findings_of(run, fault)), "rect", "fault")
    ends = run.records["intended_at"] + run.records["latency_ms"] / 1000
    assert width(band) == pytest.approx(100 * 1 / (1.03 * (ends.max() - begin)), abs=0.01)
    assert says(band) == "fault: no us-east-2, 12:00:04 to 12:00:05"
    over = Fault(name="over", started_at=begin - 9, stopped_at=begin - 5)
    assert not elements(timeline.timeline(findings_of(run, over)), "rect", "fault")


def test_faults_at_the_same_time_have_a_line_each_and_of_many_the_rest_is_counted() -> None:
    run = synthetic.demo()
    begin = float(run.records["intended_at"].min())
    faults = [Fault(name=f"fault {i}", started_at=begin + i / 100, stopped_at=None) for i in range(20)]
    figure = timeline.timeline(findings_of(run, *faults[:3]))
    names = [text for text in elements(figure, "text", "label") if (text.text or "").startswith("fault")]
    heights = [float(text.attrib["y"]) for text in names]
    assert [text.text for text in names] == ["fault: fault 0", "fault: fault 1", "fault: fault 2"]
    assert all(below - above >= 20 for above, below in itertools.pairwise(heights))
    assert min(float(text.attrib["y"]) for text in elements(figure, "text", "heading")) - max(heights) >= 20
    many = timeline.timeline(findings_of(run, *faults))
    assert len(elements(many, "rect", "fault")) == timeline.MOST_FAULTS
    assert "and 8 more: see faults.json" in [text.text for text in elements(many, "text", "tick")]


@pytest.mark.parametrize(
    ("span_s", "said", "named"),
    [
        (3000, "every minute", r"\d\d:\d\d"),
        (4 * 3600, "every 5 minutes", r"\d\d:[0-5][05]"),
        (7 * 86_400, "every 4 hours", r"\d\d:00"),
        (50 * 365 * 86_400, "every 305 days", r"\d\d-\d\d"),
        (1e12, "every", r"\d\d-\d\d|[0-9.e+]+ s"),  # milliseconds where seconds belong
    ],
)
def test_however_long_a_run_was_its_timeline_is_bounded(span_s: float, said: str, named: str) -> None:
    run = synthetic.demo()
    run.records.loc[0, ["intended_at", "started_at"]] += span_s
    figure = timeline.timeline(findings_of(run))
    assert figure is not None
    assert f"The shading changes {said}" in figure.note
    assert len(elements(figure, "rect", "band")) <= timeline.MOST_STRETCHES / 2 + 1
    above = [tick.text or "" for tick in elements(figure, "text", "tick") if tick.attrib["y"] == "12"]
    assert 1 <= len(above) <= 7
    assert all(re.fullmatch(named, text) for text in above), above


def test_very_many_quota_windows_share_bars_and_the_fullest_shows() -> None:
    each = [Window(60.0 * i, 7 if i == 5000 else 3, 2) for i in range(7 * 1440)]
    seen = Windows(50_000, (Chain("primary", 3, tuple(each), Answer.FAIL),))
    figure = quota_windows.windows("Quota windows", seen)
    assert figure is not None
    bars = elements(figure, "rect", "answered")
    assert len(bars) <= quota_windows.MOST_WINDOWS
    (fullest,) = [bar for bar in bars if float(bar.attrib["height"]) > 30]
    assert says(fullest).endswith("3 to 7 a window")
    assert "A bar for 56 windows, as high as the fullest" in figure.note
    assert "3 to 7 a window · quota 3" in figure.svg


def test_minutes_are_named_where_they_begin() -> None:
    run = synthetic.sustained(700, minutes=3)
    ticks = [tick.text for tick in elements(timeline.timeline(findings_of(run)), "text", "tick")]
    assert [tick for tick in ticks if tick and re.fullmatch(r"\d\d:\d\d", tick)] == ["12:00", "12:01", "12:02"]


def test_windows_stand_beside_their_quota_from_the_second_one_on() -> None:
    run = synthetic.sustained(6500, minutes=3)
    seen = findings_of(run).group_windows("fallback-primary")
    assert seen is not None
    (chain,) = seen.chains
    figure = quota_windows.windows("Quota windows", seen)
    shown = [says(bar) for bar in elements(figure, "rect", "answered")]
    assert sum(int(text.split(": ")[1].split()[0].replace(",", "")) for text in shown) == chain.admitted
    assert len(elements(figure, "rect", "ink")) == len(chain.windows) == 3
    once = replace(seen, chains=(replace(chain, windows=chain.windows[:1]),))
    assert quota_windows.windows("Quota windows", once) is None


# --- texts of others ----------------------------------------------------------------------------------------------


def test_hostile_names_stay_text() -> None:
    hostile = '</title></svg><script>alert("1")</script>'
    run = synthetic.demo()
    run.records["deployment"] = run.records["deployment"].replace("fallback-primary", hostile)
    found = findings_of(run)
    for figure in (bars.served(found, "fallback"), timeline.timeline(found)):
        assert figure is not None
        root = ElementTree.fromstring(figure.svg)  # still well-formed
        assert {element.tag for element in root.iter()} <= {"svg", "rect", "line", "text", "path", "title", "circle"}
        assert any(hostile in says(element) for element in root.iter())
