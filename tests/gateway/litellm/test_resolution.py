"""Which deployments answer for a name: LiteLLM's Router is asked the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.litellm.deployments import ModelEntry
from gateway.litellm.resolution import answering

GROUPS = {
    "chat": "bedrock/us.amazon.nova-lite-v1:0",
    "a*b": "bedrock/us.amazon.nova-pro-v1:0",
    "openai/*": "openai/*",
    "bedrock/*": "bedrock/*",
    "bedrock/anthropic.*": "bedrock/anthropic.*",
    "team.one/chat": "bedrock/us.amazon.nova-micro-v1:0",
}
ALIASES = {
    "gpt-4": "chat", "again": "gpt-4", "to-wild": "bedrock/x", "nowhere": "none",
    "hidden": {"model": "chat", "hidden": True},
}  # fmt: skip
CASES = [
    ("chat", ["chat"]),
    ("gpt-4", ["chat"]),
    ("hidden", ["chat"]),
    ("again", ["openai/*"]),  # an alias leads once: to gpt-4, which the provider's wildcard takes
    ("to-wild", ["bedrock/*"]),
    ("nowhere", []),
    ("none", []),
    ("axb", ["a*b"]),
    ("axbc", ["a*b"]),  # the beginning is enough
    ("xaxb", []),
    ("openai/gpt-4o", ["openai/*"]),
    ("gpt-4o", ["openai/*"]),
    ("bedrock/anthropic.claude-v2", ["bedrock/anthropic.*"]),
    ("bedrock/anthropicXclaude", ["bedrock/*"]),
    ("us.amazon.nova-lite-v1:0", ["bedrock/*"]),
    ("bedrock/us.amazon.nova-lite-v1:0", ["bedrock/*"]),
    ("the-id", ["team.one/chat"]),
    ("team.one/chat", ["team.one/chat"]),
    ("teamXone/chat", []),
]


def written(groups=GROUPS):
    return [
        {"model_name": group, "litellm_params": {"model": model, "api_key": "x"},
         "model_info": {"id": "the-id"} if group == "team.one/chat" else {}}
        for group, model in groups.items()
    ]  # fmt: skip


@pytest.fixture(scope="module")
def router():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        import litellm
    return litellm.Router(model_list=written(), model_group_alias=ALIASES)


def ours(name, groups=GROUPS, aliases=ALIASES):
    names = {key: to["model"] if isinstance(to, dict) else to for key, to in aliases.items()}
    entries = [ModelEntry.model_validate(entry) for entry in written(groups)]
    return [entry.model_name for entry in answering(name, entries, names)]


@pytest.mark.parametrize(("name", "groups"), CASES)
def test_a_name_leads_where_litellm_leads_it(router, name, groups):
    assert ours(name) == groups
    assert litellms(router, name) == groups


def litellms(router, name):
    import litellm

    try:
        _, found = router._common_checks_available_deployment(model=name)
    except litellm.BadRequestError:
        return []
    return [deployment["model_name"] for deployment in ([found] if isinstance(found, dict) else found)]


def test_without_a_wildcard_a_deployments_model_is_a_name_too():
    groups = {"chat": GROUPS["chat"], "same": GROUPS["chat"], "other": "openai/x"}
    assert ours(GROUPS["chat"], groups, {}) == ["chat", "same"]
    assert ours("openai/x", groups, {}) == ["other"]


@given(st.lists(st.text("ab*.", min_size=1, max_size=4), min_size=1, unique=True), st.text("ab.", max_size=5))
def test_a_group_answers_for_its_own_name_and_an_unknown_name_gets_a_wildcard_or_nothing(groups, name):
    found = ours(name, dict.fromkeys(groups, "openai/x"), {})
    if name in groups:
        assert found == [name]
    else:
        assert all("*" in group for group in found)
    for group in groups:
        assert ours(group, dict.fromkeys(groups, "openai/x"), {}) == [group]
