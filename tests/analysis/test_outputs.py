"""Outputs are found by what they declare, and each is written under its own name."""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from pathlib import Path

import pytest

import analysis.outputs
from analysis.findings import Findings
from analysis.folder import reading
from analysis.model import REPORT_HTML, Verdict
from analysis.outputs import registry
from analysis.outputs.output import Output
from tests.analysis.synthetic import demo, write


def test_the_page_is_one_of_them_and_no_two_write_one_file() -> None:
    found = registry.outputs()
    assert found["html"].file == REPORT_HTML
    assert len({output.file for output in found.values()}) == len(found)


def test_one_more_output_is_one_more_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def count(findings: Findings, verdicts: Sequence[Verdict]) -> str:
        return f"{findings.run.id}: {len(verdicts)}\n"

    (tmp_path / "counted.py").write_text("OUTPUT = None\n")
    monkeypatch.setattr(analysis.outputs, "__path__", [*analysis.outputs.__path__, str(tmp_path)])
    module = types.ModuleType("analysis.outputs.counted")
    module.OUTPUT = Output("counted.txt", count)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "analysis.outputs.counted", module)
    registry.outputs.cache_clear()
    try:
        folder = write(demo(), tmp_path / "run")
        written = registry.write_all(Findings(reading.read(folder)), [])
    finally:
        registry.outputs.cache_clear()
    assert written["counted"].name == "counted.txt"
    assert written["counted"].read_text().endswith(": 0\n")
    assert (folder / REPORT_HTML).exists()
