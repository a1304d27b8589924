"""Models of an account's own, known by their ARNs only: which kinds there are, and what each is likely to stand for.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon Bedrock".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from common import inference_profiles
from embedded_aws.models import catalogue

APPLICATION_PROFILE = "application-inference-profile"
KINDS = (APPLICATION_PROFILE, "provisioned-model", "custom-model-deployment", "imported-model",
         "default-prompt-router", "prompt-router")  # fmt: skip
_ARN = re.compile(rf"arn:aws:bedrock:([a-z0-9-]+):\d{{12}}:({'|'.join(KINDS)})/[\w.:-]+")
_UNSAID = "anthropic.claude-haiku-4-5-20251001-v1:0"  # what one stands for of which nothing is said


@dataclass(frozen=True, slots=True)
class OwnModel:
    """`stands_for`: the model, or the inference profile, that answers in its place."""

    arn: str
    stands_for: str
    is_application_profile: bool


def is_own(identifier: str) -> bool:
    """Whether an identifier names a model of an account's own, be it a whole ARN or not."""
    parts = identifier.split(":", 5)
    return parts[0] == "arn" and len(parts) == 6 and parts[5].partition("/")[0] in KINDS


def presume(arn: str, base: str | None) -> OwnModel:
    """`base`: the model that is said to be behind it. Raises ValueError for what is no such ARN."""
    found = _ARN.fullmatch(arn)
    if found is None or found[1] not in inference_profiles.COMMERCIAL_REGIONS:
        raise ValueError(f"{arn!r} is not the ARN of a model of an account's own in a commercial AWS Region")
    name = (base or "").rpartition("/")[2]
    known = bool(name) and bool(inference_profiles.presume(name) or catalogue.find(name, {}))
    return OwnModel(arn, _callable_from(found[1], name if known else _UNSAID), found[2] == APPLICATION_PROFILE)


def _callable_from(region: str, model: str) -> str:
    """The model itself where it is served on demand; a profile that the Region may call, of it or of its model."""
    profile = inference_profiles.presume(model)
    if profile and region in profile.destinations:
        return model
    model = profile.foundation_model_id if profile else model
    known = catalogue.find(model, {})
    if known is None or known.on_demand_in(region):
        return model
    geographies = [inference_profiles.presume(f"{prefix}{model}") for prefix in inference_profiles.GEOGRAPHIES]
    able = [profile for profile in geographies if profile and region in profile.destinations]  # global. is, everywhere
    return max(able, key=lambda profile: profile.exact).id
