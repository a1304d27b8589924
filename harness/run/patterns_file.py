"""Which patterns file is meant: the one that was named, the shipped one, or one that is made for the gateway's file."""

from __future__ import annotations

from pathlib import Path

from common.places import CONFIG_DIR
from common.yaml_file import ConfigError
from gateway.litellm.config import Config, load_config
from gateway.stack import Files, Say
from harness.settings.patterns import fit

SHIPPED = CONFIG_DIR / "patterns.yaml"


def choose(named: Path | None, gateway_config: Path, runs: Path, say: Say) -> Path:
    """Somebody's own LiteLLM file gets patterns of its own where the shipped ones ask for groups that it does not have.

    Raises ConfigError.
    """
    if named is not None:
        return named
    if gateway_config.resolve() == Files.config.resolve():
        return SHIPPED
    config = load_config(gateway_config)
    if fit(SHIPPED, config):
        return SHIPPED
    made = runs / f"patterns-for-{gateway_config.stem}.yaml"
    text = adopted(config)
    try:
        made.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{made}: cannot be written: {error.strerror}. Name a patterns file with --patterns."
        ) from None
    say(f"No patterns are named, and the shipped ones do not fit {gateway_config}: these are made for it: {made}")
    return made


def adopted(config: Config) -> str:
    """The patterns file that a LiteLLM file deserves, as `python -m gateway adopt` prints it."""
    from gateway.adopt import patterns_text  # needed by few runs only

    text: str = patterns_text(config)
    return text
