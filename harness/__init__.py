"""What own locustfiles import: `from harness import GatewayUser, BedrockUser`.

The names are looked up when they are asked for: the settings of this room are also read where Locust must not be
imported, since it patches sockets. Whoever asks for a User class gets a run around it: harness.run listens to Locust's
events from then on.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.users.user import BedrockUser, GatewayUser

__all__ = ["BedrockUser", "GatewayUser"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import harness.run.events  # noqa: F401  # listens to Locust
    from harness.users import user

    return getattr(user, name)
