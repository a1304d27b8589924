"""Fills iam/policy.json's placeholders for one principal: the least it needs for the models that it uses. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from common import inference_profiles

TEMPLATES = Path(__file__).resolve().parent.parent / "iam"

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_KNOWN = {
    "ACCOUNT_ID", "REGION", "INFERENCE_PROFILE_ID", "DESTINATION_REGION", "MODEL_ID", "FOUNDATION_MODEL_ID",
    "LOG_GROUP", "ROLE_ARN", "PRINCIPAL_ARN",
}  # fmt: skip

Row = Mapping[str, str]  # placeholders that belong together, with their values


def policy(
    *, account_id: str, log_group: str, uses: Iterable[tuple[str, str]], role_arns: Sequence[str] = ()
) -> dict[str, Any]:
    """The identity policy of a principal in `account_id`.

    `uses` are pairs of source Region and model id: inference-profile or foundation-model ids, or their ARNs.
    `role_arns` are roles that the principal assumes. Raises ValueError for a model that cannot be used so.
    """
    rows = [row for use in uses for row in _rows(*use, log_group)]
    rows += [{"ROLE_ARN": arn} for arn in role_arns]
    return fill(_template("policy.json"), [{"ACCOUNT_ID": account_id, **row} for row in rows])


def trust_policy(principal_arn: str) -> dict[str, Any]:
    """The trust policy of a role that `principal_arn` may assume."""
    return fill(_template("trust-policy.json"), [{"PRINCIPAL_ARN": principal_arn}])


def _template(name: str) -> dict[str, Any]:
    template: dict[str, Any] = json.loads((TEMPLATES / name).read_text(encoding="utf-8"))
    return template


def _rows(region: str, model_id: str, log_group: str) -> list[Row]:
    rows: list[Row] = [{"REGION": region, "LOG_GROUP": log_group}]
    bare_id = inference_profiles.bare_id(model_id)
    if not inference_profiles.is_profile_id(model_id):
        return [*rows, {"REGION": region, "FOUNDATION_MODEL_ID": bare_id}]
    profile = inference_profiles.find(model_id)
    if profile is None:
        raise ValueError(
            f"inference profile {bare_id!r} is not known: add it and its destination Regions to "
            "common/inference_profiles.py"
        )
    if region not in profile.destinations:
        sources = ", ".join(profile.destinations)
        raise ValueError(f"inference profile {bare_id!r} cannot be called from {region!r}, only from: {sources}")
    rows.append({"REGION": region, "INFERENCE_PROFILE_ID": bare_id})
    rows += (
        {"DESTINATION_REGION": destination, "MODEL_ID": profile.foundation_model_id}
        for destination in profile.authorized_regions(region)
    )
    return rows


def fill(template: Mapping[str, Any], rows: Sequence[Row]) -> dict[str, Any]:
    """The policy with every text repeated for each row that knows all its placeholders.

    A statement whose Resource is left without any is about something that is not used, and dropped.
    """
    statements = [
        {key: value if key in ("Sid", "Effect", "Action") else _filled(value, rows) for key, value in statement.items()}
        for statement in template["Statement"]
    ]
    return {**template, "Statement": [statement for statement in statements if statement.get("Resource") != []]}


def _filled(value: Any, rows: Sequence[Row]) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(inner, rows) for key, inner in value.items()}
    texts = value if isinstance(value, list) else [value]
    if not any(_PLACEHOLDER.search(text) for text in texts):
        return value
    return list(dict.fromkeys(filled for text in texts for filled in _repeated(text, rows)))


def _repeated(text: str, rows: Sequence[Row]) -> list[str]:
    needed = set(_PLACEHOLDER.findall(text))
    if unknown := needed - _KNOWN:
        raise ValueError(f"${{{min(unknown)}}} in {text!r} is not a placeholder (known: {', '.join(sorted(_KNOWN))})")
    return [_PLACEHOLDER.sub(lambda match: row[match[1]], text) for row in rows if needed <= row.keys()]  # noqa: B023
