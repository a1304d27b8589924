"""The runs of this Locust, one after another: what its events do to the one that is under way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.runners import MasterRunner

from analysis.model import Record
from common.yaml_file import ConfigError
from harness.clock import now
from harness.live import webui
from harness.live.shown import Shown
from harness.live.terminal import MANY, complain, report_conclusion
from harness.run.exit_code import UNKNOWN, USAGE_ERROR, ExitCode
from harness.run.judging import Judging
from harness.run.local import Local
from harness.run.master import Master
from harness.run.one_run import OneRun
from harness.run.setup import Setup
from harness.run.state import Stage
from harness.users.pacing import senders


class Runs:
    """The local runner's and the master's side: gateway up, run folder, records, files at the end, analysis called."""

    def __init__(self, environment: Environment) -> None:
        """Raises ConfigError."""
        assert environment.runner is not None
        self._environment = environment
        self._runner = environment.runner
        silent = bool(environment.parsed_options and environment.parsed_options.only_summary)  # before we set it
        self._setup = Setup(environment)
        self._exit_code = ExitCode(environment)
        self._judging = Judging(
            on_stdout=not self._setup.options.json, shown=environment.web_ui is not None, exit_with=self._exit_code.set
        )
        self._where: Local = Master(environment, self) if isinstance(self._runner, MasterRunner) else Local(environment)
        self._current: OneRun | None = None
        self._shown = Shown(silent=silent)
        self._last_run_ended_at = 0.0  # the last that sent anything, epoch seconds
        self._at_rest = Event()  # while no run is under way or being saved
        self._at_rest.set()
        self._quitting: Any = None  # the greenlet that brings Locust to its end
        self._aborted = False
        self._ended = False

    @property
    def current(self) -> OneRun | None:
        """The run under way."""
        return self._current

    def start(self) -> None:
        """Brings up what is missing and listens to Locust. Raises ConfigError, ChildError."""
        self._last_run_ended_at = self._setup.start()
        if self._environment.web_ui:
            webui.extend(self._environment.web_ui, self._setup.runs, lambda: self._shown.live, self._check_form)
        listen = self._environment.events
        listen.test_start.add_listener(self._on_test_start)
        listen.spawning_complete.add_listener(self._on_spawning_complete)
        listen.request.add_listener(self._on_request)
        listen.test_stopping.add_listener(self._on_test_stopping)
        listen.test_stop.add_listener(self._on_test_stop)
        listen.reset_stats.add_listener(self._on_reset_stats)
        listen.quitting.add_listener(self._on_quitting)
        listen.quit.add_listener(self._on_quit)
        if self._setup.options.headless:
            self._exit_code.set(UNKNOWN)  # until its run is judged

    def _check_form(self, names: Any, users: int, form: Any) -> None:
        """Whether a run can be started so in the web UI, or the one under way be edited. Raises ConfigError."""
        if self._current:  # Locust's form for editing names all classes, whichever run
            names = [consumer.user_class for consumer in self._current.run.consumers]
        self._setup.check_form(names, users, form)

    # --- the events of a run, in their order ---

    def _on_test_start(self, **_: Any) -> None:
        senders.forget()
        self._aborted = False
        try:
            self._current = OneRun(self._setup, self._abort)
        except (OSError, ConfigError) as error:
            self._abort(error)
            return
        self._shown.prepare(self._current.run, self._current.folder, self._current.state)
        self._at_rest.clear()
        self._exit_code.set(UNKNOWN)  # until it is judged

    def _on_spawning_complete(self, **_: Any) -> None:
        run = self._current
        if run is None:
            return
        run.counted.add_users(self._where.users())
        if run.state.stage is not Stage.PREPARING:
            self._where.more_users(run)
            return
        plan = run.begin(self._last_run_ended_at)
        self._where.send(run, plan)
        self._shown.begin(plan.start_at, many=run.plans_more_than(MANY))
        gevent.spawn(self._watch, run, plan.start_at)

    def _watch(self, run: OneRun, start_at: float) -> None:
        """Ends the run when every user has sent what it had to send, and reports when a child of ours dies."""
        reported = False
        while run.state.stage is Stage.SENDING:
            if not reported and (trouble := self._setup.stack.trouble()):
                reported = True
                complain(trouble)
                run.note(trouble.split(". The end of")[0])
            if now() > start_at and self._runner.user_count == 0:
                run.ran_out()
                self.finish_run()
                return
            gevent.sleep(0.2)

    def finish_run(self) -> None:
        gevent.spawn(self._stop)

    def _stop(self) -> None:
        """As Locust does at the end of -t."""
        web_ui = self._environment.web_ui
        if self._setup.options.headless:
            self._runner.quit()
            return
        self._runner.stop()
        if web_ui and self._setup.options.autostart and self._setup.options.autoquit >= 0:
            gevent.sleep(self._setup.options.autoquit)
            self._runner.quit()
            web_ui.stop()

    def _on_request(self, context: dict[str, Any], **_: Any) -> None:
        record = context.get("record")
        if isinstance(record, Record) and self._current:
            self._current.add(record)
            self.show(record)

    def show(self, record: Record) -> None:
        """Of the newest run, once it is sending."""
        self._shown.add(record)

    def _on_test_stopping(self, **_: Any) -> None:
        if self._current:
            self._current.stop()
            self._where.await_records(self._current)

    def _on_test_stop(self, **_: Any) -> None:
        run, self._current = self._current, None
        if run is None:
            return
        try:
            self._save(run)
        finally:
            self._at_rest.set()

    def _save(self, run: OneRun) -> None:
        """The run folder, complete; then the verdicts."""
        self._shown.stop()
        if run.counted.sent:
            self._last_run_ended_at = now()
        try:
            run.save(self._where.health(run))
        except OSError as error:
            run.state.to(Stage.UNJUDGED)
            self._abort(error)
            return
        assert self._shown.live is not None
        self._judging.begin(self._shown.live)

    def _on_reset_stats(self, **_: Any) -> None:
        if self._current:
            self._current.note("Locust's statistics were reset during the run, and lack what came before.")

    def _abort(self, error: Exception) -> None:
        """The run cannot be recorded: what was recorded stays, the run stops, Locust exits with a usage error."""
        if self._aborted:
            return  # what follows from the first fault helps nobody
        self._aborted = True
        runs: Path = self._setup.runs
        where = f"{error.filename or runs}: {error.strerror}. " if isinstance(error, OSError) else f"{error} "
        complain(f"{where}The run was stopped; what was recorded until then is kept.")
        self._exit_code.set(USAGE_ERROR)
        self.finish_run()

    # --- Locust's own end ---

    def _on_quitting(self, **_: Any) -> None:
        """A run that a signal ends is saved and judged as any other; a signal meanwhile gives that up."""
        if self._quitting is not None:
            gevent.kill(self._quitting, KeyboardInterrupt)
            Event().wait()  # Locust exits where it is quitting already
        self._quitting = gevent.getcurrent()
        try:
            self._runner.stop()  # after Ctrl-C Locust would stop it only once the exit code is settled
            self._at_rest.wait()  # another greenlet may have stopped it, and be saving it
            self._judging.wait()
        except KeyboardInterrupt:
            self._hurry()
        self.end()

    def _hurry(self) -> None:
        """Ends a run without waiting for answers or logs: what is recorded is saved, and reported as not judged."""
        self._runner.user_greenlets.kill()
        self._judging.hurry()
        self._on_test_stop()
        self._at_rest.wait()
        self._judging.wait()

    def _on_quit(self, **_: Any) -> None:
        """The last word is ours: Locust prints its own tables after the verdicts."""
        if self._judging.judged_last:
            report_conclusion(self._judging.judged_last)

    def end(self) -> None:
        """Ends what we started."""
        if not self._ended:
            self._ended = True
            self._shown.stop()
            self._setup.stack.stop()
