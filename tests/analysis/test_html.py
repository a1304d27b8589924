"""What stands on the report's page, read with an HTML parser; how it looks is the real browser's to show."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from analysis import verdicts
from analysis.findings import Findings
from analysis.folder import reading
from analysis.folder.errors import RunFolderError
from analysis.folder.reading import RunFolder
from analysis.model import LOCUST_REPORT_HTML, Answer, Invocation, Record, Run, Verdict
from analysis.outputs import registry
from analysis.outputs.html import page as html_page
from tests.analysis import histories, synthetic
from tests.analysis.histories import ONE, TWO, claim, consumer, deployment, invocation, record, verdict
from tests.analysis.synthetic import Sabotage, Synthetic

GOLDEN = Path(__file__).parent / "golden" / "report.html"


class Page(HTMLParser):
    """The page's elements, the text that is seen, and whether its tags are balanced."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "title"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def folder_of(run: Synthetic, path: Path) -> RunFolder:
    return reading.read(synthetic.write(run, path))


def rendered(folder: RunFolder, given: list[Verdict] | None = None) -> str:
    found = Findings(folder)
    return html_page.render(found, verdicts.judge(found) if given is None else given)


def page_of(run: Synthetic, path: Path) -> Page:
    return Page(rendered(folder_of(run, path)))


def changed(folder: RunFolder, **of_run: Any) -> RunFolder:
    return replace(folder, run=folder.run.model_copy(update=of_run))


# --- what is said first -------------------------------------------------------------------------------------------


def test_the_page_says_first_what_was_proved_and_on_which_evidence(tmp_path: Path) -> None:
    page = page_of(synthetic.demo(), tmp_path)
    assert page.text.index("Embedded AWS.") < page.text.index("All five patterns hold")
    assert page.text.index("All five patterns hold") < page.text.index("All 12 claims. 65 requests sent")
    assert "python 3.11.2 · locust 2.47.0 · litellm 1.106.2 · boto3 1.44.5" in page.text
    assert "Real AWS" not in page.text


def test_the_real_aws_is_named_with_its_accounts(tmp_path: Path) -> None:
    page = page_of(synthetic.demo(evidence="aws"), tmp_path)
    assert "Amazon Bedrock in us-east-1, accounts 111111111111 and 222222222222" in page.text
    assert "embedded" not in page.text.lower()


@pytest.mark.parametrize(
    ("sabotage", "headline"),
    [
        ("no_fallback", "Fallback and Load balancing fail"),
        ("shared_key", "Quota isolation fails"),
        ("logs_missing", "None of the five patterns is proved"),
        ("neighbour_quiet", "Quota isolation is not proved"),
    ],
)
def test_the_headline_names_what_fails_or_is_not_proved(tmp_path: Path, sabotage: Sabotage, headline: str) -> None:
    assert headline in page_of(synthetic.demo(sabotage=sabotage), tmp_path).text


def test_the_page_shows_the_verdicts_it_was_given_and_makes_none(tmp_path: Path) -> None:
    folder = folder_of(synthetic.demo(), tmp_path)
    odd = [
        verdict("cris", "The moon is full.", Answer.FAIL, "half", "full", 4, "It was <half>.", ("a.csv", "id-7")),
        verdict("fallback", "The sun is up.", Answer.UNKNOWN, "—", "up", 0, "Clouds."),
    ]
    page = Page(rendered(folder, odd))
    assert "Cross-Region inference fails" in page.text
    for words in ("The moon is full.", "It was <half>.", "id-7", "The sun is up.", "Clouds.", "2 claims: 1 FAIL and 1"):
        assert words in page.text
    assert "All five" not in page.text


