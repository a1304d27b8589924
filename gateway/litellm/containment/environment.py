"""The variables of LiteLLM's process: none may name another machine, nor hold a key that one would take."""

from __future__ import annotations

import re

from gateway.litellm.containment.change import Draft

# Names of variables by which LiteLLM 1.106.2 or a library of its reaches something.
_REACHING = re.compile(
    r"""(LANGFUSE|LANGSMITH|LANGTRACE|LITERAL|HELICONE|LUNARY|ATHINA|GALILEO|ARIZE|PHOENIX|BRAINTRUST|LOGFIRE|TRACELOOP
    |WANDB|WEAVE|MLFLOW|OPIK|COMET|ARGILLA|HUMANLOOP|DEEPEVAL|LAGO|OPENMETER|GREENSCALE|SUPABASE|SENTRY|POSTHOG|DATADOG
    |DD|OTEL|SLACK|MS_TEAMS|DISCORD|PAGERDUTY|SMTP|EMAIL|SENDGRID|RESEND|WEBHOOK|REDIS|QDRANT|DATABASE|DIRECT_URL|GCS
    |PUBSUB|S3|SQS|AZURE_STORAGE|AZURE_SENTINEL|PRESIDIO|LAKERA|APORIA|LASSO|PANGEA|HASHICORP|HCP|CYBERARK|INFISICAL
    |GOOGLE|VERTEX|LITELLM_LICENSE|LITELLM_MODEL_COST_MAP|SPEND_LOGS|MODEL_COST|PROXY_BASE)(_.*)?
    |.*_(API_KEY|API_BASE|BASE_URL|ENDPOINT|WEBHOOK_URL|CONNECTION_STRING)
    |(HTTPS?|ALL)_PROXY""",
    re.VERBOSE,
)
_OURS = re.compile(r"AWS_(ENDPOINT_URL|BEDROCK_RUNTIME_ENDPOINT|CONFIG_FILE|SHARED_CREDENTIALS_FILE|PAGER|CA_BUNDLE)")


def clear(draft: Draft) -> None:
    """Takes them from the process, and from the file's own section."""
    section = draft.section("environment_variables")
    for name in list(section):
        if reaching(str(name)):
            draft.drop(section, "environment_variables", name, "variables that lead to other machines are not set")
    for name in draft.variables:
        if reaching(name) and name not in draft.environment:
            draft.environment[name] = None


def reaching(name: str) -> bool:
    """Whether a variable of that name may lead to another machine, or to the real AWS."""
    upper = name.upper()
    if upper.startswith("AWS_"):
        return not _OURS.fullmatch(upper)
    return bool(_REACHING.fullmatch(upper)) and upper != "LITELLM_MASTER_KEY"
