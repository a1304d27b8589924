"""python -m analysis: its exit codes, and what it says when it cannot."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analysis import __main__ as command_line
from analysis.folder.verdicts_file import read_verdicts
from tests.analysis import synthetic
from tests.analysis.histories import record, run, write


class Analysis:
    """The command within this process; what it printed is in `out` and `err`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str | Path) -> int:
        self._monkeypatch.setattr(sys, "argv", ["python -m analysis", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            command_line.run_command_line()
        self.out, self.err = self._capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code


@pytest.fixture
def analysis(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Analysis]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("COLUMNS", "100")
    handler = signal.getsignal(signal.SIGTERM)
    yield Analysis(monkeypatch, capsys)
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.parametrize(
    ("sabotage", "code", "said"), [(None, 0, "PASS"), ("no_fallback", 1, "FAIL"), ("logs_missing", 3, "UNKNOWN")]
)
def test_judge_exits_with_the_answer(
    analysis: Analysis, tmp_path: Path, sabotage: synthetic.Sabotage | None, code: int, said: str
) -> None:
    path = synthetic.write(synthetic.demo(sabotage=sabotage), tmp_path / "run")
    assert analysis("judge", path) == code
    assert f" {said} " in analysis.out
    assert analysis.err == ""
    assert said in {verdict.answer for verdict in read_verdicts(path)}


@pytest.mark.parametrize("command", ["judge", "report"])
def test_a_reader_that_has_left_changes_no_answer(tmp_path: Path, command: str) -> None:
    path = synthetic.write(synthetic.demo(), tmp_path / "run")
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "analysis", command, str(path)], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_pattern_of_which_nothing_could_be_judged_is_unknown(analysis: Analysis, tmp_path: Path) -> None:
    """Users of it ran, but none that a claim is about: nothing fails, and nothing is proved of it."""
    sound = synthetic.demo()
    claims = tuple(claim for claim in sound.run.claims if claim.pattern != "quota_isolation")
    for patterns, code in ((sound.run.patterns, 3), (sound.run.patterns[:-1], 0)):
        of = sound.run.model_copy(update={"claims": claims, "patterns": patterns})
        assert analysis("judge", synthetic.write(replace(sound, run=of), tmp_path / str(code))) == code


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    path = synthetic.write(synthetic.demo(), tmp_path / "run")
    done = subprocess.run([sys.executable, "-m", "analysis", "judge", path], capture_output=True, text=True, check=True)
    assert "12 claims: 12 proved" in done.stdout


def test_all_without_aws_judges_and_reports_what_there_is(analysis: Analysis, tmp_path: Path) -> None:
    path = synthetic.write(synthetic.demo(), tmp_path / "run")
    assert analysis("all", path) == 0  # everything had been fetched before
    assert analysis.err.startswith("error Run 20261122-120003-synth was made on the embedded AWS, which has ended")
    assert (path / "report.html").stat().st_size > 10_000
    assert f"report  {path / 'report.html'}" in analysis.out


def test_fetch_without_aws_is_an_error(analysis: Analysis, tmp_path: Path) -> None:
    assert analysis("fetch", synthetic.write(synthetic.demo(), tmp_path / "run")) == 2
    assert "which has ended" in analysis.err


def test_a_run_through_the_symlink_latest(analysis: Analysis, tmp_path: Path) -> None:
    synthetic.write(synthetic.demo(), tmp_path / "runs" / "one")
    (tmp_path / "runs" / "latest").symlink_to("one")
    assert analysis("judge", tmp_path / "runs" / "latest") == 0
    assert (tmp_path / "runs" / "one" / "verdicts.json").exists()


@pytest.mark.parametrize("command", ["fetch", "judge", "report", "all"])
def test_no_such_run_folder(analysis: Analysis, tmp_path: Path, command: str) -> None:
    nope = tmp_path / "nope"
    assert analysis(command, nope) == 2
    assert analysis.err == f"error {nope}: there is no such run folder. A run writes one under runs/.\n"


def test_a_truncated_file(analysis: Analysis, tmp_path: Path) -> None:
    path = write(tmp_path / "run", run(), [record()], None)
    file = path / "requests.csv"
    file.write_text(file.read_text()[:-30])
    assert analysis("judge", path) == 2
    assert analysis.err == f"error {file}:2: the last line is cut off: the file is truncated.\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["judge"], ["judge", "--fast", "x"]])
def test_wrong_usage(analysis: Analysis, arguments: list[str]) -> None:
    assert analysis(*arguments) == 2
    assert "Usage: python -m analysis" in analysis.err


def test_a_folder_that_cannot_be_written(analysis: Analysis, tmp_path: Path) -> None:
    path = synthetic.write(synthetic.demo(), tmp_path / "run")
    (path / "verdicts.json").mkdir()  # root may write anywhere, but not over a folder
    assert analysis("judge", path) == 2
    assert "verdicts.json: cannot be written" in analysis.err


def test_interrupted_it_does_not_look_like_a_failed_claim(
    analysis: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line.reading, "read", interrupted)
    assert analysis("judge", tmp_path) == 130
