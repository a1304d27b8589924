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
from gateway.adopt.command import command as adopt
from gateway.demand import Demand
from gateway.keys import MASTER_KEY, read_key_table
from gateway.litellm.environment import PREFIX
from gateway.stack import Files, Stack


class _Unusable(click.ClickException):
    exit_code = 2


@click.group(invoke_without_command=True, help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--gateway-config", type=click.Path(path_type=Path), help="LiteLLM's file. Default: config/config.yaml.")
@click.option("--patterns", type=click.Path(path_type=Path), help="Whose keys it knows. Default: config/patterns.yaml.")
@click.option("--embedded-config", type=click.Path(path_type=Path), default=Files.embedded, help="embedded.yaml")
@click.option("--aws", "aws_option", type=click.Choice(["embedded", "live"]), help="overrides aws.endpoint")
@click.option("--logs", type=click.Path(path_type=Path), default=Path("runs/logs"), help="folder of the log")
@click.pass_context
def main(
    context: click.Context,
    gateway_config: Path | None,
    patterns: Path | None,
    embedded_config: Path,
    aws_option: str | None,
    logs: Path,
) -> None:
    if context.invoked_subcommand is None:
        if gateway_config is None:  # the shipped files belong together; somebody's own knows no keys of ours
            gateway_config, patterns = Files.config, patterns or CONFIG_DIR / "patterns.yaml"
        run(Files(gateway_config, embedded_config), patterns, aws_option, logs)


def run(files: Files, patterns: Path | None, aws_option: str | None, logs: Path) -> None:
    """Starts everything, waits for a signal or for a child's end, and ends everything."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with interruptible():
            stack = Stack(files, aws_option, beside=patterns)
            table = read_key_table(patterns) if patterns else {}
            stack.start(logs, click.echo, Demand(keys=table, groups=frozenset(stack.config.groups)))
    except (ConfigError, ChildError) as error:
        raise _Unusable(str(error)) from None
    except Interrupted as interrupted:
        click.echo(f"Error: {interrupted.text}", err=True)
        raise
    try:
        for change in stack.changes:
            click.echo(f"  {change.where}: {change.what}")
        click.echo(f"The gateway answers at {stack.url}; {_keys(stack)}.")
        click.echo("Locust uses it as it is. Ctrl-C ends it.")
        while not ended.wait(1):
            if trouble := stack.trouble():
                click.echo(f"Error: {trouble}", err=True)
                sys.exit(1)
    finally:
        stack.stop()


def _keys(stack: Stack) -> str:
    written = stack.config.master_key
    if custom_auth := stack.config.custom_auth:
        return f"{custom_auth} decides which keys it takes"
    if stack.any_key:
        return "it takes any key, as LiteLLM does where none is configured"
    if written is None or written.startswith(PREFIX):
        return f"its master key is {(written or MASTER_KEY).removeprefix(PREFIX)} in the environment or .env"
    return "its master key is general_settings.master_key"


main.add_command(adopt)

if __name__ == "__main__":
    main()
