"""What a finding is."""

from __future__ import annotations

from dataclasses import dataclass

from common.yaml_file import Document


@dataclass(frozen=True)
class Finding:
    """`keys` lead to where it stands; `what` continues that place, `advice` is a sentence of its own."""

    keys: tuple[str | int, ...]
    what: str
    advice: str

    def sentence(self, document: Document) -> str:
        return f"{document.where(self.keys)}: {self.what}. {self.advice}"
