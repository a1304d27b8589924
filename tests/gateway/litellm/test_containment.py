"""With the embedded AWS, whatever a LiteLLM file says leads to this machine, or nowhere."""

import ast
import copy
import re
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.yaml_file import ConfigError
from gateway.litellm.containment import contain
from gateway.litellm.containment.addresses import host_is_elsewhere, is_elsewhere
from gateway.litellm.containment.callbacks import IN_PROCESS
from gateway.litellm.containment.provider_table import PATHS
from gateway.litellm.containment.variables import leads_away

BASE = "http://127.0.0.1:4510"
SECRET = "sk-very-secret-4711"
AWAY = "https://elsewhere.example.com/v1"
LITELLM = Path(find_spec("litellm").origin).parent


def contained(file, **variables):
    return contain({"model_list": [], **file}, BASE, "account-one", "us-east-1", variables)


def deployment(**params):
    """What becomes of a deployment's parameters, and what is said of them."""
    result = contained({"model_list": [{"model_name": "x", "litellm_params": params}]})
    [entry] = result.file["model_list"]
    said = {change.where.removeprefix("model_list[0].litellm_params").lstrip(".") for change in result.changes}
    return entry["litellm_params"], said


BEDROCK = {"model": "bedrock/us.anthropic.claude-sonnet-4-6"}
HERE = {"aws_region_name": "us-east-1"}
KEY = {"api_key": "sk-not-a-real-key"}