def test_a_run_that_was_killed_and_its_notes_are_told_at_the_top(tmp_path: Path) -> None:
    notes = ("The gateway died 12 s into the run.",)
    bottleneck = "CPU 99 % for 40 s"
    folder = folder_of(synthetic.demo(), tmp_path)
    page = Page(rendered(changed(folder, ended_at=None, notes=notes, self_check={"bottleneck": bottleneck})))
    for words in ("The run has no end.", notes[0], f"The client was the bottleneck. {bottleneck}"):
        assert page.text.index(words) < page.text.index("Timeline")


# --- what it rests on ---------------------------------------------------------------------------------------------


def test_each_pattern_has_its_claims_its_table_and_its_charts(tmp_path: Path) -> None:
    page = page_of(synthetic.demo(), tmp_path)
    for heading in ("Cross-Region inference", "Account sharding", "Fallback", "Load balancing", "Quota isolation"):
        assert heading in page.text
    captions = Counter(page.texts)
    assert captions["Who served what"] == captions["Latency"] == captions["Regions, as CloudWatch saw them"] == 5
    assert "A: 3 admitted, 2 refused by the gateway" in page.text
    assert "Errors of A: rate_limit_error 2" in page.text
    assert "65 sent = 63 answered + 2 refused by the gateway + 0 refused by Bedrock + 0 failed" in page.text


def test_quotas_of_tokens_are_told_beside_those_of_requests(tmp_path: Path) -> None:
    limited = deployment("group", rpm=3, tpm=1200)
    of = histories.run(consumers=[consumer("A", quota_tpm=5000)], deployments=[limited, deployment("free")])
    page = history(tmp_path, of, [record("A", 1)])
    assert "5,000 tokens/min" in page.texts
    assert "3/min · 1,200 tokens/min" in page.texts


def test_locust_stands_with_the_regions_beside_it(tmp_path: Path) -> None:
    run = synthetic.demo()
    page = page_of(run, tmp_path)
    assert run.invocations is not None
    ids = run.records.loc[run.records["consumer"] == "cris", "request_id"]
    regions = run.invocations.set_index("request_id").loc[ids, "inference_region"].value_counts()
    for n in regions:
        assert f"{n} ({n * 10}.0 %)" in page.text


@pytest.mark.parametrize(
    ("sabotage", "words"),
    [
        ("logs_missing", "CloudWatch was never asked. Run uv run python -m analysis all /"),
        ("logs_partial", "The deadline of 300 s passed."),
        ("locust_disagrees", "Locust counted 4 requests of A, and the records hold 5."),
        ("shard_throttled", "fault: throttle account-two"),
    ],
)
def test_what_is_missing_or_disturbed_is_said_with_what_to_do(tmp_path: Path, sabotage: Sabotage, words: str) -> None:
    assert words in page_of(synthetic.demo(sabotage=sabotage), tmp_path).text


def test_a_run_that_sent_nothing_is_still_a_page(tmp_path: Path) -> None:
    run = synthetic.demo()
    empty = Synthetic(run.run, run.records.iloc[:0], None, run.locust.iloc[-1:])
    page = page_of(empty, tmp_path)
    assert page.texts.count("Nothing was sent") == 5
    assert "No requests" in page.text


def test_the_self_check_shows_what_is_known_in_words_and_the_rest_as_it_is(tmp_path: Path) -> None:
    folder = folder_of(synthetic.demo(), tmp_path)
    page = Page(rendered(changed(folder, self_check={"lag_p99_ms": 3.14, "late_workers": ["w2"], "lag_max_ms": None})))
    assert "Scheduling lag, p99 3.1 ms" in page.text
    assert 'late workers ["w2"]' in page.text
    assert "Scheduling lag, max —" in page.text


