"""User classes for consumers that have none: each asks its consumer's configured prompts, by the consumer's route."""

from __future__ import annotations

import re
from collections.abc import Collection

from locust import task

from harness.users.user import GatewayUser


def default_class(name: str, consumer: str) -> type[GatewayUser]:
    """A User class of that name which sends for that consumer."""

    def ask(self: GatewayUser) -> None:
        self.ask()

    members = {"consumer": consumer, "ask_once": task(ask), "__module__": __name__, "__doc__": f"Asks for {consumer}."}
    return type(name, (GatewayUser,), members)


def class_name(consumer: str, taken: Collection[str]) -> str:
    """As people write it: account-one → AccountOneUser; with a number where that is taken."""
    words = re.findall(r"[A-Za-z0-9]+", consumer)
    plain = "".join(word[0].upper() + word[1:] for word in words) or "Consumer"
    name, number = f"{plain}User", 1
    if not name.isidentifier():
        name = f"Consumer{name}"
    first = name
    while name in taken:
        number += 1
        name = f"{first}{number}"
    return name
