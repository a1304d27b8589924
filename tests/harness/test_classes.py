"""User classes that nobody wrote: names, what they do, and which of the shipped ones give way to them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust import User, task

from common.yaml_file import ConfigError
from harness import BedrockUser, GatewayUser
from harness.run import classes
from harness.run.messages import DEFAULT_CLASSES
from harness.users.defaults import class_name, default_class
from tests.harness.test_consumers import patterns

DIRECT = {"route": "direct", "model": "a.model"}


class CrisUser(BedrockUser):
    consumer = "cris"


class AUser(GatewayUser):
    consumer = "a"


class Stranger(User):
    @task
    def idle(self) -> None:
        pass


class Closed(GatewayUser):
    consumer = "a"
    wait_time = lambda self: 1.0  # noqa: E731  # as Locust's constant(1) gives


def environment(*user_classes: Any, locustfile: Path = classes.SHIPPED, named: tuple[str, ...] = ()) -> Any:
    return Namespace(
        user_classes=list(user_classes),
        available_user_classes={user_class.__name__: user_class for user_class in user_classes},
        available_user_tasks={user_class.__name__: user_class.tasks for user_class in user_classes},
        parsed_options=Namespace(user_classes=list(named), locustfile=str(locustfile)),
        web_ui=None,
    )


@pytest.mark.parametrize(
    ("consumer", "name"),
    [("account-one", "AccountOneUser"), ("A", "AUser"), ("my chat/gpt.4o", "MyChatGpt4oUser"), ("4o", "Consumer4oUser"),
     ("…", "ConsumerUser"), ("loadBalanced", "LoadBalancedUser")],
)  # fmt: skip
def test_a_class_is_named_after_its_consumer(consumer: str, name: str) -> None:
    assert class_name(consumer, ()) == name


@given(st.lists(st.text(max_size=6), unique=True, max_size=8))
def test_no_two_consumers_share_a_class(consumers: list[str]) -> None:
    made: list[str] = []
    for consumer in consumers:
        made.append(class_name(consumer, made))
    assert len(set(made)) == len(consumers)
    assert all(name.isidentifier() for name in made)


def test_a_default_class_asks_for_its_consumer_once_a_task() -> None:
    made = default_class("ChatUser", "chat")
    assert (made.__name__, made.consumer, made.abstract, made.on_schedule()) == ("ChatUser", "chat", False, True)
    asked = []
    (only,) = made.tasks
    only(Namespace(ask=lambda: asked.append(1)))  # type: ignore[call-arg, arg-type, operator]
    assert asked == [1]


def test_consumers_without_a_class_get_one_and_classes_without_a_consumer_give_way() -> None:
    locust = environment(CrisUser, AUser, Stranger)
    left_out, made = classes.fit_to(patterns(a={"model": "x"}, new={"model": "x"}), locust)
    assert (left_out, made) == (["CrisUser"], {"NewUser": "new"})
    assert [user_class.__name__ for user_class in locust.user_classes] == ["AUser", "Stranger", "NewUser"]
    assert (
        locust.available_user_classes.keys() == locust.available_user_tasks.keys() == {"AUser", "Stranger", "NewUser"}
    )
    assert getattr(locust.parsed_options, DEFAULT_CLASSES) == made


def test_a_bedrock_user_gives_way_where_its_consumer_takes_the_gateways_route() -> None:
    """The class that comes in its place has another name: workers still know the old one."""
    locust = environment(CrisUser)
    left_out, made = classes.fit_to(patterns(cris={"model": "x"}), locust)
    assert (left_out, made) == (["CrisUser"], {"CrisUser2": "cris"})
    locust = environment(CrisUser)
    assert classes.fit_to(patterns(cris=DIRECT), locust) == ([], {})


def test_a_bedrock_user_that_was_named_is_refused_on_the_gateways_route() -> None:
    with pytest.raises(ConfigError, match=r"CrisUser is a BedrockUser, .* Make it a GatewayUser"):
        classes.check(environment(CrisUser), patterns(cris={"model": "x"}), [CrisUser])
    classes.check(environment(CrisUser), patterns(cris=DIRECT), [CrisUser])


def test_only_the_whole_shipped_folder_is_fitted(tmp_path: Path) -> None:
    assert classes.all_shipped(environment())
    assert not classes.all_shipped(environment(locustfile=classes.SHIPPED / "cris.py"))
    assert not classes.all_shipped(environment(locustfile=tmp_path))
    assert not classes.all_shipped(environment(named=("CrisUser",)))


def test_a_worker_makes_the_classes_that_it_was_sent_once() -> None:
    locust = environment(AUser)
    setattr(locust.parsed_options, DEFAULT_CLASSES, {"AUser": "a", "NewUser": "new"})
    classes.add_ordered(locust)
    classes.add_ordered(locust)
    assert [user_class.__name__ for user_class in locust.user_classes] == ["AUser", "NewUser"]
    assert locust.user_classes[1].consumer == "new"


def test_a_class_with_a_wait_time_of_its_own_is_a_closed_model() -> None:
    assert AUser.on_schedule()
    assert not Closed.on_schedule()
    assert classes.of_consumers([AUser, Stranger]) == [AUser]
