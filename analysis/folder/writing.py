"""Writes a file of a run folder whole, or leaves the old one as it was."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from analysis.folder.errors import RunFolderError


def write_text(path: Path, text: str) -> None:
    """Writes the whole file or leaves the old one as it was."""
    write_lines(path, [text])


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Writes the whole file or leaves the old one as it was. `lines` end with their own newline."""
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8", newline=""
        ) as file:
            temporary = file.name
            file.writelines(lines)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        why = f"{path}: cannot be written: {error.strerror}."
        raise RunFolderError(f"{why} Make room, or allow writing there.") from None
