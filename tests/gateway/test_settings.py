"""What is wrong with a configuration file is told with its name, the line, the key, and what would be right."""

import os

import pytest
import yaml

from common.places import CONFIG_DIR
from common.yaml_file import ConfigError, load
from embedded_aws.settings import Embedded
from gateway.litellm.config import load_config
from gateway.litellm.warnings import ROUTER_SETTINGS
from harness.settings.patterns import Patterns, load_patterns

CONFIG, PATTERNS = ((CONFIG_DIR / name).read_text() for name in ("config.yaml", "patterns.yaml"))


def refused(path, text, read=load_config):
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(path)
    return str(caught.value)


def read_patterns(path):
    return load(path, Patterns)


def test_the_shipped_files_are_right():
    config = load_config()
    assert load_patterns(None, config).patterns.keys() == {
        "cris", "account_sharding", "fallback", "load_balancing", "quota_isolation"
    }  # fmt: skip
    assert load(CONFIG_DIR / "embedded.yaml", Embedded).port == 4510


# (what is changed, into what, and what the error then says after file and line)
BAD_CONFIG = [
    ("  profile_name: account-one", "  profil_name: account-one", "aws.profil_name: is not a known key; did you mean"),
    ("  region_name:", "  regoin: x\n  region_name:", "aws.regoin: is not a known key; did you mean 'region_name'?"),
    ("  port: 4000", "  port: many", "litellm.port: input should be a valid integer, not 'many'"),
    ("  port: 4000", "  port: '4000'", "litellm.port: input should be a valid integer, not '4000'"),
    ("  port: 4000", "  port: 70000", "litellm.port: input should be less than or equal to 65535, not 70000"),
    ("  port: 4000", "  port: true", "litellm.port: input should be a valid integer, not True"),
    ("  deadline_s: 300", "  deadline_s: 0", "fetch.deadline_s: must be a number greater than 0"),
    ("  deadline_s: 300", "  deadline_s: .nan", "fetch.deadline_s: must be a number greater than 0"),
    ("      rpm: 3", "      rpm: 0", "model_list[2].litellm_params.rpm: input should be greater than or equal to 1"),
    ("      rpm: 3", "      rpm: -5", "model_list[2].litellm_params.rpm: input should be greater than or equal to 1"),
    ("      rpm: 3", "      rpm: 3.5", "model_list[2].litellm_params.rpm: must be a whole number, not 3.5"),
    ("      rpm: 3", "      rpm: many", "model_list[2].litellm_params.rpm: must be a whole number, not 'many'"),
    ("  - model_name: shard-two", "  - model_nam: shard-two", "model_list[1].model_name: is missing. Add it."),
    ("model_list:", "modle_list:", "modle_list: is this meant to be model_list? There is none."),
    ("  model_id: us", "  model: us", "cris.model: is not a known key; did you mean 'model_id'?"),
    ("endpoint: embedded", "endpoint: embeded", "aws.endpoint: input should be 'embedded' or 'live', not 'embeded'"),
]  # fmt: skip

