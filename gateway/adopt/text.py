"""A patterns file as text: YAML for people, with comments above what they are about."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml

from gateway.adopt.draft import Draft
from gateway.adopt.proposal import Traffic

_WIDTH = 110
_PLAIN = re.compile(
    r"[A-Za-z_]([\w./ -]*[\w./-])?", re.ASCII
)  # in need of no quotes, in lists and mappings on one line too


def render(draft: Draft, findings: Sequence[str]) -> str:
    """The file. `findings` are sentences about the gateway's configuration."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    environment.filters |= {"scalar": scalar, "traffic": traffic, "wrapped": wrapped}
    path = str(draft.survey.config.document.path)
    return environment.get_template("patterns.yaml.j2").render(
        file=path,
        file_argument=shlex.quote(path),
        which_aws=_which_aws(draft),
        findings=findings,
        missing=draft.missing,
        cris_model=draft.cris_model,
        patterns=draft.proposals,
    )


def _which_aws(draft: Draft) -> str:
    config = draft.survey.config
    if not config.aws_said:
        return (
            "Nothing chooses an AWS, so it runs on the embedded one; `--aws live` takes the real one, where it costs."
        )
    if config.aws.endpoint == "embedded":
        return "Section `aws` chooses the embedded AWS; `--aws live` takes the real one, where it costs money."
    return (
        "Section `aws` names no endpoint, which means the REAL AWS, where every request costs money: `--aws embedded` "
        "takes the embedded one."
    )


def scalar(value: Any) -> str:
    """A value as YAML writes it, in quotes where it needs them."""
    if not isinstance(value, str):
        return yaml.safe_dump(value).removesuffix("...\n").strip()
    if _PLAIN.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    return yaml.safe_dump(value, default_style='"', width=float("inf"), allow_unicode=True).strip()


def traffic(one: Traffic) -> str:
    """On one line, with its note behind it."""
    fields = ", ".join(f"{name}: {scalar(value)}" for name, value in one.fields.items())
    return f"{{{fields}}}" + (f"   # {_printable(one.note)}" if one.note else "")


def wrapped(text: str, indent: int, mark: str = "") -> Iterator[str]:
    """Comment lines; those after the first stand under the text, not under the mark."""
    lines = textwrap.wrap(
        _printable(text), _WIDTH - indent - len(mark) - 2, break_long_words=False, break_on_hyphens=False
    )
    for number, line in enumerate(lines):
        yield f"{' ' * indent}# {' ' * len(mark) if number else mark}{line}"


def _printable(text: str) -> str:
    """No name of a group ends a comment: line ends and what cannot be seen are written as Python writes them."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