@pytest.mark.parametrize(
    ("params", "becomes", "said"),
    [
        (BEDROCK, {**BEDROCK, **HERE, "aws_profile_name": "account-one"}, set()),
        (
            {**BEDROCK, "aws_profile_name": "mine", "aws_region_name": "eu-west-1", "rpm": 3},
            {**BEDROCK, "aws_profile_name": "mine", "aws_region_name": "eu-west-1", "rpm": 3},
            set(),
        ),
        (
            {**BEDROCK, "aws_bedrock_runtime_endpoint": AWAY, "aws_sts_endpoint": AWAY, "api_base": AWAY},
            {**BEDROCK, **HERE, "aws_profile_name": "account-one"},
            {"aws_bedrock_runtime_endpoint", "aws_sts_endpoint", "api_base"},
        ),
        (
            {**BEDROCK, "aws_access_key_id": "os.environ/TEAM_ID", "aws_secret_access_key": "os.environ/TEAM_SECRET"},
            {**BEDROCK, **HERE, "aws_profile_name": "keys-TEAM_ID"},
            {"aws_access_key_id", "aws_secret_access_key"},
        ),
        ({**BEDROCK, "api_key": SECRET}, {**BEDROCK, **HERE, "aws_profile_name": "keys-1"}, {"api_key"}),
        (
            {**BEDROCK, "aws_profile_name": "mine", "aws_access_key_id": SECRET},
            {**BEDROCK, **HERE, "aws_profile_name": "mine"},
            {"aws_access_key_id"},
        ),
        (
            {**BEDROCK, "aws_role_name": "arn:aws:iam::1:role/r", "aws_web_identity_token": SECRET},
            {**BEDROCK, **HERE, "aws_role_name": "arn:aws:iam::1:role/r"},
            {"aws_web_identity_token"},
        ),
        (
            {"model": "bedrock/eu-west-1/anthropic.claude-v2"},
            {"model": "bedrock/eu-west-1/anthropic.claude-v2", "aws_profile_name": "account-one"},
            set(),
        ),
        ({"model": "bedrock/*"}, {"model": "bedrock/*", **HERE, "aws_profile_name": "account-one"}, set()),
        (
            {"model": "openai/gpt-4o", "api_key": SECRET, "api_base": AWAY, "organization": "org-1", "timeout": 5},
            {"model": "openai/gpt-4o", **KEY, "api_base": f"{BASE}/_providers/openai/v1", "timeout": 5},
            {"", "api_key", "api_base", "organization"},
        ),
        ({"model": "gpt-4o"}, {"model": "gpt-4o", **KEY, "api_base": f"{BASE}/_providers/openai/v1"}, {""}),
        ({"model": "openai/*"}, {"model": "openai/*", **KEY, "api_base": f"{BASE}/_providers/openai/v1"}, {""}),
        (
            {"model": "azure/mine", "api_base": "https://x.openai.azure.com", "api_version": "2024-10-21",
             "azure_ad_token": SECRET, "tenant_id": "t", "client_id": "c", "client_secret": SECRET},
            {"model": "azure/mine", **KEY, "api_base": f"{BASE}/_providers/azure", "api_version": "2024-10-21"},
            {"", "api_base", "azure_ad_token", "tenant_id", "client_id", "client_secret"},
        ),
        (
            {"model": "anthropic/claude-sonnet-4-6"},
            {"model": "anthropic/claude-sonnet-4-6", **KEY, "api_base": f"{BASE}/_providers/anthropic"},
            {""},
        ),
        (
            {"model": "azure_ai/claude-sonnet-4-6"},
            {"model": "azure_ai/claude-sonnet-4-6", **KEY, "api_base": f"{BASE}/_providers/anthropic"},
            {""},
        ),
        (
            {"model": "azure_ai/gpt-4o"},
            {"model": "azure_ai/gpt-4o", **KEY, "api_base": f"{BASE}/_providers/azure"},
            {""},
        ),
        (
            {"model": "some", "custom_llm_provider": "groq"},
            {"model": "some", "custom_llm_provider": "groq", **KEY, "api_base": f"{BASE}/_providers/openai/v1"},
            {""},
        ),
        ({"model": "*", "api_key": SECRET}, {"model": "*"}, {"api_key", "model"}),
        ({"model": "vertex_ai/x", "mock_response": "hi"}, {"model": "vertex_ai/x", "mock_response": "hi"}, set()),
        ({"model": "auto_router/quick"}, {"model": "auto_router/quick"}, set()),
    ],
)  # fmt: skip
def test_a_deployment(params, becomes, said):
    assert deployment(**params) == (becomes, said)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("vertex_ai/gemini-2.5-pro", "'vertex_ai/gemini-2.5-pro' is of the provider 'vertex_ai', which nothing on"),
        ("sagemaker/x", "the provider 'sagemaker'"),
        ("text-completion-openai/x", "the provider 'text-completion-openai'"),
        ("openai/responses/gpt-5", "openai's Responses API"),
        ("vertex_ai/*", "the provider 'vertex_ai'"),
        ("gemini-2.5-pro", "a provider that its name does not say"),
        ("cohere/command-r", "Leave this deployment out, or run against the real one with --aws live."),
    ],
)
def test_a_provider_that_nobody_answers_for_is_refused_before_the_run(model, said):
    with pytest.raises(ConfigError) as caught:
        deployment(model=model, api_key=SECRET)
    assert str(caught.value).startswith("model_list[0].litellm_params.model: ")
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


def test_all_refusals_are_said_at_once():
    models = ["replicate/a", "bedrock/b", "bytez/c"]
    with pytest.raises(ConfigError) as caught:
        contained({"model_list": [{"model_name": m, "litellm_params": {"model": m}} for m in models]})
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "model_list[0].litellm_params.model",
        "model_list[2].litellm_params.model",
    ]


def test_a_provider_of_ones_own_code_is_not_refused():
    own = {"custom_provider_map": [{"provider": "mine", "custom_handler": "my_module.handler"}]}
    entry = {"model_name": "x", "litellm_params": {"model": "mine/x"}}
    assert contained({"model_list": [entry], "litellm_settings": own}).file["litellm_settings"] == own


def test_the_same_credential_is_the_same_account_and_another_is_another():
    keys = [{"aws_access_key_id": key} for key in ("AKIA1", "AKIA2", "AKIA1", "os.environ/A", "os.environ/B")]
    result = contained({"model_list": [{"model_name": "x", "litellm_params": {**BEDROCK, **key}} for key in keys]})
    profiles = [entry["litellm_params"]["aws_profile_name"] for entry in result.file["model_list"]]
    assert profiles == ["keys-1", "keys-2", "keys-1", "keys-A", "keys-B"]
    assert result.profiles == ("keys-1", "keys-2", "keys-A", "keys-B")


