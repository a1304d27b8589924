"""What all runs of this Locust share: its options, the configuration, the gateway, and how many users are meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from locust.env import Environment

from common.yaml_file import ConfigError
from gateway.stack import Files, Stack
from harness.live.terminal import say
from harness.run import classes
from harness.run.plan import PlannedConsumer, planned, seconds
from harness.run.quota_windows import last_run_ended_at
from harness.settings import patterns_file
from harness.settings.consumers import demand
from harness.settings.patterns import load_patterns

SPAWN_RATE = 100.0


class Setup:
    """Made once. The constructor reads files and fits Locust's User classes to them; `start` brings up what is missing.

    Raises ConfigError.
    """

    def __init__(self, environment: Environment) -> None:
        options = environment.parsed_options
        assert options is not None
        self.environment = environment
        self.options = options
        self.runs = Path(options.runs)
        _check_runs_folder(self.runs)
        gateway_config = Path(options.gateway_config)
        named = Path(options.patterns) if options.patterns else None
        self.patterns_file = patterns_file.choose(named, gateway_config, self.runs, say)
        self.stack = Stack(Files(gateway_config, Path(options.embedded_config)), options.aws, beside=self.patterns_file)
        self.patterns = load_patterns(self.patterns_file, self.stack.config)
        self._fit_classes()

    def _fit_classes(self) -> None:
        if classes.all_shipped(self.environment):
            left_out, made = classes.fit_to(self.patterns, self.environment)
            if left_out:
                say(f"User classes without a consumer in {self.patterns_file} are left out: {', '.join(left_out)}")
            if made:
                named = ", ".join(f"{consumer} ({name})" for name, consumer in made.items())
                say(f"Consumers without a User class of their own get a plain one: {named}")
        classes.check(self.environment, self.patterns, classes.may_run(self.environment))

    def start(self) -> float:
        """Brings up the AWS and the gateway that the classes need.

        Returns when the last run ended that drew on the same quotas, 0 if none did. Raises ConfigError, ChildError.
        """
        may_run = classes.may_run(self.environment)
        consumers = self.planned(may_run, self.options.traffic)
        self._fix_users(may_run, consumers)
        with_gateway = _through_the_gateway(consumers)
        wanted = demand(self.stack.config, self.patterns, with_gateway=with_gateway)
        self.stack.start(self.runs / "logs", say, wanted, url=self.options.host)
        for user_class in classes.of_consumers(may_run):
            user_class.host = self.stack.url  # what Locust's form and reports name
        if not with_gateway or self.stack.gateway:
            return 0.0
        return last_run_ended_at(self.runs, {consumer.model for consumer in consumers.values() if consumer.limited})

    def planned(self, user_classes: Iterable[Any], traffic: str) -> dict[str, PlannedConsumer]:
        """The consumers of these classes, made ready to send. Raises ConfigError."""
        names = {user_class.consumer for user_class in classes.of_consumers(user_classes)}
        return planned(self.stack.config, self.patterns, names, traffic, self.stack.keys)

    def _fix_users(self, may_run: list[Any], consumers: Mapping[str, PlannedConsumer]) -> None:
        """Fixed users as configured, and -u, -r as if they had been given accordingly."""
        options = self.options
        for user_class in classes.of_consumers(may_run):
            user_class.fixed_count = consumers[user_class.consumer].users
        needed = classes.fixed_users(may_run)
        if options.num_users is None:
            options.num_users = needed or None
        elif options.num_users < needed and not self.environment.web_ui:  # its form is checked when it is sent
            raise ConfigError(
                f"-u {options.num_users}: the configured consumers have {needed} fixed users in all. "
                f"Leave -u out, or give at least {needed}, or fewer `users` in {self.patterns_file}."
            )
        if options.spawn_rate is None:
            options.spawn_rate = SPAWN_RATE
        if options.headless and not options.print_stats:
            options.only_summary = True  # our line a request takes the place of Locust's table every two seconds

    def check_form(self, names: Sequence[str], users: int, form: Mapping[str, str]) -> None:
        """Whether a run of these User classes can be started so in the web UI. Raises ConfigError."""
        available = classes.loaded(self.environment)
        chosen = [available[name] for name in names if name in available] or classes.may_run(self.environment)
        consumers = self.planned(chosen, form.get("traffic") or self.options.traffic)
        if users < (needed := classes.fixed_users(chosen)):
            raise ConfigError(
                f"{users} users are too few: the chosen User classes have {needed} fixed users in all. "
                f"Enter at least {needed}, or choose fewer classes."
            )
        host = form.get("host", "")
        if host and host.rstrip("/") != self.stack.url and _through_the_gateway(consumers):
            raise ConfigError(
                f"This Locust tests the gateway at {self.stack.url}. For another one, start Locust with --host {host}."
            )
        try:
            seconds(form.get("request_timeout", "1"))
        except ValueError as error:
            raise ConfigError(f"Request timeout: {error}.") from None
        if not form.get("run_time"):
            self.options.run_time = None  # Locust would keep that of the run before


def _through_the_gateway(consumers: Mapping[str, PlannedConsumer]) -> bool:
    return any(consumer.route == "gateway" for consumer in consumers.values())


def _check_runs_folder(runs: Path) -> None:
    try:
        runs.mkdir(parents=True, exist_ok=True)
        probe = runs / ".probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"{runs}: run folders cannot be written there: {error.strerror}. "
            "Make it writable, or name another folder with --runs."
        ) from None