BAD_PATTERNS = [
    ("quota_rpm: 3", "quota_rpm: 0", "patterns.quota_isolation.consumers.A.quota_rpm: input should be greater than or"),
    ("rate_per_s: 2,", "rate_per_s: 0,", "rate_per_s: must be a number greater than 0"),
    ("rate_per_s: 2,", "rate_per_s: -1,", "rate_per_s: must be a number greater than 0"),
    ("rate_per_s: 2,", "rate_per_s: .nan,", "rate_per_s: must be a number greater than 0"),
    ("rate_per_s: 2,", "rate_per_s: .inf,", "rate_per_s: must be a number greater than 0"),
    ("rate_per_s: 2,", "rate_per_second: 2,", "rate_per_second: is not a known key; did you mean 'rate_per_s'?"),
    ("kind: burst, requests: 10", "kind: burts, requests: 10", "kind 'burts' is not one of 'burst', 'constant'"),
    ("kind: burst, requests: 10", "requests: 10", "needs a `kind`"),
    ("kind: burst, requests: 10", "kind: burst, requests: 0", "requests: input should be greater than or equal to 1"),
    ("kind: burst, requests: 10", "kind: burst, request: 10", "request: is not a known key; did you mean 'requests'?"),
    ("kind: burst, requests: 10", "kind: burst, requests: 1, evry_s: 5", "evry_s: is not a known key; did you mean"),
    ("kind: burst, requests: 10", "kind: ramp, from_per_s: 0, to_per_s: 0, duration_s: 5", "would send nothing"),
    ("kind: burst, requests: 10", "kind: steps, steps: []", "steps: must not be empty"),
    (
        "kind: burst, requests: 10",
        "kind: steps, steps: [{rate_per_s: 1, durations_s: 2}]",
        "steps[0].durations_s: is not a known key; did you mean 'duration_s'?",
    ),
    ("    title: Fallback", "    title: 111111111111", "title: must be a text, not 111111111111: write it in quotes"),
    ("key: CONSUMER_A_KEY", "key: sk-a-key-1234", "key: must name an environment variable that holds the key, such as"),
    ("key: CONSUMER_A_KEY", "key: ''", "key: must name an environment variable that holds the key, such as"),
    ("seed: 1", "seed: 1\nseed: 2", "seed: stands here twice; the first is in line"),
    ("      account-two:\n", "      account-one:\n", "consumers.account-one: stands here twice; the first is in line"),
    ("  max_tokens: 64", "  max_tokens: 0", "prompt.max_tokens: input should be greater than or equal to 1, not 0"),
    ("  max_tokens: 64", "  max_tokens: {min: 9, max: 5}", "prompt.max_tokens.max: is 5, below min, which is 9"),
    ("  max_tokens: 64", "  max_tokens: {min: 9}", "prompt.max_tokens.max: is missing"),
    ("  text: Hi!", "  text: Hi!\n  words: 5", "prompt: takes exactly one of text, words and file"),
    ("        users: 10", "        users: 0", "patterns.cris.consumers.cris.users: input should be greater than"),
    ("        users: 10", "        user: 10", "patterns.cris.consumers.cris.user: is not a known key; did you mean"),
    ("    route: direct", "    route: straight", "patterns.cris.route: input should be 'gateway' or 'direct'"),
    ("claim: all_answered", "claim: all_answerd", "claim: 'all_answerd' is not a claim; did you mean 'all_answered'?"),
    ("at_least: 2", "at_most: 2", "patterns.cris.claims[1].at_most: is not a known key; did you mean 'at_least'?"),
    ("at_least: 2", "at_least: two", "claims[1].at_least: input should be a valid integer, not 'two'"),
    ("at_least: 2", "at_least: 0", "claims[1].at_least: input should be greater than or equal to 1, not 0"),
    ("claim: all_answered", "claim: all_answered\n        at_least: 2", "at_least: is not a known key (there is"),
    ("claim: shards_separate", "claim: regions_only", "claims[1].claim: regions_only needs regions. Add it."),
    ("claim: shards_separate", "claim: regions_only\n        regions: []", "claims[1].regions: list should have at"),
    ("claim: shards_separate", "claim: regions_only\n        regions: [x]", "claims[1].regions[0]: string should"),
    ("claim: shards_separate", "claim: all_answered", "patterns.account_sharding.claims[1]: stands here twice"),
    ("consumers: [A]", "consumer: [A]", "claims[0].consumer: is not a known key; did you mean 'consumers'?"),
    ("consumers: [A]", "consumers: [Z]", "names 'Z', which is no consumer of this pattern (there is: A, B, C)"),
    ("      account-two:\n", "      cris:\n", "is a consumer of 'cris' too: consumers' names must be unique"),
    ("  text: Hi!", "  text: Hi!\n  file: x.jsonl", "takes exactly one of text, words and file"),
    ("  max_tokens: 64", "  max_tokens: 0", "prompt.max_tokens: input should be greater than or equal to 1"),
    ("seed: 1", "seed: one", "seed: input should be a valid integer, not 'one'"),
    ("claims:", "claim:", "claim: is not a known key; did you mean 'claims'?"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("shipped", "read", "good", "bad", "says"),
    [(CONFIG, load_config, *case) for case in BAD_CONFIG] + [(PATTERNS, read_patterns, *case) for case in BAD_PATTERNS],
    ids=lambda value: None if not isinstance(value, str) or "\n\n" in value else value.strip()[:40],
)
def test_one_wrong_value_is_told_with_its_line(tmp_path, shipped, read, good, bad, says):
    assert good in shipped
    text = shipped.replace(good, bad, 1)
    path = tmp_path / "bad.yaml"
    message = refused(path, text, read)
    assert says in message
    file, line, *_ = message.split(":")
    assert file == str(path)
    assert 1 <= int(line) <= len(text.splitlines())
    if "is missing" not in message:  # where a key is missing, the section is named
        first = 1 + shipped[: shipped.index(good)].count("\n")
        assert first - 1 <= int(line) <= first + bad.strip().count("\n") + 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("aws: [", ":1: is not valid YAML: expected the node content"),
        ("aws:\n  a: 1\n b: 2\n", ":3: is not valid YAML"),
        ("aws:\n\tport: 1\n", ":2: is not valid YAML: found character '\\t'"),
        ("a: !!python/object/apply:os.system [id]\n", "is not valid YAML: could not determine a constructor"),
        ("", ": must hold keys and values, and holds nothing"),
        ("- 1\n", ": must hold keys and values, and holds a list"),
        ("hello", ": must hold keys and values, and holds a text"),
        ("aws: {a: 1, a: 2}\n", ":1: aws.a: stands here twice; the first is in line 1. Remove or rename one."),
        ("a:\n- {b: 1}\n- b: 1\n  b: 2\n", ":4: a[1].b: stands here twice; the first is in line 3."),
    ],
)
def test_what_is_no_mapping_in_yaml_is_told(tmp_path, text, says):
    message = refused(tmp_path / "bad.yaml", text, read_patterns)
    assert message.startswith(str(tmp_path / "bad.yaml"))
    assert says in message


