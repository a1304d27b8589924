"""The worker's side of a distributed run: takes the plan, sends, and streams its records to the master."""

from __future__ import annotations

import os
import signal
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import WorkerRunner

from analysis.model import Record
from harness import clock
from harness.run.messages import FINISH, FINISHED, PLAN, RECORDS, REFUSED, Begin, Finished, Refused
from harness.users.pacing import senders
from harness.users.recording import WorkerRecords

FINISH_GRACE_S = 10.0  # beyond --stop-timeout, for workers' last reports


class Worker:
    """Listens to the master."""

    def __init__(self, environment: Environment) -> None:
        assert isinstance(environment.runner, WorkerRunner)
        self._environment = environment
        self._runner = environment.runner
        self._records = WorkerRecords()
        self._runner.register_message(PLAN, self._on_plan)
        self._runner.register_message(FINISH, self._on_finish, concurrent=True)
        if environment.parsed_options and environment.parsed_options.processes:
            gevent.spawn(self._end_with_parent)
        environment.events.test_start.add_listener(self._on_test_start)
        environment.events.request.add_listener(self._on_request)
        environment.events.report_to_master.add_listener(self._on_report)

    @staticmethod
    def _end_with_parent() -> None:
        """A worker that --processes forked shall not outlive its parent by the minute that Locust would wait."""
        parent = os.getppid()
        while os.getppid() == parent:
            gevent.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    def await_master(self) -> None:
        """Ctrl-C, which the master of a forked worker has got too, and which it ends us in order for, if it can."""
        gevent.sleep((self._environment.stop_timeout or 0) + FINISH_GRACE_S)
        os.kill(os.getpid(), signal.SIGTERM)

    def _on_test_start(self, **_: Any) -> None:
        senders.forget()
        self._records = WorkerRecords()

    def _on_plan(self, msg: Any, **_: Any) -> None:
        begin = Begin.from_data(msg.data)
        clock.follow(begin.now)
        os.environ.update(begin.plan.environment)
        try:
            senders.begin(begin.plan, self._runner.client_id)
        except Exception as error:  # an AWS profile that this machine does not know, for instance
            self._runner.send_message(REFUSED, Refused(f"{type(error).__name__}: {error}").to_data())

    def _on_request(self, context: dict[str, Any], **_: Any) -> None:
        record = context.get("record")
        if isinstance(record, Record):
            self._records.add(record)

    def _on_report(self, data: dict[str, Any], **_: Any) -> None:
        data[RECORDS] = self._records.chunks()

    def _on_finish(self, **_: Any) -> None:
        """Waits for the requests under way, then reports the rest."""
        self._runner.stop()
        # Locust's worker would sleep for stop_timeout before it is ready for the next run; all has been waited for.
        self._environment.stop_timeout = 0
        self._runner._send_stats()
        self._runner.send_message(FINISHED, Finished(self._records.count, senders.health()).to_data())
