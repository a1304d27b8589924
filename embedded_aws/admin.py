"""The embedded AWS's own API, under /_embedded/, for this machine only: health, faults, and what it measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson
from pydantic import TypeAdapter, ValidationError

from embedded_aws.faults import AnyFault
from embedded_aws.inhabitants import Inhabitants
from embedded_aws.needs import Impossible, Needs
from embedded_aws.pacing import Lateness
from embedded_aws.wire import Request, Response
from embedded_aws.world import World

PREFIX = "/_embedded/"
_FAULT: TypeAdapter[Any] = TypeAdapter(AnyFault)


class Admin:
    def __init__(
        self,
        environment: Mapping[str, str],
        inhabitants: Inhabitants,
        world: World,
        lateness: Lateness,
        counts: Mapping[str, Callable[[], Mapping[str, Any]]],  # what else is counted, by its path
    ) -> None:
        self._environment = environment
        self._inhabitants = inhabitants
        self._world = world
        self._board = world.faults
        self._lateness = lateness
        self._counts = counts

    def handle(self, request: Request) -> Response:
        match request.method, request.path.removeprefix(PREFIX):
            case "GET", "health":
                return _json({"ready": True, "pid": os.getpid(), **self._who()})
            case "POST", "needs":
                return self._furnish(request)
            case "GET", "faults":
                return _json(self._board.events(request.received_at))
            case "POST", "faults":
                return self._add_fault(request)
            case "DELETE", "faults":
                return self._stop_faults(request)
            case "GET", "pacing":
                return _json(self._lateness.summary())
            case "DELETE", "pacing":
                self._lateness.reset()
                return _json(self._lateness.summary())
            case "GET", name if name in self._counts:
                return _json(self._counts[name]())
        return _problem(404, "there is: health, needs, faults, pacing, journal/stats, providers")

    def _who(self) -> dict[str, Any]:
        return {"environment": self._environment, "accounts": self._inhabitants.accounts}

    def _furnish(self, request: Request) -> Response:
        try:
            needs = Needs.model_validate(orjson.loads(request.body))
            unanswered = self._inhabitants.furnish(needs)
        except orjson.JSONDecodeError as error:
            return _problem(400, f"the body is not valid JSON: {error}")
        except ValidationError as error:
            return _problem(400, "; ".join(_explain(fault) for fault in error.errors()))
        except Impossible as error:
            return _json({"error": str(error), "about": error.about}, 400)
        return _json({**self._who(), "unanswered": unanswered})

    def _add_fault(self, request: Request) -> Response:
        """Starts at once, or `start_s` after this call."""
        try:
            fault = _FAULT.validate_python(orjson.loads(request.body))
            self._world.check_fault(fault)
            entry = self._board.add(fault, request.received_at)
        except orjson.JSONDecodeError as error:
            return _problem(400, f"the body is not valid JSON: {error}")
        except ValidationError as error:
            return _problem(400, "; ".join(_explain(fault) for fault in error.errors()))
        except ValueError as error:
            return _problem(400, str(error))
        return _json({"name": entry.name, "started_at": entry.starts_at}, 201)

    def _stop_faults(self, request: Request) -> Response:
        """All of them only if nothing is asked for: a slip in the name of one must not stop the others."""
        match parse_qsl(request.query, keep_blank_values=True):
            case []:
                return _json({"stopped": self._board.stop(request.received_at)})
            case [("name", name)] if name:
                stopped = self._board.stop(request.received_at, name)
                return _json({"stopped": stopped}) if stopped else _problem(404, f"no fault {name!r} is to be stopped")
        return _problem(400, "faults?name=NAME stops that one, faults all of them; there is no other parameter")


def _explain(fault: Any) -> str:
    where = ".".join(map(str, fault["loc"]))
    return f"{where}: {fault['msg']}" if where else fault["msg"]


def _json(content: Any, status: int = 200) -> Response:
    return Response(status, {"content-type": "application/json"}, orjson.dumps(content))


def _problem(status: int, problem: str) -> Response:
    return _json({"error": problem}, status)
