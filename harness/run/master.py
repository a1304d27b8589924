"""A run whose users are in other processes: the master makes the plan and keeps the run folder, and sends nothing."""

from __future__ import annotations

from typing import Any, Protocol

import gevent
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner

from analysis.model import Record
from harness.clock import now
from harness.health import ProcessHealth
from harness.live.terminal import complain
from harness.run import classes
from harness.run.local import Local
from harness.run.messages import FINISH, FINISHED, PLAN, RECORDS, REFUSED, Begin, Finished, Refused
from harness.run.one_run import OneRun
from harness.run.plan import Plan
from harness.run.shares import NOTHING, Share, divide
from harness.run.worker import FINISH_GRACE_S
from harness.users.recording import unpack


class Listener(Protocol):
    """Whom a master's workers make work for."""

    @property
    def current(self) -> OneRun | None: ...

    def show(self, record: Record) -> None: ...

    def finish_run(self) -> None: ...


class Master(Local):
    """The plan goes to the workers, and their records come back with their reports."""

    def __init__(self, environment: Environment, listener: Listener) -> None:
        super().__init__(environment)
        assert isinstance(environment.runner, MasterRunner)
        self._workers: MasterRunner = environment.runner
        self._listener = listener
        environment.events.worker_report.add_listener(self._on_report)
        self._workers.register_message(FINISHED, self._on_finished)
        self._workers.register_message(REFUSED, self._on_refused)

    def _users_by_class(self) -> dict[str, int]:
        return self._workers.reported_user_classes_count

    def send(self, run: OneRun, plan: Plan) -> None:
        """To every worker with its share: arrivals are dealt to users, and each worker gets those of its own users."""
        consumer_of = {
            user_class.__name__: user_class.consumer for user_class in classes.of_consumers(self._workers.user_classes)
        }
        held = {
            client.id: {consumer_of[name]: n for name, n in client.user_classes_count.items() if name in consumer_of}
            for client in self._workers.clients.all
        }
        for worker, shares in divide(held).items():
            run.workers.expect(worker)
            self._send_share(worker, plan, shares)

    def more_users(self, run: OneRun) -> None:
        """The schedule is dealt already: a worker that joins now has no part in it, and its users end at once."""
        for worker in [client.id for client in self._workers.clients.all]:
            if run.plan and not run.workers.has_part(worker) and not run.workers.came_late(worker):
                run.workers.add_late(worker)
                self._send_nothing_to_do(worker, run.plan)

    def _send_nothing_to_do(self, worker: str, plan: Plan) -> None:
        self._send_share(worker, plan, dict.fromkeys(plan.consumers, NOTHING))

    def _send_share(self, worker: str, plan: Plan, shares: dict[str, Share]) -> None:
        self._workers.send_message(PLAN, Begin(plan.with_shares(shares), now()).to_data(), worker)

    def await_records(self, run: OneRun) -> None:
        """Workers' last ones; Locust itself would not wait for them at the end of -t."""
        if not run.workers.unfinished():
            return
        self._workers.send_message(FINISH)
        give_up_at = now() + (self._environment.stop_timeout or 0) + FINISH_GRACE_S
        while run.workers.unfinished() & self._connected() and now() < give_up_at:
            gevent.sleep(0.05)

    def _connected(self) -> set[str]:
        return {client.id for client in self._workers.clients.all if client.state != STATE_MISSING}

    def health(self, run: OneRun) -> list[ProcessHealth]:
        return run.workers.health()

    # --- what workers say ---

    def _on_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        run = self._listener.current
        if run and run.plan and run.workers.came_late(client_id) and data.get("user_count"):
            # Locust connects a worker before it knows our messages: it may have missed the one that was sent to it.
            self._send_nothing_to_do(client_id, run.plan)
        for chunk in data.pop(RECORDS, ()):
            if run:
                for record in run.add_lines(client_id, unpack(chunk)):
                    self._listener.show(record)

    def _on_finished(self, msg: Any, **_: Any) -> None:
        if run := self._listener.current:
            run.workers.finished(msg.node_id, Finished.from_data(msg.data))

    def _on_refused(self, msg: Any, **_: Any) -> None:
        """A worker cannot send its share: the schedule cannot be kept, and the run ends."""
        run = self._listener.current
        if run and run.workers.has_part(msg.node_id):
            trouble = f"Worker {msg.node_id} cannot send: {Refused.from_data(msg.data).error}."
            run.cannot_send(trouble)
            complain(f"{trouble} What the run needs must be there on each worker's machine.")
            self._listener.finish_run()
