"""What watches a gateway and sends what it sees elsewhere: callbacks, loggers, alerts."""

from __future__ import annotations

from typing import Any

from gateway.litellm.containment.draft import Draft, as_list

# Source: LiteLLM 1.106.2, `litellm/__init__.py`, and `load_config` in `proxy/proxy_server.py`.
LISTS = ("callbacks", "input_callback", "success_callback", "failure_callback", "service_callback",
         "audit_log_callbacks")  # fmt: skip
# Those that stay in LiteLLM's process: `_custom_logger_compatible_callbacks_literal` in `litellm/__init__.py`, and
# `initialize_callbacks_on_proxy`. All others send, and so does a name that is new.
_IN_PROCESS = """
    prometheus dynamic_rate_limiter dynamic_rate_limiter_v3 anthropic_cache_control_hook dotprompt
    compression_interception detect_prompt_injection hide_secrets banned_keywords blocked_user_check
    batch_redis_requests
"""
IN_PROCESS = frozenset(_IN_PROCESS.split())
ALERTS = ("alerting", "alert_types", "alerting_args", "alert_to_webhook_url", "alert_type_config",
          "alerting_threshold", "spend_report_frequency", "tracing", "otel")  # fmt: skip
_OFF = "it sends what it sees to another machine, and is switched off"
_ALERT = "alerts are switched off: they go to another machine"


def switch_off(draft: Draft) -> None:
    """Callbacks that are not known to stay in the process, and all alerting.

    A dotted name is a module of the user's own: it stays, and the guard stops it where it would leave the machine.
    """
    sections = [("litellm_settings", draft.section("litellm_settings"))]
    sections.append(("router_settings", draft.section("router_settings")))
    for where, section in [*sections, *draft.deployments()]:
        for name in LISTS:
            _filter(draft, where, section, name)
    settings = draft.section("litellm_settings")
    draft.drop_all(settings, "litellm_settings", ("cold_storage_custom_logger", "default_team_settings"), _OFF)
    draft.drop_all(draft.section("general_settings"), "general_settings", ALERTS, _ALERT)
    draft.drop(draft.section("router_settings"), "router_settings", "alerting_config", _ALERT)


def stays(callback: Any) -> bool:
    """Whether a callback of that name only works within LiteLLM's process, as far as its name tells."""
    if not isinstance(callback, str) or "://" in callback:
        return False
    return callback in IN_PROCESS or "." in callback


def _filter(draft: Draft, where: str, section: dict[str, Any], name: str) -> None:
    names = as_list(section.get(name))
    kept = [one for one in names if stays(one)]
    for one in names:
        if not stays(one):
            draft.report(f"{where}.{name}", f"{_named(one)}: {_OFF}")
    if len(kept) < len(names):
        section[name] = kept
        if not kept:
            del section[name]


def _named(callback: Any) -> str:
    """Its name, where it looks like one: anything else might be a secret."""
    fine = isinstance(callback, str) and len(callback) < 40 and callback.replace("_", "").replace("-", "").isalnum()
    return str(callback) if fine else "a callback"
