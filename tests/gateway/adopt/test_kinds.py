"""Each kind of pattern: what brings it, what it claims, and what it leaves out because the file cannot support it."""

import pytest

from gateway.adopt.sizes import MOST_AT_ONCE, MOST_IN_A_WINDOW
from tests.gateway.adopt.making import HAIKU, SONNET, STRICT, claims, entry

OVERFLOWING = ["all_answered", "primaries_filled", "overflow_answered_by_fallback"]
ENFORCED = {"optional_pre_call_checks": ["enforce_model_rate_limits"], "num_retries": 0}


def two(primary, fallback, router=STRICT):
    """A group with a fallback, each with so many requests a minute (None: no rpm)."""
    first, second = ({} if rpm is None else {"rpm": rpm} for rpm in (primary, fallback))
    entries = [entry("main", **first), entry("spare", f"bedrock/{HAIKU}", **second)]
    return entries, {**router, "fallbacks": [{"main": ["spare"]}]}


def demo(pattern):
    return next(iter(pattern.consumers.values())).traffic["demo"]


# --- cross-Region inference -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "region", "expected"),
    [
        (SONNET, "us-east-1", ["all_answered", "regions_at_least"]),
        ("eu.anthropic.claude-sonnet-4-6", "eu-west-1", ["all_answered", "regions_at_least"]),
        ("anthropic.claude-sonnet-4-6", "us-east-1", ["all_answered"]),
        ("arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc", "us-east-1", ["all_answered"]),
    ],
)
def test_regions_are_claimed_where_the_model_has_some(adopting, model, region, expected):
    entries = [entry("chat", aws_region_name=region)]
    pattern = adopting.patterns(entries, cris={"model_id": model})["cris"]
    assert claims(pattern) == expected
    assert pattern.route == "direct"


def test_a_profile_that_cannot_be_called_from_here_brings_no_pattern(adopting):
    text = adopting.text(
        [entry("chat", aws_region_name="us-east-1")], cris={"model_id": "eu.anthropic.claude-sonnet-4-6"}
    )
    assert "\n  cris:" not in text
    assert "eu.anthropic.claude-sonnet-4-6 cannot be called from us-east-1" in text


def test_the_profile_of_a_deployment_is_taken_where_the_file_has_no_cris(adopting):
    entries = [entry("plain", "bedrock/amazon.nova-pro-v1:0"), entry("chat", f"bedrock/us-west-2/{HAIKU}")]
    assert adopting.read(adopting.config(entries)).cris.model_id == HAIKU


# --- account sharding -----------------------------------------------------------------------------------------------


def test_each_model_in_several_accounts_is_a_pattern_with_one_consumer_an_account(adopting):
    entries = [
        entry("s-1", aws_profile_name="one"),
        entry("s-2", aws_profile_name="two"),
        entry("s-3", aws_role_name="arn:aws:iam::333333333333:role/gateway"),
        entry("s-again", aws_profile_name="one"),
        entry("h-1", f"bedrock/{HAIKU}", aws_profile_name="one"),
        entry("h-2", f"bedrock/{HAIKU}", aws_profile_name="two"),
    ]
    patterns = adopting.patterns(entries)
    sharding = {name: [c.model for c in p.consumers.values()] for name, p in patterns.items() if "shard" in name}
    assert list(sharding.values()) == [["s-1", "s-2", "s-3"], ["h-1", "h-2"]]


def test_a_second_profile_that_no_deployment_uses_is_asked_directly(adopting):
    aws = {"endpoint": "embedded", "profile_name": "mine", "secondary_profile_name": "other"}
    entries = [entry("chat", aws_profile_name="mine")]
    patterns = adopting.read(adopting.config(entries, aws=aws, cris={"model_id": SONNET})).patterns
    sharding = patterns["account_sharding"]
    assert sharding.route == "direct"
    assert [(one.profile, one.model) for one in sharding.consumers.values()] == [("mine", None), ("other", None)]


def test_shards_are_asked_for_less_than_their_quota(adopting):
    entries = [entry("a-shard", aws_profile_name="one", rpm=4), entry("b-shard", aws_profile_name="two", rpm=4)]
    for consumer in adopting.patterns(entries, STRICT)["account_sharding"].consumers.values():
        traffic = consumer.traffic["demo"]
        assert traffic.rate_per_s * traffic.duration_s <= 3
        assert consumer.traffic["sustained"].rate_per_s * 60 < 4


