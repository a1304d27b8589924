"""Whom a claim is about, as configured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from analysis.model import Run, RunClaim, RunConsumer


@dataclass(frozen=True)
class About:
    """A claim of a run."""

    run: Run
    claim: RunClaim

    @cached_property
    def consumers(self) -> tuple[RunConsumer, ...]:
        """The named consumers, else all of its pattern."""
        return tuple(consumer for consumer in self._of_pattern if self._is_named(consumer))

    @cached_property
    def others(self) -> tuple[RunConsumer, ...]:
        """The pattern's consumers that it is not about."""
        return tuple(consumer for consumer in self._of_pattern if not self._is_named(consumer))

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(consumer.name for consumer in self.consumers)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The model groups that they ask, aliases resolved."""
        asked = (consumer.model for consumer in self.consumers if consumer.route == "gateway")
        return tuple(dict.fromkeys(self.run.group_of(model) for model in asked))

    @cached_property
    def fallback_groups(self) -> tuple[str, ...]:
        """The model groups that take over for those that they ask."""
        asked = (consumer.model for consumer in self.consumers if consumer.route == "gateway")
        return tuple(dict.fromkeys(group for model in asked for group in self.run.fallbacks_of(model)))

    @cached_property
    def unenforced(self) -> tuple[str, ...]:
        """The deployments of those groups whose rpm nothing makes a limit."""
        return tuple(
            deployment.id
            for deployment in self.run.deployments
            if deployment.group in self.groups and deployment.rpm is not None and not deployment.limited
        )

    @property
    def _of_pattern(self) -> tuple[RunConsumer, ...]:
        return tuple(consumer for consumer in self.run.consumers if consumer.pattern == self.claim.pattern)

    def _is_named(self, consumer: RunConsumer) -> bool:
        return not self.claim.consumers or consumer.name in self.claim.consumers
