"""The README and the pages in docs/: their fenced blocks, their commands, the files that they show."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
README = "README.md"
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (ROOT / README, *sorted((ROOT / "docs").glob("*.md")))
}


def blocks(language: str, page: str) -> list[str]:
    """The fenced blocks of a language, those inside lists too."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", PAGES[page], re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _, block in found]


def all_blocks(language: str) -> list[str]:
    return [block for page in PAGES for block in blocks(language, page)]


def commands() -> list[str]:
    """Each once, in the order of the pages."""
    lines = [line for block in all_blocks("console") for line in block.splitlines()]
    return list(dict.fromkeys(line.removeprefix("$ ") for line in lines if line.startswith("$ ")))


def files() -> dict[str, str]:
    """The blocks that are files: their first line is a comment with the name. A name stands for one file only."""
    found: dict[str, str] = {}
    for language in ("yaml", "python"):
        for block in all_blocks(language):
            first, rest = block.split("\n", 1)
            name = first.removeprefix("# ")
            assert found.setdefault(name, rest) == rest, f"two pages show different files {name}"
    return found