def test_one_account_brings_no_pattern(adopting):
    text = adopting.text([entry("a", aws_profile_name="one"), entry("b", aws_profile_name="one")])
    assert "# - Account sharding: no two model groups use different AWS accounts" in text


def test_a_group_over_two_accounts_is_no_shard(adopting):
    entries = [entry("a", aws_profile_name="one"), entry("a", aws_profile_name="two")]
    assert "account_sharding" not in adopting.patterns(entries)


# --- fallback and load balancing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("primary", "fallback", "requests"),
    [(3, 25, 10), (6, None, 10), (20, 100, 25), (4, 3, 7), (1, 1, 2), (80, 25, 100)],
)
def test_a_quota_is_exceeded_and_the_fallbacks_is_not(adopting, primary, fallback, requests):
    pattern = adopting.patterns(*two(primary, fallback))["fallback"]
    assert claims(pattern) == OVERFLOWING
    assert demo(pattern).requests == requests
    assert primary < requests <= primary + (fallback or 1000)


def test_a_large_quota_is_exceeded_within_its_window_by_fewer_users(adopting):
    pattern = adopting.patterns(*two(200, None))["fallback"]
    traffic = demo(pattern)
    assert claims(pattern) == OVERFLOWING
    assert traffic.rate_per_s * traffic.duration_s > 200
    assert traffic.duration_s < 60
    assert all(consumer.users <= MOST_AT_ONCE for consumer in pattern.consumers.values())


def test_a_quota_that_takes_too_much_is_not_put_to_the_test(adopting):
    entries, router = two(5000, 10000)
    pattern = adopting.patterns(entries, router)["fallback"]
    assert claims(pattern) == ["all_answered"]
    assert all(consumer.users <= 10 for consumer in pattern.consumers.values())
    assert f"more than 5,000 requests within a minute to exceed the quota, and {MOST_IN_A_WINDOW}" in " ".join(
        line.strip(" #") for line in adopting.text(entries, router).splitlines()
    )


@pytest.mark.parametrize("router", [{}, {"enable_pre_call_checks": False}])
def test_an_rpm_that_nothing_enforces_is_no_quota(adopting, router):
    assert claims(adopting.patterns(*two(3, 25, router))["fallback"]) == ["all_answered"]


def test_a_fallback_that_is_full_already_is_not_claimed_to_take_more(adopting):
    """Two primaries with one small fallback: the first gets what there is."""
    entries = [entry("x", rpm=3), entry("y", f"bedrock/{HAIKU}", rpm=3), entry("spare", "openai/gpt-4o", rpm=7)]
    patterns = adopting.patterns(entries, {**STRICT, "default_fallbacks": ["spare"]})
    assert claims(patterns["fallback_x"]) == OVERFLOWING
    assert claims(patterns["fallback_y"]) == ["all_answered"]
    assert sum(demo(patterns[name]).requests for name in ("fallback_x",)) <= 10


def test_a_chain_is_counted_to_its_end(adopting):
    entries = [entry("x", rpm=3), entry("y", f"bedrock/{HAIKU}", rpm=2), entry("z", "openai/gpt-4o")]
    patterns = adopting.patterns(entries, {**STRICT, "fallbacks": [{"x": ["y"]}, {"y": ["z"]}]})
    assert claims(patterns["fallback_x"]) == claims(patterns["fallback_y"]) == OVERFLOWING


def test_several_deployments_are_load_balancing(adopting):
    entries = [entry("lb", rpm=3), entry("lb", f"bedrock/{HAIKU}", rpm=5), entry("spare", "openai/gpt-4o")]
    pattern = adopting.patterns(entries, {**STRICT, "fallbacks": [{"lb": ["spare"]}]})["load_balancing"]
    assert claims(pattern) == OVERFLOWING
    assert demo(pattern).requests == 10


@pytest.mark.parametrize(
    ("router", "expected"),
    [
        (STRICT, ["primaries_filled", "limited_to_quota"]),
        ({}, ["all_answered"]),
        (ENFORCED, ["all_answered"]),
        ({"routing_strategy": "usage-based-routing-v2"}, ["all_answered"]),
    ],
)
def test_load_balancing_without_a_fallback_claims_what_the_file_makes_sure(adopting, router, expected):
    entries = [entry("lb", rpm=3), entry("lb", f"bedrock/{HAIKU}", rpm=3)]
    assert claims(adopting.patterns(entries, router)["load_balancing"]) == expected


