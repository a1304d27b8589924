"""python -m analysis, as a user runs it: its exit codes, and what it says when it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.verdicts import read_verdicts
from tests.analysis import synthetic
from tests.analysis.histories import record, run, write


def analysis(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-m", "analysis", *map(str, arguments)],
        capture_output=True, text=True, timeout=60, env={**kept, "COLUMNS": "100", **environment}, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sabotage", "code", "said"), [(None, 0, "PASS"), ("no_fallback", 1, "FAIL"), ("logs_missing", 3, "UNKNOWN")]
)
def test_judge_exits_with_the_answer(
    tmp_path: Path, sabotage: synthetic.Sabotage | None, code: int, said: str
) -> None:
    path = synthetic.write(synthetic.demo(sabotage=sabotage), tmp_path / "run")
    done = analysis("judge", path)
    assert (done.returncode, done.stderr) == (code, "")
    assert f" {said} " in done.stdout
    assert said in {verdict.answer for verdict in read_verdicts(path)}


def test_all_without_aws_judges_and_reports_what_there_is(tmp_path: Path) -> None:
    path = synthetic.write(synthetic.demo(), tmp_path / "run")
    done = analysis("all", path, AWS_CONFIG_FILE="/nonexistent", AWS_SHARED_CREDENTIALS_FILE="/nonexistent")
    assert done.returncode == 0  # everything had been fetched before
    assert "error Run 20261122-120003-synth was made on the embedded AWS, which has ended" in done.stderr
    assert (path / "report.html").stat().st_size > 10_000
    assert "report.html" in done.stdout.split("\n  report  ")[1]


def test_a_run_through_the_symlink_latest(tmp_path: Path) -> None:
    synthetic.write(synthetic.demo(), tmp_path / "runs" / "one")
    (tmp_path / "runs" / "latest").symlink_to("one")
    assert analysis("judge", tmp_path / "runs" / "latest").returncode == 0
    assert (tmp_path / "runs" / "one" / "verdicts.json").exists()


@pytest.mark.parametrize("command", ["fetch", "judge", "report", "all"])
def test_no_such_run_folder(tmp_path: Path, command: str) -> None:
    done = analysis(command, tmp_path / "nope")
    assert done.returncode == 2
    nope = tmp_path / "nope"
    assert done.stderr == f"error {nope}: there is no such run folder. A run writes one under runs/.\n"


def test_a_truncated_file(tmp_path: Path) -> None:
    path = write(tmp_path / "run", run(), [record()], None)
    file = path / "requests.csv"
    file.write_text(file.read_text()[:-30])
    done = analysis("judge", path)
    assert done.returncode == 2
    assert "the file is truncated" in done.stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["judge"], ["judge", "--fast", "x"]])
def test_wrong_usage(arguments: list[str]) -> None:
    done = analysis(*arguments)
    assert done.returncode == 2
    assert "Usage: python -m analysis" in done.stderr


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    path = synthetic.write(synthetic.demo(), tmp_path / "run")
    (path / "verdicts.json").mkdir()  # root may write anywhere, but not over a folder
    done = analysis("judge", path)
    assert done.returncode == 2
    assert "verdicts.json: cannot be written" in done.stderr
