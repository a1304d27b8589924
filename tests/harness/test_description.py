"""run.json names deployments as the gateway's headers do, and describes who took part."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from gateway.litellm.config import load_config
from gateway.litellm.rendering import litellm_file
from harness.run.description import Facts, describe
from harness.run.plan import planned
from harness.settings.patterns import load_patterns

# Two deployments share an id, as people write the model's name there; LiteLLM would name both alike.
FILE = {
    "model_list": [
        {"model_name": "chat", "litellm_params": {"model": "bedrock/a.model"}, "model_info": {"id": "sonnet"}},
        {"model_name": "chat", "litellm_params": {"model": "bedrock/b.model", "aws_profile_name": "two"},
         "model_info": {"id": "sonnet"}},
        {"model_name": "outside", "litellm_params": {"model": "openai/gpt-4o", "rpm": "7"}},
    ],
    "aws": {"profile_name": "one", "region_name": "us-east-1", "endpoint": "embedded"},
}  # fmt: skip
CONSUMER = {"users": 2, "model": "chat", "traffic": {"demo": {"kind": "burst", "requests": 2}}}
PATTERNS = {
    "patterns": {
        "first": {
            "title": "First",
            "consumers": {"a": CONSUMER, "b": CONSUMER},
            "claims": [{"claim": "all_answered"}, {"claim": "neighbours_unharmed", "consumers": ["b"]}],
        },
        "second": {"title": "Second", "consumers": {"c": CONSUMER}, "claims": [{"claim": "all_answered"}]},
    }
}


def described(tmp_path: Path, *names: str) -> tuple[Any, Any]:
    """The run of these consumers, and the configuration it is of."""
    config_file, patterns_file = tmp_path / "config.yaml", tmp_path / "patterns.yaml"
    config_file.write_text(yaml.safe_dump(FILE))
    patterns_file.write_text(yaml.safe_dump(PATTERNS))
    config = load_config(config_file, environment={})
    patterns = load_patterns(patterns_file, config)
    stack = SimpleNamespace(
        config=config, evidence="embedded", accounts={"one": "111111111111", "two": "222222222222"},
        prices={"sonnet-2": (0.1, 0.2)}, files=SimpleNamespace(config=config_file), changes=(),
        profile_of={name: (entry.is_bedrock and (entry.profile or config.profile)) or None
                    for name, entry in config.deployments()}.get,
    )  # fmt: skip
    setup: Any = SimpleNamespace(
        stack=stack, patterns=patterns, patterns_file=patterns_file, options=SimpleNamespace(traffic="demo")
    )
    consumers = planned(config, patterns, names, "demo", {})
    facts = Facts("r1", 5.0, consumers, {name: f"{name.upper()}User" for name in names}, notes=["a note"])
    return describe(setup, facts), config


def test_deployments_have_the_ids_that_the_gateway_is_given(tmp_path: Path) -> None:
    run, config = described(tmp_path, "a")
    rendered = [entry["model_info"]["id"] for entry in litellm_file(config)["model_list"]]
    assert [deployment.id for deployment in run.deployments] == rendered
    assert len(set(rendered)) == len(rendered)
    first, second, outside = run.deployments
    assert (first.account_id, second.account_id, outside.account_id) == ("111111111111", "222222222222", None)
    assert (second.usd_per_input_token, first.usd_per_input_token) == (0.1, None)
    assert (outside.profile, outside.rpm) == (None, 7)


def test_only_those_who_took_part_are_described(tmp_path: Path) -> None:
    run, _ = described(tmp_path, "a")
    assert (run.id, run.patterns, run.titles, run.notes) == ("r1", ("first",), {"first": "First"}, ("a note",))
    assert [(consumer.name, consumer.user_class, consumer.route) for consumer in run.consumers] == [
        ("a", "AUser", "gateway")
    ]
    assert [claim.claim for claim in run.claims] == ["all_answered"]  # the other one is about somebody else
    assert run.self_check == {}
