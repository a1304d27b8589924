"""What a consumer's next request asks: its configured prompts in turn, or words at random, and how long the answer."""

from __future__ import annotations

from itertools import cycle
from random import Random
from typing import Any

from harness.run.plan import PlannedConsumer

_FILLER = "time way day man thing world life hand part child eye woman place work week case point company number"
WORDS = _FILLER.split()


class Prompts:
    """One consumer's in one process; one seed gives the same ones."""

    def __init__(self, consumer: PlannedConsumer, seed: str) -> None:
        self._words = consumer.words
        self._max_tokens = consumer.max_tokens
        self._messages = cycle(consumer.prompts)
        self._random = Random(seed)

    def next_messages(self) -> list[dict[str, Any]]:
        if self._words is None:
            return next(self._messages)
        text = " ".join(self._random.choices(WORDS, k=self._random.randint(*self._words)))
        return [{"role": "user", "content": text}]

    def next_max_tokens(self) -> int:
        return self._random.randint(*self._max_tokens)