def test_named_credentials_and_default_parameters():
    result = contained({
        "credential_list": [
            {"credential_name": "keys",
             "credential_values": {"aws_access_key_id": "os.environ/K", "aws_region_name": "r1"}},
            {"credential_name": "role", "credential_values": {"aws_role_name": "arn:aws:iam::1:role/r"}},
            {"credential_name": "bearer", "credential_values": {"api_key": SECRET, "api_base": AWAY}},
            {"credential_name": "other", "credential_values": {"api_key": SECRET, "api_base": AWAY}},
        ],
        "router_settings": {"default_litellm_params": {"aws_profile_name": "shared", "api_base": AWAY, "timeout": 3}},
        "model_list": [
            {"model_name": name, "litellm_params": {**BEDROCK, "litellm_credential_name": name}}
            for name in ("keys", "role", "bearer", "none")
        ] + [{"model_name": "o", "litellm_params": {"model": "openai/x", "litellm_credential_name": "other"}}],
    })  # fmt: skip
    found = [entry["litellm_params"] for entry in result.file["model_list"]]
    assert [params.get("aws_profile_name") for params in found] == ["keys-K", "shared", "keys-1", "shared", None]
    assert [params.get("aws_role_name") for params in found] == [None, "arn:aws:iam::1:role/r", None, None, None]
    assert found[0]["aws_region_name"] == "r1"
    assert found[4] == {"model": "openai/x", "litellm_credential_name": "other", **KEY,
                        "api_base": f"{BASE}/_providers/openai/v1"}  # fmt: skip
    assert [entry["credential_values"] for entry in result.file["credential_list"]] == [
        {"aws_region_name": "r1"}, {"aws_role_name": "arn:aws:iam::1:role/r"}, {}, {},
    ]  # fmt: skip
    assert result.file["router_settings"] == {"default_litellm_params": {"aws_profile_name": "shared", "timeout": 3}}
    assert result.roles == ("arn:aws:iam::1:role/r",)


# (section, key, what stands there, what stays of it; None: nothing)
SWITCHED = [
    ("litellm_settings", "callbacks", ["otel", "prometheus", "my_module.handler"], ["prometheus", "my_module.handler"]),
    ("litellm_settings", "callbacks", "langfuse", None),
    ("litellm_settings", "success_callback", ["langfuse", "s3", "datadog"], None),
    ("litellm_settings", "failure_callback", ["sentry"], None),
    ("litellm_settings", "service_callback", ["prometheus_system", "datadog"], None),
    ("litellm_settings", "audit_log_callbacks", ["s3_v2"], None),
    ("litellm_settings", "callbacks", [{"webhook": AWAY}], None),
    ("litellm_settings", "s3_callback_params", {"s3_bucket_name": "b"}, None),
    ("litellm_settings", "openai_key", SECRET, None),
    ("litellm_settings", "api_base", AWAY, None),
    ("litellm_settings", "headers", {"Authorization": SECRET}, None),
    ("litellm_settings", "model_cost_map_url", AWAY, None),
    ("litellm_settings", "use_litellm_proxy", True, None),
    ("litellm_settings", "cache_params", {"type": "redis", "host": "redis.example.com", "password": SECRET}, None),
    ("litellm_settings", "cache_params", {"type": "qdrant-semantic", "qdrant_api_base": AWAY}, None),
    ("litellm_settings", "cache_params", {"type": "s3", "s3_bucket_name": "b"}, None),
    (
        "litellm_settings",
        "cache_params",
        {"type": "redis", "host": "127.0.0.1"},
        {"type": "redis", "host": "127.0.0.1"},
    ),
    ("litellm_settings", "cache_params", {"type": "local"}, {"type": "local"}),
    ("litellm_settings", "guardrails", [{"a": {"callbacks": ["lakera_prompt_injection"]}}], []),
    ("litellm_settings", "json_logs", True, True),
    ("litellm_settings", "num_retries", 3, 3),
    ("litellm_settings", "drop_params", True, True),
    ("litellm_settings", "add_user_information_to_llm_headers", True, True),
    ("router_settings", "redis_host", "redis.example.com", None),
    ("router_settings", "redis_url", "redis://:pw@redis.example.com:6379", None),
    ("router_settings", "redis_host", "localhost", "localhost"),
    ("router_settings", "redis_host", "os.environ/NOT_SET", None),
    ("router_settings", "redis_host", "os.environ/HERE", "127.0.0.1"),
    ("router_settings", "alerting_config", {"webhook_url": AWAY}, None),
    ("router_settings", "routing_strategy", "least-busy", "least-busy"),
    ("general_settings", "database_url", "postgresql://u:p@db.example.com/x", None),
    ("general_settings", "store_model_in_db", True, None),
    ("general_settings", "alerting", ["slack"], None),
    ("general_settings", "alert_to_webhook_url", {"budget_alerts": AWAY}, None),
    ("general_settings", "key_management_system", "aws_secret_manager", None),
    ("general_settings", "pass_through_endpoints", [{"path": "/x", "target": AWAY}], None),
    ("general_settings", "coordination_redis", {"host": "redis.example.com"}, None),
    ("general_settings", "coordination_redis", {"host": "127.0.0.1"}, {"host": "127.0.0.1"}),
    ("general_settings", "enable_jwt_auth", True, None),
    ("general_settings", "litellm_license", SECRET, None),
    ("general_settings", "master_key", "sk-1234", "sk-1234"),
    ("general_settings", "background_health_checks", True, True),
    ("general_settings", "something_new", {"deep": [{"webhook": AWAY, "n": 1}]}, {"deep": [{"n": 1}]}),
    ("environment_variables", "LANGFUSE_HOST", "x", None),
    ("environment_variables", "OPENAI_API_BASE", "http://127.0.0.1:1", None),
    ("environment_variables", "HTTPS_PROXY", "proxy:3128", None),
    ("environment_variables", "AWS_PROFILE", "x", None),
    ("environment_variables", "MINE", AWAY, None),
    ("environment_variables", "MINE", "yes", "yes"),
    ("environment_variables", "MINE", "os.environ/HERE", "127.0.0.1"),
]


