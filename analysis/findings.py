"""What one run came to: every figure computed once, when it is first asked for, and read by all judges and outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from analysis.folder.reading import FetchLog, RunFolder
from analysis.model import Fault, Run
from analysis.numbers import cost, ledger, tables, windows
from analysis.numbers.accounts import other_providers
from analysis.numbers.cost import Cost, UnmatchedAttempts
from analysis.numbers.ledger import Ledger
from analysis.numbers.stats import Distribution
from analysis.numbers.tables import ConsumerRow, LocustRow, RegionRow, ServedRow
from analysis.numbers.windows import Windows
from analysis.rows import Rows, join

P = ParamSpec("P")
R = TypeVar("R")


def _once(compute: Callable[Concatenate[Findings, P], R]) -> Callable[Concatenate[Findings, P], R]:
    """A method that computes its answer once for each of its arguments."""

    @wraps(compute)
    def found(self: Findings, *args: P.args, **kwargs: P.kwargs) -> R:
        key = (compute.__name__, *args)
        if key not in self._found:
            self._found[key] = compute(self, *args, **kwargs)
        return self._found[key]  # type: ignore[return-value]

    return found


@dataclass(frozen=True)
class AccountFound:
    """An account that a pattern's requests reached."""

    account_id: str
    regions: Sequence[RegionRow]
    clients: Mapping[str, Distribution]  # Region → how long its answers took, as clients saw it


class Findings:
    """One run, its figures, and what is known around it. Nothing here changes once it is computed."""

    def __init__(self, folder: RunFolder) -> None:
        self.run: Run = folder.run
        self.path: Path = folder.path
        self.fetch: FetchLog | None = folder.fetch
        self.fetched = folder.invocations is not None
        self.faults: tuple[Fault, ...] = folder.faults
        self._folder = folder
        self._found: dict[tuple[object, ...], object] = {}

    # --- the whole run ---

    @cached_property
    def rows(self) -> Rows:
        return join(self._folder.records, self._folder.invocations, other_providers(self.run))

    @cached_property
    def all_requests(self) -> Rows:
        """Those of all patterns."""
        return self.rows.requests

    @cached_property
    def ledger(self) -> Ledger:
        return ledger.ledger(self.run, self.rows, self._folder.locust, self.fetched)

    @cached_property
    def consumers(self) -> list[ConsumerRow]:
        return tables.consumers(self.rows, self.run.deployments)

    @cached_property
    def attempts(self) -> list[UnmatchedAttempts]:
        """Attempts at Bedrock that no client knows."""
        return cost.unmatched_attempts(self.run, self.rows)

    @cached_property
    def amplification(self) -> dict[str, float]:
        """Pattern → invocations for each of its requests that reached Bedrock, where it is known whose they were."""
        return cost.amplification(self.rows, self.attempts)

    @cached_property
    def cost(self) -> Cost:
        found = self.ledger
        bedrock = found.answered - found.by_other_providers
        complete = found.fetched and found.answered_matched == bedrock
        return cost.cost([(row.cost_usd, row.unpriced) for row in self.consumers], self.attempts, complete=complete)

    @cached_property
    def locust(self) -> list[LocustRow] | None:
        """Locust's statistics; None: it wrote none."""
        return None if self._folder.locust is None else tables.locust_rows(self._folder.locust, self.rows)

    # --- a pattern ---

    @_once
    def requests(self, pattern: str, consumers: tuple[str, ...] | None = None) -> Rows:
        """A pattern's requests, or those of some of its consumers."""
        if consumers is None:
            return self.all_requests.of(pattern)
        return self.requests(pattern).of(pattern, consumers)

    def consumers_of(self, pattern: str) -> list[ConsumerRow]:
        return [row for row in self.consumers if row.pattern == pattern]

    @_once
    def regions(self, pattern: str, consumers: tuple[str, ...] | None = None) -> list[RegionRow]:
        """Where Bedrock served them, as CloudWatch saw it."""
        return tables.regions(self.requests(pattern, consumers))

    @_once
    def accounts(self, pattern: str) -> list[AccountFound]:
        """The accounts that a pattern's requests reached, by id."""
        parts = sorted((str(account), part) for (account,), part in self.requests(pattern).split("account_id").items())
        return [
            AccountFound(account, tables.regions(part), tables.latencies(part, "inference_region"))
            for account, part in parts
        ]

    @_once
    def served_by(self, pattern: str) -> list[ServedRow]:
        return tables.served_by(self.requests(pattern))

    @_once
    def overheads(self, pattern: str) -> dict[str, Distribution]:
        """Deployment → what the gateway added to what it answered."""
        return tables.overheads(self.requests(pattern))

    @_once
    def first_fallback_ms(self, pattern: str) -> float | None:
        return tables.first_fallback_ms(self.run, self.requests(pattern))

    # --- quotas, which all patterns may draw on ---

    @_once
    def group_windows(self, group: str) -> Windows | None:
        """What a model group was asked for; None: it has no quota."""
        return windows.deployment_windows(self.run, self.all_requests, group)

    @_once
    def consumer_windows(self, name: str) -> Windows | None:
        """What a consumer was admitted, by its key's quota, else by its group's; None: it has none."""
        consumer = next(consumer for consumer in self.run.consumers if consumer.name == name)
        if consumer.quota_rpm is None and consumer.route == "gateway":
            return self.group_windows(self.run.group_of(consumer.model))
        return windows.consumer_windows(self.run, self.all_requests, consumer)
