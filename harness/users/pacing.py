"""What the users of this process share: each consumer's arrivals, prompts and key, once the run's plan is known.

`senders` at the end of this file is the one object of the process that is shared so; it also holds its health.
"""

from __future__ import annotations

import gc
import heapq
from typing import Any

import orjson
from gevent.event import Event

from harness.health import Health, ProcessHealth
from harness.run.plan import Plan, PlannedConsumer
from harness.users.clients import bedrock_client
from harness.users.prompts import Prompts


class Sender:
    """One consumer in one process: its users take their arrivals here, in turn."""

    def __init__(self, plan: Plan, consumer: PlannedConsumer, worker: str) -> None:
        self.plan = plan
        self.consumer = consumer
        self.worker = worker
        self.headers = {
            "Authorization": f"Bearer {consumer.key}",
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if consumer.stream else "application/json",
        }
        self.prompts = Prompts(consumer, f"{plan.seed_of(consumer.name)} {worker}")  # workers' lengths differ, too
        self._due = plan.own_arrivals(consumer.name)
        self._requeued: list[float] = []

    def next_arrival(self) -> float | None:
        """When the next request should start, in epoch seconds; None when there are no more."""
        if self._requeued:
            return heapq.heappop(self._requeued)
        offset = next(self._due, None)
        return None if offset is None else self.plan.start_at + offset

    def requeue(self, due_at: float) -> None:
        """An arrival whose user was stopped while it waited, for another user to take."""
        heapq.heappush(self._requeued, due_at)

    def body(self, messages: list[dict[str, Any]]) -> str:
        """What is asked of the gateway. The run's id goes through it into Bedrock's log, if all take it."""
        body: dict[str, Any] = {
            "model": self.consumer.asked_as,
            "messages": messages,
            "max_tokens": self.prompts.next_max_tokens(),
        }
        if self.consumer.tagged:
            body["requestMetadata"] = {"run": self.plan.run_id}
        if self.consumer.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return orjson.dumps(body).decode()


class Senders:
    """The senders of this process. Users wait in `of` until the plan is there: so all of a run begin together."""

    def __init__(self) -> None:
        self._planned = Event()
        self._senders: dict[str, Sender] = {}
        self._health = Health()

    def begin(self, plan: Plan, worker: str = "") -> None:
        """Raises what making an AWS client does, where a profile is not known on this machine for instance."""
        self._senders = {name: Sender(plan, consumer, worker) for name, consumer in plan.consumers.items()}
        for consumer in plan.consumers.values():
            if consumer.route == "direct":  # made before anything is measured
                bedrock_client(consumer.profile or "", consumer.region, plan.timeout_s)
        # What is there now stays for the whole run: a full collection would look through it again and stop all users
        # for some 50 ms.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._health.reset()
        self._planned.set()

    def forget(self) -> None:
        """Before the next run: its users shall wait for its own plan."""
        self._planned.clear()

    @property
    def planned(self) -> bool:
        return self._planned.is_set()

    def of(self, consumer: str) -> Sender:
        self._planned.wait()
        return self._senders[consumer]

    def started_late(self, lag_ms: float) -> None:
        self._health.add_lag(lag_ms)

    def health(self) -> ProcessHealth:
        """How well this process kept up since the plan."""
        return self._health.report()


senders = Senders()
