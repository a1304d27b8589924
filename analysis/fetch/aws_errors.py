"""Why CloudWatch Logs cannot be asked, and what to do: AWS's errors in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from botocore import exceptions as aws

from analysis.model import LogPlace, Run

LIKELY = 5  # log groups that are named where the configured one does not exist


class FetchError(Exception):
    """CloudWatch cannot be asked; the text says why and what to do, and is shown as it is."""


_NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.TokenRetrievalError,
    aws.SSOError,
    aws.NoAuthTokenError,
)
_UNREACHABLE = (aws.EndpointConnectionError, aws.ConnectTimeoutError, aws.SSLError, aws.ProxyConnectionError)
_REJECTED = {
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "ExpiredTokenException",
    "ExpiredToken",
}


def explain(error: Exception, run: Run, place: LogPlace, log_groups: Sequence[str] = ()) -> str:
    """The error, and what to do about it; `log_groups` are those that there are, as far as AWS says."""
    embedded, profile = run.evidence == "embedded", place.profile
    if isinstance(error, aws.ProfileNotFound):
        if embedded:
            return embedded_ended(run)
        return (
            f"AWS profile {profile!r} does not exist. Add it with `aws configure --profile {profile}`, or point "
            "AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE at the files that have it."
        )
    if isinstance(error, _NO_CREDENTIALS):
        why = _sentence(error)
        return f"AWS profile {profile!r} has no usable credentials: {why} Log in, or renew them, and fetch again."
    if isinstance(error, _UNREACHABLE):
        if embedded:
            return embedded_ended(run)
        why = _sentence(error)
        return f"CloudWatch Logs cannot be reached: {why} Look at the network, AWS_ENDPOINT_URL and the Region."
    if not isinstance(error, aws.ClientError):
        return f"CloudWatch Logs could not be asked with AWS profile {profile!r}: {error}"
    said = error.response.get("Error", {})
    code, message = said.get("Code", ""), _sentence(said.get("Message", ""))
    if code in ("AccessDeniedException", "AccessDenied"):
        operation = error.operation_name
        return (
            f"AWS profile {profile!r} may not do logs:{operation} in account {run.aws.accounts.get(profile, '?')}: "
            f"{message} iam/policy.json is the policy that it needs."
        )
    if code in _REJECTED:
        if embedded:
            return f"{embedded_ended(run)} (What answered now does not know the run's keys: {message})"
        return f"AWS does not accept the credentials of profile {profile!r}: {message} Renew them, and fetch again."
    if code == "ResourceNotFoundException":
        return (
            f"Log group {run.aws.log_group} does not exist in account {run.aws.accounts.get(profile, '?')} (profile "
            f"{profile!r}), {place.region}. Turn on Bedrock's model invocation logging there, or set "
            f"aws.bedrock_log_group_name in config.yaml to the group that it writes to{_most_like(run, log_groups)}."
        )
    return f"CloudWatch Logs refused the query of AWS profile {profile!r}: {code}: {message}"


def _most_like(run: Run, log_groups: Sequence[str]) -> str:
    """The names that may be meant: an account may have thousands."""
    likely = get_close_matches(run.aws.log_group, log_groups, LIKELY, cutoff=0)
    return f" (there is: {', '.join(likely)})" if likely else ""


def _sentence(text: object) -> str:
    return f"{str(text).rstrip('.')}."


def embedded_ended(run: Run) -> str:
    return (
        f"Run {run.id} was made on the embedded AWS, which has ended, and its logs with it. What was fetched is kept: "
        "judge and report work without it. For complete evidence, run again; or, if that embedded AWS is still "
        "running, set the environment that it printed."
    )
