"""The web UI in a real browser: run after run in one process, alone and with two workers, against one gateway."""

from __future__ import annotations

import csv
import http.client
import io
import json
import shutil
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.conftest import LOCUST, RUNS, free_port, rows

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="needs Debian's chromium and chromium-driver")

LONG = {"kind": "constant", "rate_per_s": 4, "duration_s": 3600}  # long enough to be stopped in the middle
MANY_USERS = 100  # more than there are fixed ones
ISOLATION = ["ConsumerA", "ConsumerB", "ConsumerC"]


@pytest.fixture(scope="module")
def here(place: Any) -> Any:
    made = place("web-ui")
    patterns = made.read("patterns")
    for pattern in patterns["patterns"].values():
        for consumer in pattern["consumers"].values():
            consumer["traffic"]["long"] = LONG
    made.write("patterns", patterns)
    made.start_gateway()
    return made


class WebUi:
    """A Locust with its web UI, asked over HTTP."""

    def __init__(self, here: Any, *arguments: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [LOCUST, *here.options, "--runs", RUNS, "--web-port", str(self.port), *arguments]
        self.started = here.start(command)
        self.runs: Path = self.started.runs
        self.phases: set[tuple[str, str]] = set()  # run and phase, as they were told

    def until_up(self) -> None:
        self.started.until(lambda: self._answers())

    def _answers(self) -> bool:
        try:
            return self.get("/")[0] == 200
        except OSError:
            return False

    def get(self, path: str) -> tuple[int, str, http.client.HTTPMessage]:
        """The path exactly as it is given, dots and all."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers

    def start(self, *user_classes: str, **form: Any) -> Any:
        """What the start form sends, and the answer."""
        fields = {"user_count": MANY_USERS, "spawn_rate": 100, "user_classes": user_classes, **form}
        body = urllib.parse.urlencode(fields, doseq=True).encode()
        with urllib.request.urlopen(f"{self.url}/swarm", body, timeout=60) as answer:
            return json.load(answer)

    def now(self) -> Any:
        now = json.loads(self.get("/proof/now")[1])
        if now:
            self.phases.add((now["run"], now["phase"]))
        return now

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """The tabs' content, as Locust's page asks for it."""
        stats = json.loads(self.get("/stats/requests")[1])
        return {table["key"]: table["data"] for table in stats["extended_stats"]}

    def until(self, condition: Any, within_s: float = 240) -> Any:
        """Waits for the newest run to be so."""
        self.started.until(lambda: (now := self.now()) and condition(now), within_s)
        return self.now()

    def judged(self, after: str | None = None) -> Any:
        ended = self.until(lambda now: now["run"] != after and now["phase"].startswith(("judged", "saved")))
        assert ended["phase"] == "judged", self.started.said
        return ended

    def folders(self) -> list[str]:
        return sorted(path.name for path in self.runs.glob("2*")) if self.runs.exists() else []


def until(driver: webdriver.Chrome, condition: Any) -> Any:
    """What `condition` comes to. What the page replaces meanwhile, or all of it, is looked for again."""
    return WebDriverWait(driver, 60, 0.1, ignored_exceptions=[WebDriverException]).until(lambda _: condition())


class Page:
    """Locust's page in a browser, used the way a person does."""

    def __init__(self, driver: webdriver.Chrome, ui: WebUi) -> None:
        self.driver = driver
        driver.get(ui.url)
        self.until(lambda: driver.find_elements(By.NAME, "userCount"))

    def until(self, condition: Any) -> Any:
        return until(self.driver, condition)

    def field(self, name: str) -> str:
        return str(self.driver.find_element(By.NAME, name).get_attribute("value"))

    def enter(self, name: str, value: str) -> None:
        found = self.driver.find_element(By.NAME, name)
        found.send_keys(Keys.CONTROL, "a")
        found.send_keys(value)

    def choose(self, *user_classes: str) -> None:
        """In the class picker, where all are chosen at first."""
        self.driver.find_elements(By.CSS_SELECTOR, "input[type=checkbox]")[0].click()
        for name in user_classes:
            box = self.driver.find_element(By.XPATH, f"//tr[td[normalize-space()='{name}']]//input")
            self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
            box.click()

    def start(self) -> None:
        button = self.driver.find_element(By.CSS_SELECTOR, "button[type=submit]")
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()

    def alert(self) -> str:
        return str(self.until(lambda: self.driver.find_element(By.CSS_SELECTOR, "[role=alert]").text))

    def press(self, text: str) -> None:
        def pressed() -> bool:
            named = [b for b in self.driver.find_elements(By.TAG_NAME, "button") if b.text.lower() == text]
            if named:
                named[0].click()
            return bool(named)

        self.until(pressed)

    def line(self) -> str:
        """Ours, above Locust's page."""
        return str(self.until(lambda: self.driver.find_element(By.ID, "proof-now").text))

    def tab(self, title: str) -> list[list[str]]:
        """Opens a tab; the cells of its table, headings first."""
        self.press(title.lower())
        script = (
            "return [...document.querySelectorAll('table tr')].map(r => [...r.children].map(c => c.innerText.trim()))"
        )
        return list(self.until(lambda: (rows := self.driver.execute_script(script))[1:] and rows))

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    assert CHROMIUM
    assert CHROMEDRIVER
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--window-size=1400,1000",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options, webdriver.ChromeService(CHROMEDRIVER))
    try:
        yield made
    finally:
        made.quit()


@pytest.fixture(scope="module")
def both(here: Any) -> tuple[WebUi, WebUi]:
    local = WebUi(here)
    port = str(free_port())
    distributed = WebUi(here, "--processes", "2", "--master-bind-port", port, "--master-port", port)
    local.until_up()
    distributed.until_up()
    distributed.started.until("2 workers connected")
    return local, distributed


@pytest.fixture(scope="module")
def local(both: tuple[WebUi, WebUi]) -> WebUi:
    return both[0]


@dataclass
class Story:
    """What was seen while runs were started, stopped and judged."""

    form: dict[str, str] = field(default_factory=dict)
    refusal: str = ""
    edited: dict[str, Any] = field(default_factory=dict)  # the answer, when more users were asked for in mid-run
    folders_then: list[str] = field(default_factory=list)
    runs: dict[str, Path] = field(default_factory=dict)
    now: dict[str, Any] = field(default_factory=dict)
    tabs: dict[str, list[list[str]]] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)
    tables: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def story(both: tuple[WebUi, WebUi], driver: webdriver.Chrome) -> Story:
    """Two Locusts, each run once from the browser and once more.

    The distributed one is first: its second run waits for a new quota window, and meanwhile the other is used.
    """
    told, (local, distributed) = Story(), both

    page = Page(driver, distributed)
    page.choose("FallbackUser")
    page.start()
    told.now["distributed"] = distributed.judged()
    page.until(lambda: "PASS" in page.line())
    page.until(lambda: "70.0 %" in str(page.tab("Deployments")))  # what was shown last is of the middle of the run
    told.tabs["distributed"] = page.tab("Deployments")
    told.tabs["workers"] = page.tab("Workers")
    told.errors += page.errors()
    assert distributed.start("FallbackUser")["success"]
    told.now["distributed again"] = distributed.until(lambda now: now["run"] != told.now["distributed"]["run"])
    page.until(lambda: "starts in" in page.line() or "sent" in page.line())
    told.lines["waiting"] = page.line()

    page = Page(driver, local)
    told.form = {name: page.field(name) for name in ("userCount", "spawnRate", "host", "traffic")}
    page.enter("userCount", "3")
    page.start()
    told.refusal = page.alert()
    told.folders_then = local.folders()
    page.enter("userCount", told.form["userCount"])
    page.choose("CrisUser", *ISOLATION)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(local.judged)  # sees every phase, whatever the browser is about
        page.start()
        told.tabs["patterns"] = page.tab("Patterns")
    told.now["first"] = first.result()
    page.until(lambda: "PASS" in page.line())
    page.until(lambda: "PASS" in str(page.tab("Patterns")))  # refreshed without anybody's doing
    told.lines["first"] = page.line()
    told.tabs |= {title: page.tab(title) for title in ("Patterns", "Deployments", "Regions")}
    told.errors += page.errors()

    assert local.start("AccountOneUser", traffic="long")["success"]
    local.until(lambda now: now["run"] != told.now["first"]["run"] and now["sent"] >= 3)
    driver.get(local.url)  # a page that is opened before shows Locust's state of then
    told.tables["under way"] = local.tables()
    told.edited = local.start("AccountOneUser", *ISOLATION, traffic="long", user_count=20)
    page.press("stop")
    told.now["stopped"] = local.judged(told.now["first"]["run"])
    told.now["distributed again"] = distributed.judged(told.now["distributed"]["run"])
    for name, ui in (("first", local), ("stopped", local), ("distributed", distributed),
                     ("distributed again", distributed)):  # fmt: skip
        told.runs[name] = ui.runs / told.now[name]["run"]
    return told


