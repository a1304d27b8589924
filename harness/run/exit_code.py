"""How Locust ends: 0 all claims pass, 1 a claim fails, 2 wrong usage or configuration, 3 unknown and none failed."""

from __future__ import annotations

from locust.env import Environment

USAGE_ERROR = 2
UNKNOWN = 3
_OURS = range(4)


class ExitCode:
    """A usage error is not taken back."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def set(self, code: int) -> None:
        """Any other code is an analysis that crashed, which proves nothing."""
        if self._environment.process_exit_code != USAGE_ERROR:
            self._environment.process_exit_code = code if code in _OURS else UNKNOWN