@pytest.mark.parametrize(("section", "key", "written", "stays"), SWITCHED)
def test_a_setting(section, key, written, stays):
    result = contained({section: {key: written}}, HERE="127.0.0.1")
    assert result.file[section].get(key) == stays
    changed = [change.where for change in result.changes]
    unchanged = stays == written or written == "os.environ/HERE"
    assert bool(changed) != unchanged
    assert all(where.startswith(f"{section}.{key}") for where in changed)


@pytest.mark.parametrize(
    "section",
    ["mcp_servers", "mcp_tools", "vector_store_registry", "search_tools", "sandbox_tools", "agents",
     "assistant_settings", "files_settings", "finetune_settings", "default_vertex_config"],
)  # fmt: skip
def test_a_service(section):
    result = contained({section: [{"name": "x", "url": AWAY}]})
    assert section not in result.file
    assert [change.where for change in result.changes] == [section]


def test_guardrails():
    presidio = {"guardrail": "presidio", "mode": "pre_call"}
    here = {**presidio, "presidio_analyzer_api_base": "os.environ/ANALYZER"}
    kinds = {
        "away": presidio,
        "here": here,
        "lakera": {"guardrail": "lakera_v2", "api_key": SECRET},
        "bedrock": {"guardrail": "bedrock", "guardrailIdentifier": "x"},
        "own": {"guardrail": "my_guardrail.Mine", "mode": "pre_call"},
        "permission": {"guardrail": "tool_permission"},
    }
    file = {
        "guardrails": [{"guardrail_name": name, "litellm_params": params} for name, params in kinds.items()],
        "policies": {"p": {"guardrails": ["lakera"]}},
        "model_list": [{"model_name": "x", "litellm_params": {**BEDROCK, "guardrails": ["lakera", "own"]}}],
    }
    result = contained(file, ANALYZER="http://localhost:5002")
    assert [entry["guardrail_name"] for entry in result.file["guardrails"]] == ["here", "own", "permission"]
    assert result.file["guardrails"][0]["litellm_params"]["presidio_analyzer_api_base"] == "http://localhost:5002"
    assert "policies" not in result.file
    assert result.file["model_list"][0]["litellm_params"]["guardrails"] == ["own"]
    assert {change.where for change in result.changes} == {
        "guardrails[0]",
        "guardrails[2]",
        "guardrails[3]",
        "policies",
    }
    away = contained(file, ANALYZER=AWAY)
    assert [entry["guardrail_name"] for entry in away.file["guardrails"]] == ["own", "permission"]


