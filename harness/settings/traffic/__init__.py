"""When a consumer's requests are due, as patterns.yaml says: one file of this folder for each kind of traffic.

A new kind is a file with a subclass of `Kind`: it is found here, and may then be written in patterns.yaml.
"""

from __future__ import annotations

import pkgutil
from functools import reduce
from importlib import import_module
from operator import or_
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from harness.settings.traffic.kind import Kind


def _kinds_in(module: ModuleType) -> list[type[Kind]]:
    return [
        found
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, Kind) and "kind" in found.__annotations__
        if found.__module__ == module.__name__
    ]


KINDS: tuple[type[Kind], ...] = tuple(
    kind for found in pkgutil.iter_modules(__path__) for kind in _kinds_in(import_module(f"{__name__}.{found.name}"))
)

if TYPE_CHECKING:
    Traffic = Kind
else:
    Traffic = Annotated[reduce(or_, KINDS), Field(discriminator="kind")]
    for _kind in KINDS:
        _kind.model_rebuild(_types_namespace={"Traffic": Traffic})


def name_of(kind: type[Kind]) -> str:
    """As it is written in patterns.yaml."""
    allowed: tuple[Any, ...] = kind.model_fields["kind"].annotation.__args__  # type: ignore[union-attr]
    return str(allowed[0])
