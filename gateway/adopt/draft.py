"""The patterns that one configuration deserves, while they are put together."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.adopt import sizes
from gateway.adopt.proposal import Names, Proposal, Traffic
from gateway.adopt.sizes import Budget
from gateway.adopt.survey import Group, Survey

_MOST_TOGETHER = 200  # requests in the very same moment, of all consumers
_SPREAD_S = 20
_SUSTAINED_SHARE = 0.8  # of a quota: where windows follow one another, their edges need room


@dataclass
class Draft:
    """What is proposed so far, what could not be, and what is left of the quotas."""

    survey: Survey
    proposals: list[Proposal] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # sentences: which pattern is not there, and why
    names: Names = field(default_factory=Names)
    cris_model: str | None = None  # what section `cris` must say, where the gateway's file says nothing
    sharded: set[str] = field(default_factory=set)  # groups that show which account they use
    shared: set[str] = field(default_factory=set)  # groups that differ from another by their consumer only
    asked: set[str] = field(default_factory=set)  # groups that some consumer asks
    together: int = 0  # requests of all bursts

    def __post_init__(self) -> None:
        capacities = {name: group.capacity for name, group in self.survey.groups.items()}
        self.demo = Budget(capacities)
        self.sustained = Budget(capacities, _SUSTAINED_SHARE)

    @property
    def most(self) -> int:
        """Requests of one consumer within a quota window; counts by the clock's minute allow a burst only."""
        return sizes.MOST_IN_A_WINDOW if self.survey.exact else sizes.MOST_AT_ONCE

    @property
    def steadily(self) -> bool:
        """Whether a quota may be exceeded steadily, over several windows.

        Not where each request that is over it is counted seconds after it was sent, since it is retried, nor where
        counts begin with the clock's minute: then nobody can say in which window a request near an edge belongs.
        """
        return self.survey.exact and self.survey.config.num_retries == 0

    def at_once(self, requests: int) -> Traffic:
        """A burst, as long as those of all consumers together are not too many; then spread over some seconds."""
        crowded = self.together + requests > _MOST_TOGETHER
        if crowded and requests <= sizes.MOST_AT_ONCE and self.survey.exact:
            return sizes.steady(requests / _SPREAD_S, _SPREAD_S)
        self.together += requests
        return sizes.at_once(requests)

    @property
    def idle(self) -> list[Group]:
        """Groups that no pattern asks, or counts on, so far."""
        return [
            group
            for group in self.survey.groups.values()
            if group.name not in self.asked | self.sharded | self.shared and not group.is_fallback
        ]
