"""`python -m gateway adopt FILE`."""

from __future__ import annotations

from pathlib import Path

import click

from common.yaml_file import ConfigError
from gateway.litellm.config import load_config


class _Unusable(click.ClickException):
    exit_code = 2


@click.command("adopt", short_help="Write the patterns file that a LiteLLM file deserves.")
@click.argument("file", type=click.Path(path_type=Path))
def command(file: Path) -> None:
    """Reads a LiteLLM file and writes the patterns file that it deserves to standard output.

    What it finds wrong in the file goes to standard error, and into the patterns file as comments. Nothing is sent
    anywhere and nothing is started.

        uv run python -m gateway adopt FILE > mine.yaml
    """
    from gateway.adopt import adopt  # Jinja2 is loaded by whoever adopts, not by whoever starts a gateway

    try:
        config = load_config(file)
        adopted = adopt(config)
    except ConfigError as error:
        raise _Unusable(str(error)) from None
    for sentence in adopted.findings:
        click.echo(sentence, err=True)
    click.echo(adopted.text, nl=False)
