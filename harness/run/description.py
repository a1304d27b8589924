"""run.json: a run described from its configuration, so that it can be judged later with nothing else at hand."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.model import (
    Run,
    RunAws,
    RunChange,
    RunClaim,
    RunConsumer,
    RunDeployment,
    RunFetch,
    RunRouting,
)
from common.version import VERSION
from gateway.litellm.config import Config
from gateway.litellm.deployments import ModelEntry
from gateway.litellm.model_id import account_of_arn
from gateway.stack import Stack
from harness.redaction import text_without_secrets
from harness.run import folder
from harness.run.plan import PlannedConsumer
from harness.run.self_check import SelfCheck
from harness.run.setup import Setup
from harness.settings.patterns import Patterns


@dataclass(frozen=True)
class Facts:
    """What the run itself adds to its configuration."""

    run_id: str
    started_at: float
    consumers: Mapping[str, PlannedConsumer]
    user_class_of: Mapping[str, str]  # consumer → the name of its User class
    ended_at: float | None = None
    notes: Sequence[str] = ()
    self_check: SelfCheck | None = None


def describe(setup: Setup, facts: Facts) -> Run:
    """The run as far as it is known; secrets are left out."""
    config, patterns = setup.stack.config, setup.patterns
    running = {consumer.pattern for consumer in facts.consumers.values()}
    return Run(
        made_by=VERSION,
        id=facts.run_id,
        patterns=tuple(name for name in patterns.patterns if name in running),
        titles={name: patterns.patterns[name].title for name in running},
        started_at=facts.started_at,
        ended_at=facts.ended_at,
        evidence=setup.stack.evidence,
        versions=folder.versions(),
        command=text_without_secrets(shlex.join(["locust", *sys.argv[1:]])),
        traffic=setup.options.traffic,
        aws=RunAws(
            profiles=tuple(setup.stack.accounts),
            accounts=setup.stack.accounts,
            region=config.region,
            log_group=config.aws.bedrock_log_group_name,
        ),
        fetch=RunFetch(deadline_s=config.fetch.deadline_s, poll_s=config.fetch.poll_s),
        consumers=tuple(_consumers(facts)),
        deployments=tuple(_deployments(setup.stack)),
        fallbacks=config.fallbacks(),
        claims=tuple(_claims(patterns, facts.consumers)),
        notes=tuple(facts.notes),
        self_check=facts.self_check.to_json() if facts.self_check else {},
        settings=folder.settings({"config.yaml": setup.stack.files.config, "patterns.yaml": setup.patterns_file}),
        routing=_routing(config),
        changes=tuple(RunChange(where=change.where, what=change.what) for change in setup.stack.changes),
    )


def _routing(config: Config) -> RunRouting:
    limits = {"pre_call_checks": config.pre_call_checks, "model_rate_limits": config.model_rate_limits}
    by_kind = {kind: config.fallbacks_for(kind) for kind in ("context_window", "content_policy")}
    return RunRouting(
        strategy=config.routing_strategy,
        limits=tuple(name for name, holds in limits.items() if holds),
        aliases=config.aliases,
        fallbacks_by_kind={kind: found for kind, found in by_kind.items() if found},
    )


def _consumers(facts: Facts) -> Iterator[RunConsumer]:
    for name, consumer in facts.consumers.items():
        yield RunConsumer(
            pattern=consumer.pattern,
            name=name,
            user_class=facts.user_class_of[name],
            route="direct" if consumer.route == "direct" else "gateway",
            model=consumer.model,
            profile=consumer.profile,
            quota_rpm=consumer.quota_rpm,
            quota_tpm=consumer.quota_tpm,
            users=consumer.users,
            traffic=consumer.traffic,
            region=consumer.region if consumer.route == "direct" else None,
            tagged=consumer.tagged,
        )


def _deployments(stack: Stack) -> Iterator[RunDeployment]:
    config = stack.config
    for deployment, entry in config.deployments():
        price_in, price_out = stack.prices.get(deployment, (None, None))
        yield RunDeployment(
            id=deployment,
            group=entry.model_name,
            model_id=entry.bedrock_model_id,
            profile=(profile := stack.profile_of(deployment)),
            account_id=_account(entry, profile, stack.accounts),
            rpm=entry.quota_rpm,
            tpm=entry.quota_tpm,
            usd_per_input_token=price_in,
            usd_per_output_token=price_out,
            provider=entry.provider,
            region=entry.region,
            weight=entry.weight,
            order=entry.order,
            limited=config.limits_enforced,
        )


def _account(entry: ModelEntry, profile: str | None, accounts: Mapping[str, str]) -> str | None:
    """Where a deployment is invoked: in the account of its role, else of its profile. None: nobody knows."""
    if not entry.is_bedrock:
        return None
    return accounts.get(profile or "") if entry.role is None else account_of_arn(entry.role)


def _claims(patterns: Patterns, consumers: Mapping[str, PlannedConsumer]) -> Iterator[RunClaim]:
    """The claims whose consumers all take part: one User class alone is not asked about its neighbours."""
    for name, pattern in patterns.patterns.items():
        if any(consumer in consumers for consumer in pattern.consumers):
            for claim in pattern.claims:
                if all(consumer in consumers for consumer in claim.consumers):
                    yield RunClaim(pattern=name, **claim.model_dump())
