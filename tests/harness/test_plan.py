"""What users are given to send: from the configuration, checked before anything is sent, and through Locust's wire."""

import dataclasses
import json

import msgpack
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from common.places import CONFIG_DIR
from common.yaml_file import ConfigError
from gateway.litellm.config import load_config
from harness.run.plan import Plan, PlannedConsumer, planned
from harness.settings.patterns import Patterns, load_patterns
from harness.settings.prompt import Prompt, messages
from harness.users.pacing import Sender

CONFIG = load_config()
PATTERNS = load_patterns(None, CONFIG)
ALL = [name for pattern in PATTERNS.patterns.values() for name in pattern.consumers]
KEYS = {"LITELLM_MASTER_KEY": "sk-master", "CONSUMER_A_KEY": "sk-a", "CONSUMER_B_KEY": "sk-b", "CONSUMER_C_KEY": "sk-c"}


def changed(consumer, **settings):
    """The shipped patterns with one consumer different."""
    content = yaml.safe_load((CONFIG_DIR / "patterns.yaml").read_text())
    for pattern in content["patterns"].values():
        if consumer in pattern["consumers"]:
            pattern["consumers"][consumer] |= settings
    return Patterns.model_validate(content)


def made(consumer, **settings):
    return planned(CONFIG, changed(consumer, **settings), [consumer], "demo", KEYS)[consumer]


def test_through_the_gateway_a_model_group_is_asked_for_with_the_consumers_key():
    consumer = made("A")
    assert (consumer.route, consumer.model, consumer.profile, consumer.key) == ("gateway", "shared", None, "sk-a")
    assert made("fallback").key == "sk-master"


def test_straight_to_bedrock_a_model_id_is_asked_for_with_a_profile():
    assert (made("cris").model, made("cris").profile) == (CONFIG.cris.model_id, "account-one")
    shard = made("account-two", route="direct")
    assert (shard.model, shard.profile) == ("us.anthropic.claude-sonnet-4-6", "account-two")
    assert made("account-two", route="direct", profile="other").profile == "other"
    assert made("cris", model="some.model").model == "some.model"


def test_a_consumers_own_prompt_comes_before_the_common_one():
    assert made("B").prompts == ([{"role": "user", "content": "Hi!"}],)
    own = made("B", prompt={"text": "Hello!", "max_tokens": 5})
    assert (own.prompts, own.max_tokens) == (([{"role": "user", "content": "Hello!"}],), (5, 5))


def test_lengths_are_drawn_between_their_bounds_and_repeat_with_the_seed():
    prompt = {"words": {"min": 3, "max": 9}, "max_tokens": {"min": 20, "max": 200}}
    consumer = made("B", prompt=prompt)
    plan = Plan("r", "http://gateway", 60.0, 1, None, 0.0, {"B": consumer})

    def drawn(worker):
        sender = Sender(plan, consumer, worker)
        bodies = [json.loads(sender.body(sender.prompts.next_messages())) for _ in range(500)]
        return [(len(body["messages"][0]["content"].split()), body["max_tokens"]) for body in bodies]

    once = drawn("")
    assert {words for words, _ in once} == set(range(3, 10))
    assert all(20 <= tokens <= 200 for _, tokens in once)
    assert len({tokens for _, tokens in once}) > 100
    assert drawn("") == once
    assert drawn("another worker") != once


