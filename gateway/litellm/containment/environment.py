"""The variables of LiteLLM's process: none names another machine, nor holds a key that one would take."""

from __future__ import annotations

from gateway.litellm.containment.draft import Draft
from gateway.litellm.containment.variables import leads_away

# What LiteLLM 1.106.2, and a library that it loads, would fetch or read by itself.
OFFLINE = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_RUST": "False",  # its own HTTP client in Rust, which nobody can watch
    "HF_HUB_OFFLINE": "1",  # tokenizers are not downloaded
    "PYTHON_DOTENV_DISABLED": "1",  # it reads a .env above its own folder, and would set again what is not set here
}


def lead_here(draft: Draft) -> None:
    """Sets what leads to the embedded AWS, and what keeps LiteLLM from fetching anything by itself."""
    draft.environment |= OFFLINE
    draft.environment |= {
        "AWS_ENDPOINT_URL": draft.base_url,
        "AWS_BEDROCK_RUNTIME_ENDPOINT": draft.base_url,  # LiteLLM reads this one and not the other
        "AWS_REGION": draft.region,  # of a wildcard's requests
    }


def clear(draft: Draft) -> None:
    """Takes away what leads elsewhere."""
    for name, value in draft.variables.items():
        if name not in draft.environment and leads_away(name, value):
            draft.environment[name] = None
