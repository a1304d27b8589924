"""Which Regions a cross-Region inference profile sends its requests to: data, and how to look it up.

Source: Amazon Bedrock User Guide, "Supported Regions and models for inference profiles" and the models' own pages,
read in November 2026. AWS adds Regions and profiles without notice; GetInferenceProfile in the source Region tells
today's answer. Whoever uses another profile adds a line to `_PROFILES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# The Regions of the `aws` partition, opt-in Regions included. Source: botocore's partition data.
COMMERCIAL_REGIONS = (
    "af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1",
    "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
    "ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1",
    "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1", "me-central-1", "me-south-1",
    "me-west-1", "mx-central-1", "sa-east-1", "sa-west-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
)  # fmt: skip

GLOBAL_PREFIX = "global."


@dataclass(frozen=True, slots=True)
class InferenceProfile:
    """A system-defined profile. A Region that is no key of `destinations` cannot be its source."""

    id: str
    foundation_model_id: str
    destinations: Mapping[str, tuple[str, ...]]  # source Region → Regions that may serve its requests
    exact: bool = True  # False: the destinations are presumed, as `presume` says

    def authorized_regions(self, source_region: str) -> tuple[str, ...]:
        """The Regions of the foundation-model ARNs that IAM checks for a call from `source_region`.

        A geographic profile is checked in every destination Region; a global one in the source Region and under the
        ARN without a Region (Bedrock User Guide, "Global cross-Region inference", IAM policy requirements).
        """
        return (source_region, "") if self.id.startswith(GLOBAL_PREFIX) else self.destinations[source_region]


def _from_each(*regions: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(regions, regions)


_US_3 = _from_each("us-east-1", "us-east-2", "us-west-2")
_US_4 = {**_US_3, "us-west-1": ("us-east-1", "us-east-2", "us-west-1", "us-west-2")}
_EU = _from_each("eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3")
_JP = _from_each("ap-northeast-1", "ap-northeast-3")
_AU = _from_each("ap-southeast-2", "ap-southeast-4")
_GLOBAL = _from_each(*COMMERCIAL_REGIONS)

_SONNET_4_6 = "anthropic.claude-sonnet-4-6"
_HAIKU_4_5 = "anthropic.claude-haiku-4-5-20251001-v1:0"
_OPUS_4_6 = "anthropic.claude-opus-4-6-v1"
_NOVA_2_LITE = "amazon.nova-2-lite-v1:0"

_PROFILES: tuple[tuple[str, str, dict[str, tuple[str, ...]]], ...] = (
    ("us.", _SONNET_4_6, _US_4),
    ("us.", _HAIKU_4_5, _US_4),
    ("us.", _OPUS_4_6, _US_4),
    ("us.", _NOVA_2_LITE, _US_4),
    ("us.", "amazon.nova-micro-v1:0", _US_3),
    ("us.", "amazon.nova-lite-v1:0", _US_3),
    ("us.", "amazon.nova-pro-v1:0", _US_3),
    ("eu.", _SONNET_4_6, _EU),
    ("eu.", _HAIKU_4_5, _EU),
    ("eu.", _OPUS_4_6, _EU),
    ("jp.", _SONNET_4_6, _JP),
    ("jp.", _HAIKU_4_5, _JP),
    ("au.", _SONNET_4_6, _AU),
    ("au.", _HAIKU_4_5, _AU),
    (GLOBAL_PREFIX, _SONNET_4_6, _GLOBAL),
    (GLOBAL_PREFIX, _HAIKU_4_5, _GLOBAL),
    (GLOBAL_PREFIX, _OPUS_4_6, _GLOBAL),
    (GLOBAL_PREFIX, _NOVA_2_LITE, _GLOBAL),
)

PROFILES: Mapping[str, InferenceProfile] = {
    prefix + model: InferenceProfile(prefix + model, model, destinations) for prefix, model, destinations in _PROFILES
}

# Every prefix in use, known models or not: an id with one of these is a profile's, not a foundation model's.
GEOGRAPHIES = ("us.", "us-gov.", "eu.", "apac.", "jp.", "au.", "ca.", "sa.", GLOBAL_PREFIX)


def find(model_id: str) -> InferenceProfile | None:
    """The profile of a bare profile id or an inference-profile ARN; None for a foundation model or an unknown one."""
    return PROFILES.get(bare_id(model_id))


_APAC_REGIONS = (
    "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2"
)  # fmt: skip
_APAC_SOURCES = (*_APAC_REGIONS, "ap-southeast-3", "ap-southeast-4")
# What a geography's profiles are likely to do, for a model that is not in the table. Not AWS's word.
_LIKELY: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "us.": _US_4,
    "eu.": {**_EU, "eu-west-2": ("eu-west-2",), "eu-central-2": (*_EU, "eu-central-2")},
    "apac.": dict.fromkeys(_APAC_SOURCES, _APAC_REGIONS),
    "jp.": _JP,
    "au.": _AU,
    "ca.": {"ca-central-1": ("ca-central-1", "us-east-1", "us-east-2", "us-west-2")},
    "sa.": {"sa-east-1": ("sa-east-1", "us-east-1", "us-east-2", "us-west-2")},
    GLOBAL_PREFIX: _GLOBAL,
}


def presume(model_id: str) -> InferenceProfile | None:
    """As `find`; a profile that is not in the table has the destinations that its geography's usually have, and says
    so: `exact` is False.

    For the embedded AWS, where a guess does no harm. A policy for the real AWS needs the exact ones.
    """
    if (profile := find(model_id)) is not None:
        return profile
    bare = bare_id(model_id)
    for prefix, destinations in _LIKELY.items():
        if bare.startswith(prefix) and "." in (model := bare.removeprefix(prefix)):
            return InferenceProfile(bare, model, destinations, exact=False)
    return None


def bare_id(model_id: str) -> str:
    """The last part of an inference-profile or foundation-model ARN; any other id as it is."""
    return model_id.rpartition("/")[2] if model_id.startswith("arn:") else model_id


def is_profile_id(model_id: str) -> bool:
    """Whether an id or ARN names an inference profile, be it in the table or not."""
    return ":inference-profile/" in model_id or bare_id(model_id).startswith(GEOGRAPHIES)