def test_unknown_consumers_and_traffics_are_reported():
    with pytest.raises(
        ConfigError, match=r"A User class names the consumer 'nobody', .* \(there is: cris, account-one"
    ):
        planned(CONFIG, PATTERNS, ["nobody"], "demo", KEYS)
    where = "patterns.quota_isolation.consumers.A"
    with pytest.raises(ConfigError, match=f"--traffic rush: {where} has no traffic of that name .*: demo, sustained"):
        planned(CONFIG, PATTERNS, ["A"], "rush", KEYS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seconds\n1\n0.5\n", ":3: 0.5 comes after 1; a trace ascends from 0"),
        ("seconds\n1\nx\n", ":3: 'x' is not one number of seconds"),
        (
            "seconds\n1\n\n2\n",
            ":3: is empty; a trace has no gaps. Remove the line. It is named in patterns.cris.consumers.cris.",
        ),
        ("seconds\n1,2\n", ":2: '1,2' is not one number of seconds"),
        ("seconds\n-1\n", ":2: -1 comes after 0"),
        ("seconds\nnan\n", ":2: nan comes after 0"),
        ("seconds\ninf\n", ":2: inf comes after 0"),
        ("time\n1\n", ":1: a trace has one column, headed `seconds`"),
        ("", ":1: a trace has one column"),
        ("seconds\n", ": the trace has no arrivals"),
    ],
)
def test_a_trace_that_cannot_be_replayed_is_reported_before_anything_is_sent(tmp_path, text, says):
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        made("cris", traffic={"demo": {"kind": "trace", "file": str(path)}})
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_a_trace_within_phases_is_checked_too(tmp_path):
    phase = {"kind": "trace", "file": str(tmp_path / "nowhere.csv")}
    with pytest.raises(ConfigError, match=r"nowhere\.csv: the trace cannot be read: No such file"):
        made("cris", traffic={"demo": {"kind": "phases", "phases": [phase]}})


GOOD = '[{"role": "user", "content": "Hi"}]'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{GOOD}\nhello\n", 2),
        (f'{GOOD}\n\n{{"role": "user", "content": "Hi"}}\n', 3),
        ("[]\n", 1),
        ('[{"role": "robot", "content": "Hi"}]\n', 1),
        ('[{"role": "user", "content": ""}]\n', 1),
        ('[{"role": "user", "content": 5}]\n', 1),
        ('[{"role": "user"}]\n', 1),
        ('[{"role": "user", "content": "Hi", "more": 1}]\n', 1),
        ('["Hi"]\n', 1),
    ],
)
def test_a_line_that_is_no_message_list_is_reported(tmp_path, text, line):
    path = tmp_path / "prompts.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is not a message list") as caught:
        messages(Prompt(file=str(path)))
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_prompts_from_a_file_are_used_line_by_line(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text(f'{GOOD}\n\n[{{"role": "system", "content": "é"}}, {{"role": "user", "content": "2"}}]\n')
    first, second = messages(Prompt(file=str(path)))
    assert first == [{"role": "user", "content": "Hi"}]
    assert [message["role"] for message in second] == ["system", "user"]


def test_a_prompt_may_hold_any_character(tmp_path):
    """A line ends with a line feed, and with nothing else that Unicode calls a line's end."""
    path = tmp_path / "prompts.jsonl"
    path.write_text('[{"role": "user", "content": "a\u2028b\x85c"}]\n', encoding="utf-8-sig")
    assert messages(Prompt(file=str(path))) == ([{"role": "user", "content": "a\u2028b\x85c"}],)


def test_prompts_that_cannot_be_read_are_reported(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.jsonl: the prompts cannot be read"):
        messages(Prompt(file=str(tmp_path / "nowhere.jsonl")))
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(ConfigError, match=r"empty\.jsonl: has no message list"):
        messages(Prompt(file=str(tmp_path / "empty.jsonl")))


@given(
    st.none() | st.floats(0, 1e6),
    st.floats(0, 2e9),
    st.dictionaries(st.sampled_from(ALL), st.tuples(st.lists(st.integers(0, 9)), st.integers(1, 99))),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
)
def test_a_plan_is_the_same_at_the_other_end_of_locusts_wire(run_time_s, start_at, shares, environment):
    plan = Plan(
        run_id="r1",
        url="http://127.0.0.1:4000",
        timeout_s=5.0,
        seed=1,
        run_time_s=run_time_s,
        start_at=start_at,
        consumers=planned(CONFIG, PATTERNS, ALL, "demo", KEYS),
        shares=shares,
        environment=environment,
    )
    message = msgpack.loads(msgpack.dumps(plan.to_message()), strict_map_key=False)
    assert Plan.from_message(message) == plan


def test_a_consumers_schedule_is_its_configured_traffic():
    consumer = made("account-two")
    assert consumer.schedule == PATTERNS.patterns["account_sharding"].consumers["account-two"].traffic["demo"]
    assert {field.name for field in dataclasses.fields(PlannedConsumer)} >= {"key", "traffic", "users"}
