"""The User classes of this Locust: which are a consumer's, which may run, and those that are made for consumers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from locust.env import Environment

from common.places import ROOT
from common.yaml_file import ConfigError
from harness.run.messages import DEFAULT_CLASSES
from harness.settings.patterns import Patterns
from harness.users.defaults import class_name, default_class
from harness.users.user import BedrockUser, ConsumerUser

SHIPPED = ROOT / "locustfiles"


def of_consumers(user_classes: Iterable[Any]) -> list[type[ConsumerUser]]:
    """Those that send for a consumer; a stranger's own class may run beside them."""
    return [user_class for user_class in user_classes if issubclass(user_class, ConsumerUser)]


def loaded(environment: Environment) -> dict[str, Any]:
    """All of the locustfiles, by name."""
    return dict(environment.available_user_classes or {})


def may_run(environment: Environment) -> list[Any]:
    """Those that were named, or all; where the web UI lets one choose, any of the locustfiles'."""
    if environment.web_ui and environment.web_ui.userclass_picker_is_active:
        return list(loaded(environment).values())
    return list(environment.user_classes)


def fixed_users(user_classes: Iterable[Any]) -> int:
    return sum(user_class.fixed_count for user_class in user_classes)


def check(environment: Environment, patterns: Patterns, user_classes: Iterable[Any]) -> None:
    """That each of ours names its consumer, and those of `user_classes` can send for theirs. Raises ConfigError."""
    for user_class in of_consumers(loaded(environment).values()):
        if not isinstance(getattr(user_class, "consumer", None), str):
            raise ConfigError(
                f"User class {user_class.__name__} has no `consumer`. "
                'Name the one of the patterns file that it sends for: consumer = "…".'
            )
    for user_class in of_consumers(user_classes):
        if _routes(patterns).get(user_class.consumer) == "gateway" and issubclass(user_class, BedrockUser):
            raise ConfigError(
                f"User class {user_class.__name__} is a BedrockUser, which asks Bedrock directly, and its consumer "
                f"{user_class.consumer!r} takes the gateway's route. Make it a GatewayUser, which does both, or give "
                "the consumer `route: direct`."
            )


def _routes(patterns: Patterns) -> dict[str, str]:
    return {
        name: pattern.route_of(consumer)
        for pattern in patterns.patterns.values()
        for name, consumer in pattern.consumers.items()
    }


def all_shipped(environment: Environment) -> bool:
    """Whether the whole folder `locustfiles` runs, which is the default, and no class was named."""
    options: Any = environment.parsed_options
    return not options.user_classes and Path(options.locustfile).resolve() == SHIPPED


def fit_to(patterns: Patterns, environment: Environment) -> tuple[list[str], dict[str, str]]:
    """Where the whole folder runs: leaves out classes without a consumer to send for, and makes those that are missing.

    Returns the names of those left out, and class → consumer of those made, which go to the workers too.
    """
    routes, classes = _routes(patterns), loaded(environment)
    left_out = [
        user_class
        for user_class in of_consumers(classes.values())
        if isinstance(consumer := getattr(user_class, "consumer", None), str)
        if consumer not in routes or (routes[consumer] == "gateway" and issubclass(user_class, BedrockUser))
    ]
    kept = [user_class for user_class in of_consumers(classes.values()) if user_class not in left_out]
    served = {getattr(user_class, "consumer", None) for user_class in kept}
    made: dict[str, str] = {}
    for consumer in routes:
        if consumer not in served:
            made[class_name(consumer, {*classes, *made})] = consumer
    for user_class in left_out:
        _leave_out(environment, user_class)
    add(environment, made)
    setattr(environment.parsed_options, DEFAULT_CLASSES, made)  # among what Locust hands to workers
    return [user_class.__name__ for user_class in left_out], made


def add(environment: Environment, made: Mapping[str, str]) -> None:
    """Plain User classes, class → consumer, as if a locustfile had them."""
    classes, tasks = environment.available_user_classes, environment.available_user_tasks
    assert classes is not None
    assert tasks is not None
    for name, consumer in made.items():
        user_class = default_class(name, consumer)
        classes[name] = user_class  # type: ignore[assignment]  # Locust's annotation means instances
        tasks[name] = user_class.tasks
        environment.user_classes.append(user_class)


def add_ordered(environment: Environment) -> None:
    """On a worker, when the master's order to spawn users is there: the classes that the master has made."""
    made = getattr(environment.parsed_options, DEFAULT_CLASSES, {})
    known = {user_class.__name__ for user_class in environment.user_classes}
    add(environment, {name: consumer for name, consumer in made.items() if name not in known})


def _leave_out(environment: Environment, user_class: Any) -> None:
    for by_name in (environment.available_user_classes, environment.available_user_tasks):
        if by_name is not None:
            by_name.pop(user_class.__name__, None)
    if user_class in environment.user_classes:
        environment.user_classes.remove(user_class)
