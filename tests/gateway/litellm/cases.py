"""LiteLLM files, and settings in them, that lead to other machines; and what stays of each."""

import copy

from gateway.litellm.containment import contain

BASE = "http://127.0.0.1:4510"
SECRET = "sk-very-secret-4711"
AWAY = "https://elsewhere.example.com/v1"
BEDROCK = {"model": "bedrock/us.anthropic.claude-sonnet-4-6"}


def contained(file, **variables):
    return contain({"model_list": [], **file}, BASE, "account-one", "us-east-1", variables)


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
