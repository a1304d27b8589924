"""The local runner's and the master's side of a run."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner

from analysis.model import Record
from common.yaml_file import ConfigError
from gateway.stack import Files, Stack
from harness.clock import now
from harness.live import webui as _webui
from harness.live.counts import Live, Phase, answers, read_regions
from harness.live.terminal import MANY, Progress, complain, leave_stdout, say, tell_conclusion
from harness.run.analysis import Analysis
from harness.run.one_run import OneRun, tenant_classes
from harness.run.plan import Plan, Share, Tenant, divide, seconds, tenants
from harness.run.run_before import spent_at
from harness.run.worker import FINISH, FINISH_GRACE_S, FINISHED, PLAN, RECORDS, REFUSED
from harness.settings.patterns import load_patterns
from harness.users.recording import unpack
from harness.users.senders import senders

SPAWN_RATE = 100.0
USAGE_ERROR = 2
UNKNOWN = 3
EXIT_CODES = range(4)


class Harness:
    """Everything that a run needs beside its users."""

    def __init__(self, environment: Environment) -> None:
        assert environment.parsed_options is not None
        assert environment.runner is not None
        self._environment = environment
        self._options = environment.parsed_options
        self._runner = environment.runner
        self._web_ui = environment.web_ui
        self._silent = bool(self._options.only_summary)
        if self._options.json:
            leave_stdout()
        options = self._options
        self._stack = Stack(
            Files(Path(options.gateway_config), Path(options.embedded_config)),
            options.aws,
            beside=Path(options.patterns),
        )
        self._patterns_file = Path(options.patterns)
        self._patterns = load_patterns(self._patterns_file, self._stack.config)
        self._runs = Path(self._options.runs)
        self._recording: OneRun | None = None
        self._live: Live | None = None  # of the newest run
        self._progress: Progress | None = None
        self._spent_at = 0.0  # when the last run that sent anything ended
        self._at_rest = Event()  # while no run is under way or being saved
        self._at_rest.set()
        self._quitting: Any = None  # the greenlet that brings Locust to its end
        self._hurried = False
        self._conclusions: list[gevent.Greenlet] = []
        self._analyses: list[Analysis] = []  # under way
        self._concluded: Path | None = None  # the run folder that was judged last
        self._aborted = False
        self._ended = False

    def start(self) -> None:
        """Fits the users to the configuration and brings up what is missing. Raises ConfigError, ChildError."""
        self._check_classes()
        may_run = self._classes_that_may_run()
        made = self._tenants_of(may_run, self._options.traffic)
        self._fix_users(may_run, made)
        self._check_runs_folder()
        with_gateway = "gateway" in {tenant.route for tenant in made.values()}
        demand = replace(self._patterns.demand(self._stack.config), with_gateway=with_gateway)
        self._stack.start(self._runs / "logs", say, demand, url=self._options.host)
        if with_gateway and not self._stack.gateway:
            self._spent_at = spent_at(self._runs, {tenant.model for tenant in made.values() if tenant.limited})
        for user_class in tenant_classes(may_run):
            user_class.host = self._stack.url  # what Locust's form and reports name
        if self._web_ui:
            _webui.extend(self._web_ui, self._runs, lambda: self._live, self._check_start)
        listen = self._environment.events
        listen.test_start.add_listener(self._on_test_start)
        listen.spawning_complete.add_listener(self._on_spawning_complete)
        listen.request.add_listener(self._on_request)
        listen.test_stopping.add_listener(self._on_test_stopping)
        listen.test_stop.add_listener(self._on_test_stop)
        listen.reset_stats.add_listener(self._on_reset_stats)
        listen.quitting.add_listener(self._on_quitting)
        listen.quit.add_listener(self._on_quit)
        if self._options.headless:
            self._exit_with(UNKNOWN)  # until its run is judged
        if isinstance(self._runner, MasterRunner):
            listen.worker_report.add_listener(self._on_worker_report)
            self._runner.register_message(FINISHED, self._on_finished)
            self._runner.register_message(REFUSED, self._on_refused)

    def _classes_that_may_run(self) -> list[Any]:
        """Those that were named, or all; where the web UI lets one choose, any of the locustfile's."""
        if self._web_ui and self._web_ui.userclass_picker_is_active:
            return list((self._environment.available_user_classes or {}).values())
        return list(self._environment.user_classes)

    def _check_classes(self) -> None:
        """Each of ours sends for a consumer. Raises ConfigError."""
        loaded: Mapping[str, Any] = self._environment.available_user_classes or {}
        for user_class in loaded.values():
            ours = any(base.__module__ == "harness.users.user" for base in user_class.__mro__)
            if ours and not isinstance(getattr(user_class, "consumer", None), str):
                raise ConfigError(
                    f"User class {user_class.__name__} has no `consumer`. "
                    'Name the one of the patterns file that it sends for: consumer = "…".'
                )

    def _tenants_of(self, user_classes: Iterable[Any], traffic: str) -> dict[str, Tenant]:
        consumers = {user_class.consumer for user_class in tenant_classes(user_classes)}
        return tenants(self._stack.config, self._patterns, consumers, traffic, {})

    def _fix_users(self, may_run: list[Any], made: dict[str, Tenant]) -> None:
        """Fixed users as configured, and -u, -r as if they had been given accordingly."""
        for user_class in tenant_classes(may_run):
            user_class.fixed_count = made[user_class.consumer].users
        needed = _fixed_users(may_run)
        if self._options.num_users is None:
            self._options.num_users = needed or None
        elif self._options.num_users < needed and not self._web_ui:  # its form is checked when it is sent
            raise ConfigError(
                f"-u {self._options.num_users}: the configured consumers have {needed} fixed users in all. "
                f"Leave -u out, or give at least {needed}, or fewer `users` in {self._patterns_file}."
            )
        if self._options.spawn_rate is None:
            self._options.spawn_rate = SPAWN_RATE
        if self._options.headless and not self._options.print_stats:
            self._options.only_summary = True  # our line a request takes the place of Locust's table every two seconds

    def _check_start(self, names: Sequence[str], users: int, form: Mapping[str, str]) -> None:
        """Whether a run can be started so in the web UI, or the one under way be edited. Raises ConfigError."""
        host = form.get("host", "")
        available = self._environment.available_user_classes or {}
        if self._recording:  # Locust's form for editing names all classes, whichever run
            names = [consumer.user_class for consumer in self._recording.run.consumers]
        chosen = [available[name] for name in names if name in available] or self._classes_that_may_run()
        made = self._tenants_of(chosen, form.get("traffic") or self._options.traffic)
        if users < (needed := _fixed_users(chosen)):
            raise ConfigError(
                f"{users} users are too few: the chosen User classes have {needed} fixed users in all. "
                f"Enter at least {needed}, or choose fewer classes."
            )
        if host and host.rstrip("/") != self._stack.url and "gateway" in {tenant.route for tenant in made.values()}:
            raise ConfigError(
                f"This Locust tests the gateway at {self._stack.url}. For another one, start Locust with --host {host}."
            )
        try:
            seconds(form.get("request_timeout", "1"))
        except ValueError as error:
            raise ConfigError(f"Request timeout: {error}.") from None
        if not form.get("run_time"):
            self._options.run_time = None  # Locust would keep that of the run before

    def _check_runs_folder(self) -> None:
        try:
            self._runs.mkdir(parents=True, exist_ok=True)
            probe = self._runs / ".probe"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise ConfigError(
                f"{self._runs}: run folders cannot be written there: {error.strerror}. "
                "Make it writable, or name another folder with --runs."
            ) from None

    # --- the events of a run, in their order ---

    def _on_test_start(self, **_: Any) -> None:
        senders.forget()
        self._aborted = False
        try:
            self._recording = OneRun(
                self._environment,
                self._stack,
                (self._patterns_file, self._patterns),
                self._runs,
                self._options,
                self._abort,
            )
            self._live = Live(self._recording.run, self._recording.folder)
            self._at_rest.clear()
            self._exit_with(UNKNOWN)  # until it is judged
        except (OSError, ConfigError) as error:
            self._abort(error)

    def _on_spawning_complete(self, **_: Any) -> None:
        recording = self._recording
        if recording is None:
            return
        recording.spawned(self._users_now())
        if recording.begun:
            self._dismiss_late_workers(recording)
            return
        plan = recording.begin(self._spent_at)
        if isinstance(self._runner, MasterRunner):
            self._send_plan(recording, plan)
        else:
            senders.begin(plan)
        assert self._live is not None
        self._live.starts_at = plan.start_at
        self._progress = Progress(self._live, many=recording.plans_more_than(MANY), silent=self._silent)
        gevent.spawn(self._watch, recording)

    def _users_now(self) -> Counter[str]:
        """Consumer → how many users it has."""
        runner = self._runner
        by_class = runner.reported_user_classes_count if isinstance(runner, MasterRunner) else runner.user_classes_count
        users: Counter[str] = Counter()
        for user_class in tenant_classes(runner.user_classes):
            users[user_class.consumer] += by_class[user_class.__name__]
        return users

    def _send_plan(self, recording: OneRun, plan: Plan) -> None:
        """To every worker with its share: arrivals are dealt to users, and each worker gets those of its own users."""
        assert isinstance(self._runner, MasterRunner)
        consumer_of = {
            user_class.__name__: user_class.consumer for user_class in tenant_classes(self._runner.user_classes)
        }
        held = {
            client.id: {consumer_of[name]: n for name, n in client.user_classes_count.items() if name in consumer_of}
            for client in self._runner.clients.all
        }
        for worker, shares in divide(held).items():
            self._send_share(worker, plan, shares)
            recording.expected_workers.add(worker)

    def _dismiss_late_workers(self, recording: OneRun) -> None:
        """The schedule is dealt already: a worker that joins now has no part in it, and its users end at once."""
        if isinstance(self._runner, MasterRunner) and recording.plan:
            for worker in [client.id for client in self._runner.clients.all]:
                if worker not in recording.expected_workers | recording.late_workers:
                    recording.late_workers.add(worker)
                    self._send_nothing_to_do(worker, recording.plan)

    def _send_nothing_to_do(self, worker: str, plan: Plan) -> None:
        self._send_share(worker, plan, dict.fromkeys(plan.tenants, ([], 1)))

    def _send_share(self, worker: str, plan: Plan, shares: dict[str, Share]) -> None:
        assert isinstance(self._runner, MasterRunner)
        self._runner.send_message(PLAN, {"plan": plan.to_message() | {"shares": shares}, "now": now()}, worker)

    def _watch(self, recording: OneRun) -> None:
        """Ends the run when every user has sent what it had to send, and tells when a child of ours dies."""
        told = False
        while self._recording is recording and not recording.stopping:
            if not told and (trouble := self._stack.trouble()):
                told = True
                complain(trouble)
                recording.notes.append(trouble.split(". The end of")[0])
            if now() > recording.start_at and self._runner.user_count == 0:
                recording.ran_out = True
                self._finish_run()
                return
            gevent.sleep(0.2)

    def _finish_run(self) -> None:
        gevent.spawn(self._stop)

    def _stop(self) -> None:
        """As Locust does at the end of -t."""
        if self._options.headless:
            self._runner.quit()
            return
        self._runner.stop()
        if self._web_ui and self._options.autostart and self._options.autoquit >= 0:
            gevent.sleep(self._options.autoquit)
            self._runner.quit()
            self._web_ui.stop()

    def _on_request(self, context: dict[str, Any], **_: Any) -> None:
        record = context.get("record")
        if isinstance(record, Record) and self._recording:
            self._recording.add(record)
            self._tell(record)

    def _on_worker_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        recording = self._recording
        if recording and recording.plan and client_id in recording.late_workers and data.get("user_count"):
            # Locust connects a worker before it knows our messages: it may have missed what it was told.
            self._send_nothing_to_do(client_id, recording.plan)
        for chunk in data.pop(RECORDS, ()):
            if self._recording:
                for record in self._recording.add_lines(client_id, unpack(chunk)):
                    self._tell(record)

    def _tell(self, record: Record) -> None:
        if self._live and self._progress and record.run_id == self._live.run.id:
            self._live.add(record)
            self._progress.tell(record)

    def _on_finished(self, msg: Any, **_: Any) -> None:
        if self._recording:
            self._recording.finished(msg.node_id, msg.data)

    def _on_refused(self, msg: Any, **_: Any) -> None:
        """A worker cannot send its share: the schedule cannot be kept, and the run ends."""
        recording = self._recording
        if recording and msg.node_id in recording.expected_workers:
            recording.trouble = f"Worker {msg.node_id} cannot send: {msg.data['error']}."
            recording.notes.append(recording.trouble)
            complain(f"{recording.trouble} What the run needs must be there on each worker's machine.")
            self._finish_run()

    def _on_test_stopping(self, **_: Any) -> None:
        """A master waits for its workers' last records; Locust itself would not, at the end of -t."""
        recording = self._recording
        if recording is None:
            return
        recording.stop()
        if isinstance(self._runner, MasterRunner) and recording.expected_workers:
            self._runner.send_message(FINISH)
            give_up_at = now() + (self._environment.stop_timeout or 0) + FINISH_GRACE_S
            while recording.unfinished_workers() & self._connected_workers() and now() < give_up_at:
                gevent.sleep(0.05)

    def _connected_workers(self) -> set[str]:
        assert isinstance(self._runner, MasterRunner)
        return {client.id for client in self._runner.clients.all if client.state != STATE_MISSING}

    def _on_test_stop(self, **_: Any) -> None:
        recording, self._recording = self._recording, None
        if recording is None:
            return
        try:
            self._save(recording)
        finally:
            self._at_rest.set()

    def _save(self, recording: OneRun) -> None:
        """The run folder, complete; then the verdicts, in a greenlet that nobody ends before it is done."""
        assert self._live is not None
        if self._progress:
            self._progress.stop()
            self._progress = None
        if self._live.sent:
            self._spent_at = now()
        try:
            recording.save()
        except OSError as error:
            self._abort(error)
            return
        self._conclusions.append(gevent.spawn(self._conclude, self._live))

    def _conclude(self, live: Live) -> None:
        live.phase = Phase.JUDGING
        code = UNKNOWN if self._hurried else self._analyse(live.folder)
        if code != USAGE_ERROR and answers(live.folder) is None:  # it crashed or was ended, which proves nothing
            judge = shlex.join(["uv", "run", "python", "-m", "analysis", "all", str(live.folder)])
            complain(f"{live.folder} was not judged. Its records are kept: `{judge}`.")
        self._concluded = live.folder
        self._exit_with(code if code in EXIT_CODES else UNKNOWN)
        if self._web_ui:
            live.judged(answers(live.folder), read_regions(live.folder, live.run.patterns, lambda: gevent.sleep(0)))

    def _analyse(self, folder: Path) -> int:
        analysis = Analysis(folder, on_stdout=not self._options.json)
        self._analyses.append(analysis)
        code = analysis.wait()
        self._analyses.remove(analysis)
        return code

    def _abort(self, error: Exception) -> None:
        """The run cannot be recorded: what was recorded stays, the run stops, Locust exits with a usage error."""
        if self._aborted:
            return  # what follows from the first fault helps nobody
        self._aborted = True
        where = f"{error.filename or self._runs}: {error.strerror}. " if isinstance(error, OSError) else f"{error} "
        complain(f"{where}The run was stopped; what was recorded until then is kept.")
        self._exit_with(USAGE_ERROR)
        self._finish_run()

    def _exit_with(self, code: int) -> None:
        """How Locust shall exit; a usage error is not taken back."""
        if self._environment.process_exit_code != USAGE_ERROR:
            self._environment.process_exit_code = code

    def _on_reset_stats(self, **_: Any) -> None:
        if self._recording:
            self._recording.notes.append("Locust's statistics were reset during the run, and lack what came before.")

    def _on_quitting(self, **_: Any) -> None:
        """A run that a signal ends is saved and judged as any other; a signal meanwhile gives that up."""
        if self._quitting is not None:
            gevent.kill(self._quitting, KeyboardInterrupt)
            Event().wait()  # Locust exits where it is quitting already
        self._quitting = gevent.getcurrent()
        try:
            self._runner.stop()  # after Ctrl-C Locust would stop it only once the exit code is settled
            self._at_rest.wait()  # another greenlet may have stopped it, and be saving it
            gevent.joinall(self._conclusions)
        except KeyboardInterrupt:
            self._hurry()
        self.end()

    def _hurry(self) -> None:
        """Ends a run without waiting for answers or logs: what is recorded is saved, and told to be not judged."""
        self._hurried = True
        self._runner.user_greenlets.kill()
        for analysis in self._analyses[:]:
            analysis.stop()
        self._on_test_stop()
        self._at_rest.wait()
        gevent.joinall(self._conclusions)

    def _on_quit(self, **_: Any) -> None:
        """The last word is ours: Locust prints its own tables after the verdicts."""
        if self._concluded:
            tell_conclusion(self._concluded)

    def end(self) -> None:
        """Ends what we started."""
        if not self._ended:
            self._ended = True
            if self._progress:
                self._progress.stop()
            self._stack.stop()


def _fixed_users(user_classes: Iterable[Any]) -> int:
    return sum(user_class.fixed_count for user_class in user_classes)
