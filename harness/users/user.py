"""The abstract users: tenants that wait for their arrivals and ask, through the gateway or straight to Bedrock."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import gevent
from gevent import GreenletExit
from geventhttpclient.response import HTTPParseError
from locust import FastHttpUser, User
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from analysis.model import Outcome, Record
from harness.clock import now
from harness.redaction import text_without_secrets
from harness.run import events as _run  # noqa: F401  (_run listens to Locust's events from its import on)
from harness.run.one_run import on_schedule
from harness.run.self_check import health
from harness.users import bedrock as _bedrock
from harness.users.alarm import COARSE_S, Alarm
from harness.users.answers import Answer, add_body, add_failure, add_headers, gaps_ms, read_stream
from harness.users.senders import Sender, senders

CHAT = "/v1/chat/completions"
MAX_TEXTS = 50  # of failures, told apart in a process
_NUMBERED = re.compile(r"\S*\d\S*")


class Tenant(User):
    """A user of one consumer. `ask()` sends one request; when it may start is the consumer's traffic's to say.

    A subclass may set its own `wait_time` (`constant(1)`, `between(1, 5)`): then it is a closed model, as in Locust.
    """

    abstract = True
    consumer: str

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._intended_at: float | None = None
        # None while it asks. Users of before the plan were there all the time; others come when load is added.
        self._free_since: float | None = now() if senders.planned else -math.inf
        self._stopped = False
        self._alarm = Alarm()

    @property
    def sender(self) -> Sender:
        return senders.of(self.consumer)

    def start(self, group: Any) -> Any:
        greenlet = super().start(group)
        greenlet.link(self._ended)
        return greenlet

    def stop(self, force: bool = False) -> Any:
        self._stopped = True
        return super().stop(force)

    def _ended(self, _: Any) -> None:
        """However this user ends: a subclass's on_stop need not know of ours."""
        if self._intended_at is not None:
            self._taken_from.give_back(self._intended_at)
        self._alarm.close()

    def wait_time(self) -> float:
        """Seconds until shortly before this user's next arrival. Raises StopUser when there are no more."""
        self._taken_from = self.sender
        due_at = self._taken_from.next_arrival()
        if due_at is None:
            raise StopUser
        self._intended_at = due_at
        if self._free_since is None:
            self._free_since = now()
        return max(0.0, due_at - now() - COARSE_S)

    def ask(self, text: str | None = None) -> None:
        """Sends one request (`text`, or the consumer's configured prompt) and records what became of it.

        It waits until an arrival is due, unless the wait before this task was for one: so the first request of a user,
        and each one of a task that asks more than once, start when the schedule says. Raises StopUser when it holds no
        more. A closed model only waits for the start of the run.
        """
        if self._intended_at is None:
            if on_schedule(type(self)):
                self.wait()
            elif self._free_since is not None:  # its first
                self._wait_for_start()
        sender = self.sender
        messages = [{"role": "user", "content": text}] if text is not None else sender.next_prompt()
        if self._intended_at is not None:
            self._alarm.wait(self._intended_at - now())
        if self._stopped:  # as it woke up: what it began now, Locust would break off
            raise StopUser
        started_at = now()
        intended_at = started_at if self._intended_at is None else self._intended_at
        if self._intended_at is not None and self._free_since is not None:
            health.lag_ms.add((started_at - max(intended_at, self._free_since)) * 1000)
        self._intended_at = self._free_since = None
        self._send(sender, messages, intended_at, started_at)

    def _wait_for_start(self) -> None:
        """As Locust waits, so that a user can be stopped meanwhile. Raises StopUser."""
        if self._state == LOCUST_STATE_STOPPING:
            raise StopUser
        self._state = LOCUST_STATE_WAITING
        gevent.sleep(max(0.0, self.sender.plan.start_at - now()))
        self._state = LOCUST_STATE_RUNNING

    def _send(self, sender: Sender, messages: list[dict[str, Any]], intended_at: float, started_at: float) -> None:
        """One request straight to Bedrock."""
        plan, tenant = sender.plan, sender.tenant
        answer = Answer(deployment=tenant.profile or "")
        with self._told(sender, answer, intended_at, started_at, "bedrock"):
            bedrock = _bedrock.client(tenant.profile or "", plan.region, plan.timeout_s)
            max_tokens = sender.next_max_tokens()
            _bedrock.converse(answer, bedrock, tenant.model, messages, max_tokens, plan.run_id, tenant.stream, now)

    @contextmanager
    def _told(
        self, sender: Sender, answer: Answer, intended_at: float, started_at: float, request_type: str
    ) -> Iterator[None]:
        """Whatever becomes of the request within is one Record, and one request in Locust's statistics."""
        try:
            yield
        except (Exception, GreenletExit) as error:
            if answer.ended_at is None:
                add_failure(answer, error, stream=sender.tenant.stream)
            if isinstance(error, GreenletExit):  # the run was stopped, and so is this user
                raise
        finally:
            if answer.error_type:  # a proxy's error page may quote the request
                key = sender.tenant.key
                answer.error_type = text_without_secrets(answer.error_type, key)
                answer.message = text_without_secrets(answer.message, key)
            record = self._record(sender, answer, intended_at, started_at, answer.ended_at or now())
            failed = not is_success(record, sender.tenant.quota_rpm)
            self.environment.events.request.fire(
                request_type=request_type,
                name=self.consumer,
                response_time=record.latency_ms,  # as in the records: from the intended start
                response_length=answer.bytes,
                exception=RequestFailed(record, answer.message) if failed else None,
                context={**self.context(), "record": record},
                start_time=intended_at,
                url=None,
                response=None,
            )

    def _record(self, sender: Sender, answer: Answer, intended_at: float, started_at: float, ended_at: float) -> Record:
        tenant = sender.tenant
        return Record(
            run_id=sender.plan.run_id,
            pattern=tenant.pattern,
            user_class=type(self).__name__,
            consumer=tenant.name,
            intended_at=intended_at,
            started_at=started_at,
            latency_ms=(ended_at - intended_at) * 1000,
            ttft_ms=(answer.content_at[0] - started_at) * 1000 if answer.content_at else None,
            status=answer.status,
            model_asked=tenant.model,
            deployment=answer.deployment,
            retries=answer.retries,
            fallbacks=answer.fallbacks,
            request_id=answer.request_id,
            error_type=answer.error_type,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            cost_usd=answer.cost_usd,
            gateway_overhead_ms=answer.gateway_overhead_ms,
            streamed=tenant.stream,
            worker=sender.worker,
            **gaps_ms(answer.content_at),
        )


