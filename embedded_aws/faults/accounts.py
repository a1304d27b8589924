"""An account that may do nothing any more."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from embedded_aws.faults.fault import Fault
from embedded_aws.wire import AwsError


class AccountSuspended(Fault):
    does: ClassVar[str] = "AccessDeniedException from every service"

    kind: Literal["account_suspended"] = "account_suspended"  # type: ignore[assignment]
    account: str

    def refuse_caller(self) -> AwsError | None:
        return AwsError(403, "AccessDeniedException", "Your account is not authorized to invoke this API operation.")


class CredentialsExpired(Fault):
    """Every credential of the account is past its time; each service says so in its own words."""

    does: ClassVar[str] = "ExpiredTokenException (STS: ExpiredToken)"

    kind: Literal["credentials_expired"] = "credentials_expired"  # type: ignore[assignment]
    account: str

    @model_validator(mode="after")
    def _concerns_an_account(self) -> CredentialsExpired:
        if self.model or self.region or self.share < 1:
            raise ValueError("credentials belong to an account: leave out model, region and share")
        return self

    def expires_credentials_of(self) -> str | None:
        return self.account
