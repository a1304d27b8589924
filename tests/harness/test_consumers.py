"""A consumer is resolved once: by which route, for what, as whom; what all of them together ask for follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from common.yaml_file import ConfigError
from gateway.litellm.config import Config, load_config
from harness.settings.consumers import ResolvedConsumer, all_resolved, demand, resolve
from harness.settings.patterns import Patterns, fit

FILE = {
    "model_list": [
        {"model_name": "chat", "litellm_params": {"model": "bedrock/eu.anthropic.claude-sonnet-4-6", "rpm": 5,
                                                  "aws_profile_name": "prod", "aws_region_name": "eu-west-1"}},
        {"model_name": "chat", "litellm_params": {"model": "bedrock/other.model", "aws_profile_name": "second"}},
        {"model_name": "outside", "litellm_params": {"model": "openai/gpt-4o", "api_key": "sk-x"}},
        {"model_name": "bedrock/*", "litellm_params": {"model": "bedrock/*"}},
    ],
    "router_settings": {"model_group_alias": {"talk": "chat"}},
    "aws": {"profile_name": "main", "region_name": "us-east-1"},
}  # fmt: skip


def config(tmp_path: Path, **sections: Any) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(FILE | sections))
    return load_config(path, environment={})


def written(**consumers: dict[str, Any]) -> dict[str, Any]:
    """A patterns file with one pattern."""
    common = {"users": 1, "traffic": {"demo": {"kind": "burst", "requests": 1}}}
    content = {name: common | consumer for name, consumer in consumers.items()}
    pattern = {"title": "P", "consumers": content, "claims": [{"claim": "all_answered"}]}
    return {"patterns": {"p": pattern}}


def patterns(**consumers: dict[str, Any]) -> Patterns:
    return Patterns.model_validate(written(**consumers))


def resolved(tmp_path: Path, consumer: dict[str, Any], **sections: Any) -> ResolvedConsumer:
    made = patterns(one=consumer)
    return resolve(config(tmp_path, **sections), "p", made.patterns["p"], "one")


@pytest.mark.parametrize(
    ("consumer", "expected"),
    [
        ({"model": "chat"}, ("gateway", "chat", "chat", None, True)),
        ({"model": "talk"}, ("gateway", "chat", "talk", None, True)),
        ({"model": "outside"}, ("gateway", "outside", "outside", None, False)),
        ({"model": "outside", "quota_tpm": 9}, ("gateway", "outside", "outside", None, True)),
        ({"model": "bedrock/any"}, ("gateway", "bedrock/*", "bedrock/any", None, False)),
        ({"model": "chat", "route": "direct"}, ("direct", "eu.anthropic.claude-sonnet-4-6", "", "prod", False)),
        ({"model": "chat", "route": "direct", "profile": "x"}, ("direct", "eu.anthropic.claude-sonnet-4-6", "", "x",
                                                                False)),
        ({"model": "amazon.nova-lite-v1:0", "route": "direct"}, ("direct", "amazon.nova-lite-v1:0", "", "main", False)),
    ],
)  # fmt: skip
def test_route_model_profile_and_quota(tmp_path: Path, consumer: dict[str, Any], expected: tuple[Any, ...]) -> None:
    found = resolved(tmp_path, consumer)
    assert (found.route, found.model, found.asked_as, found.profile, found.limited) == expected


def test_the_direct_route_asks_in_the_region_of_the_deployment(tmp_path: Path) -> None:
    assert resolved(tmp_path, {"model": "chat", "route": "direct"}).region == "eu-west-1"
    assert resolved(tmp_path, {"model": "amazon.nova-lite-v1:0", "route": "direct"}).region == "us-east-1"


def test_the_direct_route_takes_the_model_of_cris_where_none_is_named(tmp_path: Path) -> None:
    assert resolved(tmp_path, {"route": "direct"}, cris={"model_id": "us.model"}).model == "us.model"
    with pytest.raises(ConfigError, match=r"patterns\.p\.consumers\.one: the direct route needs a model"):
        resolved(tmp_path, {"route": "direct"})


def test_what_is_not_bedrocks_cannot_be_asked_directly(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'outside' has no deployment there"):
        resolved(tmp_path, {"route": "direct", "model": "outside"})


def test_a_consumer_without_a_model_is_no_fault_of_the_others(tmp_path: Path) -> None:
    """It matters only to a run in which it takes part."""
    made = patterns(lost={"route": "direct"}, one={"model": "talk"}, two={"route": "direct", "model": "a.model"})
    read = config(tmp_path)
    assert [consumer.name for consumer in all_resolved(read, made)] == ["one", "two"]
    asked = demand(read, made)
    assert (asked.groups, asked.models, asked.profiles) == ({"talk"}, {"a.model"}, {})


def test_profiles_are_asked_for_with_the_place_that_names_them(tmp_path: Path) -> None:
    made = patterns(one={"route": "direct", "model": "a.model", "profile": "mine"})
    assert demand(config(tmp_path), made).profiles == {"patterns.p.consumers.one.profile": "mine"}


def test_a_patterns_file_fits_where_all_of_its_model_groups_exist(tmp_path: Path) -> None:
    """By their own names, or by an alias: a wildcard takes any name, and fits nothing in particular."""
    path = tmp_path / "patterns.yaml"
    for model, fits in (("chat", True), ("talk", True), ("bedrock/x", False), ("elsewhere", False)):
        path.write_text(yaml.safe_dump(written(one={"model": model})))
        assert fit(path, config(tmp_path)) is fits
    path.write_text(yaml.safe_dump(written(one={"route": "direct"})))
    assert fit(path, config(tmp_path))
