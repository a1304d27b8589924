"""The abstract users: they wait for their consumer's arrivals and ask, through the gateway or straight to Bedrock."""

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
from harness.users.alarm import COARSE_S, Alarm
from harness.users.clients import bedrock_client, converse
from harness.users.openai_sse import add_body, add_failure, add_headers, gaps_ms, read_stream
from harness.users.pacing import Sender, senders
from harness.users.response import Response

CHAT = "/v1/chat/completions"
MAX_TEXTS = 50  # of failures that a process keeps apart
_NUMBERED = re.compile(r"\S*\d\S*")


class ConsumerUser(User):
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

    @classmethod
    def on_schedule(cls) -> bool:
        """Whether its requests follow the configured traffic; with a `wait_time` of its own it is a closed model."""
        return cls.wait_time is ConsumerUser.wait_time

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
            self._taken_from.requeue(self._intended_at)
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
            if self.on_schedule():
                self.wait()
            elif self._free_since is not None:  # its first
                self._wait_for_start()
        sender = self.sender
        messages = [{"role": "user", "content": text}] if text is not None else sender.prompts.next_messages()
        if self._intended_at is not None:
            self._alarm.wait(self._intended_at - now())
        if self._stopped:  # as it woke up: what it began now, Locust would break off
            raise StopUser
        started_at = now()
        intended_at = started_at if self._intended_at is None else self._intended_at
        if self._intended_at is not None and self._free_since is not None:
            senders.started_late((started_at - max(intended_at, self._free_since)) * 1000)
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
        plan, consumer = sender.plan, sender.consumer
        response = Response(deployment=consumer.profile or "", retries=0)
        with self._recorded(sender, response, intended_at, started_at, "bedrock"):
            bedrock = bedrock_client(consumer.profile or "", consumer.region, plan.timeout_s)
            max_tokens = sender.prompts.next_max_tokens()
            converse(response, bedrock, consumer.model, messages, max_tokens, plan.run_id, consumer.stream, now)

    @contextmanager
    def _recorded(
        self, sender: Sender, response: Response, intended_at: float, started_at: float, request_type: str
    ) -> Iterator[None]:
        """Whatever becomes of the request within is one Record, and one request in Locust's statistics."""
        try:
            yield
        except (Exception, GreenletExit) as error:
            if response.ended_at is None:
                add_failure(response, error, stream=sender.consumer.stream)
            if isinstance(error, GreenletExit):  # the run was stopped, and so is this user
                raise
        finally:
            response.leave_out(sender.consumer.key)
            record = self._record(sender, response, intended_at, started_at, response.ended_at or now())
            failed = not is_success(record, sender.consumer.quota_rpm)
            self.environment.events.request.fire(
                request_type=request_type,
                name=self.consumer,
                response_time=record.latency_ms,  # as in the records: from the intended start
                response_length=response.bytes,
                exception=RequestFailed(record, response.message) if failed else None,
                context={**self.context(), "record": record},
                start_time=intended_at,
                url=None,
                response=None,
            )

    def _record(
        self, sender: Sender, response: Response, intended_at: float, started_at: float, ended_at: float
    ) -> Record:
        consumer = sender.consumer
        return Record(
            run_id=sender.plan.run_id,
            pattern=consumer.pattern,
            user_class=type(self).__name__,
            consumer=consumer.name,
            intended_at=intended_at,
            started_at=started_at,
            latency_ms=(ended_at - intended_at) * 1000,
            ttft_ms=(response.content_at[0] - started_at) * 1000 if response.content_at else None,
            status=response.status,
            model_asked=consumer.model,
            deployment=response.deployment,
            retries=response.retries,
            fallbacks=response.fallbacks,
            request_id=response.request_id,
            error_type=response.error_type,
            input_tokens=response.input_tokens,
            output_tokens=response.output_tokens,
            cost_usd=response.cost_usd,
            gateway_overhead_ms=response.gateway_overhead_ms,
            streamed=consumer.stream,
            worker=sender.worker,
            **gaps_ms(response.content_at),
        )


class BedrockUser(ConsumerUser):
    """Asks Bedrock directly, with boto3 and the consumer's AWS profile."""

    abstract = True


class GatewayUser(ConsumerUser, FastHttpUser):
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
        plan, consumer = sender.plan, sender.consumer
        if consumer.route == "direct":
            super()._send(sender, messages, intended_at, started_at)
            return
        response = Response()
        with self._recorded(sender, response, intended_at, started_at, "POST"):
            received = self.client.post(
                plan.url + CHAT,
                data=sender.body(messages),
                headers=sender.headers,
                catch_response=True,  # so that Locust does not report it too
                stream=True,  # the body is read here, where its status is known already
            )
            _read(response, received, consumer.stream)


def _read(response: Response, received: Any, stream: bool) -> None:
    """Fills in the response. Raises whatever reading it does."""
    if received.status_code == 0 or received.headers is None:
        add_failure(response, received.error, stream=stream)
        return
    add_headers(response, received.status_code, received.headers)
    if stream and not response.error_type:
        read_stream(response, _lines(received), now)
        response.end(now())
        _read_to_end(received)
    else:
        body = received.content or b""
        response.end(now(), len(body))
        add_body(response, body)


def _lines(received: Any) -> Iterator[bytes]:
    """The lines of a streamed body, each as soon as it is there."""
    raw = received._response
    while line := raw.readline(b"\n"):
        yield line


def _read_to_end(received: Any) -> None:
    """What follows a stream's end mark is only HTTP's own; unread, it would cost the connection."""
    if received._response is not None:
        with suppress(OSError, HTTPParseError):
            received._response.read()


class RequestFailed(Exception):
    """What Locust's failures table shows of a request that was not answered.

    The table keeps each text that is new to it: so those that differ by numbers or ids are one, and there is an end.
    """

    _shown: ClassVar[set[str]] = set()

    def __init__(self, record: Record, message: str) -> None:
        same = _NUMBERED.sub("…", message)
        text = f"{record.outcome.value}: {record.status} {record.error_type} {same}".rstrip()[:300]
        if len(self._shown) >= MAX_TEXTS and text not in self._shown:
            text = f"{record.outcome.value}: {record.status} (more kinds of errors than are shown)"
        self._shown.add(text)
        super().__init__(text)


def is_success(record: Record, quota_rpm: int | None) -> bool:
    """Whether Locust should count a success: a refusal that the consumer's own quota explains is no failure."""
    if record.outcome is Outcome.REFUSED_BY_GATEWAY:
        return quota_rpm is not None
    return record.outcome is Outcome.ANSWERED
