"""The local runner's and the master's side of a run."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.runners import MasterRunner

from analysis.model import Record, Run, RunAws, RunClaim, RunConsumer, RunDeployment, RunFetch
from gateway.settings import ConfigError
from gateway.stack import Files, Stack
from locustfiles import _folder
from locustfiles._arrivals import start_at
from locustfiles._clock import now
from locustfiles._plan import Plan, aws_variables, longest_span_s, tenants
from locustfiles._recording import RecordFile, unpack
from locustfiles._senders import senders
from locustfiles._terminal import complain, say, tell, tell_conclusion
from locustfiles._worker import FINISH, FINISHED, PLAN, RECORDS

SPAWN_RATE = 100.0
LEAD_S = 0.5  # from the plan to the first arrival: it must reach every worker, and clients must be made
USAGE_ERROR = 2
FINISH_GRACE_S = 10.0  # beyond --stop-timeout, for workers' last reports


class Harness:
    """Everything that a run needs beside its users."""

    def __init__(self, environment: Environment) -> None:
        assert environment.parsed_options is not None
        assert environment.runner is not None
        self._environment = environment
        self._options = environment.parsed_options
        self._runner = environment.runner
        self._tells = not self._options.only_summary
        options = self._options
        files = Files(Path(options.gateway_config), Path(options.patterns), Path(options.embedded_config))
        self._stack = Stack(files, options.aws)
        self._runs = Path(self._options.runs)
        self._recording: Recording | None = None
        self._conclusions: list[gevent.Greenlet] = []
        self._concluded: Path | None = None  # the run folder that was judged last
        self._ended = False

    def start(self) -> None:
        """Fits the users to the configuration and brings up what is missing. Raises ConfigError, ChildError."""
        consumers = {user_class.consumer for user_class in self._tenants_of(self._environment.user_classes)}
        made = tenants(self._stack.config, self._stack.patterns, consumers, self._options.traffic, {})
        self._fix_users(made)
        self._check_runs_folder()
        routes = {tenant.route for tenant in made.values()}
        self._stack.start(self._runs / "logs", say, url=self._options.host, with_gateway="gateway" in routes)
        listen = self._environment.events
        listen.test_start.add_listener(self._on_test_start)
        listen.spawning_complete.add_listener(self._on_spawning_complete)
        listen.request.add_listener(self._on_request)
        listen.test_stopping.add_listener(self._on_test_stopping)
        listen.test_stop.add_listener(self._on_test_stop)
        listen.quitting.add_listener(self._on_quitting)
        listen.quit.add_listener(self._on_quit)
        if isinstance(self._runner, MasterRunner):
            listen.worker_report.add_listener(self._on_worker_report)
            self._runner.register_message(FINISHED, self._on_finished)

    @staticmethod
    def _tenants_of(user_classes: list[Any]) -> list[Any]:
        """The User classes that are a consumer's; a stranger's own class may run beside them."""
        return [user_class for user_class in user_classes if getattr(user_class, "consumer", None)]

    def _fix_users(self, made: dict[str, Any]) -> None:
        """Fixed users as configured, and -u, -r as if they had been given accordingly."""
        for user_class in self._tenants_of(list((self._environment.available_user_classes or {}).values())):
            if user_class.consumer in made:
                user_class.fixed_count = made[user_class.consumer].users
        needed = sum(user_class.fixed_count for user_class in self._environment.user_classes)
        if self._options.num_users is None:
            self._options.num_users = needed or None
        elif self._options.num_users < needed:
            raise ConfigError(
                f"-u {self._options.num_users}: the configured consumers have {needed} fixed users in all. "
                f"Leave -u out, or give at least {needed}, or fewer `users` in {self._stack.files.patterns}."
            )
        if self._options.spawn_rate is None:
            self._options.spawn_rate = SPAWN_RATE
        if self._options.headless and not self._options.print_stats:
            self._options.only_summary = True  # our line a request takes the place of Locust's table every two seconds

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
        try:
            self._recording = Recording(self._environment, self._stack, self._runs, self._options, self._abort)
        except (OSError, ConfigError) as error:
            self._abort(error)

    def _on_spawning_complete(self, **_: Any) -> None:
        recording = self._recording
        if recording is None or recording.begun:
            return
        plan = recording.begin()
        if isinstance(self._runner, MasterRunner):
            self._send_plan(plan)
        else:
            senders.begin(plan)
        gevent.spawn(self._watch, recording)

    def _send_plan(self, plan: Plan) -> None:
        """To every worker with its share: arrivals are dealt to users, and each worker gets those of its own users."""
        assert isinstance(self._runner, MasterRunner)
        first_of: dict[str, int] = {}
        tenant_classes = self._tenants_of(self._runner.user_classes)
        of_class = {user_class.__name__: user_class.consumer for user_class in tenant_classes}
        totals: dict[str, int] = {}
        held = {
            client.id: {of_class[name]: users for name, users in client.user_classes_count.items() if name in of_class}
            for client in self._runner.clients.all
        }
        for counts in held.values():
            for consumer, users in counts.items():
                totals[consumer] = totals.get(consumer, 0) + users
        for client_id, counts in held.items():
            shares = {}
            for consumer, users in counts.items():
                shares[consumer] = (first_of.get(consumer, 0), users, max(1, totals[consumer]))
                first_of[consumer] = first_of.get(consumer, 0) + users
            message = plan.to_message() | {"shares": shares}
            self._runner.send_message(PLAN, {"plan": message, "now": now()}, client_id)
            if self._recording:
                self._recording.expected_workers.add(client_id)

    def _watch(self, recording: Recording) -> None:
        """Ends the run when every user has sent what it had to send, and tells when a child of ours dies."""
        told = False
        while self._recording is recording and not recording.stopping:
            if not told and (trouble := self._stack.trouble()):
                told = True
                complain(trouble)
                recording.notes.append(trouble.split(". The end of")[0])
            if now() > recording.start_at and self._runner.user_count == 0:
                self._finish_run()
                return
            gevent.sleep(0.2)

    def _finish_run(self) -> None:
        if self._options.headless:
            gevent.spawn(self._runner.quit)
        else:
            gevent.spawn(self._runner.stop)

    def _on_request(self, context: dict[str, Any], **_: Any) -> None:
        record = context.get("record")
        if isinstance(record, Record) and self._recording:
            self._recording.add(record)
            if self._tells:
                tell(record)

    def _on_worker_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        for chunk in data.pop(RECORDS, ()):
            if self._recording:
                lines = unpack(chunk)
                self._recording.add_lines(client_id, lines, chunk["count"])
                if self._tells:
                    print(lines, end="")

    def _on_finished(self, msg: Any, **_: Any) -> None:
        if self._recording:
            self._recording.finished(msg.node_id, msg.data["count"])

    def _on_test_stopping(self, **_: Any) -> None:
        """A master waits for its workers' last records; Locust itself would not, at the end of -t."""
        recording = self._recording
        if recording is None:
            return
        recording.stopping = True
        if isinstance(self._runner, MasterRunner) and recording.expected_workers:
            self._runner.send_message(FINISH)
            recording.all_finished.wait((self._environment.stop_timeout or 0) + FINISH_GRACE_S)

    def _on_test_stop(self, **_: Any) -> None:
        recording, self._recording = self._recording, None
        if recording is None:
            return
        try:
            recording.save()
        except OSError as error:
            self._abort(error)
            return
        if self._options.headless:
            self._conclude(recording.folder)
        else:
            self._conclusions.append(gevent.spawn(self._conclude, recording.folder))

    def _conclude(self, folder: Path) -> None:
        """Fetches, judges and reports, in a process that gevent has not patched: the way old runs are judged too."""
        command = [sys.executable, "-m", "analysis", "all", str(folder)]
        code = subprocess.run(command, check=False).returncode
        self._concluded = folder
        if self._environment.process_exit_code != USAGE_ERROR:
            self._environment.process_exit_code = code

    def _abort(self, error: Exception) -> None:
        """The run cannot be recorded: what was recorded stays, the run stops, Locust exits with a usage error."""
        where = f"{error.filename}: {error.strerror}. " if isinstance(error, OSError) else f"{error} "
        complain(f"{where}The run was stopped; what was recorded until then is kept.")
        self._environment.process_exit_code = USAGE_ERROR
        self._finish_run()

    def _on_quitting(self, **_: Any) -> None:
        self._runner.stop()  # after Ctrl-C Locust would stop it only once the exit code is settled
        gevent.joinall(self._conclusions)
        self.end()

    def _on_quit(self, **_: Any) -> None:
        """The last word is ours: Locust prints its own tables after the verdicts."""
        if self._concluded:
            tell_conclusion(self._concluded)

    def end(self) -> None:
        """Ends what we started."""
        if not self._ended:
            self._ended = True
            self._stack.stop()


