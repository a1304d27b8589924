"""Records of the model invocation log, schema `ModelInvocationLog` 1.0. Pure.

Source: Amazon Bedrock User Guide, "Monitor model invocation using CloudWatch Logs", and records seen in the wild.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from time import gmtime, strftime
from typing import Any

MAX_INLINE_BODY_BYTES = 100_000  # larger bodies go to S3, where that is set up, and are not in the log


def record(
    *,
    at: float,
    account_id: str,
    region: str,
    request_id: str,
    operation: str,
    model_id: str,
    principal_arn: str,
    request_metadata: Mapping[str, str] | None,
) -> dict[str, Any]:
    """The members that every record has; `at` is epoch seconds and is logged to the second."""
    entry: dict[str, Any] = {
        "timestamp": _timestamp(int(at)),
        "accountId": account_id,
        "region": region,
        "requestId": request_id,
        "operation": operation,
        "modelId": model_id,
        "identity": {"arn": principal_arn},
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
    }
    if request_metadata:
        entry["requestMetadata"] = dict(request_metadata)
    return entry


def side(name: str, body: Any, counts: Mapping[str, int]) -> dict[str, Any]:
    """The `input` or `output` of a record; a body of None is not delivered, its token counts are."""
    content = {} if body is None else {f"{name}ContentType": "application/json", f"{name}BodyJson": body}
    return {**content, **counts}


@lru_cache(maxsize=4)
def _timestamp(at: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(at))
