"""Straight to Bedrock with boto3: Converse and ConverseStream, without retries, so that one request is one attempt."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from harness.users.openai_sse import BROKEN_STREAM
from harness.users.response import Response

CONNECTIONS = 1000


@cache
def bedrock_client(profile: str, region: str, timeout_s: float) -> Any:
    """One client for all users of a profile: making one costs far more than a request."""
    config = Config(
        retries={"total_max_attempts": 1},
        max_pool_connections=CONNECTIONS,
        connect_timeout=min(10.0, timeout_s),
        read_timeout=timeout_s,
    )
    return boto3.Session(profile_name=profile, region_name=region).client("bedrock-runtime", config=config)


def converse(
    response: Response,
    bedrock: Any,
    model_id: str,
    messages: list[dict[str, Any]],
    max_tokens: int,
    run_id: str,
    stream: bool,
    now: Callable[[], float],
) -> None:
    """One request, which fills in its `response`. Raises what botocore and urllib3 do, but for an error of AWS's."""
    request = {
        "modelId": model_id,
        "messages": [
            {"role": message["role"], "content": [{"text": message["content"]}]}
            for message in messages
            if message["role"] != "system"
        ],
        "system": [{"text": message["content"]} for message in messages if message["role"] == "system"],
        "inferenceConfig": {"maxTokens": max_tokens},
        "requestMetadata": {"run": run_id},
    }
    try:
        answered = bedrock.converse_stream(**request) if stream else bedrock.converse(**request)
        _add_metadata(response, answered["ResponseMetadata"])
        if stream:
            _read_stream(response, answered["stream"], now)
        else:
            _add_usage(response, answered["usage"])
    except EventStreamError as error:
        response.fail(error.response["Error"]["Code"], error.response["Error"]["Message"])
    except ClientError as error:
        _add_metadata(response, error.response["ResponseMetadata"])
        response.fail(error.response["Error"]["Code"], error.response["Error"]["Message"])


def _add_metadata(response: Response, metadata: dict[str, Any]) -> None:
    response.begin(metadata.get("HTTPStatusCode", 0), metadata.get("RequestId", ""))


def _add_usage(response: Response, usage: dict[str, Any]) -> None:
    response.use(usage["inputTokens"], usage["outputTokens"])


def _read_stream(response: Response, events: Any, now: Callable[[], float]) -> None:
    """boto3 ends a truncated stream silently: only one with its messageStop and metadata is whole."""
    stopped = False
    for event in events:
        if "contentBlockDelta" in event:
            response.piece(now())
        elif "messageStop" in event:
            stopped = True
        elif "metadata" in event:
            _add_usage(response, event["metadata"]["usage"])
    if not (stopped and response.output_tokens is not None):
        response.fail(BROKEN_STREAM)
