"""What watches a gateway and sends what it sees elsewhere: callbacks, loggers, alerts."""

from __future__ import annotations

from typing import Any

from gateway.litellm.containment.change import Draft

_CALLBACKS = ("callbacks", "success_callback", "failure_callback", "input_callback", "service_callback",
              "audit_log_callbacks", "post_call_rules")  # fmt: skip
# Those of LiteLLM 1.106.2 that stay in its process (`litellm/__init__.py`, _custom_logger_compatible_callbacks_literal;
# `litellm/proxy/hooks`); a dotted name is a module of the user's own, whose connections the guard stops.
_IN_PROCESS = """
    prometheus cache detect_prompt_injection max_parallel_request_limiter max_budget_limiter dynamic_rate_limiter
    dynamic_rate_limiter_v2 dynamic_rate_limiter_v3 parallel_request_limiter responses_id_security hide_secrets
    cache_control_check managed_files
"""
IN_PROCESS = frozenset(_IN_PROCESS.split())
_ALERTS = ("alerting", "alert_types", "alerting_args", "alert_to_webhook_url", "alerting_threshold",
           "spend_report_frequency")  # fmt: skip
_OFF = "it would send what it sees to another machine, and is switched off"


def switch_off(draft: Draft) -> None:
    """Callbacks that are not known to stay here, and all alerting."""
    settings = draft.section("litellm_settings")
    for name in _CALLBACKS:
        if (written := settings.get(name)) is None:
            continue
        names = written if isinstance(written, list) else [written]
        kept = [one for one in names if _stays(one)]
        for one in names:
            if one not in kept:
                draft.report(f"litellm_settings.{name}", f"{_named(one)}: {_OFF}")
        if kept:
            settings[name] = kept
        else:
            del settings[name]
    general = draft.section("general_settings")
    for name in _ALERTS:
        draft.drop(general, "general_settings", name, "alerts are switched off: they go to another machine")
    draft.drop(draft.section("router_settings"), "router_settings", "alerting_config", "alerts are switched off")
    for where, params in draft.deployments():
        for name in ("success_callback", "failure_callback", "callbacks"):
            draft.drop(params, where, name, _OFF)


def _stays(callback: Any) -> bool:
    return isinstance(callback, str) and (callback in IN_PROCESS or ("." in callback and "://" not in callback))


def _named(callback: Any) -> str:
    return callback if isinstance(callback, str) and len(callback) < 40 and "://" not in callback else "a callback"
