"""One run: its folder, its plan, and what was counted of it."""

from __future__ import annotations

import json
import os
import shlex
import sys
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import HTTPException
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import MasterRunner

from analysis.model import (
    REQUESTS_CSV,
    Record,
    Run,
    RunAws,
    RunClaim,
    RunConsumer,
    RunDeployment,
    RunFetch,
)
from gateway.litellm.config import Config, ModelEntry
from gateway.litellm.model_id import account_of_arn
from gateway.stack import Stack
from harness.arrivals import arrivals, bursts, start_of_burst, waits_s, with_whole_quotas
from harness.clock import now
from harness.live.terminal import say
from harness.redaction import text_without_secrets
from harness.run import folder as _folder
from harness.run.plan import Plan, aws_variables, tenants
from harness.run.self_check import MAX_LAG_MS, Histogram, health, self_check
from harness.settings.patterns import Patterns
from harness.users.recording import RecordFile

LEAD_S = 0.5  # from the plan to the first arrival: it must reach every worker, and clients must be made
FAULTS_WITHIN_S = 5.0  # one of them may be that it refuses connections for a while
SAMPLED_FROM, SAMPLED_EVERY = 10_000, 16  # of so many requests, every so many is enough for a quartile
CLOCK_STEP_MS = 500.0  # worth a note; less is what time servers do all day
STOPPING_S = 1.0  # Locust blocks for some tenths of a second when it is stopped; what was due then is not sent


def tenant_classes(user_classes: Iterable[Any]) -> list[Any]:
    """The User classes that are a consumer's; a stranger's own class may run beside them."""
    return [user_class for user_class in user_classes if getattr(user_class, "consumer", None)]


def on_schedule(user_class: Any) -> bool:
    """Whether its requests follow the configured traffic; with a `wait_time` of its own it is a closed model."""
    return getattr(user_class.wait_time, "__qualname__", "") == "Tenant.wait_time"


