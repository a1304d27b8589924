"""Where `GatewayUser` and `BedrockUser` were imported from; `from harness import GatewayUser` is the way now."""

import sys

from harness import BedrockUser, GatewayUser

__all__ = ["BedrockUser", "GatewayUser"]

print("locustfiles._users is the old place: write `from harness import GatewayUser, BedrockUser`.", file=sys.stderr)
