"""Bedrock's errors with their statuses and texts, and what is raised where there is no answer at all."""

from __future__ import annotations

from typing import Literal

from embedded_aws.wire import AwsError

UNEXPECTED = "The system encountered an unexpected error during processing. Try your request again."
UNAVAILABLE = "Bedrock is unable to process your request."

# Status and text of each modelled error. Those that nobody has published say so in README.md.
ERRORS: dict[str, tuple[int, str]] = {
    "ThrottlingException": (429, "Too many requests, please wait before trying again."),
    "ServiceUnavailableException": (503, UNAVAILABLE),
    "ModelNotReadyException": (429, "The model specified in the request is not ready to serve inference requests."),
    "ModelTimeoutException": (408, "The request took too long to process. Processing time exceeded the model timeout."),
    "ModelErrorException": (424, UNEXPECTED),
    "InternalServerException": (500, UNEXPECTED),
    "ServiceQuotaExceededException": (400, "Your request exceeds the service quota for your account."),
    "AccessDeniedException": (403, "You don't have access to the model with the specified model ID."),
    "ValidationException": (400, "The provided model identifier is invalid."),
    "ResourceNotFoundException": (404, "The specified resource ARN was not found."),
    "ExpiredTokenException": (403, "The security token included in the request is expired"),
    "UnrecognizedClientException": (403, "The security token included in the request is invalid."),
}
ErrorCode = Literal[
    "ThrottlingException",
    "ServiceUnavailableException",
    "ModelNotReadyException",
    "ModelTimeoutException",
    "ModelErrorException",
    "InternalServerException",
    "ServiceQuotaExceededException",
    "AccessDeniedException",
    "ValidationException",
    "ResourceNotFoundException",
    "ExpiredTokenException",
    "UnrecognizedClientException",
]
# What a stream may carry as an exception frame: the members of botocore's ResponseStream and ConverseStreamOutput.
StreamErrorCode = Literal[
    "internalServerException",
    "modelStreamErrorException",
    "modelTimeoutException",
    "serviceUnavailableException",
    "throttlingException",
    "validationException",
]


class ConnectionIsReset(Exception):
    """Raised instead of an answer: the server resets the connection."""


def modelled(code: str, message: str | None = None) -> AwsError:
    """The error AWS would answer under this code, with its own text or the one given."""
    status, text = ERRORS[code]
    return AwsError(status, code, message or text)
