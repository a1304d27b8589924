"""Which patterns file is meant: the one that was named, the shipped one, or one that is made for the gateway's file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from common.places import CONFIG_DIR
from common.yaml_file import ConfigError
from gateway.litellm.config import Config, load_config
from harness.settings.patterns import fit

SHIPPED = CONFIG_DIR / "patterns.yaml"
SHIPPED_GATEWAY = CONFIG_DIR / "config.yaml"


def choose(named: Path | None, gateway_config: Path, folder: Path, say: Callable[[str], None]) -> Path:
    """Somebody's own LiteLLM file gets patterns of its own where the shipped ones ask for groups that it does not have.

    They are written into `folder`. Raises ConfigError.
    """
    if named is not None:
        return named
    if gateway_config.resolve() == SHIPPED_GATEWAY.resolve():
        return SHIPPED
    config = load_config(gateway_config)
    if fit(SHIPPED, config):
        return SHIPPED
    made = folder / f"patterns-for-{gateway_config.stem}.yaml"
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