class OneRun:
    """One run: its folder, its plan, and what was counted."""

    def __init__(
        self,
        environment: Environment,
        stack: Stack,
        patterns: tuple[Path, Patterns],  # the file and what it holds
        runs: Path,
        options: Any,
        on_fault: Callable[[Exception], None],
    ) -> None:
        """Makes the run folder and starts recording. Raises OSError, ConfigError."""
        self._environment = environment
        self._stack = stack
        self._patterns_file, self._patterns = patterns
        self._options = options
        self._started_at = now()
        self._user_class_of = {
            user_class.consumer: user_class.__name__ for user_class in tenant_classes(environment.user_classes)
        }
        self._tenants = tenants(stack.config, self._patterns, self._user_class_of, options.traffic, stack.keys)
        self.run_id = _folder.new_run_id(self._started_at)
        self.folder = _folder.make(self.run_id, runs)
        self.begun = False
        self.stopping = False
        self.ran_out = False  # it ended because no user had anything left to send
        self.start_at = float("inf")
        self.notes: list[str] = list(self._without_a_class())
        self.trouble = ""  # why the client could not keep the schedule
        self.expected_workers: set[str] = set()
        self.late_workers: set[str] = set()
        self.plan: Plan | None = None
        self._log_size: int | None = None
        self._check: dict[str, Any] = {}
        self._sent = 0
        self._last_at = 0.0  # when the last request was sent
        self._users: Counter[str] = Counter()  # consumer → how many there were at most
        self._answer_ms: defaultdict[str, Histogram] = defaultdict(Histogram)  # by consumer, without the queue
        self._arrived: dict[str, int] = {}  # worker → how many of its records are here
        self._finished: dict[str, dict[str, Any]] = {}  # worker → its own last word
        self._stopped_at = float("inf")
        self._write_run(ended_at=None)
        self._records = RecordFile(self.folder / REQUESTS_CSV, on_fault)
        self._statistics = _folder.LocustStatistics(environment, self.folder)

    def _without_a_class(self) -> Iterator[str]:
        """Consumers of the patterns that take part for whom no User class can send: what is claimed leaves them out."""
        loaded: Mapping[str, Any] = self._environment.available_user_classes or {}
        served = {user_class.consumer for user_class in tenant_classes(loaded.values())}
        running = {tenant.pattern for tenant in self._tenants.values()}
        for name, pattern in self._patterns.patterns.items():
            missing = [consumer for consumer in pattern.consumers if name in running and consumer not in served]
            if missing:
                yield f"{pattern.title} ran without {', '.join(missing)}: no User class has this `consumer`."

    def spawned(self, users: Mapping[str, int]) -> None:
        """Consumer → its users now: a load shape may change them during the run."""
        self._users |= Counter(users)

    def begin(self, spent_at: float) -> Plan:
        """The plan, from now on: bursts fit into a quota window, and the run shares none with the one before.

        `spent_at` is when the run before it ended, on the same gateway.
        """
        self.begun = True
        self._log_size = self._stack.log_size()
        called_at = now()
        if not any(tenant.limited for tenant in self._tenants.values()):
            spent_at = 0.0  # whatever was spent, this run has no quota to find spent
        self.start_at = with_whole_quotas(called_at + LEAD_S, spent_at)
        if any(bursts(tenant.arrivals) for tenant in self._tenants.values()):
            self.start_at = start_of_burst(self.start_at)
        run_time_s = self._options.run_time
        if run_time_s is not None and self.start_at - called_at >= run_time_s:
            self.start_at = called_at
            if with_whole_quotas(called_at, spent_at) > called_at:
                self.notes.append("The run before had drawn on the quotas, and there was no time to wait for them.")
        if (wait_s := self.start_at - called_at) > 1:
            say(f"Waiting {wait_s:.0f} s for a fresh quota window")
        say(f"Sending, run {self.run_id}")
        self.plan = Plan(
            run_id=self.run_id,
            url=self._stack.url,
            region=self._stack.config.region,
            timeout_s=self._options.request_timeout,
            seed=self._patterns.seed,
            run_time_s=None if run_time_s is None else run_time_s - (self.start_at - called_at),
            start_at=self.start_at,
            tenants=self._tenants,
            environment=aws_variables() if self._stack.evidence == "embedded" else {},
        )
        return self.plan

    def plans_more_than(self, count: int) -> bool:
        """Whether the schedule holds more requests than that."""
        assert self.plan is not None
        due = (
            at
            for name, tenant in self.plan.tenants.items()
            for at in arrivals(tenant.arrivals, self.plan.seed_of(name), self.plan.run_time_s)
        )
        return next(islice(due, count, None), None) is not None

    def stop(self) -> None:
        """No more requests from here on; those under way are waited for."""
        self.stopping = True
        self._stopped_at = now()

    def add(self, record: Record) -> None:
        self._count(record)
        self._records.add(record)

    def add_lines(self, worker: str, lines: str) -> list[Record]:
        """The records that a worker has sent, as CSV lines."""
        records = list(Record.parse_lines(lines))
        for record in records:
            self._count(record)
        self._records.add_lines(lines)
        self._arrived[worker] = self._arrived.get(worker, 0) + len(records)
        return records

    def _count(self, record: Record) -> None:
        self._sent += 1
        if record.started_at > self._last_at:
            self._last_at = record.started_at
        if record.status and (self._sent < SAMPLED_FROM or not self._sent % SAMPLED_EVERY):
            queued_ms = (record.started_at - record.intended_at) * 1000
            self._answer_ms[record.consumer].add(record.latency_ms - queued_ms)

    def finished(self, worker: str, last_word: dict[str, Any]) -> None:
        """A worker has ended: {"count": records it sent, "health": its own}."""
        self._finished[worker] = last_word

    def unfinished_workers(self) -> set[str]:
        return self.expected_workers - self._finished.keys()

    def save(self) -> None:
        """Everything that was measured, on disk. Raises OSError."""
        self._records.close()
        self._statistics.finish(now())
        for worker in sorted(self.expected_workers):
            arrived, last_word = self._arrived.get(worker, 0), self._finished.get(worker)
            if last_word is None:
                self.notes.append(f"Worker {worker} was lost: {arrived} of its records arrived, the rest is missing.")
            elif last_word["count"] != arrived:
                self.notes.append(f"Worker {worker} sent {last_word['count']} records, and {arrived} arrived.")
        if not self.begun:
            self.notes.append("The run was ended before all of its users were there, so nothing was sent.")
        self._check = self._self_check()
        if abs(step_ms := self._check["clock_step_ms"] or 0.0) > CLOCK_STEP_MS:
            self.notes.append(f"The wall clock was set by {step_ms / 1000:+.1f} s; the records' times go on unmoved.")
        for error in self._environment.runner.exceptions.values() if self._environment.runner else ():
            times = "once" if error["count"] == 1 else f"{error['count']:,} times"
            raised = text_without_secrets(error["msg"]) or "an exception"
            self.notes.append(f"A User class raised {times}, and may not have sent what was due: {raised}")
        for worker in sorted(self.late_workers):
            self.notes.append(f"Worker {worker} joined late and had no part in the schedule.")
        if self._stack.evidence == "embedded":
            faults = self._faults()
            if faults is None:
                self.notes.append("The embedded AWS could not tell which faults it had.")
            else:
                _folder.write_faults(self.folder, faults)
        self._write_run(ended_at=now())

    def _faults(self) -> list[dict[str, Any]] | None:
        """What the embedded AWS did wrong on purpose, and when, by its own account; None: it does not answer.

        A fault that was stopped before it began did nothing.
        """
        give_up_at = now() + FAULTS_WITHIN_S
        while True:
            try:
                with urllib.request.urlopen(
                    f"{os.environ['AWS_ENDPOINT_URL']}/_embedded/faults", timeout=FAULTS_WITHIN_S
                ) as answer:
                    return [fault for fault in json.load(answer) if fault["started_at"] is not None]
            except (OSError, HTTPException, ValueError):
                if self._stack.trouble() or now() > give_up_at:
                    return None
            gevent.sleep(0.2)

    def _self_check(self) -> dict[str, Any]:
        local = not isinstance(self._environment.runner, MasterRunner)
        processes = [health.to_message()] if local else [word["health"] for word in self._finished.values()]
        offered = self._planned()
        achieved = (self._sent, self._last_at - self.start_at)
        trouble = self.trouble
        if self.plan and offered[0] is not None:
            trouble = trouble or self._too_few_users(self.plan)
        return {
            "warmup_requests": self._stack.warm_ups,
            "gateway_requests": self._stack.requests_seen(self._log_size),
            **self_check(processes, offered, achieved, trouble),
        }

    def _planned(self) -> tuple[int | None, float]:
        """How many requests the schedule had due until the run was stopped, and over how many seconds.

        Those that were due just before a run was cut off, and not sent any more, are left out. None where a closed
        model took part: what it sends depends on the answers.
        """
        plan, planned, at_the_end, last_s = self.plan, 0, 0, 0.0
        if plan is None or not all(map(on_schedule, tenant_classes(self._environment.user_classes))):
            return None, 0.0
        for name in plan.tenants:
            for at in self._due(plan, name):
                planned += 1
                at_the_end += plan.start_at + at > self._stopped_at - STOPPING_S
                last_s = max(last_s, at)
        if self.ran_out:
            return planned, last_s
        not_sent = max(0, planned - self._sent)
        return planned - min(not_sent, at_the_end), last_s

    def _due(self, plan: Plan, consumer: str) -> Iterator[float]:
        """The schedule as far as it was due when the run was stopped."""
        whole = arrivals(plan.tenants[consumer].arrivals, plan.seed_of(consumer), plan.run_time_s)
        return takewhile(lambda at: plan.start_at + at <= self._stopped_at, whole)

    def _too_few_users(self, plan: Plan) -> str:
        """Whose users were too few to keep its schedule; "" if nobody's.

        Requests queue behind a gateway that is slow or stands still as well, which is not to be excused. So what counts
        is the queue that there had been if every answer were as quick as the quickest quarter of them.
        """
        for name, users in self._users.items():
            queued_ms, quick_ms = Histogram(), self._answer_ms[name].percentile(25) or 0.0
            for wait_s in waits_s(self._due(plan, name), users, quick_ms / 1000):
                queued_ms.add(wait_s * 1000)
            p99_ms = queued_ms.percentile(99) or 0.0
            if p99_ms > MAX_LAG_MS:
                return (
                    f"{name} has too few users. With {users}, 1 % of its requests wait more than {p99_ms / 1000:.1f} s "
                    "for a free one, even if every answer is as quick as the quickest quarter of them. "
                    "Give it more `users`, or a lower rate."
                )
        return ""

    def _write_run(self, ended_at: float | None) -> None:
        config, files = self._stack.config, self._stack.files
        running = {tenant.pattern for tenant in self._tenants.values()}
        self.run = Run(
            id=self.run_id,
            patterns=tuple(name for name in self._patterns.patterns if name in running),
            titles={name: self._patterns.patterns[name].title for name in running},
            started_at=self._started_at,
            ended_at=ended_at,
            evidence=self._stack.evidence,
            versions=_folder.versions(),
            command=text_without_secrets(shlex.join(["locust", *sys.argv[1:]])),
            traffic=self._options.traffic,
            aws=RunAws(
                profiles=tuple(self._stack.accounts),
                accounts=self._stack.accounts,
                region=config.region,
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
                    quota_tpm=tenant.quota_tpm,
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
                    profile=entry.profile or (config.profile if entry.is_bedrock else None),
                    account_id=_account(entry, config, self._stack.accounts),
                    rpm=entry.quota_rpm,
                    tpm=entry.quota_tpm,
                    usd_per_input_token=price_in,
                    usd_per_output_token=price_out,
                )
                for deployment, entry in config.deployments()
                for price_in, price_out in [self._stack.prices.get(deployment, (None, None))]
            ),
            fallbacks=config.fallbacks(),
            claims=self._claims(),
            notes=tuple(self.notes),
            self_check=self._check,
            settings=_folder.settings({"config.yaml": files.config, "patterns.yaml": self._patterns_file}),
        )
        _folder.write_run(self.folder, self.run)

    def _claims(self) -> tuple[RunClaim, ...]:
        """The claims whose consumers all take part: one User class alone is not asked about its neighbours."""
        return tuple(
            RunClaim(pattern=name, **claim.model_dump())
            for name, pattern in self._patterns.patterns.items()
            if any(consumer in self._tenants for consumer in pattern.consumers)
            for claim in pattern.claims
            if all(consumer in self._tenants for consumer in claim.consumers)
        )


def _account(entry: ModelEntry, config: Config, accounts: Mapping[str, str]) -> str | None:
    """Where a deployment is invoked: in the account of its role, else of its profile. None: nobody tells."""
    if not entry.is_bedrock:
        return None
    if entry.role is None:
        return accounts.get(entry.profile or config.profile)
    return account_of_arn(entry.role)
