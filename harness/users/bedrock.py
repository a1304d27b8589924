"""Straight to Bedrock with boto3: Converse and ConverseStream, without retries, so that one request is one attempt."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from harness.users.answers import BROKEN_STREAM, Answer

CONNECTIONS = 1000


@cache
def client(profile: str, region: str, timeout_s: float) -> Any:
    """One client for all users of a profile: making one costs far more than a request."""
    config = Config(
        retries={"total_max_attempts": 1},
        max_pool_connections=CONNECTIONS,
        connect_timeout=min(10.0, timeout_s),
        read_timeout=timeout_s,
    )
    return boto3.Session(profile_name=profile, region_name=region).client("bedrock-runtime", config=config)


def converse(
    answer: Answer,
    bedrock: Any,
    model_id: str,
    messages: list[dict[str, Any]],
    max_tokens: int,
    run_id: str,
    stream: bool,
    now: Callable[[], float],
) -> None:
    """One request, which fills in its `answer`. Raises whatever botocore and urllib3 do; an error of AWS's is none."""
    answer.retries = 0
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
        response = bedrock.converse_stream(**request) if stream else bedrock.converse(**request)
        _add_metadata(answer, response["ResponseMetadata"])
        if stream:
            _read_stream(answer, response["stream"], now)
        else:
            _add_usage(answer, response["usage"])
    except EventStreamError as error:
        answer.error_type = error.response["Error"]["Code"]
        answer.message = error.response["Error"]["Message"]
    except ClientError as error:
        _add_metadata(answer, error.response["ResponseMetadata"])
        answer.error_type = error.response["Error"]["Code"]
        answer.message = error.response["Error"]["Message"]


def _add_metadata(answer: Answer, metadata: dict[str, Any]) -> None:
    answer.status = metadata.get("HTTPStatusCode", 0)
    answer.request_id = metadata.get("RequestId", "")


def _add_usage(answer: Answer, usage: dict[str, Any]) -> None:
    answer.input_tokens = usage["inputTokens"]
    answer.output_tokens = usage["outputTokens"]


def _read_stream(answer: Answer, events: Any, now: Callable[[], float]) -> None:
    """boto3 ends a truncated stream silently: only one with its messageStop and metadata is whole."""
    stopped = False
    for event in events:
        if "contentBlockDelta" in event:
            answer.content_at.append(now())
        elif "messageStop" in event:
            stopped = True
        elif "metadata" in event:
            _add_usage(answer, event["metadata"]["usage"])
    if not (stopped and answer.output_tokens is not None):
        answer.error_type = BROKEN_STREAM
