"""The harness's own version, as pyproject.toml has it: the project is run from its folder and is never installed."""

VERSION = "0.1.0"