def test_anchors_and_merged_keys_are_no_repetition(tmp_path):
    path = tmp_path / "patterns.yaml"
    burst = "demo: {kind: burst, requests: 10}"
    assert burst in PATTERNS
    path.write_text(PATTERNS.replace(burst, "demo: {<<: &burst {kind: burst, requests: 1}, requests: 10}", 1))
    assert load(path, Patterns) == load(CONFIG_DIR / "patterns.yaml", Patterns)


def test_missing_and_unreadable_files_are_told(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such file"):
        load_config(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match=r"cannot be read: .*directory"):
        load_config(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"aws: \xff\xfe")
    with pytest.raises(ConfigError, match=r"latin\.yaml: cannot be read"):
        load_config(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("good", "bad", "says"),
    [
        ("model: fallback-primary", "model: falback-primary", "did you mean 'fallback-primary'?"),
        ("        model: balanced\n", "", "load-balanced: has no model: name a model group of the gateway"),
    ],
)
def test_a_consumer_asks_for_a_model_group_that_exists(tmp_path, good, bad, says):
    path = tmp_path / "patterns.yaml"
    path.write_text(PATTERNS.replace(good, bad, 1))
    with pytest.raises(ConfigError, match=r"patterns\.yaml:\d+: patterns\.") as caught:
        load_patterns(path, load_config())
    assert says in str(caught.value)


def test_deployments_are_numbered_within_their_group_and_ids_are_unique(tmp_path):
    ids = [deployment for deployment, _ in load_config().deployments()]
    assert ids[4:7] == ["balanced-1", "balanced-2", "balanced-fallback"]
    text = CONFIG.replace("  - model_name: shard-two", "  - model_info: {id: shard-one}\n    model_name: shard-two")
    (tmp_path / "c.yaml").write_text(text)
    assert [deployment for deployment, _ in load_config(tmp_path / "c.yaml").deployments()][:2] == [
        "shard-one-2", "shard-one",
    ]  # fmt: skip


def test_the_shortest_configuration_is_enough(tmp_path):
    """Only what names the AWS side, the port, the models and the router."""
    content = yaml.safe_load(CONFIG)
    short = {name: content[name] for name in ("aws", "litellm", "model_list", "cris", "router_settings")}
    del short["aws"]["endpoint"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(short))
    config = load_config(tmp_path / "config.yaml")
    assert config.aws.endpoint is None
    assert config.fetch.deadline_s == 300


@pytest.mark.parametrize(
    ("router", "others", "stand_ins"),
    [
        ({}, {}, {}),
        ({"fallbacks": [{"a": ["b"]}]}, {}, {"a": ("b",)}),
        ({"fallbacks": [{"a": ["b"]}, {"b": ["c"]}]}, {}, {"a": ("b", "c"), "b": ("c",)}),
        ({"fallbacks": [{"a": ["b"]}, {"b": ["a"]}]}, {}, {"a": ("b",), "b": ("a",)}),
        ({"fallbacks": [{"*": ["c"]}]}, {}, {"a": ("c",), "b": ("c",)}),
        ({"fallbacks": [{"*": ["c"]}, {"a": ["b"]}]}, {}, {"a": ("b", "c"), "b": ("c",)}),
        ({"default_fallbacks": ["c"]}, {"fallbacks": [{"a": ["b"]}]}, {"a": ("b", "c"), "b": ("c",)}),
        ({"fallbacks": [{"a": ["c"]}]}, {"fallbacks": [{"a": ["b"]}]}, {"a": ("c",)}),
        ({}, {"default_fallbacks": ["c"]}, {"a": ("c",), "b": ("c",)}),
    ],
)
def test_fallbacks_are_those_that_litellm_tries(tmp_path, monkeypatch, router, others, stand_ins):
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    model_list = [{"model_name": name, "litellm_params": {"model": f"bedrock/{name}"}} for name in "abc"]
    content = yaml.safe_load(CONFIG) | {"model_list": model_list}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(content | {"router_settings": router, "litellm_settings": others}))
    assert load_config(tmp_path / "c.yaml").fallbacks() == stand_ins
    litellms = litellms_stand_ins(router, others)
    assert {group: litellms(group) for group in "abc" if litellms(group)} == stand_ins