def test_the_gateways_own_count_stands_in_the_ledger_alone(tmp_path: Path) -> None:
    folder = folder_of(synthetic.demo(), tmp_path)
    for saw, shown in ((55, "55"), (None, "—")):
        page = Page(rendered(changed(folder, self_check={"gateway_requests": saw})))
        assert (
            page.text.count(f"The gateway’s own log counted {shown}") == page.text.count("The gateway’s own log") == 1
        )
        assert "gateway requests" not in page.text
    more = Page(rendered(changed(folder, self_check={"gateway_requests": 57})))
    assert (
        "The gateway's own log has 2 more than the records: others use it too, or a request was broken off."
        in more.text
    )
    fewer = Page(rendered(changed(folder, self_check={"gateway_requests": 54})))
    assert "The gateway's own log has 54 requests, and the records hold 55 that it answered." in fewer.text


def test_locusts_own_report_is_linked_when_it_is_there(tmp_path: Path) -> None:
    folder = folder_of(synthetic.demo(), tmp_path)
    assert LOCUST_REPORT_HTML not in rendered(folder)
    (tmp_path / LOCUST_REPORT_HTML).write_text("<html></html>", encoding="utf-8")
    assert ("a", {"href": LOCUST_REPORT_HTML}) in Page(rendered(folder)).elements


def history(path: Path, of: Run, records: list[Record], invocations: list[Invocation] | None = None) -> Page:
    return Page(rendered(reading.read(histories.write(path, of, records, invocations))))


def cells(page: Page, caption: str) -> list[str]:
    """The texts of a table, from its caption on."""
    begin = page.texts.index(caption)
    return [text for text in page.texts[begin : begin + 60] if text.strip()]


def test_quota_windows_count_what_other_patterns_took_as_the_verdicts_do(tmp_path: Path) -> None:
    """Two patterns draw on one model group: each alone would show windows that nobody's quota has."""
    of = histories.run(
        [claim("primaries_filled"), claim("primaries_filled").model_copy(update={"pattern": "q"})],
        [consumer("A"), consumer("Q", pattern="q")],
        [deployment("group", rpm=3)],
        patterns=("p", "q"),
        titles={"p": "First", "q": "Second"},
    )
    mine = [record("A", at) for at in (1, 2, 61.5, 62)]
    others = [record("Q", at, pattern="q") for at in (3, 63)]
    page = history(tmp_path, of, [*mine, *others])
    assert page.text.count("group 6 of 6 in 2 windows") == 2
    assert page.texts.count("3 a window · quota 3") == 2
    for other in ("First", "Second"):
        assert f"The line is the quota. Requests of {other} count too." in page.text


def throttled(path: Path, patterns: tuple[str, ...] = ("p",)) -> Page:
    """Two answers, and three attempts that no client knows: two throttled ones, one with tokens."""
    prices = {"usd_per_input_token": 0.001, "usd_per_output_token": 0.01}
    of = histories.run(
        consumers=[consumer("A"), *(consumer(name, pattern=name) for name in patterns[1:])],
        deployments=[deployment("group", **prices), deployment("other", group="spare", model_id="big", account_id=TWO)],
        fallbacks={"group": ("spare",)},
        patterns=patterns,
    )
    lost = {"error_code": "ThrottlingException", "input_tokens": None, "output_tokens": None}
    arn = "arn:aws:bedrock:us-east-1:111111111111:inference-profile/model"
    return history(
        path,
        of,
        [record("A", 1, "1"), record("A", 2, "2", latency_ms=1500, deployment="other")],
        [
            invocation("1"),
            invocation("2", model_id="big", account_id=TWO, latency_ms=300.0),
            *(invocation(name, **lost) for name in ("x", "y")),
            invocation("z", model_id=arn),
        ],
    )


def test_attempts_that_no_client_knows_are_shown_with_their_error_tokens_and_cost(tmp_path: Path) -> None:
    shown = cells(throttled(tmp_path), "Unmatched invocations by account, model and error")
    assert shown[1:9] == [
        "Account",
        "Model",
        "Error",
        "Pattern",
        "Invocations",
        "Input tokens",
        "Output tokens",
        "Cost",
    ]
    assert shown[9:17] == [f"one · {ONE}", "model", "ThrottlingException", "P", "2", "—", "—", "$0.00"]
    assert shown[17:25] == [f"one · {ONE}", "model", "none", "P", "1", "10", "5", "$0.06"]


