"""python -m embedded_aws: runs until SIGINT, SIGTERM, or the end of its parent."""

from __future__ import annotations

import gc
import shlex
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom

import click
import uvicorn

from common.lifeline import end_with_parent
from common.places import CONFIG_DIR
from common.yaml_file import ConfigError, load
from embedded_aws.admin import Admin
from embedded_aws.auth import identities
from embedded_aws.auth.credentials import Credentials
from embedded_aws.bedrock.service import Bedrock
from embedded_aws.inhabitants import Inhabitants
from embedded_aws.logs.journal import Journal
from embedded_aws.logs.service import Logs, LogsSettings
from embedded_aws.pacing import Lateness
from embedded_aws.providers.service import Providers
from embedded_aws.server import EmbeddedAws, Protocol, Server, listen
from embedded_aws.settings import Embedded
from embedded_aws.sts import Sts
from embedded_aws.world import World

HOST = "127.0.0.1"
KEEP_ALIVE_S = 120  # longer than any client's pool keeps an idle connection, so that none meets a closed one


class Unusable(click.ClickException):
    exit_code = 2


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--port", type=click.IntRange(0, 65_535), help="Default: the configuration's; 0 takes any free port.")
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), default=CONFIG_DIR / "embedded.yaml",
    show_default="config/embedded.yaml",
)  # fmt: skip
@click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False),
    help="Directory for profile files and journal. Default: a temporary one, removed at the end.",
)  # fmt: skip
@click.option("--lifeline", is_flag=True, help="End when standard input reaches its end.")
def main(port: int | None, config_path: Path, state: Path | None, lifeline: bool) -> None:
    """Runs the embedded AWS and prints the environment that points any AWS SDK at it."""
    sys.setswitchinterval(0.0005)  # a query must not hold up frames that are due
    # Also after uvicorn has shut down, for it then raises the signal again: nothing may be left behind.
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: ending.set())
    if lifeline:
        end_with_parent()
    try:
        settings = load(config_path, Embedded)
    except ConfigError as error:
        raise Unusable(str(error)) from None
    with ExitStack() as stack:
        directory = state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="embedded-aws-")))
        asked = settings.port if port is None else port
        try:
            listener = listen(HOST, asked)
        except OSError as error:
            raise Unusable(f"port {asked}: {error.strerror}. Choose another with --port.") from None
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            server, environment = build(settings, directory, listener, ending)
        except OSError as error:
            raise Unusable(f"--state {directory}: {error}. Name a directory that can be written.") from None
        for name, value in environment.items():
            click.echo(f"export {name}={shlex.quote(value)}")
        # Everything loaded so far stays: a collection that walked it would hold up streams for tens of milliseconds.
        gc.collect()
        gc.freeze()
        server.run(sockets=[listener])


def build(
    settings: Embedded, directory: Path, listener: socket.socket, ending: threading.Event | None = None
) -> tuple[Server, dict[str, str]]:
    """The server that will answer at `listener` until `ending` is set, and the environment for its clients."""
    clock = time.time
    credentials = Credentials()
    host, port = listener.getsockname()[:2]
    url = f"http://{host}:{port}"
    environment = {
        "AWS_ENDPOINT_URL": url,
        "AWS_BEDROCK_RUNTIME_ENDPOINT": url,  # LiteLLM reads this one and not the other
        **identities.profile_variables(directory),
    }
    journal = Journal(directory / "journal", clock)
    world = World(settings, journal, clock)
    lateness = Lateness()
    log_settings = LogsSettings(**settings.log_queries.model_dump())
    logs = Logs(journal, [settings.invocation_logging.log_group], clock, log_settings)
    bedrock, sts = Bedrock(world), Sts(credentials, (), clock, SystemRandom())
    inhabitants = Inhabitants(settings, directory, (world, credentials, sts, logs), SystemRandom())
    others = Providers(world)
    admin = Admin(
        environment, inhabitants, world, lateness, {"journal/stats": journal.stats, "providers": others.calls}
    )
    app = EmbeddedAws(world, credentials, (bedrock, sts, logs), others, admin, lateness)
    config = uvicorn.Config(
        app,
        http=Protocol,
        loop="uvloop",
        lifespan="off",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody may pretend to be on this machine
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
    return Server(config, world, listener, ending, (bedrock.close, logs.close, journal.close)), environment


if __name__ == "__main__":
    main(prog_name="python -m embedded_aws")