def run_json(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text())


def answers(folder: Path) -> list[str]:
    return [verdict["answer"] for verdict in json.loads((folder / "verdicts.json").read_text())]


def served(folder: Path) -> Counter[str]:
    return Counter(record["deployment"] for record in rows(folder / "requests.csv") if record["status"] == "200")


@pytest.fixture(scope="module")
def fixed_users(here: Any) -> int:
    patterns = here.read("patterns")["patterns"].values()
    return sum(consumer["users"] for pattern in patterns for consumer in pattern["consumers"].values())


def test_the_form_offers_what_is_configured(story: Story, here: Any, fixed_users: int) -> None:
    gateway = f"http://127.0.0.1:{here.read('config')['litellm']['port']}"
    assert story.form == {"userCount": str(fixed_users), "spawnRate": "100", "host": gateway, "traffic": "demo"}


def test_too_few_users_are_refused_in_the_form_before_anything_is_sent(story: Story, fixed_users: int) -> None:
    assert story.refusal.startswith(f"3 users are too few: the chosen User classes have {fixed_users} fixed users")
    assert story.folders_then == []


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"traffic": "mad"}, "has no traffic of that name (it has: demo, long"),
        ({"host": "http://127.0.0.1:9"}, "start Locust with --host http://127.0.0.1:9"),
        ({"request_timeout": "0"}, "'0' is not a number of seconds above 0"),
        ({"request_timeout": "soon"}, "'soon' is not a number of seconds above 0"),
        ({"user_count": 4}, "4 users are too few: the chosen User classes have 5 fixed users"),
    ],
)
def test_what_cannot_run_is_refused(story: Story, local: WebUi, form: dict[str, Any], message: str) -> None:
    before = local.folders()
    answer = local.start("ConsumerA", **form)
    assert not answer["success"]
    assert message in answer["message"]
    assert local.folders() == before


