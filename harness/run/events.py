"""A run's life, hung on Locust's events: gateway up, run folder, records, files at the end, analysis called.

Three roles. A local runner does everything in one process. A master makes the plan, keeps the run folder and sends
nothing; its workers send, and stream their records to it.
"""

from __future__ import annotations

import atexit
import logging
import signal
import sys
import traceback
from typing import Any

import gevent
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from common.interruption import Interrupted, interruptible
from common.loopback import bypass_proxies
from common.process import ChildError
from common.yaml_file import ConfigError
from gateway.stack import Files
from harness.live.terminal import complain, leave_stdout
from harness.run import classes
from harness.run.exit_code import USAGE_ERROR
from harness.run.plan import seconds
from harness.run.runs import Runs
from harness.run.worker import Worker


@events.init_command_line_parser.add_listener
def _add_arguments(parser: LocustArgumentParser) -> None:
    def add(name: str, **kwargs: Any) -> None:
        parser.add_argument(name, env_var=f"LOCUST_{name.strip('-').replace('-', '_').upper()}", **kwargs)

    hidden: dict[str, Any] = {"include_in_web_ui": False}
    add("--gateway-config", default=str(Files.config), help="LiteLLM's file: models, router", **hidden)
    add("--patterns", help="patterns.yaml: consumers, traffic, claims; default: what fits --gateway-config", **hidden)
    add("--embedded-config", default=str(Files.embedded), help="embedded.yaml: the embedded AWS", **hidden)
    add("--aws", choices=["embedded", "live"], help="which AWS; overrides config.yaml's aws.endpoint", **hidden)
    add("--runs", default="runs", help="folder of the run folders", **hidden)
    add("--traffic", default="demo", help="which of the consumers' named traffics")
    add(
        "--request-timeout",
        type=seconds,
        default=120.0,
        help="seconds of silence until a request counts as not answered",
    )


def _interrupt() -> None:
    """Ctrl-C. Python's own handler would strike whichever user is at work, and its request would leave no record."""
    gevent.kill(gevent.get_hub().parent, KeyboardInterrupt)


@events.test_start.add_listener
def _spawn_ordered(environment: Environment, **_: Any) -> None:
    """Listens from the import on: a worker gets its first order to spawn users as soon as it is connected."""
    if isinstance(environment.runner, WorkerRunner):
        classes.add_ordered(environment)


@events.init.add_listener
def _init(environment: Environment, **_: Any) -> None:
    logging.getLogger("botocore").setLevel(logging.WARNING)  # Locust's level is INFO, where it reports every client
    try:
        _start(environment)
    except (Exception, Interrupted) as error:
        code = _explained(error)
        if isinstance(environment.runner, MasterRunner):
            environment.runner.quit()  # its workers, which would wait for it
        sys.exit(code)


def _start(environment: Environment) -> None:
    if isinstance(environment.runner, WorkerRunner):
        bypass_proxies()  # its users ask the embedded AWS that the master names
        worker = Worker(environment)
        forked = environment.parsed_options and environment.parsed_options.processes
        gevent.signal_handler(signal.SIGINT, worker.await_master if forked else _interrupt)
        return
    with interruptible():
        if environment.parsed_options and environment.parsed_options.json:
            leave_stdout()
        runs = Runs(environment)
        atexit.register(runs.end)  # however Locust ends, short of SIGKILL
        runs.start()
    gevent.signal_handler(signal.SIGINT, _interrupt)  # Locust has one of its own for SIGTERM


def _explained(error: BaseException) -> int:
    """Says why nothing could be started. Returns the exit code; Locust's own would be 1: a claim that fails."""
    match error:
        case ConfigError() | ChildError():
            complain(str(error))
        case Interrupted():
            complain(error.text)
            return error.exit_code
        case _:
            traceback.print_exception(error)
    return USAGE_ERROR
