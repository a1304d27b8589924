"""What is wrong in a file is said with its line, its key and what to do; what is right is not found wrong."""

import pytest

from gateway.adopt.findings import FINDINGS
from tests.gateway.adopt.making import HAIKU, STRICT, entry

PER_REPLICA = "limits are counted by each process for itself"


def pair(**router):
    """A limited group, and an unlimited one that may take over for it."""
    return [entry("main", rpm=3), entry("spare", f"bedrock/{HAIKU}", id="spare")], {**STRICT, **router}


def group(*several):
    """A group of deployments with these parameters each, and a spare group."""
    return [*(entry("lb", **params) for params in several), entry("spare", f"bedrock/{HAIKU}")]


# (entries and router settings, and how each finding begins: after the line, with the key)
WRONG = {
    "a fallback that is not there": (
        *pair(fallbacks=[{"main": ["spar"]}]),
        ["router_settings.fallbacks: names model group 'spar', which is not in model_list; did you mean 'spare'?"],
    ),
    "an alias of what is not there": (
        *pair(model_group_alias={"gpt-4": "mian"}),
        ["router_settings.model_group_alias.gpt-4: names model group 'mian', which is not in model_list; did you mean"],
    ),
    "fallbacks that go round": (
        *pair(fallbacks=[{"main": ["spare"]}, {"spare": ["main"]}]),
        ["router_settings.fallbacks[0].main: goes round: main → spare → main. Under load"],
    ),
    "a fallback to itself": (
        *pair(fallbacks=[{"main": ["main"]}]),
        ["router_settings.fallbacks[0].main: goes round: main → main."],
    ),
    "a fallback that answers no chat": (
        [entry("main"), entry("vectors", "bedrock/cohere.embed-english-v3", mode="embedding")],
        {"num_retries": 0, "context_window_fallbacks": [{"main": ["vectors"]}]},
        ["router_settings.context_window_fallbacks[0].main: falls back to vectors, which does not answer chat"],
    ),
    "a fallback with less quota": (
        [entry("main", rpm=30), entry("spare", f"bedrock/{HAIKU}", rpm=5)],
        {**STRICT, "fallbacks": [{"main": ["spare"]}]},
        ["router_settings.fallbacks[0].main: has fallbacks with 5 requests a minute for a group that takes 30. When"],
    ),
    "retries in each group of a chain": (
        *pair(fallbacks=[{"main": ["spare"]}], num_retries=3),
        ["router_settings.num_retries: num_retries is 3: one request to main may become 8 calls, 4 in"],
    ),
    "retries that nobody asked for": (
        [entry("main"), entry("spare", f"bedrock/{HAIKU}")],
        {"fallbacks": [{"main": ["spare"]}]},
        ["router_settings: num_retries is not set, so LiteLLM retries twice: one request to main may become 6 calls"],
    ),
    "an rpm that limits nothing": (
        [entry("main"), entry("other", rpm=3), entry("third", rpm=5)],
        {"num_retries": 0},
        ["model_list[1].litellm_params.rpm: limits nothing, nor do those of 1 more: it only weighs how requests are"],
    ),
    "a tpm that limits nothing": (
        [entry("main", tpm=1000)],
        {"num_retries": 0},
        ["model_list[0].litellm_params.tpm: limits nothing: it only weighs"],
    ),
    "limits that are checked after the choice": (
        group({"rpm": 3}, {"rpm": 3}),
        {"optional_pre_call_checks": ["enforce_model_rate_limits"], "redis_host": "localhost", "num_retries": 0},
        ["router_settings.optional_pre_call_checks: a full deployment of lb may be chosen"],
    ),
    "a group that an alias hides": (
        *pair(model_group_alias={"main": "spare"}),
        ["model_list[0].model_name: is never reached: model_group_alias leads main to spare. Rename"],
    ),
    "a weight of one": (
        group({"weight": 2}), {}, ["model_list[0].litellm_params.weight: does nothing: lb has one deployment. Remove"]
    ),
    "weights that the strategy does not know": (
        group({"weight": 2}, {"weight": 1}),
        {"routing_strategy": "least-busy"},
        ["model_list[0].litellm_params.weight: does nothing: routing_strategy least-busy knows no weights"],
    ),
    "weights of nothing": (
        group({"weight": 0}, {"weight": 0}), {}, ["model_list[0].litellm_params.weight: all weights of lb are 0"]
    ),
    "a weight that one lacks": (
        group({"weight": 2}, {}), {}, ["model_list[1]: has no weight where others of lb have one, so it is chosen only"]
    ),
    "an order of one": (group({"order": 1}), {}, ["model_list[0].litellm_params.order: does nothing: lb has one"]),
    "an order that one lacks": (
        group({"order": 1}, {}), {}, ["model_list[1]: has no order where others of lb have one, so it is chosen only"]
    ),
    "orders that are the same": (
        group({"order": 1}, {"order": 1}), {}, ["model_list[0].litellm_params.order: is the same for all of lb"]
    ),
    "one id for two": (
        [entry("a", id="same"), entry("b", id="same")],
        {},
        ["model_list[1].model_info.id: 'same' is the id of a deployment of a too: LiteLLM counts and reports both as"],
    ),
    "a wildcard": (
        [entry("chat"), entry("bedrock/*", "bedrock/*")],
        {},
        ["model_list[1].model_name: bedrock/* cannot be tested as such: it takes any name. Give a consumer"],
    ),
    "a typing error": (
        [entry("chat", aws_regoin_name="us-east-1")],
        {},
        ["model_list[0].litellm_params.aws_regoin_name: LiteLLM hands this on to the provider; did you mean"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_it_is_found_with_its_key(adopting, case):
    entries, router, expected = case
    found = [one.partition(": ")[2] for one in adopting.findings(entries, router) if PER_REPLICA not in one]
    assert len(found) == len(expected), found
    for sentence, beginning in zip(found, expected, strict=True):
        assert sentence.startswith(beginning)


def test_it_is_found_with_its_line(adopting):
    found = adopting.findings([entry("chat"), entry("other", rpm=3)])
    assert [one.partition(":")[0] for one in found] == ["8"]


@pytest.mark.parametrize(
    ("router", "key"),
    [
        (STRICT, "router_settings.enable_pre_call_checks"),
        ({"optional_pre_call_checks": ["enforce_model_rate_limits"]}, "router_settings.optional_pre_call_checks"),
        ({"routing_strategy": "usage-based-routing-v2"}, "router_settings.routing_strategy"),
        ({**STRICT, "redis_host": "localhost"}, "router_settings.enable_pre_call_checks"),
        ({"optional_pre_call_checks": ["enforce_model_rate_limits"], "redis_host": "localhost"}, None),
        ({}, None),
    ],
)
def test_limits_that_each_replica_counts_for_itself(adopting, router, key):
    found = [one for one in adopting.findings([entry("main", rpm=3)], router) if PER_REPLICA in one]
    assert [one.split(": ")[1] for one in found] == ([key] if key else [])


def test_what_is_right_is_not_found_wrong(adopting):
    entries = [
        entry("main", rpm=30, weight=2, order=1, id="x"),
        entry("main", f"bedrock/{HAIKU}", rpm=30, weight=1, order=2, id="y"),
        entry("spare", "openai/gpt-4o"),
    ]
    router = {"num_retries": 0, "fallbacks": [{"main": ["spare"]}], "model_group_alias": {"gpt-4": "main"}}
    found = adopting.findings(entries, {**router, "enable_pre_call_checks": True})
    assert [PER_REPLICA in one for one in found] == [True]


def test_each_finding_says_where_what_and_what_to_do():
    assert all(find.__doc__ for find in FINDINGS)
    assert len({find.__name__ for find in FINDINGS}) == len(FINDINGS)