def test_only_the_chosen_classes_run(story: Story) -> None:
    folder = story.runs["first"]
    assert {record["user_class"] for record in rows(folder / "requests.csv")} == {"CrisUser", *ISOLATION}
    assert run_json(folder)["patterns"] == ["cris", "quota_isolation"]
    assert answers(folder) == ["PASS"] * 4


def test_every_run_has_a_folder_of_its_own_with_all_that_a_headless_run_leaves(story: Story) -> None:
    assert len(set(story.runs.values())) == 4
    for folder in story.runs.values():
        assert {file.name for file in folder.iterdir()} == {
            "run.json", "requests.csv", "invocations.csv", "fetch.json", "verdicts.json", "report.html",
            "locust_stats.csv", "locust_stats_history.csv", "locust_failures.csv", "locust_exceptions.csv",
            "locust_report.html", "faults.json",
        }  # fmt: skip
        recorded = Counter(record["consumer"] for record in rows(folder / "requests.csv"))
        stats = {row["Name"]: int(row["Request Count"]) for row in rows(folder / "locust_stats.csv")}
        assert stats.pop("Aggregated") == recorded.total()
        assert stats == recorded
        assert run_json(folder)["ended_at"]


def test_the_line_above_tells_the_verdict_and_where_to_read_it(story: Story) -> None:
    assert story.lines["first"].split("\n")[1:] == ["PASS", "4 PASS", "Report", "Locust's report", "All runs"]


