"""What is probably a typing error in a file that LiteLLM would take: reported, never refused."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from common.yaml_file import Document, nearest
from gateway.litellm import fallback_chains
from gateway.litellm.deployments import READ
from gateway.litellm.sections import OURS

SURE = 0.8  # how alike a name must be to one that we read
_SECTIONS = (*OURS, "model_list", "router_settings", "litellm_settings", "general_settings", "environment_variables",
             "credential_list", "include")  # fmt: skip

# What the proxy of LiteLLM 1.106.2 hands on to its Router; anything else there it ignores, with a line in its log.
_ROUTER_SETTINGS = """
    alerting_config allowed_fails allowed_fails_policy background_health_check_model_groups cache_kwargs cache_responses
    caching_groups client_ttl content_policy_fallbacks context_window_fallbacks cooldown_time debug_level
    default_fallbacks default_litellm_params default_max_parallel_requests default_priority
    deployment_affinity_ttl_seconds disable_cooldowns enable_health_check_routing enable_pre_call_checks
    enable_tag_filtering enable_weighted_failover fallbacks guardrail_list health_check_ignore_transient_errors
    health_check_staleness_threshold max_fallbacks model_group_affinity_config model_group_alias
    model_group_retry_policy num_retries optional_pre_call_checks plugins polling_interval provider_budget_config
    redis_db redis_host redis_password redis_port redis_url retry_after retry_policy routing_groups routing_strategy
    routing_strategy_args set_verbose stream_timeout tag_filtering_match_any tag_routing_prefix timeout
"""
ROUTER_SETTINGS = frozenset(_ROUTER_SETTINGS.split())
# Other names that LiteLLM knows there, and that look like one of those that we read.
_KNOWN_PARAMS = frozenset({"models", "model_info", "input_cost_per_token", "region_name", "aws_session_name"})
_KNOWN_SECTIONS = frozenset({"includes"})


def typing_errors(document: Document) -> Iterator[str]:
    """A sentence for each, with file, line and key."""
    content = document.content
    for name in content:
        if name not in _SECTIONS and (likely := _like(name, _SECTIONS, _KNOWN_SECTIONS)):
            yield f"{document.where([name])}: LiteLLM may not know this section; did you mean {likely!r}?"
    router = content.get("router_settings")
    for name in router if isinstance(router, Mapping) else ():
        if name not in ROUTER_SETTINGS:
            where = document.where(["router_settings", name])
            yield f"{where}: LiteLLM's router ignores it{nearest(str(name), ROUTER_SETTINGS)}"
    entries = content.get("model_list")
    for position, entry in enumerate(entries if isinstance(entries, list) else ()):
        params = entry.get("litellm_params") if isinstance(entry, Mapping) else None
        for name in params if isinstance(params, Mapping) else ():
            if name not in READ and (likely := _like(name, READ, _KNOWN_PARAMS)):
                where = document.where(["model_list", position, "litellm_params", name])
                yield f"{where}: LiteLLM hands this on to the provider; did you mean {likely!r}?"


def unknown_groups(
    document: Document, named: Iterable[tuple[tuple[str | int, ...], str]], is_known: Callable[[str], bool]
) -> Iterator[str]:
    """`named`: where a model group is named, and which; `is_known`: whether a name leads to one."""
    for keys, group in named:
        if not is_known(group):
            yield f"{document.where(keys)}: names model group {group!r}, which is not in model_list"


def fallbacks_in_vain(document: Document, router: Mapping[str, Any], others: Mapping[str, Any]) -> Iterator[str]:
    """Entries that LiteLLM never finds, or does not read as they were meant."""
    for section, settings in (("router_settings", router), ("litellm_settings", others)):
        for name in fallback_chains.KINDS.values():
            where = document.where([section, name])
            for group, text in fallback_chains.texts(settings.get(name)):
                yield f"{where}: {group!r}: LiteLLM reads the text {text!r} letter by letter; write [{text}]"
            for group, _ in fallback_chains.entries(settings.get(name)):
                if "*" in group and group != fallback_chains.EVERY:
                    yield f"{where}: LiteLLM looks for the name that is asked for, never {group!r}; name models"


def aliases_without_fallbacks(
    document: Document, aliases: Mapping[str, str], direct: fallback_chains.Direct
) -> Iterator[str]:
    """Aliases for which nobody takes over, though for their groups somebody does."""
    for name, group in aliases.items():
        meant = fallback_chains.following(direct, group)
        if meant and fallback_chains.following(direct, name) != meant:
            yield (
                f"{document.where(['router_settings', 'model_group_alias', name])}: LiteLLM looks for fallbacks under "
                f"the name that is asked for: those of {group!r} do not take over for {name!r}; give it its own"
            )


def left_out(document: Document, deployments: Iterable[tuple[str, Any]], known: Container[str]) -> Iterator[str]:
    """Deployments that LiteLLM could not use: it starts without them. `known`: the ids that it lists."""
    for position, (deployment, _) in enumerate(deployments):
        if deployment not in known:
            yield f"{document.where(['model_list', position])}: LiteLLM has left out {deployment!r}"


def _like(name: Any, known: Iterable[str], fine: frozenset[str]) -> str | None:
    if not isinstance(name, str) or name in fine or name.startswith("x-"):
        return None
    close = get_close_matches(name, list(known), 1, SURE)
    return close[0] if close else None
