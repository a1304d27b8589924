"""The run folder as it is written: run.json at the start and at the end, Locust's statistics complete at the end."""

from __future__ import annotations

import json
import platform
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gevent
import yaml
from locust import html, stats
from locust.env import Environment

from analysis.model import (
    FAULTS_JSON,
    LOCUST_REPORT_HTML,
    REQUESTS_CSV,
    RUN_JSON,
    Record,
    Run,
)
from harness.redaction import without_secrets
from harness.users.recording import RecordFile

RUNS = Path("runs")
VERSIONS_OF = ("locust", "litellm", "boto3", "botocore", "gevent", "pandas")


def new_run_id(at: float) -> str:
    """Sorts by time, and tells two runs of one second apart."""
    return f"{datetime.fromtimestamp(at, UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def make(run_id: str, runs: Path = RUNS) -> Path:
    """The folder of a new run, and runs/latest pointing at it. Raises OSError."""
    folder = runs / run_id
    folder.mkdir(parents=True)
    link = runs / f".latest-{run_id}"
    link.symlink_to(run_id)
    link.replace(runs / "latest")
    return folder


def write_run(folder: Path, run: Run) -> None:
    write_json(folder / RUN_JSON, run.model_dump(mode="json"))


def write_json(path: Path, content: Any) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def write_faults(folder: Path, faults: list[dict[str, Any]]) -> None:
    write_json(folder / FAULTS_JSON, faults)


class Recording:
    """What of a run's folder grows while it runs: the records, and Locust's own statistics."""

    def __init__(self, environment: Environment, folder: Path, on_fault: Callable[[OSError], None]) -> None:
        self._records = RecordFile(folder / REQUESTS_CSV, on_fault)
        self._statistics = LocustStatistics(environment, folder)

    def add(self, record: Record) -> None:
        self._records.add(record)

    def add_lines(self, lines: str) -> None:
        """Records as CSV lines."""
        self._records.add_lines(lines)

    def finish(self, now: float) -> None:
        """All of it, complete. Raises OSError."""
        self._records.close()
        self._statistics.finish(now)


class LocustStatistics:
    """Locust's own tables. Its CSV writer ticks once a second and drops the end of a run; `finish` adds that."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self._environment = environment
        self._report = folder / LOCUST_REPORT_HTML
        self._writer = stats.StatsCSVFileWriter(environment, stats.PERCENTILES_TO_REPORT, str(folder / "locust"), True)
        self._ticking = gevent.spawn(self._writer.stats_writer)

    def finish(self, now: float) -> None:
        """The tables as they are now, and Locust's own report. Raises OSError."""
        self._ticking.kill()
        writer = self._writer
        for file, write, rows in (
            (writer.requests_csv_filehandle, writer.requests_csv, writer.requests_csv_writer),
            (writer.failures_csv_filehandle, writer.failures_csv, writer.failures_csv_writer),
            (writer.exceptions_csv_filehandle, writer.exceptions_csv, writer.exceptions_csv_writer),
        ):
            file.seek(0)
            file.truncate()
            write(rows)
        writer._stats_history_data_rows(writer.stats_history_csv_writer, now)
        writer.close_files()
        self._report.write_text(html.get_html_report(self._environment, show_download_link=False), encoding="utf-8")


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in VERSIONS_OF}}


def settings(files: Mapping[str, Path]) -> dict[str, Any]:
    """The configuration files' content, by name, with every secret left out."""
    return {name: without_secrets(yaml.safe_load(path.read_text(encoding="utf-8"))) for name, path in files.items()}
