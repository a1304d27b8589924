"""Which model an id stands for, with all that is known of it: embedded.yaml's word, the table's, its family's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from embedded_aws.models import table
from embedded_aws.models.families import Body, Family, family_of
from embedded_aws.settings import Latency, Length, Model

_UNKNOWN = Family(names=None, body="converse")  # type: ignore[arg-type]  # of a model that only embedded.yaml knows


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A foundation model."""

    id: str
    body: Body  # what InvokeModel takes
    max_input_tokens: int
    max_output_tokens: int
    burndown: int
    on_demand_regions: tuple[str, ...] | None  # where its bare id can be invoked; None: everywhere
    latency: Latency | None
    answer_tokens: Length | None

    def on_demand_in(self, region: str) -> bool:
        return self.on_demand_regions is None or region in self.on_demand_regions


def find(model_id: str, settings: Mapping[str, Model]) -> KnownModel | None:
    """None for what is no model: neither named in embedded.yaml nor like any of Bedrock's."""
    own, family, limits = settings.get(model_id), family_of(model_id), table.limits().get(model_id)
    if own is None and family is None:
        return None
    own, family = own or Model(), family or _UNKNOWN
    return KnownModel(
        model_id,
        own.body or family.body,
        own.max_input_tokens or (limits and limits.max_input_tokens) or family.max_input_tokens,
        own.max_output_tokens or (limits and limits.max_output_tokens) or family.max_output_tokens,
        own.burndown or family.burndown,
        family.on_demand if own.on_demand_regions is None else tuple(own.on_demand_regions),
        own.latency,
        own.answer_tokens,
    )
