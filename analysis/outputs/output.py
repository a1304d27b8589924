"""What an output is: a file of the run folder, made from what was found and judged. None computes anything again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.findings import Findings
from analysis.model import Verdict


@dataclass(frozen=True)
class Output:
    """`file` is its name in the run folder; `render` gives its text."""

    file: str
    render: Callable[[Findings, Sequence[Verdict]], str]