def test_amplification_is_told_of_a_pattern_where_it_is_known_whose_the_attempts_were(tmp_path: Path) -> None:
    assert "2.50 invocations at Bedrock for each request that reached it" in throttled(tmp_path / "one").text
    shared = throttled(tmp_path / "two", ("p", "q"))
    assert "invocations at Bedrock for each" not in shared.text
    assert "P or Q" in shared.texts
    assert "invocations at Bedrock for each" not in page_of(synthetic.demo(), tmp_path / "sound").text


def test_each_deployment_has_its_own_latencies_and_each_region_the_clients(tmp_path: Path) -> None:
    page = throttled(tmp_path)
    served = cells(page, "How fast each deployment answered, as clients saw it")
    assert served[1:9] == [
        "Served by",
        "Model",
        "Answered",
        "Share",
        "Average",
        "Max",
        "n",
        "Gateway's overhead, average",
    ]
    assert served[9:17] == ["group", "model", "1", "50.0 %", "0.500 s", "0.500 s", "1", "0.008 s"]
    assert served[17:25] == ["other", "big", "1", "50.0 %", "1.500 s", "1.500 s", "1", "0.008 s"]
    regions = cells(page, "Successful invocations by Region, as CloudWatch saw them")
    assert regions[10:28] == [
        *(f"one · {ONE}", "us-east-1", "1", "100 %", "0.400 s", "—", "0.500 s", "—", "1"),
        *(f"two · {TWO}", "us-east-1", "1", "100 %", "0.300 s", "—", "1.500 s", "—", "1"),
    ]


def test_the_first_fallback_is_told_with_the_time_it_took(tmp_path: Path) -> None:
    shown = "The first answer of a fallback came 2.500 s after the pattern's first request was due."
    assert shown in throttled(tmp_path / "fell").text  # due 1 s later, answered in 1.5 s
    assert "first answer of a fallback" not in page_of(synthetic.demo(sabotage="no_fallback"), tmp_path / "not").text


def test_the_run_has_a_cost_with_what_nobody_heard_of_and_says_what_has_no_price(tmp_path: Path) -> None:
    page = throttled(tmp_path)
    assert "Cost at LiteLLM’s prices at least $0.12" in page.text
    assert (
        "At LiteLLM's prices the run cost at least $0.12: $0.06 for what clients asked, $0.06 for attempts unknown to "
        "them; of 1 answer no price is known."
    ) in page.text


@pytest.mark.parametrize(("sabotage", "shown"), [(None, "$0.0"), ("logs_partial", "at least $0.0")])
def test_a_cost_is_the_least_one_while_logs_are_missing(tmp_path: Path, sabotage: Sabotage | None, shown: str) -> None:
    page = page_of(synthetic.demo(sabotage=sabotage), tmp_path)
    assert f"Cost at LiteLLM’s prices {shown}" in page.text
    assert f"the run would have cost {shown}" in page.text
    assert ("attempts that CloudWatch has not reported are not in it" in page.text) == bool(sabotage)


def test_the_direct_route_costs_what_a_deployment_of_the_same_model_does(tmp_path: Path) -> None:
    prices = {"usd_per_input_token": 0.001, "usd_per_output_token": 0.01}
    arn = "arn:aws:bedrock:us-east-1:111111111111:inference-profile/model"
    for model, shown in (("model", "$0.06"), (arn, "$0.06"), ("another", "—")):
        of = histories.run(
            consumers=[consumer("A", route="direct", model=model, profile="one")],
            deployments=[deployment("group", **prices)],
        )
        page = history(
            tmp_path / shown / model[:5],
            of,
            [record("A", 1, "1", model_asked=model, deployment="one")],
            [invocation("1")],
        )
        assert f"Cost at LiteLLM’s prices {shown}" in page.text


