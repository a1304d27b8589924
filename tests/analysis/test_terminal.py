"""The terminal's tables and verdicts, read as a user reads them: in 80 columns, with and without colour."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from analysis import verdicts
from analysis.model import Answer, Cause, Verdict
from analysis.outputs import terminal
from tests.analysis import synthetic
from tests.analysis.histories import claim, consumer, findings, invocation, record, refused, run, write


def shown(path: Path, width: int = 80, **settings: object) -> str:
    found = findings(path)
    output = io.StringIO()
    console = Console(file=output, width=width, **settings)  # type: ignore[arg-type]
    terminal.show(console, found, verdicts.judge(found))
    return output.getvalue()


def line(text: str, begin: str) -> list[str]:
    """The words of the line that begins so."""
    return next(words.split() for words in text.splitlines() if words.strip().startswith(begin))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> str:
    return shown(synthetic.write(synthetic.demo(), tmp_path_factory.mktemp("sound")))


def test_the_tables_say_what_was_measured(sound: str) -> None:
    assert " ".join(line(sound, "Consumer")) == "Consumer Success rate Total Success Failed Rate limited Average time"
    assert line(sound, "A  ")[:7] == ["A", "60.0", "%", "5", "3", "0", "2"]
    assert line(sound, "B  ")[:7] == ["B", "100", "%", "5", "5", "0", "0"]
    assert line(sound, "account-one  1")[:7] == ["account-one", "111111111111", "10", "10", "0", "100", "%"]
    assert line(sound, "fallback-primary ")[:4] == ["fallback-primary", "3", "30.0", "%"]
    assert line(sound, "fallback-secondary ")[:4] == ["fallback-secondary", "7", "70.0", "%"]
    assert " ".join(line(sound, "clients")) == "clients 65 requests sent = 63 answered + 2 refused by the gateway"
    assert " ".join(line(sound, "gateway")) == "gateway 55 requests by its own log"
    assert "Region of account-two" in sound
    assert "PASS   12 claims: 12 proved, on the embedded AWS" in sound


def test_it_fits_into_80_columns(sound: str) -> None:
    assert "…" not in sound
    commands = [text for text in sound.splitlines() if "uv run " in text]  # whole, so that they can be copied
    assert max(len(text) for text in sound.splitlines() if text not in commands) <= 80


def test_without_colour_there_are_no_escapes(sound: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in sound
    path = synthetic.write(synthetic.demo(), tmp_path)
    coloured = shown(path, force_terminal=True, color_system="standard")
    assert "\x1b[1;32mPASS" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", shown(path, force_terminal=True, color_system="standard"))


def test_what_failed_says_what_was_seen_expected_and_why(tmp_path: Path) -> None:
    text = shown(synthetic.write(synthetic.demo(sabotage="no_fallback"), tmp_path), width=120)
    assert line(text, "nobody")[:4] == ["nobody", "7", "70.0", "%"]
    assert "seen     0 of 7 answered by a fallback" in text
    assert "expected 7 of 7 answered by a fallback" in text
    assert "because  No fallback is configured for fallback-primary." in text
    assert "FAIL   12 claims: 8 proved and 4 disproved" in text


def test_what_is_open_says_how_to_close_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = synthetic.write(synthetic.demo(sabotage="logs_missing"), tmp_path)
    text = shown(path, width=200)
    assert "Region of account-one: — (CloudWatch has no invocation of it yet)" in text
    assert "The ledger does not close" in text
    assert "CloudWatch was never asked." in text
    assert f"uv run python -m analysis all {path}   asks" in text
    monkeypatch.chdir(tmp_path.parent)
    assert f"uv run python -m analysis all {tmp_path.name}   asks" in shown(path, width=200)


def test_sustained_traffic_is_told_window_by_window(tmp_path: Path) -> None:
    text = shown(synthetic.write(synthetic.sustained(65 * 13, minutes=13), tmp_path))
    assert "Window of A (UTC)" in text
    assert "Window of balanced-1 (UTC)" in text
    assert "3 earlier windows" in text
    assert line(text, "12:12:04")[:4] == ["12:12:04", "10", "3", "3"]
    assert line(text, "12:12:09")[:4] == ["12:12:09", "7", "3", "3"]  # balanced-2's own
    assert "…" not in text


def test_another_pattern_gets_a_table_of_its_consumers(tmp_path: Path) -> None:
    of = run([claim("all_answered")], [consumer("search")], notes=("The gateway ended in the middle of the run.",))
    text = shown(write(tmp_path, of, [record("search", latency_ms=1234), refused("search")], None))
    assert line(text, "search") == ["search", "50.0", "%", "2", "1", "0", "1", "1.234", "s"]
    assert "note  The gateway ended in the middle of the run." in text


def test_a_pattern_that_was_not_judged_leaves_the_run_open(tmp_path: Path) -> None:
    consumers = [consumer("A"), consumer("B", pattern="q", user_class="ConsumerB")]
    of = run([claim("all_answered")], consumers, patterns=("p", "q"))
    records = [record("A", 1, "1"), record("B", 1, "2", pattern="q")]
    text = shown(write(tmp_path, of, records, [invocation("1"), invocation("2")]), width=100)
    assert "because  None of its claims is about ConsumerB alone. Run its other users too." in text
    assert " UNKNOWN   2 claims: 1 proved and 1 open" in text


@pytest.mark.parametrize(("saw", "said"), [(3, "3 requests by its own log"), (None, "—")])
def test_the_gateways_own_count_stands_in_the_ledger(tmp_path: Path, saw: int | None, said: str) -> None:
    of = run([claim("all_answered")], self_check={"gateway_requests": saw})
    text = shown(write(tmp_path, of, [record(request_id="1")], None))
    assert " ".join(line(text, "gateway")) == f"gateway {said}"
    assert ("· The gateway's own log has 2 more than the records: others" in text) == (saw is not None)


def test_names_from_elsewhere_are_text_and_no_markup(tmp_path: Path) -> None:
    name = "[bold]x[/bold]"
    of = run([claim("all_answered")], [consumer(name)])
    assert name in shown(write(tmp_path, of, [record(name, error_type="[/red]", status=500)], None), width=100)


@pytest.mark.parametrize("answers", [[], [Answer.PASS], [Answer.PASS, Answer.UNKNOWN], [Answer.FAIL, Answer.UNKNOWN]])
def test_the_worst_answer_is_the_runs(tmp_path: Path, answers: list[Answer]) -> None:
    found = findings(write(tmp_path, run(), [], None))
    output = io.StringIO()
    given = [Verdict("p", "c", "C.", answer, Cause.AMBIGUOUS, "", "", 1, "") for answer in answers]
    Console(file=output, width=100).print(terminal.conclusion(found, given))
    worst = "FAIL" if Answer.FAIL in answers else "PASS" if answers == [Answer.PASS] else "UNKNOWN"
    assert f" {worst} " in output.getvalue()
