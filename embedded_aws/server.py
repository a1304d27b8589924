"""One HTTP server for all services: an ASGI application that routes, authenticates, and writes answers out."""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from embedded_aws import admin as admin_api
from embedded_aws import sts
from embedded_aws.admin import Admin
from embedded_aws.auth.credentials import Credential, Credentials
from embedded_aws.auth.iam import authorize
from embedded_aws.auth.sigv4 import authenticate
from embedded_aws.bedrock import service as bedrock
from embedded_aws.faults import Call, ConnectionIsReset, Fault
from embedded_aws.logs.service import Logs
from embedded_aws.pacing import Lateness, Player
from embedded_aws.providers import service as providers
from embedded_aws.wire import AwsError, Caller, Request, Response
from embedded_aws.world import World

MAX_BODY_BYTES = 25_000_000  # what Bedrock's service model allows InvokeModel
BACKLOG = 2_048
_PROTOCOL = "embedded_aws.protocol"
_LOGS_TARGET = "Logs_20140328."

log = logging.getLogger("embedded_aws")


class EmbeddedAws:
    """The ASGI application."""

    def __init__(
        self,
        world: World,
        credentials: Credentials,
        services: tuple[bedrock.Bedrock, sts.Sts, Logs],
        others: providers.Providers,
        admin: Admin,
        lateness: Lateness,
    ) -> None:
        self._world = world
        self._credentials = credentials
        self._bedrock, self._sts, self._logs = services
        self._providers = others
        self._admin = admin
        self._lateness = lateness
        self._region = world.settings.regions[0]
        self._faults_seen: Sequence[Fault] = ()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await _read_body(receive)
        request = _request(scope, body, self._world.clock())
        try:
            if request.path.startswith(admin_api.PREFIX):
                response = self._admin_response(scope, request)
            elif request.path.startswith(providers.PREFIX):
                response = await self._providers.handle(request)
            else:
                response = await self._respond(request)
            await self._send(scope, send, response)
        except ConnectionIsReset:
            _reset(scope["extensions"][_PROTOCOL].transport)
            while (await receive())["type"] != "http.disconnect":  # uvicorn has to see it before we return
                pass

    def _admin_response(self, scope: Any, request: Request) -> Response:
        if not _is_loopback(scope["client"]):
            return Response(403, {"content-type": "text/plain"}, b"for this machine only\n")
        return self._admin.handle(request)

    async def _respond(self, request: Request) -> Response:
        service = _service(request)
        request_id = str(uuid4())
        try:
            if len(request.body) > MAX_BODY_BYTES:
                raise _too_long()
            self._apply_expired_credentials(request.received_at)
            caller, credential = authenticate(
                request, self._credentials, request.received_at, service=service, default_region=self._region
            )
            if service == "bedrock":
                return await self._bedrock.handle(request, caller, credential, request_id)
            self._world.struck_by(Call(caller.account_id, caller.region), request.received_at)
            if service == "sts":
                return self._sts.handle(request, caller, credential)
            return self._logs.handle(request, caller, _authorizer(caller, credential))
        except AwsError as error:
            return _ERROR_RESPONSES[service](error, request_id)
        except ConnectionIsReset:
            raise
        except Exception:
            # A fault of ours: told in our log, and to the client as AWS tells its own.
            log.exception("%s %s failed", request.method, request.path)
            return _ERROR_RESPONSES[service](AwsError(500, "InternalFailure", "Internal failure"), request_id)

    async def _send(self, scope: Any, send: Any, response: Response) -> None:
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
        if isinstance(response.body, bytes):
            headers.append((b"content-length", b"%d" % len(response.body)))
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await send({"type": "http.response.body", "body": response.body})
            return
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await Player(response.body, scope["extensions"][_PROTOCOL].write_chunk, self._lateness).play()
        await send({"type": "http.response.body", "body": b""})

    def _apply_expired_credentials(self, now: float) -> None:
        """Credentials know no faults: they are told when one begins or ends."""
        active = self._world.faults.active(now)
        if active is self._faults_seen:
            return
        for faults, at in ((self._faults_seen, None), (active, now)):
            for fault in faults:
                if (account := fault.expires_credentials_of()) is not None:
                    self._credentials.expire(account, at)
        self._faults_seen = active