def litellms_stand_ins(router, others):
    """What LiteLLM's own Router and lookup make of them, group by group, as they call one another."""
    import litellm
    from litellm.router_utils.fallback_event_handlers import get_fallback_model_group

    made = litellm.Router(
        model_list=[{"model_name": name, "litellm_params": {"model": f"bedrock/{name}"}} for name in "abc"],
        fallbacks=router.get("fallbacks") or others.get("fallbacks") or [],
        default_fallbacks=router.get("default_fallbacks") or others.get("default_fallbacks"),
    )

    def reached(group):
        found = [group]
        for one in found:
            groups, _ = get_fallback_model_group(made.fallbacks or [], one)
            found += [name for name in groups or () if name not in found]
        return tuple(found[1:])

    return reached


def test_router_settings_are_those_of_litellms_router(monkeypatch):
    """The names are copied, so that reading a configuration does not cost an import of LiteLLM: 5 s."""
    monkeypatch.setitem(os.environ, "LITELLM_LOCAL_MODEL_COST_MAP", "True")
    from litellm import Router
    from litellm.constants import ROUTER_SETTINGS_MANAGED_OUTSIDE_CONFIG

    assert set(Router.get_valid_args()) - ROUTER_SETTINGS_MANAGED_OUTSIDE_CONFIG == ROUTER_SETTINGS
