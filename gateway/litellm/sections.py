"""Our own sections: `aws`, `litellm`, `cris` and `fetch`. Optional, beside LiteLLM's or in the patterns file.

They may stand in either file, so that somebody's LiteLLM file can stay as it is and `adopt` writes one file that runs.
What neither says is inferred from the deployments and the environment, or has a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from common.fields import Positive, Strict
from common.yaml_file import ConfigError, Document, read, validate
from gateway.litellm.environment import Resolver

OURS = ("aws", "litellm", "cris", "fetch")
LOG_GROUP = "/aws/bedrock/modelinvocations"


class AwsSettings(Strict):
    """Which AWS, whose profiles, where the invocation logs are. What is None here is inferred, see `Config`."""

    endpoint: Literal["embedded", "live"] | None = None
    profile_name: str | None = None
    secondary_profile_name: str | None = None
    region_name: str | None = None
    bedrock_log_group_name: str = LOG_GROUP


class LiteLlmSettings(Strict):
    port: Annotated[int, Field(ge=1, le=65535)] = 4000


class CrisSettings(Strict):
    """The model that the direct route asks for where a consumer names none."""

    model_id: str


class FetchSettings(Strict):
    """How long to wait for invocation logs; AWS publishes no figure for their delay."""

    deadline_s: Positive = 300.0
    poll_s: Positive = 2.0


class Sections(BaseModel):
    """All of ours, as they may stand in a file beside what is another's."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)
    aws: AwsSettings | None = None  # None: nothing was said of AWS at all
    litellm: LiteLlmSettings = LiteLlmSettings()
    cris: CrisSettings | None = None
    fetch: FetchSettings = FetchSettings()


def written(document: Document, beside: Path | None, environment: Mapping[str, str]) -> dict[str, Any]:
    """Our sections as LiteLLM's file and the patterns file give them together. Raises ConfigError.

    A key that stands in both and differs has no meaning that anybody could guess.
    """
    found = _ours(document, environment)
    if beside is None:
        return found
    other = read(beside)
    more = _ours(other, environment)
    validate(other, Sections, more)  # here, where an error names the file that it is in
    for name, theirs in more.items():
        ours = found.get(name)
        if not isinstance(ours, Mapping):
            found.setdefault(name, theirs)
            continue
        for key, value in theirs.items():
            if key in ours and ours[key] != value:
                raise ConfigError(
                    f"{other.where([name, key])}: says {value!r}, and {document.where([name, key])} says "
                    f"{ours[key]!r}. Say it once."
                )
        found[name] = {**theirs, **ours}
    return found


def _ours(document: Document, environment: Mapping[str, str]) -> dict[str, Any]:
    """Those of a file, with variables resolved. One that holds nothing, its keys commented out, is not there."""
    resolver, content = Resolver(document, environment), document.content
    return {name: resolver.section(content[name], None, name) for name in OURS if content.get(name) is not None}
