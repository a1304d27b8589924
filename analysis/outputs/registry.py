"""The outputs that there are: each module or package of this folder that has an `OUTPUT`."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import analysis.outputs
from analysis.findings import Findings
from analysis.folder import writing
from analysis.model import Verdict
from analysis.outputs.output import Output


@cache
def outputs() -> Mapping[str, Output]:
    """The module's name → its output, in alphabetical order."""
    found = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(analysis.outputs.__path__)):
        output = getattr(import_module(f"{analysis.outputs.__name__}.{module}"), "OUTPUT", None)
        if isinstance(output, Output):
            found[module] = output
    return MappingProxyType(found)


def write(name: str, findings: Findings, verdicts: Sequence[Verdict]) -> Path:
    """One of them, into the run folder. Raises RunFolderError when it cannot be written."""
    output = outputs()[name]
    path = findings.path / output.file
    writing.write_text(path, output.render(findings, verdicts))
    return path


def write_all(findings: Findings, verdicts: Sequence[Verdict]) -> dict[str, Path]:
    """Every output → its file. Raises RunFolderError at the first that cannot be written."""
    return {name: write(name, findings, verdicts) for name in outputs()}