def test_fallbacks_that_are_calls_of_their_own_have_no_address_left():
    target = {"model": "openai/gpt-4o", "api_base": AWAY, "api_key": SECRET}
    deployment = {**BEDROCK, "fallbacks": [copy.deepcopy(target)]}
    file = {
        "router_settings": {"fallbacks": [{"a": ["b", target]}]},
        "litellm_settings": {"context_window_fallbacks": [{"a": ["c"]}]},
        "model_list": [{"model_name": "a", "litellm_params": deployment}],
    }
    result = contained(file)
    assert result.file["router_settings"] == {"fallbacks": [{"a": ["b", {"model": "openai/gpt-4o"}]}]}
    assert result.file["litellm_settings"] == {"context_window_fallbacks": [{"a": ["c"]}]}
    assert result.file["model_list"][0]["litellm_params"]["fallbacks"] == [{"model": "openai/gpt-4o"}]
    assert "router_settings.fallbacks[0].a[1].api_base" in {change.where for change in result.changes}


def test_prompts_that_are_kept_here_stay():
    kept = {"prompt_id": "a", "litellm_params": {"prompt_integration": "dotprompt"}}
    result = contained({"prompts": [kept, {"prompt_id": "b", "litellm_params": {"prompt_integration": "langfuse"}}]})
    assert result.file["prompts"] == [kept]
    assert [change.where for change in result.changes] == ["prompts[1]"]


def test_a_plain_file_stays_as_it_is():
    file = {
        "model_list": [{"model_name": "a", "litellm_params": {**BEDROCK, **HERE, "aws_profile_name": "mine", "rpm": 3},
                        "model_info": {"id": "a", "source": "https://elsewhere.example.com/pricing"}}],
        "router_settings": {"routing_strategy": "simple-shuffle", "fallbacks": [{"a": ["b"]}], "num_retries": 0},
        "litellm_settings": {"drop_params": True, "request_timeout": 600, "cache": False},
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY", "custom_auth": "a.b"},
    }  # fmt: skip
    before = copy.deepcopy(file)
    result = contained(file)
    assert result.file == file == before
    assert result.changes == ()


def test_the_environment_of_the_process():
    inherited = {
        "PATH": "/bin", "HOME": "/root", "LITELLM_MASTER_KEY": "sk-1", "CONSUMER_A_KEY": "sk-2", "NO_PROXY": "x",
        "AWS_CONFIG_FILE": "/embedded/config", "AWS_PROFILE": "mine", "AWS_BEARER_TOKEN_BEDROCK": SECRET,
        "AWS_ENDPOINT_URL_STS": AWAY, "OPENAI_API_KEY": SECRET, "HTTPS_PROXY": "proxy:1", "https_proxy": "proxy:1",
        "LANGFUSE_PUBLIC_KEY": SECRET, "OTEL_EXPORTER_OTLP_ENDPOINT": AWAY, "DD_SITE": "x", "SLACK_WEBHOOK_URL": AWAY,
        "REDIS_HOST": "redis", "DATABASE_URL": "postgres://x", "MINE": AWAY, "OPENAI_BASE_URL": AWAY,
        "AWS_BEDROCK_RUNTIME_ENDPOINT": AWAY, "LITELLM_RUST": "1",
    }  # fmt: skip
    changed = {**inherited, **contained({}, **inherited).environment}
    left = {name for name in inherited if changed[name] is not None}
    assert left == {
        "PATH", "HOME", "LITELLM_MASTER_KEY", "CONSUMER_A_KEY", "NO_PROXY", "AWS_CONFIG_FILE", "OPENAI_BASE_URL",
        "AWS_BEDROCK_RUNTIME_ENDPOINT", "LITELLM_RUST",
    }  # fmt: skip
    assert changed["AWS_BEDROCK_RUNTIME_ENDPOINT"] == changed["AWS_ENDPOINT_URL"] == BASE
    assert changed["OPENAI_BASE_URL"] == changed["GROQ_API_BASE"] == f"{BASE}/_providers/openai/v1"
    assert (changed["LITELLM_RUST"], changed["PYTHON_DOTENV_DISABLED"]) == ("False", "1")


