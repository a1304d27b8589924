"""What the users of this process share: each consumer's arrivals, prompts and key, once the run's plan is known."""

from __future__ import annotations

import gc
import heapq
from itertools import cycle
from random import Random
from typing import Any

import orjson
from gevent.event import Event

from harness.arrivals import arrivals, deal
from harness.run.plan import Plan, Tenant
from harness.run.self_check import health
from harness.users import bedrock as _bedrock

_FILLER = "time way day man thing world life hand part child eye woman place work week case point company number"
WORDS = _FILLER.split()


class Sender:
    """One consumer in one process: its users take their arrivals here, in turn."""

    def __init__(self, plan: Plan, tenant: Tenant, worker: str) -> None:
        self.plan = plan
        self.tenant = tenant
        self.worker = worker
        self.headers = {
            "Authorization": f"Bearer {tenant.key}",
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if tenant.stream else "application/json",
        }
        whole = arrivals(tenant.arrivals, plan.seed_of(tenant.name), plan.run_time_s)
        self._due = deal(whole, *plan.shares[tenant.name]) if plan.shares else whole
        self._returned: list[float] = []
        self._prompts = cycle(tenant.prompts)
        self._random = Random(f"{plan.seed_of(tenant.name)} {worker}")  # lengths differ between workers, too

    def next_arrival(self) -> float | None:
        """When the next request should start, in epoch seconds; None when there are no more."""
        if self._returned:
            return heapq.heappop(self._returned)
        offset = next(self._due, None)
        return None if offset is None else self.plan.start_at + offset

    def give_back(self, due_at: float) -> None:
        """An arrival whose user was stopped while it waited, for another user to take."""
        heapq.heappush(self._returned, due_at)

    def next_prompt(self) -> list[dict[str, Any]]:
        if self.tenant.words is None:
            return next(self._prompts)
        text = " ".join(self._random.choices(WORDS, k=self._random.randint(*self.tenant.words)))
        return [{"role": "user", "content": text}]

    def next_max_tokens(self) -> int:
        return self._random.randint(*self.tenant.max_tokens)

    def body(self, messages: list[dict[str, Any]]) -> str:
        """What is asked of the gateway. The run's id goes through it into Bedrock's invocation log."""
        body: dict[str, Any] = {
            "model": self.tenant.asked_as,
            "messages": messages,
            "max_tokens": self.next_max_tokens(),
            "requestMetadata": {"run": self.plan.run_id},
        }
        if self.tenant.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return orjson.dumps(body).decode()


class Senders:
    """The senders of this process. Users wait in `of` until the plan is there: so all of a run begin together."""

    def __init__(self) -> None:
        self._planned = Event()
        self._senders: dict[str, Sender] = {}

    def begin(self, plan: Plan, worker: str = "") -> None:
        self._senders = {name: Sender(plan, tenant, worker) for name, tenant in plan.tenants.items()}
        for tenant in plan.tenants.values():
            if tenant.route == "direct":
                _bedrock.client(tenant.profile or "", plan.region, plan.timeout_s)  # made before anything is measured
        # What is there now stays for the whole run: a full collection would look through it again and stop all users
        # for some 50 ms.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        health.reset()
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


senders = Senders()
