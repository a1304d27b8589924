"""The report in a real browser: what a hostile server could do to it, on a phone, in the dark, and on paper."""

from __future__ import annotations

import base64
import itertools
import json
import re
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from analysis import verdicts
from analysis.model import Answer, Verdict
from analysis.outputs import registry
from tests.analysis import synthetic
from tests.analysis.histories import findings, verdict
from tests.analysis.synthetic import Synthetic

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="needs Debian's chromium and chromium-driver")

HOSTILE = (
    "<script>document.title='pwned'</script>",
    "<img src=x onerror=\"document.title='pwned'\">",
    "</title></style></svg></pre><svg onload=document.title='pwned'>",
    '" onmouseover="document.title=\'pwned\'" x="',
    "' autofocus onfocus=document.title='pwned' tabindex=1 '",
    "javascript:document.title='pwned'",
    "{{ 7 * 7 }}{% raw %}",
    "‮evil‬ 💥 &lt;b&gt; &#x3c;",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    assert CHROMIUM
    assert CHROMEDRIVER
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(CHROMEDRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def shown(
    browser: webdriver.Chrome, page: Path, *, width: int = 1280, scheme: str = "light", media: str = "screen"
) -> None:
    """Opens the page as a screen of that width and colour scheme, with nothing left from the page before."""
    for kind in ("performance", "browser"):
        browser.get_log(kind)
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    browser.get(page.as_uri())


def written(run: Synthetic, folder: Path, given: list[Verdict] | None = None) -> Path:
    found = findings(synthetic.write(run, folder))
    return registry.write("html", found, verdicts.judge(found) if given is None else given)


def style(browser: webdriver.Chrome, selector: str, name: str) -> str:
    script = "return getComputedStyle(document.querySelector(arguments[0])).getPropertyValue(arguments[1])"
    return str(browser.execute_script(script, selector, name))


def luminance(rgb: str) -> float:
    """WCAG's relative luminance of a computed colour."""
    channels = [int(value) / 255 for value in re.findall(r"\d+", rgb)[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(synthetic.demo(sabotage="shard_throttled"), tmp_path_factory.mktemp("run"))


# --- texts of others ----------------------------------------------------------------------------------------------


def hostile_run() -> tuple[Synthetic, list[Verdict]]:
    """A run in which everything that a server or a configuration may name is an attack."""
    run = synthetic.demo()
    records, invocations = run.records.copy(), run.invocations
    assert invocations is not None
    attack = {name: HOSTILE[i % len(HOSTILE)] + str(i) for i, name in enumerate(records["consumer"].unique())}
    records["consumer"] = records["consumer"].replace(attack)
    records["deployment"] = records["deployment"].replace({"fallback-primary": HOSTILE[0], "shared": HOSTILE[1]})
    records["error_type"] = records["error_type"].replace({"rate_limit_error": HOSTILE[2]})
    invocations = invocations.assign(
        inference_region=invocations["inference_region"].replace({"us-east-2": HOSTILE[3]}),
        account_id=invocations["account_id"].replace({"222222222222": HOSTILE[0]}),
    )
    locust = run.locust.assign(Name=run.locust["Name"].replace(attack), Type=HOSTILE[4])
    of_run: dict[str, Any] = {
        "consumers": tuple(
            c.model_copy(update={"name": attack[c.name], "model": HOSTILE[5], "traffic": {HOSTILE[0]: HOSTILE[1]}})
            for c in run.run.consumers
        ),
        "deployments": tuple(
            d.model_copy(update={"id": HOSTILE[0], "model_id": HOSTILE[6]}) if d.id == "fallback-primary" else d
            for d in run.run.deployments
        ),
        "notes": HOSTILE,
        "settings": {name: list(HOSTILE) for name in HOSTILE},
        "versions": {HOSTILE[0]: HOSTILE[1]},
        "command": HOSTILE[2],
        "traffic": HOSTILE[3],
        "self_check": {HOSTILE[0]: HOSTILE[1], "bottleneck": HOSTILE[0], "lag_max_ms": HOSTILE[4]},
    }
    fault = {"name": HOSTILE[0], "kind": "x", "started_at": run.run.started_at, "stopped_at": None}
    given = [verdict("cris", text, Answer.FAIL, text, text, 1, text, (text,)) for text in HOSTILE]
    return Synthetic(run.run.model_copy(update=of_run), records, invocations, locust, (fault,)), given


def test_hostile_texts_are_shown_and_nothing_of_them_runs(browser: webdriver.Chrome, tmp_path: Path) -> None:
    safe = hostile_page(tmp_path)
    # The page forbids scripts by policy; taken out here, so that it is the escaping that is tested.
    bare = tmp_path / "bare.html"
    html, removed = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", safe.read_text(encoding="utf-8"))
    assert removed == 1
    bare.write_text(html, encoding="utf-8")
    shown(browser, bare)
    for element in browser.find_elements(By.CSS_SELECTOR, "details, text, .scroll, .legend li")[:200]:
        browser.execute_script("arguments[0].dispatchEvent(new MouseEvent('mouseover', {bubbles: true}))", element)
    assert "pwned" not in browser.title
    assert browser.execute_script("return document.scripts.length") == 0
    counts = "return document.querySelectorAll('img, [onload], [onerror], [onfocus], [onmouseover]').length"
    assert browser.execute_script(counts) == 0
    text = browser.execute_script("return document.body.textContent")
    for attack in HOSTILE:
        assert text.count(attack) >= 3, attack
    links = browser.execute_script("return [...document.links].map(link => link.getAttribute('href'))")
    assert all(link.startswith("#") for link in links)


def test_even_a_script_that_got_in_would_not_run(browser: webdriver.Chrome, page: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    html = page.read_text(encoding="utf-8").replace("<main>", f"<main>{HOSTILE[0]}{HOSTILE[1]}")
    broken.write_text(html, encoding="utf-8")
    shown(browser, broken)
    assert browser.execute_script("return document.querySelectorAll('main script, main img').length") == 2
    assert browser.title.startswith("FAIL on the embedded AWS")


# --- how it is read -----------------------------------------------------------------------------------------------


def test_it_loads_nothing_and_nothing_goes_wrong(browser: webdriver.Chrome, page: Path) -> None:
    shown(browser, page)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert asked == [page.as_uri()]
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_never_scrolls_sideways_but_in_tables(browser: webdriver.Chrome, page: Path, scheme: str) -> None:
    shown(browser, page, width=390, scheme=scheme)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    tables = browser.execute_script(
        "return [...document.querySelectorAll('.scroll')].map(s => [s.clientWidth, s.scrollWidth])"
    )
    assert any(content > window for window, content in tables)  # so that it is a test
    small = "[...document.querySelectorAll('svg text')].filter(t => t.getBoundingClientRect().height < 10)"
    assert browser.execute_script(f"return {small}.length") == 0
    beyond = "[...document.querySelectorAll('figure svg > *')].filter(e => e.getBoundingClientRect().right > 392)"
    assert browser.execute_script(f"return {beyond}.length") == 0


@pytest.mark.parametrize(("width", "media"), [(390, "screen"), (1280, "screen"), (700, "print")])
def test_names_and_values_in_charts_do_not_run_into_each_other(
    browser: webdriver.Chrome, page: Path, tmp_path: Path, width: int, media: str
) -> None:
    pages = (
        page,
        written(synthetic.sustained(3000), tmp_path / "long"),
        hostile_page(tmp_path / "hostile"),
        written(with_faults(synthetic.demo()), tmp_path / "faults"),
    )
    for each in pages:
        shown(browser, each, width=width, media=media)
        assert overlapping_texts(browser) == []


def with_faults(run: Synthetic) -> Synthetic:
    """Three at once, one of them with a name as long as they come, and one that is over before they begin."""
    begin = float(run.records["intended_at"].min())
    spans = {"slow west": (0.1, None), "throttle account-one": (0.2, 3), "errors of the haiku model " * 3: (0.3, None)}
    faults = [
        {"name": name, "started_at": begin + start, "stopped_at": stop and begin + stop}
        for name, (start, stop) in {"over": (0.0, 0.05), **spans}.items()
    ]
    return replace(run, faults=tuple(faults))


@pytest.mark.parametrize("width", [390, 720, 1280])
def test_the_longest_verdict_stays_clear_of_what_it_is_about(
    browser: webdriver.Chrome, tmp_path: Path, width: int
) -> None:
    shown(browser, written(synthetic.demo(sabotage="logs_missing"), tmp_path), width=width)
    gaps = browser.execute_script("""
        const box = element => {
            const range = document.createRange();
            range.selectNodeContents(element);
            return range.getBoundingClientRect();
        };
        const gap = (a, b) => Math.max(b.left - a.right, a.left - b.right, b.top - a.bottom, a.top - b.bottom);
        return [...document.querySelectorAll('.claims .verdict, .board .verdict')].map(verdict =>
            gap(box(verdict), box(verdict.nextElementSibling)));""")
    assert len(gaps) == 12 + 5
    assert min(gaps) >= 4


def hostile_page(folder: Path) -> Path:
    run, given = hostile_run()
    return written(run, folder, given)


def overlapping_texts(browser: webdriver.Chrome) -> list[str]:
    found: list[str] = browser.execute_script("""
        const found = [];
        for (const svg of document.querySelectorAll('figure > svg')) {
            const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
            boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
                if (a.width && b.width && a.left < b.right - 1 && b.left < a.right - 1 &&
                    a.top < b.bottom - 3 && b.top < a.bottom - 3) found.push(one + ' | ' + other);
            }));
        }
        return found;""")
    return found


def test_dark_is_dark_and_the_charts_follow(browser: webdriver.Chrome, page: Path) -> None:
    looks = {}
    for scheme in ("light", "dark"):
        shown(browser, page, scheme=scheme)
        looks[scheme] = {name: style(browser, name, "fill") for name in ("rect.answered", "text.label", "rect.track")}
        looks[scheme]["body"] = style(browser, "body", "background-color")
    assert luminance(looks["light"]["body"]) > 0.9
    assert luminance(looks["dark"]["body"]) < 0.02
    assert all(looks["light"][name] != looks["dark"][name] for name in looks["light"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_is_told_with_enough_contrast(browser: webdriver.Chrome, page: Path, scheme: str) -> None:
    """WCAG AA: 4.5 for text, 3 for what a chart shows."""
    shown(browser, page, scheme=scheme)
    paper = style(browser, "body", "background-color")
    for selector in (".verdict.pass", ".verdict.fail", "dt", "caption", ".note", ".said", "nav a", "summary"):
        assert contrast(style(browser, selector, "color"), paper) >= 4.5, selector
    assert contrast(style(browser, "text.value", "fill"), paper) >= 4.5
    for selector in (".answered", ".region", ".refused_by_gateway", ".refused_by_bedrock"):
        assert contrast(style(browser, f"svg {selector}", "fill"), paper) >= 3, selector
    reason = ".claims .reason"
    assert contrast(style(browser, reason, "color"), style(browser, reason, "background-color")) >= 4.5


def test_pass_fail_and_unknown_differ_in_more_than_colour(browser: webdriver.Chrome, tmp_path: Path) -> None:
    given = [verdict("cris", f"It is {answer}.", answer, "x", "y", 1, "") for answer in Answer]
    shown(browser, written(synthetic.demo(), tmp_path, given))
    marks = browser.execute_script("return [...document.querySelectorAll('.claims .mark')].map(m => m.innerHTML)")
    words = [element.text for element in browser.find_elements(By.CSS_SELECTOR, ".claims .verdict")]
    assert words == ["PASS", "FAIL", "UNKNOWN"]
    assert len(set(marks)) == 3
    assert style(browser, ".claims .mark.unknown circle", "fill") == "none"  # an outline, where the others are filled


def test_every_picture_and_table_has_words_for_those_who_cannot_see_it(browser: webdriver.Chrome, page: Path) -> None:
    shown(browser, page)
    unnamed = "return [...document.querySelectorAll('figure svg[role=img]')].filter(s => !s.ariaLabel).length"
    assert browser.execute_script(unnamed) == 0
    silent = "return [...document.querySelectorAll('svg:not([role=img], [aria-hidden], svg svg)')].length"
    assert browser.execute_script(silent) == 0
    assert browser.execute_script("return [...document.querySelectorAll('table')].every(t => t.caption)")
    levels = browser.execute_script("return [...document.querySelectorAll('h1, h2, h3')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_paper_is_white_and_has_everything_on_it(browser: webdriver.Chrome, page: Path) -> None:
    shown(browser, page, scheme="dark", media="print", width=700)
    assert luminance(style(browser, "body", "background-color")) == 1
    hidden = browser.execute_script(
        "return [...document.querySelectorAll('details > :not(summary)')]"
        ".filter(e => !e.getBoundingClientRect().height).length"
    )
    assert hidden == 0
    cut = browser.execute_script(
        "return [...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth + 1)"
        ".map(s => [s.innerText.slice(0, 60), s.clientWidth, s.scrollWidth])"
    )
    assert cut == []
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", _inflated(pdf))) <= 14


def _inflated(pdf: bytes) -> bytes:
    """The PDF with its object streams decompressed, so that pages can be counted."""
    parts = [pdf]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            parts.append(zlib.decompress(stream))
        except zlib.error:
            continue  # a font or a picture in another encoding
    return b"".join(parts)