def test_a_wildcard_for_every_provider_gets_keys_that_are_none():
    open_one = {"model_list": [{"model_name": "*", "litellm_params": {"model": "*"}}]}
    assert contained(open_one, OPENAI_API_KEY=SECRET).environment["OPENAI_API_KEY"] == "sk-not-a-real-key"
    assert contained({}, OPENAI_API_KEY=SECRET).environment["OPENAI_API_KEY"] is None


def full():
    """A file with something of everything."""
    sections = {}
    for section, key, written, _ in SWITCHED:
        sections.setdefault(section, {})[key] = copy.deepcopy(written)
    return {
        "model_list": [
            {"model_name": "b", "litellm_params": {**BEDROCK, "aws_sts_endpoint": AWAY, "aws_access_key_id": SECRET}},
            {"model_name": "b", "litellm_params": {**BEDROCK, "litellm_credential_name": "c", "guardrails": ["l"]}},
            {"model_name": "o", "litellm_params": {"model": "openai/x", "api_base": AWAY, "api_key": SECRET}},
            {"model_name": "a", "litellm_params": {"model": "x", "custom_llm_provider": "azure", "api_base": AWAY}},
            {"model_name": "f", "litellm_params": {**BEDROCK, "fallbacks": [{"model": "openai/x", "api_base": AWAY}]}},
        ],
        "credential_list": [
            {"credential_name": "c", "credential_values": {"api_key": SECRET, "api_base": AWAY}, "credential_info": {}}
        ],
        "prompts": [{"prompt_id": "p", "litellm_params": {"prompt_integration": "langfuse", "api_base": AWAY}}],
        "policies": {"p": {"guardrails": ["l"]}},
        "guardrails": [{"guardrail_name": "l", "litellm_params": {"guardrail": "lakera_v2", "api_base": AWAY}}],
        "mcp_servers": {"x": {"url": AWAY}},
        **sections,
    }


URLS = st.sampled_from(
    [AWAY, "redis://cache.example.com:6379", "postgresql://u:p@10.0.0.1/x", "wss://192.0.2.1/x", "grpc://a.example:1"]
)
KEYS = st.text("abc_", min_size=1, max_size=4)


@st.composite
def places(draw):
    """A path of new keys and positions, at whose end there is an address."""
    value = draw(URLS)
    for key in draw(st.lists(st.one_of(KEYS, st.none()), max_size=4)):
        value = [value, 1] if key is None else {key: value, "n": 1}
    section = draw(st.sampled_from(["litellm_settings", "router_settings", "general_settings", "deployment", "new"]))
    return section, draw(KEYS), value


def addresses(value):
    """Every text below a value that is another machine's address."""
    if isinstance(value, dict):
        return [found for name, one in value.items() if name != "model_info" for found in addresses(one)]
    if isinstance(value, list):
        return [found for one in value for found in addresses(one)]
    return [value] if isinstance(value, str) and re.search(r"://(?!127\.0\.0\.1|localhost)", value) else []


@given(st.lists(places(), max_size=5), st.dictionaries(st.text("ABC_", min_size=1), URLS, max_size=3))
def test_no_address_of_another_machine_is_left_anywhere(added, variables):
    file = full()
    for section, key, value in added:
        place = file["model_list"][0]["litellm_params"] if section == "deployment" else file.setdefault(section, {})
        place[key] = value
    result = contained(file, **variables)
    assert addresses(result.file) == []
    assert addresses({name: value for name, value in result.environment.items() if value}) == []
    assert {name for name in variables if result.environment.get(name, AWAY) is not None} == set()


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), URLS, st.just("os.environ/A"))
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def odd_files(draw):
    """The full file with something else in the place of one of its values."""
    file = full()
    place = file
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
        else:
            place[key] = draw(ANYTHING)
            return file