def test_what_to_type_names_the_folder_that_the_run_lies_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = synthetic.demo(sabotage="logs_missing")
    synthetic.write(run, tmp_path / "my runs" / "one")
    (tmp_path / "latest").symlink_to(tmp_path / "my runs" / "one")  # which will lead elsewhere tomorrow
    for here, path in ((tmp_path, "'my runs/one'"), (tmp_path / "my runs", "one"), (Path("/"), None)):
        monkeypatch.chdir(here)
        page = Page(rendered(reading.read(tmp_path / "latest")))
        path = path or f"'{str(tmp_path)[1:]}/my runs/one'"
        for what in ("judge", "report", "all"):
            assert f"uv run python -m analysis {what} {path}" in page.text


def test_a_pattern_none_of_whose_claims_applies_is_not_hidden(tmp_path: Path) -> None:
    of = histories.run(
        [claim("all_answered")],
        [consumer("A"), consumer("B", pattern="q", user_class="ConsumerB")],
        patterns=("p", "q"),
        titles={"p": "Fallback", "q": "Quota isolation"},
    )
    page = history(
        tmp_path, of, [record("A", 1, "1"), record("B", 1, "2", pattern="q")], [invocation("1"), invocation("2")]
    )
    assert page.text.count("Quota isolation is not proved") == 1
    assert "2 claims: 1 PASS and 1 UNKNOWN." in page.text
    assert "None of its claims is about ConsumerB alone. Run its other users too. 0 of 1" in page.text
    assert "patterns.yaml" not in page.text


# --- the file -----------------------------------------------------------------------------------------------------


def test_the_page_loads_nothing_and_has_no_script(tmp_path: Path) -> None:
    page = page_of(synthetic.sustained(2000), tmp_path)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "iframe", "img", "object", "embed", "base", "form"}
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes), tag
        for name in ("href", "src", "action", "xlink:href"):
            assert re.match(r"#|data:,$", attributes.get(name) or "#"), (tag, attributes)
    assert not re.search(r"url\((?!#)|@import", rendered(reading.read(tmp_path)))


def test_the_page_stays_small_however_many_requests_there_were(tmp_path: Path) -> None:
    small, large = (len(rendered(folder_of(synthetic.sustained(n), tmp_path / str(n)))) for n in (1_500, 10_000))
    assert large < 400_000
    assert large < 1.5 * small


def test_the_report_is_written_into_the_run_folder_or_a_clear_error_raised(tmp_path: Path) -> None:
    folder = folder_of(synthetic.demo(), tmp_path)
    path = registry.write("html", Findings(folder), [])
    assert path == tmp_path / "report.html"
    assert "Nothing was judged" in path.read_text(encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"gone.report\.html: cannot be written"):
        registry.write("html", Findings(replace(folder, path=tmp_path / "gone")), [])


def test_the_page_is_as_it_was_last_approved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a wanted change: UPDATE_GOLDEN=1 pytest tests/analysis/test_html.py, and look at the difference."""
    given = [
        verdict("cris", "Every request is answered.", Answer.PASS, "10 of 10", "10 of 10", 10, "", ("requests.csv",)),
        verdict("fallback", "The overflow is answered.", Answer.FAIL, "6 of 7", "7 of 7", 7, "One failed.", ("id-1",)),
        verdict("quota_isolation", "A is held.", Answer.UNKNOWN, "—", "3 of 5", 0, "Nothing was sent."),
    ]
    monkeypatch.chdir(tmp_path)
    run = synthetic.demo()
    html = rendered(folder_of(run, tmp_path / "runs" / run.run.id), given)
    body = re.sub(r"<style>.*</style>", "<style/>", html, flags=re.DOTALL)
    lines = "\n".join(line.strip() for line in body.replace("><", ">\n<").splitlines() if line.strip()) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(lines, encoding="utf-8")
    assert lines == GOLDEN.read_text(encoding="utf-8")
