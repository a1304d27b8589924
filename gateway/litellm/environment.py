"""`os.environ/NAME`, resolved as LiteLLM resolves it: before the file's own environment_variables are set.

Source: LiteLLM 1.106.2, `ProxyConfig.get_config`, which resolves the whole file, and `load_config`, which sets them
then: what LiteLLM and boto3 look up later, such as AWS_REGION, is found; what the file names counts as missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.yaml_file import ConfigError, Document

PREFIX = "os.environ/"


def variables(content: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    """What LiteLLM's process will have in its environment. A variable that points at itself adds nothing."""
    found = dict(environment)
    section = content.get("environment_variables")
    for name, value in section.items() if isinstance(section, Mapping) else ():
        if isinstance(value, str) and value.startswith(PREFIX):
            value = found.get(value.removeprefix(PREFIX))
        if value is not None:
            found[str(name)] = str(value)
    return found


class Resolver:
    """Resolves values that we read, and says where one stands whose variable is not set.

    `too_late` gathers the places, with what is wrong, of variables that only the file itself sets.
    """

    def __init__(self, document: Document, environment: Mapping[str, str]) -> None:
        self.too_late: list[str] = []
        self._document = document
        self._environment = environment
        self._set_later = variables(document.content, environment)

    def value(self, value: Any, *keys: str | int) -> Any:
        """`value`, which stands at `keys`. Raises ConfigError."""
        if not isinstance(value, str) or not value.startswith(PREFIX):
            return value
        name = value.removeprefix(PREFIX)
        if name in self._environment:
            return self._environment[name]
        where = self._document.where(keys)
        if name in self._set_later:
            self.too_late.append(
                f"{where}: names {name}, which only environment_variables sets: LiteLLM looks for it before that, and "
                "takes the value for missing; write the value itself"
            )
            return None
        raise ConfigError(
            f"{where}: names the environment variable {name}, which is not set. Set it, or write the value itself."
        )

    def section(self, section: Any, names: frozenset[str] | None, *keys: str | int) -> Any:
        """A mapping whose values of those names, or all where `names` is None, are resolved."""
        if not isinstance(section, Mapping):
            return section
        return {
            name: self.value(value, *keys, name) if names is None or name in names else value
            for name, value in section.items()
        }
