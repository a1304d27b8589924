"""What the principals of each account may do, worked out when one of them first calls: there may be 100,000 of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from common import inference_profiles, least_privilege
from embedded_aws.auth import identities
from embedded_aws.auth.iam import Policy
from embedded_aws.models import own
from embedded_aws.settings import Embedded

_INVOKE = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]


class Permissions:
    """As the settings and the needs have it at one time; more is needed, and there is another one."""

    def __init__(
        self, settings: Embedded, regions: Collection[str], models: Iterable[str], log_groups: Sequence[str]
    ) -> None:
        self._settings = settings
        self._regions = list(regions)
        self._models = list(models)
        self._log_groups = list(log_groups)
        self.policies = cache(self._policies)

    def _policies(self, account_id: str, role_arns: tuple[str, ...] = ()) -> tuple[Policy, ...]:
        """Those of a principal who may assume these roles: the least, or any model besides, as the settings say."""
        strict = self._settings.least_privilege
        uses = [*identities.uses(self._settings), *self._exact_uses()] if strict else []
        least = [
            least_privilege.policy(account_id=account_id, log_group=group, uses=uses, role_arns=role_arns)
            for group in self._log_groups
        ]
        others = [*least[1:], *self._presumed(account_id)] if strict else [self._any_model(account_id)]
        return tuple(map(Policy.parse, [least[0], *others]))

    def _exact_uses(self) -> Iterator[tuple[str, str]]:
        """(source Region, model or profile) of what is needed, as far as a least policy can name it."""
        for region in self._regions:
            for model in self._models:
                profile = inference_profiles.find(model)
                if profile and region in profile.destinations:
                    yield region, profile.id
                elif not profile and not inference_profiles.is_profile_id(model) and not model.startswith("arn:"):
                    yield region, model

    def _presumed(self, account_id: str) -> Iterator[dict[str, Any]]:
        """What is needed and no least policy can name: the account's own models, and profiles of no known Regions."""
        arns = [model for model in self._models if own.is_own(model)]
        profiles = [profile for model in self._models if (profile := inference_profiles.presume(model))]
        unknown = [profile for profile in profiles if not profile.exact]
        statements = [_allow(_INVOKE, arns)] if arns else []
        for profile in unknown:
            arn = f"arn:aws:bedrock:*:{account_id}:inference-profile/{profile.id}"
            model = f"arn:aws:bedrock:*::foundation-model/{profile.foundation_model_id}"
            through = {"ArnLike": {"bedrock:InferenceProfileArn": arn}}
            statements += [_allow(_INVOKE, [arn]), {**_allow(_INVOKE, [model]), "Condition": through}]
        if statements:
            yield {"Version": "2012-10-17", "Statement": statements}

    def _any_model(self, account_id: str) -> dict[str, Any]:
        """Every model from the Regions that are there, and the log groups."""
        everywhere = len(self._regions) == len(inference_profiles.COMMERCIAL_REGIONS)
        regions = ["*"] if everywhere else self._regions
        prefixes = [f"arn:aws:bedrock:{region}:{account_id}:" for region in regions]
        mine = [f"{prefix}{kind}/*" for prefix in prefixes for kind in ("inference-profile", *own.KINDS)]
        groups = [
            f"arn:aws:logs:{region}:{account_id}:log-group:{name}{end}"
            for region in regions
            for name in self._log_groups
            for end in ("", ":*")
        ]
        through = {"ArnLike": {"bedrock:InferenceProfileArn": [f"{prefix}inference-profile/*" for prefix in prefixes]}}
        return {
            "Version": "2012-10-17",
            "Statement": [
                _allow(_INVOKE, [*mine, *(f"arn:aws:bedrock:{region}::foundation-model/*" for region in regions)]),
                {**_allow(_INVOKE, ["arn:aws:bedrock:*::foundation-model/*"]), "Condition": through},
                _allow(["logs:StartQuery"], groups),
            ],
        }


def _allow(actions: Sequence[str], resources: Sequence[str]) -> Mapping[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def trust(principals: Sequence[str]) -> Policy:
    """A trust policy for these."""
    statement = {"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "sts:AssumeRole"}
    return Policy.parse_trust({"Version": "2012-10-17", "Statement": [statement]})