class BedrockUser(Tenant):
    """Asks Bedrock directly, with boto3 and the consumer's AWS profile."""

    abstract = True


class GatewayUser(Tenant, FastHttpUser):
    """Asks through the gateway, with the consumer's key; `route: direct` in its pattern sends straight to Bedrock."""

    abstract = True
    host = "http://127.0.0.1"  # never asked: the run's plan knows the gateway's address
    insecure = False

    def __init__(self, environment: Any) -> None:
        self.network_timeout = environment.parsed_options.request_timeout
        super().__init__(environment)
        # Any status is an answer, whose body is ours to read: of others Locust's client would read it.
        self.client.client.valid_response_codes = frozenset(range(1000))  # type: ignore[misc]

    def _send(self, sender: Sender, messages: list[dict[str, Any]], intended_at: float, started_at: float) -> None:
        plan, tenant = sender.plan, sender.tenant
        if tenant.route == "direct":
            super()._send(sender, messages, intended_at, started_at)
            return
        answer = Answer()
        with self._told(sender, answer, intended_at, started_at, "POST"):
            response = self.client.post(
                plan.url + CHAT,
                data=sender.body(messages),
                headers=sender.headers,
                catch_response=True,  # so that Locust does not tell it too
                stream=True,  # the body is read here, where its status is known already
            )
            _read(answer, response, tenant.stream)


def _read(answer: Answer, response: Any, stream: bool) -> None:
    """Fills in the answer. Raises whatever reading it does."""
    if response.status_code == 0 or response.headers is None:
        add_failure(answer, response.error, stream=stream)
        return
    add_headers(answer, response.status_code, response.headers)
    if stream and not answer.error_type:
        read_stream(answer, _lines(response), now)
        answer.ended_at = now()
        _read_to_end(response)
    else:
        body = response.content or b""
        answer.ended_at, answer.bytes = now(), len(body)
        add_body(answer, body)


def _lines(response: Any) -> Iterator[bytes]:
    """The lines of a streamed body, each as soon as it is there."""
    raw = response._response
    while line := raw.readline(b"\n"):
        yield line


def _read_to_end(response: Any) -> None:
    """What follows a stream's end mark is only HTTP's own; unread, it would cost the connection."""
    if response._response is not None:
        with suppress(OSError, HTTPParseError):
            response._response.read()


class RequestFailed(Exception):
    """What Locust's failures table shows of a request that was not answered.

    The table keeps each text that is new to it: so those that differ by numbers or ids are one, and there is an end.
    """

    _told: ClassVar[set[str]] = set()

    def __init__(self, record: Record, message: str) -> None:
        same = _NUMBERED.sub("…", message)
        text = f"{record.outcome.value}: {record.status} {record.error_type} {same}".rstrip()[:300]
        if len(self._told) >= MAX_TEXTS and text not in self._told:
            text = f"{record.outcome.value}: {record.status} (more kinds of errors than are shown)"
        self._told.add(text)
        super().__init__(text)


def is_success(record: Record, quota_rpm: int | None) -> bool:
    """Whether Locust should count a success: a refusal that the consumer's own quota explains is no failure."""
    if record.outcome is Outcome.REFUSED_BY_GATEWAY:
        return quota_rpm is not None
    return record.outcome is Outcome.ANSWERED
