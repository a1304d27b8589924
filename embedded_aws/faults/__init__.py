"""What can go wrong on purpose. A kind of fault is one class in one file of this folder; this finds them all.

A fault says whom it concerns (account, model, source Region, provider, share of the calls) and when: `start_s` after
the embedded AWS started, or after it was posted, for `duration_s`, or until it is stopped.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Annotated, Any, Union

from pydantic import Field

from embedded_aws.faults.board import FaultBoard
from embedded_aws.faults.errors import ERRORS, UNEXPECTED, ConnectionIsReset, modelled
from embedded_aws.faults.fault import Call, Fault, Pace, StreamBreak

__all__ = [
    "ERRORS", "KINDS", "UNEXPECTED", "AnyFault", "Call", "ConnectionIsReset", "Fault", "FaultBoard", "Pace",
    "StreamBreak", "modelled", "table",
]  # fmt: skip


def _found() -> Iterator[type[Fault]]:
    for module in pkgutil.iter_modules(__path__):
        for found in vars(import_module(f"{__name__}.{module.name}")).values():
            if isinstance(found, type) and issubclass(found, Fault) and found.__module__.endswith(module.name):
                yield found


KINDS: dict[str, type[Fault]] = {kind.model_fields["kind"].default: kind for kind in _found()}
AnyFault: Any = Annotated[Union[tuple(KINDS.values())], Field(discriminator="kind")]  # noqa: UP007  (made at run time)


def table() -> str:
    """Every kind, as the documentation's table in Markdown."""
    lines = ["| kind | Its own keys | Clients see |", "|---|---|---|"]
    for name, kind in sorted(KINDS.items(), key=lambda item: (item[0] != "none", item[0])):
        keys = ", ".join(f"`{key}`" for key in kind.own_keys())
        lines.append(f"| `{name}` | {keys} | {kind.does} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"
