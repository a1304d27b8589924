"""A run whose users are all in this process."""

from __future__ import annotations

from collections import Counter

from locust.env import Environment
from locust.runners import Runner

from harness.health import ProcessHealth
from harness.run import classes
from harness.run.one_run import OneRun
from harness.run.plan import Plan
from harness.users.pacing import senders


class Local:
    """Where the users are, and how they get the plan."""

    def __init__(self, environment: Environment) -> None:
        assert environment.runner is not None
        self._environment = environment
        self._runner: Runner = environment.runner

    def users(self) -> Counter[str]:
        """Consumer → how many users it has now."""
        by_class = self._users_by_class()
        users: Counter[str] = Counter()
        for user_class in classes.of_consumers(self._runner.user_classes):
            users[user_class.consumer] += by_class[user_class.__name__]
        return users

    def _users_by_class(self) -> dict[str, int]:
        return self._runner.user_classes_count

    def send(self, run: OneRun, plan: Plan) -> None:
        """From here on the users have what they need."""
        senders.begin(plan)

    def more_users(self, run: OneRun) -> None:
        """Users have come while the run was under way."""

    def await_records(self, run: OneRun) -> None:
        """Until all that was sent is recorded here."""

    def health(self, run: OneRun) -> list[ProcessHealth]:
        """Of each process that sent, as far as it is known."""
        return [senders.health()]
