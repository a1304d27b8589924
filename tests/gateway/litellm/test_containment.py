"""With the embedded AWS, whatever a LiteLLM file says leads to this machine, or nowhere."""

import copy

import pytest

from common.yaml_file import ConfigError
from tests.gateway.litellm.cases import AWAY, BASE, BEDROCK, SECRET, SWITCHED, contained


def deployment(**params):
    """What becomes of a deployment's parameters, and what is said of them."""
    result = contained({"model_list": [{"model_name": "x", "litellm_params": params}]})
    [entry] = result.file["model_list"]
    said = {change.where.removeprefix("model_list[0].litellm_params").lstrip(".") for change in result.changes}
    return entry["litellm_params"], said


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
    assert [params.get("aws_profile_name") for params in found] == [
        *["shared"] * 4,
        None,
    ]  # as default parameters go before
    assert [params.get("aws_role_name") for params in found] == [None, "arn:aws:iam::1:role/r", None, None, None]
    assert found[0]["aws_region_name"] == "r1"
    assert found[4] == {"model": "openai/x", "litellm_credential_name": "other", **KEY,
                        "api_base": f"{BASE}/_providers/openai/v1"}  # fmt: skip
    assert [entry["credential_values"] for entry in result.file["credential_list"]] == [
        {"aws_region_name": "r1"}, {"aws_role_name": "arn:aws:iam::1:role/r"}, {}, {},
    ]  # fmt: skip
    assert result.file["router_settings"] == {"default_litellm_params": {"aws_profile_name": "shared", "timeout": 3}}
    assert result.roles == ("arn:aws:iam::1:role/r",)


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
