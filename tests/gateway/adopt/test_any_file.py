"""Whatever a file holds: what is written is read again as it was meant, and asks no quota for more than it has."""

import tempfile
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from common.yaml_file import ConfigError
from gateway.adopt.proposal import Traffic
from gateway.adopt.survey import Survey
from gateway.adopt.text import scalar, traffic, wrapped
from tests.gateway.adopt.making import HAIKU, SONNET, Adopting, claims, entry

NAMES = st.sampled_from(["chat", "fast", "team-a", "team-b", "team-c", "spare", "x y", "a: b #c", "é", "on", "7", "*"])
MODELS = st.sampled_from(
    [f"bedrock/{SONNET}", f"bedrock/{HAIKU}", "openai/gpt-4o", "bedrock/amazon.titan-embed-text-v2:0"]
)


@st.composite
def files(draw):
    entries = []
    for _ in range(draw(st.integers(1, 8))):
        params = {
            "rpm": draw(st.none() | st.sampled_from([1, 2, 3, 5, 10, 25, 60, 150, 400, 9000])),
            "tpm": draw(st.none() | st.sampled_from([10, 900, 100_000])),
            "aws_profile_name": draw(st.none() | st.sampled_from(["one", "two", "cris"])),
            "weight": draw(st.none() | st.integers(0, 3)),
            "order": draw(st.none() | st.integers(1, 2)),
        }
        entries.append(
            entry(draw(NAMES), draw(MODELS), **{name: one for name, one in params.items() if one is not None})
        )
    names = [one["model_name"] for one in entries]
    some = st.lists(st.sampled_from([*names, "nowhere"]), min_size=1, max_size=3)
    router = {
        "fallbacks": draw(st.lists(st.dictionaries(st.sampled_from(names), some, min_size=1, max_size=1), max_size=4)),
        "default_fallbacks": draw(st.none() | some),
        "enable_pre_call_checks": draw(st.booleans()),
        "optional_pre_call_checks": draw(st.sampled_from([[], [], ["enforce_model_rate_limits"]])),
        "num_retries": draw(st.none() | st.integers(0, 3)),
        "routing_strategy": draw(st.sampled_from(["simple-shuffle", "simple-shuffle", "usage-based-routing-v2"])),
        "model_group_alias": draw(st.dictionaries(NAMES, st.sampled_from(names), max_size=1)),
    }
    return entries, {name: one for name, one in router.items() if one is not None}


@given(files())
def test_what_is_written_can_be_read_and_run(file):
    with tempfile.TemporaryDirectory() as folder:
        adopting = Adopting(Path(folder))
        config = adopting.config(*file)
        survey = Survey(config)
        patterns = _read(adopting, config)
    if patterns is None:
        assert all(group.capacity is not None and group.capacity <= 1 for group in survey.groups.values())
        return
    sent = {}
    for pattern in patterns.patterns.values():
        for consumer in pattern.consumers.values():
            assert consumer.users <= 100
            if pattern.route == "gateway":
                assert consumer.model in survey.groups
                sent.setdefault(consumer.model, []).append((pattern, requests(consumer.traffic["demo"])))
    _is_served(survey, sent)
    _is_put_to_the_test(survey, sent)


def _read(adopting, config):
    """None where the file holds nothing to test."""
    try:
        return adopting.read(config)
    except ConfigError as error:
        if "nothing in it can be tested" not in str(error):
            raise
        return None


def _is_served(survey, sent):
    """All that must be answered is: each group takes what it can, and its fallbacks, one after another, the rest."""
    left = {name: group.capacity for name, group in survey.groups.items()}
    over = {}
    for name, asked in sent.items():
        number = sum(requests for _, requests in asked)
        over[name] = _taken(left, name, number)
    for name, rest in over.items():
        for following in survey.groups[name].fallbacks:
            rest = _taken(left, following, rest)
        must = [pattern for pattern, _ in sent[name] if "all_answered" in claims(pattern)]
        assert not must or not rest, f"{rest} of {name} cannot be answered"


def _taken(left, name, number):
    """What a group cannot take of so many."""
    if left[name] is None:
        return 0
    taken = min(left[name], number)
    left[name] -= taken
    return number - taken


def _is_put_to_the_test(survey, sent):
    for name, asked in sent.items():
        group, number = survey.groups[name], sum(requests for _, requests in asked)
        for pattern, _ in asked:
            if {"primaries_filled", "overflow_answered_by_fallback"} & set(claims(pattern)):
                assert group.capacity is not None
                assert number > group.capacity
            if "overflow_answered_by_fallback" in claims(pattern):
                assert group.fallbacks
            if "limited_to_quota" in claims(pattern):
                assert not group.fallbacks or all(one.quota_rpm for one in pattern.consumers.values())


def requests(traffic):
    """How many in the first window."""
    return traffic.requests if traffic.kind == "burst" else round(traffic.rate_per_s * min(60, traffic.duration_s))


@given(st.text() | st.integers() | st.floats(allow_nan=False) | st.booleans())
def test_a_scalar_is_read_as_it_was_wherever_it_stands(value):
    written = scalar(value)
    assert "\n" not in written
    assert yaml.safe_load(f"a: {{b: {written}}}\nc: [{written}, 1]\nd: {written}\n") == {
        "a": {"b": value}, "c": [value, 1], "d": value
    }  # fmt: skip
    assert yaml.safe_load(f"{written}: 1") == {value: 1}


@given(st.text())
def test_no_text_ends_a_comment(text):
    lines = list(wrapped(text, 2, "- "))
    assert all(line.startswith("  # ") for line in lines)
    assert yaml.safe_load("\n".join([*lines, "a: 1"])) == {"a": 1}


@given(st.text())
def test_a_note_stands_behind_its_traffic(note):
    line = traffic(Traffic({"kind": "burst", "requests": 3}, note))
    assert yaml.safe_load(f"demo: {line}") == {"demo": {"kind": "burst", "requests": 3}}