def test_the_tabs_show_the_run_and_then_its_verdicts(story: Story) -> None:
    headings, *patterns = story.tabs["Patterns"]
    assert headings == [
        "Pattern", "Sent", "Answered", "Refused by the gateway", "Refused by Bedrock", "Failed",
        "Answered by a fallback", "Claims",
    ]  # fmt: skip
    assert patterns == [
        ["cris", "10", "10", "0", "0", "0", "—", "all answered: PASS; regions at least 2: PASS"],
        ["quota_isolation", "15", "13", "2", "0", "0", "—",
         "limited to quota (A): PASS; neighbours unharmed (B, C): PASS"],
    ]  # fmt: skip
    assert [row[:1] for row in story.tabs["patterns"][1:]] == [["cris"], ["quota_isolation"]]
    assert [row[:2] + row[3:5] for row in story.tabs["Deployments"][1:]] == [
        ["cris", "account-one", "10", "100 %"],
        ["quota_isolation", "shared", "13", "100 %"],
    ]


def test_regions_are_cloudwatchs(story: Story) -> None:
    pattern_of = {row["request_id"]: row["pattern"] for row in rows(story.runs["first"] / "requests.csv")}
    counted = Counter(
        (pattern_of[row["request_id"]], row["account_id"], row["inference_region"])
        for row in rows(story.runs["first"] / "invocations.csv")
    )
    assert {(row[0], row[1], row[2]): int(row[3]) for row in story.tabs["Regions"][1:]} == counted


def test_the_page_reports_no_error(story: Story) -> None:
    assert story.errors == []


def test_a_run_under_way_claims_no_more_than_it_knows(story: Story) -> None:
    (pattern,) = story.tables["under way"]["patterns"]
    assert pattern["pattern"] == "account_sharding"
    assert pattern["sent"] >= 3
    assert pattern["claims"].startswith("all answered: holds so far, ")
    assert pattern["claims"].endswith("shards separate: open, known when CloudWatch has delivered")
    assert [row["pattern"] for row in story.tables["under way"]["regions"]] == ["known when CloudWatch has delivered"]


def test_a_run_that_is_stopped_keeps_its_records_and_is_judged(story: Story) -> None:
    folder = story.runs["stopped"]
    records = rows(folder / "requests.csv")
    assert 3 <= len(records) < LONG["rate_per_s"] * LONG["duration_s"]  # type: ignore[operator]
    assert {record["user_class"] for record in records} == {"AccountOneUser"}
    assert run_json(folder)["traffic"] == "long"
    assert len(answers(folder)) == 2
    assert story.now["stopped"]["sent"] == len(records)


def test_a_run_can_be_edited_though_locusts_form_then_names_all_classes(story: Story) -> None:
    assert story.edited["success"], story.edited


def test_two_workers_are_shown_and_judged_as_one(story: Story) -> None:
    assert [row[:5] for row in story.tabs["distributed"][1:]] == [
        ["fallback", "fallback-secondary", "us.anthropic.claude-haiku-4-5-20251001-v1:0", "7", "70.0 %"],
        ["fallback", "fallback-primary", "us.anthropic.claude-sonnet-4-6", "3", "30.0 %"],
    ]
    assert len(story.tabs["workers"]) == 3
    assert len({record["worker"] for record in rows(story.runs["distributed"] / "requests.csv")}) == 2


@pytest.mark.parametrize("name", ["distributed", "distributed again"])
def test_each_run_has_a_quota_window_of_its_own(story: Story, name: str) -> None:
    assert served(story.runs[name]) == {"fallback-primary": 3, "fallback-secondary": 7}
    assert answers(story.runs[name]) == ["PASS"] * 3


def test_two_runs_share_no_quota_window(story: Story) -> None:
    first, second = (
        [float(record["started_at"]) for record in rows(story.runs[name] / "requests.csv")]
        for name in ("distributed", "distributed again")
    )
    assert min(second) - max(first) > 60


