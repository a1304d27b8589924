"""The claims that there are: the one that each module of this package defines."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

import analysis.claims
from analysis.claims.claim import Claim

_DECLARED = ("name", "proves", "needs", "rests_on", "shows", "parameters")


@cache
def claims() -> Mapping[str, Claim[Any]]:
    """Name → claim, in alphabetical order. Raises TypeError where one lacks what a claim must declare."""
    found: dict[str, Claim[Any]] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(analysis.claims.__path__)):
        for kind in _defined_in(f"{analysis.claims.__name__}.{module}"):
            if missing := [member for member in _DECLARED if not hasattr(kind, member)]:
                raise TypeError(f"{kind.__module__}: {kind.__name__} does not declare {', '.join(missing)}")
            if kind.name != module:
                raise TypeError(f"{kind.__module__}: the claim {kind.name!r} belongs into {kind.name}.py")
            found[kind.name] = kind()
    return MappingProxyType(found)


def _defined_in(module: str) -> list[type[Claim[Any]]]:
    kinds = [member for member in vars(import_module(module)).values() if isinstance(member, type)]
    return [kind for kind in kinds if issubclass(kind, Claim) and kind is not Claim and kind.__module__ == module]
