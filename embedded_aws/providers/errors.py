"""What the providers refuse, in their own words; each protocol writes it out in its own body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from embedded_aws.wire import AwsError


@dataclass(frozen=True)
class ProviderError(Exception):
    """`kind` and `code` are OpenAI's `type` and `code`; Anthropic knows the kind by the status alone."""

    status: int
    message: str
    kind: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after_s: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)  # beside retry-after


def no_key() -> ProviderError:
    return ProviderError(401, "You didn't provide an API key.", "invalid_request_error", "invalid_api_key")


def bad_request(message: str, param: str | None = None) -> ProviderError:
    return ProviderError(400, message, param=param)


def rate_limited(model: str, what: str, limit: int, retry_after_s: int, headers: Mapping[str, str]) -> ProviderError:
    message = f"Rate limit reached for {model} on {what} per min: Limit {limit}. Please try again in {retry_after_s}s."
    kind = "requests" if what == "requests" else "tokens"
    return ProviderError(429, message, kind, "rate_limit_exceeded", None, retry_after_s, headers)


def too_long(tokens: int, limit: int) -> ProviderError:
    message = (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted in {tokens} tokens. "
        "Please reduce the length of the messages."
    )
    return ProviderError(400, message, "invalid_request_error", "context_length_exceeded", "messages")


# A fault's error of Bedrock's → what a provider answers in its place.
_OF_FAULTS: dict[str, tuple[int, str, str]] = {
    "ThrottlingException": (429, "requests", "Rate limit reached. Please try again in 1s."),
    "ServiceUnavailableException": (503, "server_error", "The engine is currently overloaded, please try again later."),
    "ModelTimeoutException": (504, "server_error", "The request timed out. Please try again later."),
    "AccessDeniedException": (403, "invalid_request_error", "Your account does not have access to this model."),
    "ExpiredTokenException": (401, "invalid_request_error", "Incorrect API key provided."),
    "UnrecognizedClientException": (401, "invalid_request_error", "Incorrect API key provided."),
    "ResourceNotFoundException": (
        404,
        "invalid_request_error",
        "The model does not exist or you do not have access to it.",
    ),
    "ServiceQuotaExceededException": (429, "insufficient_quota", "You exceeded your current quota."),
}


_CODES: dict[int | str, str] = {
    401: "invalid_api_key",
    404: "model_not_found",
    "requests": "rate_limit_exceeded",
    "insufficient_quota": "insufficient_quota",
}


def of_fault(error: AwsError) -> ProviderError:
    """What a fault that refuses looks like here."""
    if error.code in _OF_FAULTS:
        status, kind, message = _OF_FAULTS[error.code]
        code = _CODES.get(status if status in _CODES else kind)
        return ProviderError(status, message, kind, code, retry_after_s=1 if status == 429 else None)
    if error.status < 500 and error.status != 424:
        return ProviderError(error.status, error.message)
    return ProviderError(
        500, "The server had an error while processing your request. Sorry about that!", "server_error"
    )
