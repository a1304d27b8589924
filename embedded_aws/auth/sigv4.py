"""Who signed a request: AWS Signature Version 4 in the Authorization header, and Bedrock's bearer API keys. Pure.

Presigned URLs are not covered; none of the three services is called by one.

Sources: IAM User Guide, "Create a signed AWS API request" and "Troubleshoot Signature Version 4"; Bedrock User Guide,
"Amazon Bedrock API keys"; error codes and texts as AWS sends them. The order in which AWS checks is unpublished; here
it is the form of the header, the scope, the date, the key, the session token, the signature.
"""

from __future__ import annotations

import base64
import hmac
import re
from calendar import timegm
from dataclasses import dataclass
from email.utils import parsedate_tz
from functools import lru_cache
from hashlib import sha256
from time import gmtime, strftime, strptime
from urllib.parse import quote, unquote_to_bytes

from common import inference_profiles
from embedded_aws.auth.credentials import Credential, Credentials
from embedded_aws.auth.iam import authorize
from embedded_aws.wire import AwsError, Caller, Request

_ALGORITHM = "AWS4-HMAC-SHA256"
_DATE_FORMAT = "%Y%m%dT%H%M%SZ"
_ISO_8601 = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_REGIONS = frozenset(inference_profiles.COMMERCIAL_REGIONS)
_BEARER = "Bearer "

_INVALID_TOKEN = "The security token included in the request is invalid."
_EXPIRED_TOKEN = "The security token included in the request is expired"
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How a service words one and the same refusal."""

    skew_min: int  # how far the request's date may be off, minutes
    status: int
    unknown_key: str
    mismatch: str
    expired_token: str
    missing: tuple[int, str, str]
    incomplete: tuple[int, str]
    shows_canonical_string: bool


_DIALECTS = {
    "bedrock": _Dialect(
        skew_min=5,
        status=403,
        unknown_key="UnrecognizedClientException",
        mismatch="InvalidSignatureException",
        expired_token="ExpiredTokenException",
        missing=(403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        incomplete=(403, "IncompleteSignatureException"),
        shows_canonical_string=True,
    ),
    "logs": _Dialect(
        skew_min=5,
        status=400,
        unknown_key="UnrecognizedClientException",
        mismatch="InvalidSignatureException",
        expired_token="ExpiredTokenException",
        missing=(400, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        incomplete=(400, "IncompleteSignatureException"),
        shows_canonical_string=False,
    ),
    "sts": _Dialect(
        skew_min=15,
        status=403,
        unknown_key="InvalidClientTokenId",
        mismatch="SignatureDoesNotMatch",
        expired_token="ExpiredToken",
        missing=(403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
        incomplete=(400, "IncompleteSignature"),
        shows_canonical_string=False,
    ),
}


def authenticate(
    request: Request, credentials: Credentials, now: float, *, service: str, default_region: str = "us-east-1"
) -> tuple[Caller, Credential]:
    """The signer of `request`, which was routed to `service`: "bedrock", "logs" or "sts".

    `now` is epoch seconds. Header values are expected decoded as Latin-1, repeated headers joined by commas.
    `default_region` is the Region of a bearer key, which names none itself. Raises AwsError with the code, status and
    text that AWS gives in that service's protocol.
    """
    dialect = _DIALECTS[service]
    authorization = request.headers.get("authorization", "")
    if not authorization:
        raise AwsError(*dialect.missing)
    if service == "bedrock" and authorization.startswith(_BEARER):
        return _bearer(authorization.removeprefix(_BEARER).strip(), credentials, now, default_region)

    access_key_id, date, region, signed_headers, signature = _parse(authorization, request, service, dialect)
    signed_at = _signed_at(request, dialect)
    timestamp = _written(signed_at)
    if timestamp[:8] != date:
        text = (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{date}' != '{timestamp[:8]}', from '{timestamp}'."
        )
        raise AwsError(dialect.status, dialect.mismatch, text)
    _check_skew(signed_at, now, dialect)

    credential = credentials.find(access_key_id)
    token = request.headers.get("x-amz-security-token", "")
    if credential is None or not _same(token, credential.session_token or ""):
        raise AwsError(dialect.status, dialect.unknown_key, _INVALID_TOKEN)
    if credential.expires_at is not None and credential.expires_at <= now:
        raise AwsError(dialect.status, dialect.expired_token, _EXPIRED_TOKEN)

    canonical = canonical_request(request, signed_headers)
    scope = f"{date}/{region}/{service}/aws4_request"
    to_sign = f"{_ALGORITHM}\n{timestamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(credential.secret_access_key, date, region, service)
    if not _same(hmac.digest(key, to_sign.encode(), "sha256").hex(), signature):
        shown = (
            f"\n\nThe Canonical String for this request should have been\n'{canonical}'"
            f"\n\nThe String-to-Sign should have been\n'{to_sign}'\n"
            if dialect.shows_canonical_string
            else ""
        )
        raise AwsError(dialect.status, dialect.mismatch, _MISMATCH + shown)
    return _caller(credential, region, service), credential


def _caller(credential: Credential, region: str, service: str) -> Caller:
    return Caller(
        credential.access_key_id, credential.account_id, credential.principal_arn, credential.user_id, region, service
    )


def _same(one: str, other: str) -> bool:
    """Comparison in constant time, as a signature's should be."""
    return hmac.compare_digest(one.encode(), other.encode())


# --- bearer keys ------------------------------------------------------------------------------------------------


