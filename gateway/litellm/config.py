"""Somebody's LiteLLM configuration, read as LiteLLM reads it: what of it decides how a gateway must behave."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from common.places import CONFIG_DIR
from common.yaml_file import ConfigError, Document, validate
from gateway.litellm import fallback_chains, includes, request_metadata, sections, warnings
from gateway.litellm.deployments import READ, ModelEntry, filled, with_ids
from gateway.litellm.environment import Resolver, variables
from gateway.litellm.model_id import parse
from gateway.litellm.resolution import answering
from gateway.litellm.sections import AwsSettings, CrisSettings, FetchSettings, LiteLlmSettings

DEFAULT_REGION = "us-east-1"
REGION_VARIABLES = ("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")  # in the order in which LiteLLM asks
SHUFFLE = "simple-shuffle"
_BY_USAGE = ("usage-based-routing", "usage-based-routing-v2")  # which leave out a deployment that is at its rpm
_ENFORCING = "enforce_model_rate_limits"


def _or_nothing(value: Any) -> Any:
    return {} if value is None else value


Mappings = Annotated[dict[str, Any], BeforeValidator(_or_nothing)]


class _File(sections.Sections):
    """What is read of the file; LiteLLM judges all else."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=False)
    model_list: Annotated[list[ModelEntry], Field(min_length=1)]
    router_settings: Mappings = Field(default_factory=dict)
    litellm_settings: Mappings = Field(default_factory=dict)
    general_settings: Mappings = Field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """LiteLLM's file and our sections, with what neither says inferred. `model_list` has its variables resolved."""

    document: Document
    model_list: tuple[ModelEntry, ...]
    router_settings: Mapping[str, Any]
    litellm_settings: Mapping[str, Any]
    general_settings: Mapping[str, Any]
    aws: AwsSettings
    litellm: LiteLlmSettings
    cris: CrisSettings | None
    fetch: FetchSettings
    aws_said: bool  # whether anything was said of AWS: where nothing was, nobody has chosen the real one
    region_said: bool  # whether a Region was said by anybody
    too_late: tuple[str, ...] = ()  # variables that the file names and sets itself, each with its place

    @cached_property
    def groups(self) -> dict[str, list[ModelEntry]]:
        """Model group → its deployments, in the order of the file."""
        groups: dict[str, list[ModelEntry]] = {}
        for entry in self.model_list:
            groups.setdefault(entry.model_name, []).append(entry)
        return groups

    def deployments(self) -> Iterator[tuple[str, ModelEntry]]:
        """Every deployment with an id of its own, in the order of the file."""
        return with_ids(self.model_list)

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Another name for a model group → the group."""
        written = self.router_settings.get("model_group_alias")
        found = {}
        for name, group in written.items() if isinstance(written, Mapping) else ():
            target = group.get("model") if isinstance(group, Mapping) else group
            if isinstance(target, str):
                found[str(name)] = target
        return found

    def group_of(self, name: str) -> str | None:
        """The model group that answers for a name: see `resolution.answering`."""
        return next((entry.model_name for entry in self.entries_of(name)), None)

    def entries_of(self, name: str) -> list[ModelEntry]:
        """The deployments that answer for a name; none where nothing does."""
        return answering(name, self.model_list, self.aliases)

    def fallbacks(self) -> dict[str, tuple[str, ...]]:
        """Model group → the groups that answer for it when it cannot, in order, with those that take over for these."""
        return fallback_chains.reached(self.direct_fallbacks(), self.groups, self.group_of)

    def fallbacks_for(self, kind: str) -> dict[str, tuple[str, ...]]:
        """The same for errors of one kind: "context_window" or "content_policy"."""
        return fallback_chains.reached(self.direct_fallbacks(kind), self.groups, self.group_of)

    def direct_fallbacks(self, kind: str = "") -> fallback_chains.Direct:
        """As written: group, or "*" → the groups that are asked next."""
        return fallback_chains.direct(self.router_settings, self.litellm_settings, kind)

    def takes_request_metadata(self, name: str) -> bool:
        """Whether every deployment that may answer for a name carries requestMetadata into Bedrock's log."""
        group = self.group_of(name)
        chains = (self.fallbacks(), *map(self.fallbacks_for, ("context_window", "content_policy")))
        groups = {group, *(other for chain in chains for other in chain.get(group or "", ()))}
        entries = [entry for one in groups for entry in self.groups.get(one or "", ())]
        return bool(entries) and all(
            request_metadata.takes(
                parse(name, entry.litellm_params.custom_llm_provider) if entry.name.wildcard else entry.name
            )
            for entry in entries
        )

    @property
    def profile(self) -> str:
        """The AWS profile of whoever names none."""
        return str(self.aws.profile_name)

    @property
    def region(self) -> str:
        """The Region of whoever names none, and of the invocation logs."""
        return str(self.aws.region_name)

    @property
    def routing_strategy(self) -> str:
        return str(self.router_settings.get("routing_strategy") or SHUFFLE)

    @property
    def pre_call_checks(self) -> bool:
        """Whether a deployment at its rpm is left out, counted for 60 s from the first request that it serves."""
        return bool(self.router_settings.get("enable_pre_call_checks"))  # "false" in quotes is true to LiteLLM

    @property
    def model_rate_limits(self) -> bool:
        """Whether a deployment that is at its rpm refuses, counted by the minute of the clock."""
        checks = self.router_settings.get("optional_pre_call_checks") or []
        return isinstance(checks, list) and _ENFORCING in checks

    @property
    def limits_enforced(self) -> bool:
        """Whether anything makes a deployment's rpm a limit; without it, rpm only weighs how requests are dealt."""
        return self.pre_call_checks or self.model_rate_limits or self.routing_strategy in _BY_USAGE

    @property
    def num_retries(self) -> int | None:
        """How often the gateway repeats a failed call by itself; None: LiteLLM's own default."""
        for settings in (self.router_settings, self.litellm_settings):
            if isinstance(number := settings.get("num_retries"), int):
                return number
        return None

    @property
    def master_key(self) -> str | None:
        """As written: a key, or os.environ/ with a variable's name; None where the file has none."""
        key = self.general_settings.get("master_key")
        return key if isinstance(key, str) and key else None

    @property
    def custom_auth(self) -> str | None:
        """The user's own function that judges keys in the place of ours."""
        return self.general_settings.get("custom_auth") or None

    @cached_property
    def raw(self) -> dict[str, Any]:
        """LiteLLM's own part of the file: all but our sections, and x- keys, which hold anchors."""
        return {
            name: content
            for name, content in self.document.content.items()
            if name not in sections.OURS and not str(name).startswith("x-")
        }

    def warnings(self) -> list[str]:
        """What is probably a typing error, or not what was meant, each with file, line and key."""
        return [
            *self.too_late,
            *warnings.typing_errors(self.document),
            *warnings.unknown_groups(self.document, self.named_groups(), self._is_known),
            *warnings.fallbacks_in_vain(self.document, self.router_settings, self.litellm_settings),
            *warnings.aliases_without_fallbacks(self.document, self.aliases, self.direct_fallbacks()),
        ]

    def _is_known(self, name: str) -> bool:
        routing = self.router_settings.get("routing_groups")
        names = (
            group.get("group_name")
            for group in (routing if isinstance(routing, list) else ())
            if isinstance(group, Mapping)
        )
        return self.group_of(name) is not None or name in names

    def named_groups(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Where fallbacks and aliases name model groups, and which."""
        for section, of in (("router_settings", self.router_settings), ("litellm_settings", self.litellm_settings)):
            for name in (*fallback_chains.KINDS.values(), "default_fallbacks"):
                read_as_letters = dict(fallback_chains.texts(of.get(name)))
                for group, names in fallback_chains.entries(of.get(name)):
                    for one in dict.fromkeys((group, *(() if group in read_as_letters else names))):
                        if one != fallback_chains.EVERY:
                            yield (section, name), one
        for name, group in self.aliases.items():
            yield ("router_settings", "model_group_alias", name), group


def load_config(
    path: Path | None = None, *, beside: Path | None = None, environment: Mapping[str, str] | None = None
) -> Config:
    """The file with what it includes; `beside` is the patterns file, where our sections may stand too.

    Raises ConfigError naming file, line and key of the first fault that is not LiteLLM's to judge.
    """
    environment = os.environ if environment is None else environment
    document = includes.read(path or CONFIG_DIR / "config.yaml")
    _check_model_list(document)
    resolver = Resolver(document, environment)
    others = {name: content for name, content in document.content.items() if name not in sections.OURS}
    ours = sections.written(document, beside, environment)
    content = {**others, **ours, "model_list": _entries(document, resolver)}
    file = validate(document, _File, content)
    aws, region_said = _inferred(file, variables(document.content, environment))
    return Config(
        document=document,
        model_list=tuple(file.model_list),
        router_settings=file.router_settings,
        litellm_settings=file.litellm_settings,
        general_settings=file.general_settings,
        aws=aws,
        litellm=file.litellm,
        cris=file.cris,
        fetch=file.fetch,
        aws_said=file.aws is not None,
        region_said=region_said,
        too_late=tuple(resolver.too_late),
    )


def _check_model_list(document: Document) -> None:
    if document.content.get("model_list"):
        return
    if "model_list" in document.content:
        raise ConfigError(f"{document.where(['model_list'])}: is empty: there is nothing to ask. Add a deployment.")
    for name in get_close_matches("model_list", [str(name) for name in document.content], 1):
        raise ConfigError(f"{document.where([name])}: is this meant to be model_list? There is none.")
    raise ConfigError(f"{document.path}: model_list: is missing. Without a deployment there is nothing to ask.")


def _entries(document: Document, resolver: Resolver) -> Any:
    """model_list with variables resolved, named credentials and default parameters added, as far as they are read."""
    entries = document.content["model_list"]
    if not isinstance(entries, list):
        return entries
    credentials = dict(_credentials(document, resolver))
    router = document.content.get("router_settings")
    written = router.get("default_litellm_params") if isinstance(router, Mapping) else None
    defaults = resolver.section(written or {}, READ, "router_settings", "default_litellm_params")
    return [
        filled(_resolved(entry, resolver, position), credentials, defaults if isinstance(defaults, Mapping) else {})
        if isinstance(entry, Mapping)
        else entry
        for position, entry in enumerate(entries)
    ]


def _resolved(entry: Mapping[str, Any], resolver: Resolver, position: int) -> dict[str, Any]:
    here = ("model_list", position)
    found = dict(resolver.section(entry, frozenset({"model_name", "rpm", "tpm"}), *here))
    for section, names in (("litellm_params", READ), ("model_info", frozenset({"id", "mode", "base_model"}))):
        if found.get(section) is None:
            found.pop(section, None)
        else:
            found[section] = resolver.section(found[section], names, *here, section)
    return found


def _credentials(document: Document, resolver: Resolver) -> Iterator[tuple[str, Mapping[str, Any]]]:
    listed = document.content.get("credential_list")
    for position, entry in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(entry, Mapping) and isinstance(values := entry.get("credential_values"), Mapping):
            keys = ("credential_list", position, "credential_values")
            yield str(entry.get("credential_name")), resolver.section(values, READ, *keys)


def _inferred(file: _File, environment: Mapping[str, str]) -> tuple[AwsSettings, bool]:
    """What was said of AWS, with what was not: from Bedrock's deployments, then from the environment."""
    said = file.aws or AwsSettings(endpoint="embedded")
    bedrock = [entry for entry in file.model_list if entry.is_bedrock]
    profiles = [entry.profile for entry in bedrock if entry.profile]
    first = said.profile_name or next(iter(profiles), None) or environment.get("AWS_PROFILE") or "default"
    second = said.secondary_profile_name or next((name for name in profiles if name != first), None)
    regions = [entry.region for entry in bedrock if entry.region]
    variables = [environment[name] for name in REGION_VARIABLES if environment.get(name)]
    region = next(iter(filter(None, [said.region_name, *regions, *variables])), None)
    update = {"profile_name": first, "secondary_profile_name": second, "region_name": region or DEFAULT_REGION}
    return said.model_copy(update=update), region is not None
