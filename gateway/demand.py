"""What is asked of the gateway and of AWS: whose keys, which model groups, and what goes to Bedrock directly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.keys import KeyTable


@dataclass(frozen=True)
class Demand:
    """All of it is optional: the gateway alone is asked for nothing in particular."""

    keys: KeyTable = field(default_factory=dict)
    groups: frozenset[str] = frozenset()  # names that consumers ask the gateway for
    profiles: Mapping[str, str] = field(default_factory=dict)  # where it is named → an AWS profile of the direct route
    models: frozenset[str] = frozenset()  # Bedrock's ids that the direct route asks for
    with_gateway: bool = True
