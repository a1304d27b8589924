"""One run: its folder, its state, its plan, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from math import inf

from analysis.model import Record, Run
from harness.clock import now
from harness.health import ProcessHealth
from harness.live.terminal import say
from harness.redaction import text_without_secrets
from harness.run import classes, folder
from harness.run.counted import Counted, offered
from harness.run.description import Facts, describe
from harness.run.faults import faults_of_embedded_aws
from harness.run.plan import Plan, aws_variables
from harness.run.quota_windows import start
from harness.run.self_check import GatewaySide, Load, SelfCheck, self_check
from harness.run.setup import Setup
from harness.run.state import RunState, Stage
from harness.run.workers import Workers

LEAD_S = 0.5  # from the plan to the first arrival: it must reach every worker, and clients must be made
CLOCK_STEP_MS = 500.0  # worth a note; less is what time servers do all day


class OneRun:
    """From its folder to what is saved there."""

    def __init__(self, setup: Setup, on_fault: Callable[[Exception], None]) -> None:
        """Makes the run folder and starts recording. Raises OSError, ConfigError."""
        self._setup = setup
        user_classes = classes.of_consumers(setup.environment.user_classes)
        started_at = now()
        self._facts = Facts(
            run_id=folder.new_run_id(started_at),
            started_at=started_at,
            consumers=setup.planned(user_classes, setup.options.traffic),
            user_class_of={user_class.consumer: user_class.__name__ for user_class in user_classes},
        )
        self._closed_model = not all(user_class.on_schedule() for user_class in user_classes)
        self.folder = folder.make(self._facts.run_id, setup.runs)
        self.state = RunState()
        self.state.to(Stage.PREPARING)
        self.workers = Workers()
        self.counted = Counted()
        self.plan: Plan | None = None
        self._notes = list(self._without_a_class())
        self._trouble = ""  # why the client could not keep the schedule
        self._stopped_at, self._ran_out = inf, False
        self._log_size: int | None = None
        self.run = self._describe()
        self._recording = folder.Recording(setup.environment, self.folder, on_fault)

    def _describe(self, ended_at: float | None = None, check: SelfCheck | None = None) -> Run:
        """run.json, written as far as the run is known."""
        facts = replace(self._facts, ended_at=ended_at, notes=self._notes, self_check=check)
        run = describe(self._setup, facts)
        folder.write_run(self.folder, run)
        return run

    def _without_a_class(self) -> Iterator[str]:
        """Consumers of the patterns that take part for whom no User class can send: what is claimed leaves them out."""
        loaded = classes.of_consumers(classes.loaded(self._setup.environment).values())
        served = {user_class.consumer for user_class in loaded}
        running = {consumer.pattern for consumer in self._facts.consumers.values()}
        for name, pattern in self._setup.patterns.patterns.items():
            missing = [consumer for consumer in pattern.consumers if name in running and consumer not in served]
            if missing:
                yield f"{pattern.title} ran without {', '.join(missing)}: no User class has this `consumer`."

    # --- while it runs ---

    def note(self, text: str) -> None:
        """What went wrong outside any single request."""
        self._notes.append(text)

    def cannot_send(self, text: str) -> None:
        """The schedule cannot be kept, so that no verdict can be trusted."""
        self._trouble = text
        self.note(text)

    def begin(self, last_run_ended_at: float) -> Plan:
        """The plan, from now on: bursts fit into a quota window, and the run shares none with the one before.

        `last_run_ended_at` is when the run before it ended, on the same gateway.
        """
        self._log_size = self._setup.stack.log_size()
        consumers, called_at = self._facts.consumers, now()
        if not any(consumer.limited for consumer in consumers.values()):
            last_run_ended_at = 0.0  # whatever that run drew on, this one has no quota to find exhausted
        run_time_s = self._setup.options.run_time
        in_bursts = any(consumer.schedule.at_once for consumer in consumers.values())
        begins = start(called_at, LEAD_S, last_run_ended_at, run_time_s, in_bursts=in_bursts)
        if begins.note:
            self.note(begins.note)
        if (wait_s := begins.at - called_at) > 1:
            say(f"Waiting {wait_s:.0f} s for a fresh quota window")
        say(f"Sending, run {self.run.id}")
        stack = self._setup.stack
        self.plan = Plan(
            run_id=self.run.id,
            url=stack.url,
            timeout_s=self._setup.options.request_timeout,
            seed=self._setup.patterns.seed,
            run_time_s=None if run_time_s is None else run_time_s - wait_s,
            start_at=begins.at,
            consumers=dict(consumers),
            environment=aws_variables() if stack.evidence == "embedded" else {},
        )
        self.state.to(Stage.SENDING)
        return self.plan

    def plans_more_than(self, count: int) -> bool:
        """Whether the schedule holds more requests than that."""
        plan = self.plan
        due = (at for name in plan.consumers for at in plan.arrivals(name)) if plan else iter(())
        return next(islice(due, count, None), None) is not None

    def ran_out(self) -> None:
        """It ends because no user has anything left to send."""
        self._ran_out = True

    def stop(self) -> None:
        """No more requests from here on; those under way are waited for. At most one call has an effect."""
        if self.state.stage in (Stage.PREPARING, Stage.SENDING):
            self.state.to(Stage.STOPPING)
            self._stopped_at = now()

    def add(self, record: Record) -> None:
        self.counted.add(record)
        self._recording.add(record)

    def add_lines(self, worker: str, lines: str) -> list[Record]:
        """The records that a worker has sent, as CSV lines."""
        records = list(Record.parse_lines(lines))
        for record in records:
            self.counted.add(record)
        self._recording.add_lines(lines)
        self.workers.arrived(worker, len(records))
        return records

    # --- at its end ---

    def save(self, health: Sequence[ProcessHealth]) -> None:
        """Everything that was measured, on disk; `health` is that of every process that sent. Raises OSError."""
        self.stop()  # one that is broken off has not heard of it
        self.state.to(Stage.SAVING)
        self._recording.finish(now())
        check = self._self_check(health)
        self._notes += self._last_notes(check)
        if self._setup.stack.evidence == "embedded":
            faults = faults_of_embedded_aws(lambda: bool(self._setup.stack.trouble()))
            if faults is None:
                self.note("The embedded AWS could not say which faults it had.")
            else:
                folder.write_faults(self.folder, faults)
        self.run = self._describe(now(), check)

    def _self_check(self, health: Sequence[ProcessHealth]) -> SelfCheck:
        plan, sent, trouble = self.plan, self.counted.sent, self._trouble
        gateway = GatewaySide(self._setup.stack.warm_ups, self._setup.stack.requests_seen(self._log_size))
        achieved = Load(sent, self.counted.last_at - plan.start_at if plan else -inf)
        if plan is None or self._closed_model:  # what a closed model sends depends on the answers
            return self_check(health, Load(None, 0.0), achieved, trouble, gateway)
        load = offered(plan, sent, self._stopped_at, ran_out=self._ran_out)
        trouble = trouble or self.counted.too_few_users(plan, self._stopped_at)
        return self_check(health, load, achieved, trouble, gateway)

    def _last_notes(self, check: SelfCheck) -> Iterator[str]:
        yield from self.workers.notes_of_losses()
        if self.plan is None:
            yield "The run was ended before all of its users were there, so nothing was sent."
        if abs(step_ms := check.clock_step_ms or 0.0) > CLOCK_STEP_MS:
            yield f"The wall clock was set by {step_ms / 1000:+.1f} s; the records' times go on unmoved."
        runner = self._setup.environment.runner
        for error in runner.exceptions.values() if runner else ():
            times = "once" if error["count"] == 1 else f"{error['count']:,} times"
            message = text_without_secrets(error["msg"]) or "an exception"
            yield f"A User class raised {times}, and may not have sent what was due: {message}"
        yield from self.workers.notes_of_latecomers()
