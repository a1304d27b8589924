"""verdicts.json: what a run was answered with."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from analysis.folder import writing
from analysis.folder.errors import RunFolderError
from analysis.model import VERDICTS_JSON, Answer, Cause, Verdict
from analysis.wording import command


def write_verdicts(path: Path, verdicts: list[Verdict]) -> None:
    """verdicts.json in the run folder `path`."""
    writing.write_text(path / VERDICTS_JSON, json.dumps([asdict(verdict) for verdict in verdicts], indent=1) + "\n")


def read_verdicts(path: Path) -> list[Verdict]:
    """Raises RunFolderError when there are none, or the file is not what `write_verdicts` wrote."""
    file = path / VERDICTS_JSON
    try:
        return [_verdict(entry) for entry in json.loads(file.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        raise RunFolderError(f"{file}: is missing. Run `{command('judge', path)}`.") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunFolderError(f"{file}: cannot be read: {error}. Run `{command('judge', path)}`.") from None


def _verdict(entry: dict[str, Any]) -> Verdict:
    typed = {"answer": Answer(entry["answer"]), "cause": Cause(entry["cause"])}
    lists = {name: tuple(entry[name]) for name in ("evidence", "consumers")}
    return Verdict(**{**entry, **typed, **lists})
