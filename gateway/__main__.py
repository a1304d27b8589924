"""`python -m gateway`: the gateway alone, with the AWS that is configured behind it, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import click

from gateway.child import ChildError
from gateway.interruption import Interrupted, interruptible
from gateway.settings import MASTER_KEY, ConfigError
from gateway.stack import Files, Stack


@click.command(help=__doc__)
@click.option("--gateway-config", type=click.Path(path_type=Path), default=Files.config, help="config.yaml")
@click.option("--patterns", type=click.Path(path_type=Path), default=Files.patterns, help="patterns.yaml")
@click.option("--embedded-config", type=click.Path(path_type=Path), default=Files.embedded, help="embedded.yaml")
@click.option("--aws", "aws_option", type=click.Choice(["embedded", "live"]), help="overrides config.yaml")
@click.option("--logs", type=click.Path(path_type=Path), default=Path("runs/logs"), help="folder of the log")
def main(gateway_config: Path, patterns: Path, embedded_config: Path, aws_option: str | None, logs: Path) -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with interruptible():
            stack = Stack(Files(gateway_config, patterns, embedded_config), aws_option)
            stack.start(logs, click.echo)
    except (ConfigError, ChildError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except Interrupted as interrupted:
        click.echo(f"Error: {interrupted.text}", err=True)
        raise
    try:
        click.echo(f"The gateway answers at {stack.url}; its master key is {MASTER_KEY} in the environment or .env.")
        click.echo("Locust uses it as it is. Ctrl-C ends it.")
        while not ended.wait(1):
            if trouble := stack.trouble():
                click.echo(f"Error: {trouble}", err=True)
                sys.exit(1)
    finally:
        stack.stop()


if __name__ == "__main__":
    main()