@settings(max_examples=150)
@given(odd_files())
def test_what_litellm_would_refuse_is_left_to_it(file):
    """Whatever stands there, the rules stumble over nothing, and no address is left."""
    with suppress(ConfigError):
        assert addresses(contained(file).file) == []


def test_no_secret_is_left_or_reported():
    result = contained(full())
    assert SECRET not in str(result.changes)
    assert SECRET not in str(result.file)
    assert "pw@" not in str(result.changes)


def test_what_is_given_is_not_changed():
    file = full()
    contained(file)
    assert file == full()


@pytest.mark.parametrize(
    ("value", "elsewhere"),
    [
        (AWAY, True), ("http://127.0.0.1:1/x", False), ("http://localhost", False), ("http://[::1]:80/", False),
        ("redis://:pw@127.0.0.1:6379/0", False), ("redis://:pw@cache:6379/0", True), ("file:///x", False),
        ("see https://example.com for more", False), ("http://", False), ("http://[", True), (3, False), (None, False),
        ("http://127.0.0.1.example.com", True), ("HTTPS://EXAMPLE.COM", True), ("http://user@127.0.0.1@evil.com", True),
        ("http://evil.com#@127.0.0.1", True),
    ],
)  # fmt: skip
def test_addresses(value, elsewhere):
    assert is_elsewhere(value) is elsewhere


@pytest.mark.parametrize(
    ("value", "elsewhere"),
    [("redis", True), ("redis:6379", True), ("127.0.0.1", False), ("127.0.0.1:6379", False), ("localhost", False),
     ("::1", False), ("[::1]:80", False), ("10.0.0.1", True), ("", False), (None, False), (AWAY, True)],
)  # fmt: skip
def test_hosts(value, elsewhere):
    assert host_is_elsewhere(value) is elsewhere


# What follows holds the tables against the LiteLLM that is installed: they are to be looked at again when it changes.


def test_no_variable_that_litellm_reads_for_an_address_or_a_key_is_left():
    read = re.compile(
        r"""(?:get_secret\w*|getenv|environ\.get)\(\s*["']([A-Z][A-Z0-9_]+)["']|environ\[["'](\w+)["']\]"""
    )
    names = {
        one or other for file in LITELLM.rglob("*.py") for one, other in read.findall(file.read_text(encoding="utf-8"))
    }
    assert len(names) > 1000
    telling = re.compile(
        r"(API_BASE|API_KEY|_URL|_HOST|_ENDPOINT|_TOKEN|_SECRET|_PASSWORD|WEBHOOK|_PROXY|CONNECTION_STRING)$"
    )
    left = {name for name in names if telling.search(name) and not leads_away(name)}
    assert left == {"NO_PROXY", "DEFAULT_NUM_WORKERS_LITELLM_PROXY"}


def test_callbacks_that_stay_are_litellms_own():
    source = (LITELLM / "__init__.py").read_text()
    literal = source.partition("_custom_logger_compatible_callbacks_literal = Literal[")[2].partition("]")[0]
    hooks = (LITELLM / "proxy" / "common_utils" / "callback_utils.py").read_text()
    assert {name for name in IN_PROCESS if f'"{name}"' not in literal + hooks} == set()
    sending = {"langfuse", "datadog", "otel", "s3_v2", "gcs_bucket", "lago", "slack", "webhook", "sentry", "helicone"}
    assert not sending & IN_PROCESS


def test_providers_are_litellms_own():
    types = (LITELLM / "types" / "utils.py").read_text().partition("class LlmProviders(")[2].partition("\nclass ")[0]
    enum = set(re.findall(r'= "([^"]+)"', types))
    constants = (LITELLM / "constants.py").read_text()
    listed = constants.partition("openai_compatible_providers: Final[list] = [")[2].partition("\n]")[0]
    json_providers = set(ast.literal_eval((LITELLM / "llms/openai_like/providers.json").read_text().replace(
        "true", "True").replace("false", "False").replace("null", "None")))  # fmt: skip
    known = enum | set(re.findall(r'"([^"]+)"', listed)) | json_providers
    assert set(PATHS) - known == set()