def test_a_limit_checked_after_the_choice_fills_no_group_of_several(adopting):
    entries = [entry("lb", rpm=3), entry("lb", f"bedrock/{HAIKU}", rpm=3), entry("spare", "openai/gpt-4o", rpm=30)]
    pattern = adopting.patterns(entries, {**ENFORCED, "fallbacks": [{"lb": ["spare"]}]})["load_balancing"]
    assert claims(pattern) == ["all_answered", "overflow_answered_by_fallback"]
    assert pattern.consumers["load-balanced"].traffic["sustained"].kind == "burst"


def test_one_deployment_without_an_rpm_makes_the_group_unlimited(adopting):
    entries = [entry("lb", rpm=3), entry("lb", f"bedrock/{HAIKU}")]
    assert claims(adopting.patterns(entries, STRICT)["load_balancing"]) == ["all_answered"]


def test_a_quota_of_tokens_that_ends_first_is_not_claimed_to_be_one_of_requests(adopting):
    entries = [entry("main", rpm=30, tpm=500), entry("spare", "openai/gpt-4o")]
    router = {**ENFORCED, "fallbacks": [{"main": ["spare"]}]}
    assert claims(adopting.patterns(entries, router)["fallback"]) == ["all_answered"]


def test_many_groups_with_a_fallback_do_not_all_ask_at_the_same_moment(adopting):
    entries = [*(entry(f"g{number}", rpm=3) for number in range(40)), entry("spare", "openai/gpt-4o")]
    router = {**STRICT, "default_fallbacks": ["spare"]}
    patterns = adopting.patterns(entries, router)
    bursts = [demo(pattern) for name, pattern in patterns.items() if name.startswith("fallback_")]
    assert len(bursts) == 40
    assert sum(one.requests for one in bursts if one.kind == "burst") <= 200


def test_a_fallback_that_answers_no_chat_is_none(adopting):
    entries = [entry("main", rpm=3), entry("vectors", "bedrock/amazon.titan-embed-text-v2:0")]
    patterns = adopting.patterns(entries, {**STRICT, "fallbacks": [{"main": ["vectors"]}]})
    assert "fallback" not in patterns
    assert claims(patterns["quota"]) == ["primaries_filled", "limited_to_quota"]


# --- quota isolation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ("consumer-a", "consumer-b", "consumer-c"),
        ("claude-alice", "claude-bob", "claude-carol"),
        ("TeamA", "TeamB", "TeamC"),
        ("alice", "bob", "carol"),
        ("tenant-noisy", "tenant-quiet-1", "tenant-quiet-2"),
        ("acme/chat", "initech/chat", "hooli/chat"),
    ],
)
def test_consumers_as_model_names(adopting, names):
    entries = [entry(name, rpm=rpm) for name, rpm in zip(names, (3, 10, 10), strict=True)]
    pattern = adopting.patterns(entries, STRICT)["quota_isolation"]
    assert [one.model for one in pattern.consumers.values()] == list(names)
    assert all(one.key == "LITELLM_MASTER_KEY" and one.quota_rpm is None for one in pattern.consumers.values())
    limited, unharmed = pattern.claims
    assert (limited.claim, unharmed.claim) == ("limited_to_quota", "neighbours_unharmed")
    first, *others = pattern.consumers
    assert (limited.consumers, unharmed.consumers) == ([first], others)


@pytest.mark.parametrize("names", [("A", "B", "C"), ("nova-x", "nova-y", "nova-z"), ("user1", "user2", "user3")])
def test_consumers_of_whom_one_only_has_a_quota(adopting, names):
    entries = [entry(names[0]), entry(names[1], rpm=3), entry(names[2])]
    pattern = adopting.patterns(entries, STRICT)["quota_isolation"]
    assert [claim.consumers for claim in pattern.claims] == [[names[1]], [names[0], names[2]]]


def test_groups_that_are_called_by_what_they_do_are_no_consumers(adopting):
    patterns = adopting.patterns([entry("limited", rpm=3), entry("shared")], STRICT)
    assert list(patterns) == ["cris", "quota", "quota_isolation"]
    assert {one.model for one in patterns["quota_isolation"].consumers.values()} == {"shared"}