def _bearer(token: str, credentials: Credentials, now: float, region: str) -> tuple[Caller, Credential]:
    """A Bedrock API key's principal; using one is an action of its own, which the principal's policies must allow."""
    credential = credentials.find_bearer(token)
    if credential is None:
        raise AwsError(403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.")
    if credential.expires_at is not None and credential.expires_at <= now:
        raise AwsError(403, "AccessDeniedException", "Bearer Token has expired")
    caller = _caller(credential, region, "bedrock")
    authorize(caller, credential.policies, "bedrock:CallWithBearerToken", ("*",), {})
    return caller, credential


# --- the Authorization header and the date ----------------------------------------------------------------------


def _parse(authorization: str, request: Request, service: str, dialect: _Dialect) -> tuple[str, str, str, str, str]:
    """Access key id, date, Region, SignedHeaders and Signature."""
    algorithm, _, rest = authorization.partition(" ")
    # The header itself is shown only as a hash, for it may be a secret that strayed here.
    hashed = base64.b64encode(sha256(authorization.encode()).digest()).decode()
    fields: dict[str, str] = {}
    if algorithm == _ALGORITHM:
        for part in rest.split(","):
            name, equals, value = part.strip().partition("=")
            if not equals:
                raise AwsError(
                    *dialect.incomplete,
                    f"'{part.strip()}' not a valid key=value pair (missing equal-sign) in Authorization header "
                    f"(hashed with SHA-256 and encoded with Base64): '{hashed}'.",
                )
            fields[name] = value
    absent = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if not fields.get(name)
    ]
    if "x-amz-date" not in request.headers and "date" not in request.headers:
        absent.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if absent:
        text = f"{' '.join(absent)} (Hashed with SHA-256 and encoded with Base64) Authorization={hashed}"
        raise AwsError(*dialect.incomplete, text)

    scope = fields["Credential"].split("/")
    if len(scope) != 5:
        text = (
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{fields['Credential']}'"
        )
        raise AwsError(*dialect.incomplete, text)
    access_key_id, date, region, signed_service, terminator = scope
    wrong = []
    if region not in _REGIONS:
        wrong.append(f"Credential should be scoped to a valid region, not '{region}'. ")
    if signed_service != service:
        wrong.append(f"Credential should be scoped to correct service: '{service}'. ")
    if terminator != "aws4_request":
        wrong.append(f"Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'. ")
    if "host" not in fields["SignedHeaders"].split(";"):
        wrong.append("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    if wrong:
        raise AwsError(dialect.status, dialect.mismatch, "".join(wrong))
    return access_key_id, date, region, fields["SignedHeaders"], fields["Signature"]


def _signed_at(request: Request, dialect: _Dialect) -> int:
    """The request's date, epoch seconds; X-Amz-Date wins over Date."""
    written = request.headers.get("x-amz-date") or request.headers.get("date", "")
    seconds = _seconds(written)
    if seconds is None:
        text = f"Date must be in ISO-8601 'basic format'. Got '{written}'. See http://en.wikipedia.org/wiki/ISO_8601"
        raise AwsError(*dialect.incomplete, text)
    return seconds


def _check_skew(signed_at: int, now: float, dialect: _Dialect) -> None:
    allowed = dialect.skew_min * 60
    if signed_at < now - allowed:
        text = (
            f"Signature expired: {_written(signed_at)} is now earlier than {_written(now - allowed)} "
            f"({_written(now)} - {dialect.skew_min} min.)"
        )
    elif signed_at > now + allowed:
        text = (
            f"Signature not yet current: {_written(signed_at)} is still later than {_written(now + allowed)} "
            f"({_written(now)} + {dialect.skew_min} min.)"
        )
    else:
        return
    raise AwsError(dialect.status, dialect.mismatch, text)


@lru_cache(maxsize=1_024)
def _seconds(written: str) -> int | None:
    """Epoch seconds of ISO 8601's basic format or of an HTTP date; None for anything else."""
    try:
        if _ISO_8601.fullmatch(written):
            return timegm(strptime(written, _DATE_FORMAT))
        parts = parsedate_tz(written)
        return None if parts is None else timegm(parts[:9]) - (parts[9] or 0)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=1_024)
def _written(seconds: float) -> str:
    return strftime(_DATE_FORMAT, gmtime(seconds))


# --- the canonical request --------------------------------------------------------------------------------------


def canonical_request(request: Request, signed_headers: str) -> str:
    """The text whose hash is signed. The body's hash is always ours: a X-Amz-Content-SHA256 is but one more header."""
    headers = request.headers
    lines = [f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed_headers.split(";")]
    return "\n".join(
        (
            request.method.upper(),
            _canonical_path(request.path),
            _canonical_query(request.query) if request.query else "",
            *lines,
            "",
            signed_headers,
            sha256(request.body).hexdigest(),
        )
    )


@lru_cache(maxsize=4_096)
def _canonical_path(path: str) -> str:
    """The path without dot segments and doubled slashes, its already encoded bytes encoded once more.

    All services but S3 want that second encoding: %3A becomes %253A, and a raw colon %3A.
    """
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    slash = "/" if path.endswith("/") and kept else ""
    return quote(f"/{'/'.join(kept)}{slash}", safe="/~")


def _canonical_query(query: str) -> str:
    """Parameters sorted by their encoded name, then value; each encoded anew, whatever its writer left bare."""
    pairs = sorted(
        (_reencode(name), _reencode(value)) for name, _, value in (part.partition("=") for part in query.split("&"))
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


def _reencode(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="-_.~")


@lru_cache(maxsize=4_096)
def _signing_key(secret_access_key: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_access_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
