"""The configuration as run.json may hold it: whatever is a secret, by its name or by its looks, is left out."""

from __future__ import annotations

import re
from typing import Any

LEFT_OUT = "(left out)"

# Names of secrets: api_key, aws_secret_access_key, redis_password, Authorization, …; not max_tokens or cost_per_token.
_NAME = re.compile(
    r"secret|passw|passphrase|credential|authorization|cookie|salt_key|access_key|api_?keys?$|(^|[_-])keys?$|(?<!per)(^|[_-])token$",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"(os\.environ/)?[A-Z][A-Z_]*[A-Z]")  # says where a secret is, and not what it is
# LiteLLM's keys, AWS's access key ids, bearer tokens, and what stands between :// and @ in an address.
_LOOKS = re.compile(r"\bsk-[\w-]{6,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|(?<=bearer )\S+|(?<=://)[^/\s]*(?=@)", re.IGNORECASE)


def without_secrets(content: Any) -> Any:
    """The same, its secrets replaced. Names of environment variables stay."""
    if isinstance(content, dict):
        return {
            name: LEFT_OUT if _is_secret(str(name), value) else without_secrets(value)
            for name, value in content.items()
        }
    if isinstance(content, list):
        return [without_secrets(item) for item in content]
    return text_without_secrets(content) if isinstance(content, str) else content


def text_without_secrets(text: str, *secrets: str) -> str:
    """Without those known, and without what looks like one."""
    for secret in filter(None, secrets):
        text = text.replace(secret, LEFT_OUT)
    return _LOOKS.sub(LEFT_OUT, text)


def _is_secret(name: str, value: Any) -> bool:
    if value is None or isinstance(value, bool) or (isinstance(value, str) and _VARIABLE.fullmatch(value)):
        return False
    return bool(_NAME.search(name)) or (name == "environment_variables")