def test_the_smallest_quota_is_the_one_that_is_exceeded(adopting):
    entries = [entry("team-a", rpm=50), entry("team-b", rpm=8), entry("team-c", rpm=20)]
    pattern = adopting.patterns(entries, STRICT)["quota_isolation"]
    sent = [one.traffic["demo"].requests for one in pattern.consumers.values()]
    assert sent == [5, 10, 5]


def test_consumers_quotas_that_are_too_large_are_not_put_to_the_test(adopting):
    entries = [entry("team-a", rpm=3000), entry("team-b", rpm=9000)]
    assert claims(adopting.patterns(entries, STRICT)["quota_isolation"]) == ["all_answered"]


def test_shards_are_no_consumers(adopting):
    entries = [entry("shard-a", aws_profile_name="one", rpm=60), entry("shard-b", aws_profile_name="two", rpm=60)]
    patterns = adopting.patterns(entries, STRICT)
    assert list(patterns["account_sharding"].consumers) == ["one", "two"]
    assert "quota_isolation" not in patterns


def test_consumers_in_accounts_of_their_own_are_consumers(adopting):
    entries = [entry("team-a", aws_profile_name="one", rpm=3), entry("team-b", aws_profile_name="two", rpm=10)]
    patterns = adopting.patterns(entries, STRICT)
    assert list(patterns["quota_isolation"].consumers) == ["team-a", "team-b"]


def test_where_nothing_tells_consumers_apart_keys_do(adopting):
    pattern = adopting.patterns([entry("chat")])["quota_isolation"]
    assert {name: (one.key, one.quota_rpm) for name, one in pattern.consumers.items()} == {
        "A": ("CONSUMER_A_KEY", 3),
        "B": ("CONSUMER_B_KEY", 10),
        "C": ("CONSUMER_C_KEY", 10),
    }


def test_a_custom_auth_of_ones_own_decides_about_keys(adopting):
    text = adopting.text([entry("chat")], general_settings={"custom_auth": "mine.check"})
    assert "CONSUMER_A_KEY" not in text
    assert "general_settings.custom_auth decides about keys" in text


@pytest.mark.parametrize(
    ("retries", "kind"), [({"num_retries": 0}, "constant"), ({"num_retries": 2}, "burst"), ({}, "burst")]
)
def test_retried_requests_are_not_sent_near_the_edge_of_a_window(adopting, retries, kind):
    entries = [*two(3, 25)[0], entry("solo", "openai/gpt-4o", rpm=6), *(entry(f"team-{x}", rpm=4) for x in "ab")]
    router = {"enable_pre_call_checks": True, **retries, "fallbacks": [{"main": ["spare"]}]}
    patterns = adopting.patterns(entries, router)
    loud = [patterns["fallback"].consumers["fallback"], patterns["quota"].consumers["limited"]]
    loud.append(patterns["quota_isolation"].consumers["team-a"])
    assert {consumer.traffic["sustained"].kind for consumer in loud} == {kind}


def test_made_up_consumers_share_a_group_whose_answers_can_be_traced(adopting):
    untraced = [entry("old", "bedrock/amazon.titan-tg1-large"), entry("older", "bedrock/cohere.command-text-v14")]
    pattern = adopting.patterns([*untraced, entry("chat")])["quota_isolation"]
    assert {consumer.model for consumer in pattern.consumers.values()} == {"chat"}
    pattern = adopting.patterns(untraced)["quota_isolation"]
    assert {consumer.model for consumer in pattern.consumers.values()} == {"old"}


# --- names ----------------------------------------------------------------------------------------------------------


def test_names_of_consumers_are_unique(adopting):
    entries = [
        entry("fallback", rpm=3),
        entry("A", f"bedrock/{HAIKU}", aws_profile_name="cris"),
        entry("B", f"bedrock/{HAIKU}", aws_profile_name="fallback"),
        entry("spare", "openai/gpt-4o"),
    ]
    patterns = adopting.patterns(entries, {**STRICT, "fallbacks": [{"fallback": ["spare"]}]})
    names = [name for pattern in patterns.values() for name in pattern.consumers]
    assert len(names) == len(set(names))
    assert "cris" in patterns["cris"].consumers, "the User class of that name asks directly"