def test_workers_requests_are_told_line_by_line(story: Story, both: tuple[WebUi, WebUi]) -> None:
    lines = [line.split() for line in both[1].started.out.splitlines() if line.rstrip().endswith(" s")]
    told = [line for line in lines if line[1:4] == ["fallback", "fallback", "answered"]]
    assert len(told) == 20


def test_the_ui_answers_while_a_run_is_judged(story: Story, local: WebUi) -> None:
    told = {phase for run, phase in local.phases if run == story.runs["first"].name}
    assert {"waiting for CloudWatch, then judging", "judged"} <= told


@pytest.mark.parametrize("tab", ["Patterns", "Deployments", "Regions"])
def test_downloads_hold_what_the_tabs_show(story: Story, local: WebUi, tab: str) -> None:
    status, text, headers = local.get(f"/proof/{tab.lower()}.csv")
    assert status == 200
    assert headers["Content-Disposition"].endswith(f'{story.now["stopped"]["run"]}-{tab.lower()}.csv"')
    headings, *downloaded = csv.reader(io.StringIO(text))
    assert headings == story.tabs[tab][0]
    assert downloaded == [[str(cell) for cell in row.values()] for row in local.tables()[tab.lower()]]


def test_reports_are_served_as_they_are(story: Story, local: WebUi) -> None:
    for report in story.now["first"]["reports"]:
        status, text, headers = local.get(f"/proof/runs/{report['href']}")
        assert status == 200
        assert text == (local.runs / report["href"]).read_text()
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_links_lead_to_pages_that_work(story: Story, driver: webdriver.Chrome, local: WebUi) -> None:
    driver.get(f"{local.url}/proof/runs/")
    text = driver.find_element(By.TAG_NAME, "table").text
    assert all(story.runs[name].name in text for name in ("first", "stopped"))
    first = f"//tr[td[normalize-space()='{story.runs['first'].name}']]"
    driver.find_element(By.XPATH, f"{first}//a[text()='Report']").click()
    until(driver, lambda: driver.title.startswith("PASS"))
    driver.find_element(By.CSS_SELECTOR, "a[href*='locust_report.html']").click()
    until(driver, lambda: "Request Statistics" in driver.find_element(By.TAG_NAME, "body").text)


@pytest.mark.parametrize(
    "path",
    [
        "../../config.yaml", "../../../../../../etc/passwd", "..%2f..%2fconfig.yaml", "latest/report.html",
        "{run}/run.json", "{run}/requests.csv", "{run}/..%2frun.json", "{run}/../{run}/run.json", "{run}/report.html/",
        "{run}%00/report.html", "20260101-000000-0000/report.html", "20260101-000000-beef/report.html", "%2e%2e/out",
    ],
)  # fmt: skip
def test_nothing_else_is_served(story: Story, local: WebUi, path: str, tmp_path: Path) -> None:
    elsewhere = local.runs / "20260101-000000-beef"  # a link out of the folder, named as a run is
    if not elsewhere.is_symlink():
        (tmp_path / "report.html").write_text("secret")
        elsewhere.symlink_to(tmp_path)
    status, text, _ = local.get("/proof/runs/" + path.format(run=story.runs["first"].name))
    assert status in (404, 308)
    assert "secret" not in text


def test_what_a_run_holds_is_escaped(story: Story, local: WebUi, driver: webdriver.Chrome) -> None:
    evil = "<img src=x onerror=\"document.title='pwned'\">"
    folder = local.runs / "20260102-000000-0000"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(run_json(story.runs["first"]) | {"traffic": evil}))
    (local.runs / "20260103-000000-0000").mkdir()  # nothing in it
    driver.get(f"{local.url}/proof/runs/")
    assert evil in driver.find_element(By.TAG_NAME, "table").text
    assert driver.title == "Runs"
    assert "20260103" not in driver.page_source


def test_the_ui_ends_with_everything_it_has_started(story: Story, both: tuple[WebUi, WebUi]) -> None:
    for ui in both:
        ui.started.process.terminate()
    for ui in both:
        assert ui.started.wait().left == {}