# --- HTTP -------------------------------------------------------------------------------------------------------


def _service(request: Request) -> str:
    if request.headers.get("x-amz-target", "").startswith(_LOGS_TARGET):
        return "logs"
    return "sts" if request.path == "/" else "bedrock"


def _request(scope: Any, body: bytes, now: float) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    return Request(scope["method"], path, query, headers, body, now)


async def _read_body(receive: Any) -> bytes:
    """The whole body; of one that is too long, enough to tell."""
    message = await receive()
    if not message.get("more_body"):
        return message.get("body", b"")
    body = bytearray(message["body"])
    while message.get("more_body"):
        message = await receive()
        if len(body) <= MAX_BODY_BYTES:
            body += message.get("body", b"")
    return bytes(body)


def _is_loopback(client: tuple[str, int] | None) -> bool:
    return client is not None and ipaddress.ip_address(client[0]).is_loopback


def _authorizer(caller: Caller, credential: Credential) -> Callable[[str, Any], None]:
    return lambda action, resources: authorize(caller, credential.policies, action, resources, {})


def _logs_error_response(error: AwsError, request_id: str) -> Response:
    member = "Message" if error.code == "AccessDeniedException" else "message"
    return Response(
        400 if error.status < 500 else error.status,  # JSON 1.1 knows no other client error
        {"content-type": "application/x-amz-json-1.1", "x-amzn-requestid": request_id},
        orjson.dumps({"__type": error.code, member: error.message}),
    )


_ERROR_RESPONSES: dict[str, Callable[[AwsError, str], Response]] = {
    "bedrock": bedrock.error_response,
    "sts": sts.error_response,
    "logs": _logs_error_response,
}


def _too_long() -> AwsError:
    return AwsError(
        400,
        "ValidationException",
        "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less than "
        f"or equal to {MAX_BODY_BYTES}",
    )


# --- connections ------------------------------------------------------------------------------------------------


class Protocol(HttpToolsProtocol):
    """Lets the application reach the connection, to write stream frames to it, and to reset it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_PROTOCOL: self}  # type: ignore[dict-item]

    def write_chunk(self, data: bytes) -> bool:
        """A chunk of the body, past ASGI, which costs as much again as the writing. False: the client does not read.

        To a client that went away nothing is written, and its answer goes on without it.
        """
        if self.flow.write_paused:
            return self.transport.is_closing()
        if not self.transport.is_closing():
            self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True


def _reset(transport: Any) -> None:
    """Closes with RST instead of FIN: what SO_LINGER with no time to linger means. A client that left sees neither."""
    if transport.is_closing():
        return
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as duplicate:
        duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Server(uvicorn.Server):
    """A server whose port closes while a fault says so."""

    def __init__(
        self,
        config: uvicorn.Config,
        world: World,
        listener: socket.socket,
        ending: threading.Event | None = None,
        at_end: Sequence[Callable[[], None]] = (),
    ) -> None:
        super().__init__(config)
        self._world = world
        self._address = listener.getsockname()[:2]
        self._ending = ending or threading.Event()
        self._at_end = at_end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Whoever is being answered now is cut off after a moment; uvicorn would tell each as an error.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)
        for close in self._at_end:
            close()

    async def on_tick(self, counter: int) -> bool:
        """Called every tenth of a second."""
        faults = self._world.faults.active(self._world.clock())
        refusing = any(fault.refuses_connections() for fault in faults)
        if refusing and self.servers:
            for server in self.servers:
                server.close()
            self.servers = []
            for connection in list(self.server_state.connections):
                _reset(connection.transport)
        elif not refusing and not self.servers:
            await self.startup(sockets=[listen(*self._address)])
        return self._ending.is_set() or await super().on_tick(counter)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that whoever comes before the server runs waits; OSError if the port is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