class Recording:
    """One run: its folder, its plan, and what was counted."""

    def __init__(
        self,
        environment: Environment,
        stack: Stack,
        runs: Path,
        options: Any,
        on_fault: Callable[[Exception], None],
    ) -> None:
        """Makes the run folder and starts recording. Raises OSError, ConfigError."""
        self._environment = environment
        self._stack = stack
        self._options = options
        self._started_at = now()
        self._user_class_of = {
            user_class.consumer: user_class.__name__ for user_class in Harness._tenants_of(environment.user_classes)
        }
        self._tenants = tenants(stack.config, stack.patterns, self._user_class_of, options.traffic, stack.keys)
        self.run_id = _folder.new_run_id(self._started_at)
        self.folder = _folder.make(self.run_id, runs)
        self.begun = False
        self.stopping = False
        self.start_at = float("inf")
        self.notes: list[str] = []
        self.expected_workers: set[str] = set()
        self.all_finished = Event()
        self._counts: dict[str, int] = {}
        self._finished: dict[str, int] = {}
        self._write_run(ended_at=None)
        self._records = RecordFile(self.folder / "requests.csv", on_fault)
        self._statistics = _folder.LocustStatistics(environment, self.folder)

    def begin(self) -> Plan:
        """The plan, from now on: the start is set so that bursts fit into a quota window."""
        self.begun = True
        called_at = now()
        self.start_at = start_at(called_at + LEAD_S, longest_span_s(self._tenants.values()))
        run_time_s = self._options.run_time
        if run_time_s is not None and self.start_at - called_at >= run_time_s:
            self.start_at = called_at
        if (wait_s := self.start_at - called_at) > 1:
            say(f"Waiting {wait_s:.0f} s, so that no burst straddles two quota windows")
        say(f"Sending, run {self.run_id}")
        return Plan(
            run_id=self.run_id,
            url=self._stack.url,
            region=self._stack.config.aws.region_name,
            timeout_s=self._options.request_timeout,
            seed=self._stack.patterns.seed,
            run_time_s=None if run_time_s is None else run_time_s - (self.start_at - called_at),
            start_at=self.start_at,
            tenants=self._tenants,
            environment=aws_variables() if self._stack.evidence == "embedded" else {},
        )

    def add(self, record: Record) -> None:
        self._records.add(record)

    def add_lines(self, worker: str, lines: str, count: int) -> None:
        self._records.add_lines(lines)
        self._counts[worker] = self._counts.get(worker, 0) + count

    def finished(self, worker: str, count: int) -> None:
        self._finished[worker] = count
        if self.expected_workers <= self._finished.keys():
            self.all_finished.set()

    def save(self) -> None:
        """Everything that was measured, on disk. Raises OSError."""
        self._records.close()
        self._statistics.finish(now())
        for worker in sorted(self.expected_workers):
            arrived, sent = self._counts.get(worker, 0), self._finished.get(worker)
            if sent is None:
                self.notes.append(f"Worker {worker} did not report its end: {arrived} of its records arrived.")
            elif sent != arrived:
                self.notes.append(f"Worker {worker} sent {sent} records, and {arrived} arrived.")
        self._write_run(ended_at=now())

    def _write_run(self, ended_at: float | None) -> None:
        config, files = self._stack.config, self._stack.files
        running = {tenant.pattern for tenant in self._tenants.values()}
        _folder.write_run(
            self.folder,
            Run(
                id=self.run_id,
                patterns=tuple(name for name in self._stack.patterns.patterns if name in running),
                started_at=self._started_at,
                ended_at=ended_at,
                evidence=self._stack.evidence,
                versions=_folder.versions(),
                command=shlex.join(["locust", *sys.argv[1:]]),
                traffic=self._options.traffic,
                aws=RunAws(
                    profiles=tuple(self._stack.accounts),
                    accounts=self._stack.accounts,
                    region=config.aws.region_name,
                    log_group=config.aws.bedrock_log_group_name,
                ),
                fetch=RunFetch(deadline_s=config.fetch.deadline_s, poll_s=config.fetch.poll_s),
                consumers=tuple(
                    RunConsumer(
                        pattern=tenant.pattern,
                        name=name,
                        user_class=self._user_class_of[name],
                        route="direct" if tenant.route == "direct" else "gateway",
                        model=tenant.model,
                        profile=tenant.profile,
                        quota_rpm=tenant.quota_rpm,
                        quota_tpm=None,
                        users=tenant.users,
                        traffic=tenant.traffic,
                    )
                    for name, tenant in self._tenants.items()
                ),
                deployments=tuple(
                    RunDeployment(
                        id=deployment,
                        group=entry.model_name,
                        model_id=entry.bedrock_model_id,
                        profile=entry.litellm_params.aws_profile_name,
                        account_id=self._stack.accounts.get(entry.litellm_params.aws_profile_name or ""),
                        rpm=entry.quota_rpm,
                    )
                    for deployment, entry in config.deployments()
                ),
                fallbacks=config.router_settings.stand_ins(),
                claims=self._claims(),
                notes=tuple(self.notes),
                self_check={"warmup_requests": self._stack.warm_ups},
                settings=_folder.settings({"config.yaml": files.config, "patterns.yaml": files.patterns}),
            ),
        )

    def _claims(self) -> tuple[RunClaim, ...]:
        """The claims whose consumers all take part: one User class alone is not asked about its neighbours."""
        return tuple(
            RunClaim(pattern=name, **claim.model_dump())
            for name, pattern in self._stack.patterns.patterns.items()
            if any(consumer in self._tenants for consumer in pattern.consumers)
            for claim in pattern.claims
            if all(consumer in self._tenants for consumer in claim.consumers)
        )
