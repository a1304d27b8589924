"""`python -m gateway`: the gateway alone, with the AWS that is configured behind it, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import click

from common.interruption import Interrupted, interruptible
from common.places import CONFIG_DIR
from common.process import ChildError
from common.yaml_file import ConfigError
from gateway.keys import MASTER_KEY, read_key_table
from gateway.stack import Files, Stack


@click.command(help=__doc__)
@click.option("--gateway-config", type=click.Path(path_type=Path), default=Files.config, help="config.yaml")
@click.option("--patterns", type=click.Path(path_type=Path), default=CONFIG_DIR / "patterns.yaml", help="patterns.yaml")
@click.option("--embedded-config", type=click.Path(path_type=Path), default=Files.embedded, help="embedded.yaml")
@click.option("--aws", "aws_option", type=click.Choice(["embedded", "live"]), help="overrides config.yaml")
@click.option("--logs", type=click.Path(path_type=Path), default=Path("runs/logs"), help="folder of the log")
def main(gateway_config: Path, patterns: Path, embedded_config: Path, aws_option: str | None, logs: Path) -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with interruptible():
            table = read_key_table(patterns)
            stack = Stack(Files(gateway_config, embedded_config), aws_option)
            stack.start(logs, click.echo, keys_of=table, groups=stack.config.groups)
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
