"""The ledger: four counts of the same requests, which must agree before any of them is believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.folder.locust_csv import LocustEntry
from analysis.model import Outcome, Run
from analysis.numbers.accounts import other_providers
from analysis.rows import Doubt, Rows

_DOUBTS = {
    Doubt.NAMELESS: "{} answers came without Bedrock's request id, so no invocation confirms them: the gateway gave "
    "them itself, from a cache for instance, or does not hand on Bedrock's headers.",
    Doubt.REPEATED: "{} answers have the request id of another answer, and an invocation confirms one only: the "
    "gateway may have answered from a cache.",
    Doubt.MISSING: "CloudWatch has no invocation for {} answered requests.",
    Doubt.ERRED: "CloudWatch logged an error for {} answered requests.",
}


def doubt_in_words(doubt: Doubt, count: int, answered: int) -> str:
    """Of so many answers, as a sentence."""
    return _DOUBTS[doubt].format(f"{count:,} of {answered:,}")


def by_other_providers_in_words(count: int, answered: int) -> str:
    return (
        f"{count:,} of {answered:,} answers came from providers other than Bedrock: nothing but the clients' records "
        "and the gateway's own log shows them."
    )


@dataclass(frozen=True, slots=True)
class Ledger:
    """Four counts of the same requests: the records, Locust's own, the gateway's and CloudWatch's."""

    sent: int
    answered: int
    refused_by_gateway: int
    refused_by_bedrock: int
    failed: int
    locust_sent: int | None  # None: Locust wrote no statistics
    gateway_saw: int | None  # by its own log, whatever it answered; None: its log is not ours to read
    gateway_answered: int  # records of requests that went through it and got an HTTP status
    fetched: bool
    doubts: Mapping[Doubt, int]  # how many answers CloudWatch does not confirm
    by_other_providers: int  # answers that are not Bedrock's, so that CloudWatch cannot know them
    foreign_records: int  # records that are another run's, or of a consumer or pattern that the run does not have
    invocations: int
    unmatched_invocations: int  # attempts whose id no client got: retried, fallen back from, broken off
    differences: tuple[tuple[str, int, int], ...]  # consumer, its records, Locust's count, where they differ

    @property
    def closes(self) -> bool:
        return not self.problems()

    @property
    def answered_matched(self) -> int:
        """Answered requests that CloudWatch confirms."""
        return self.answered - self.by_other_providers - sum(self.doubts.values())

    @property
    def amplification(self) -> float | None:
        """Invocations for each request that reached Bedrock: above 1, the gateway tried more than once."""
        reached = self.invocations - self.unmatched_invocations
        return self.invocations / reached if reached else None

    def problems(self) -> list[str]:
        """Why it does not close, as sentences; nothing when it does."""
        found = []
        if self.sent != self.answered + self.refused_by_gateway + self.refused_by_bedrock + self.failed:
            found.append("The records' outcomes do not add up to what was sent.")
        if problem := self.foreign_problem():
            found.append(problem)
        if self.locust_sent is None:
            found.append("Locust's statistics are missing, so nothing confirms that the records are complete.")
        found += [
            f"Locust counted {counted:,} requests of {consumer}, and the records hold {recorded:,}."
            for consumer, recorded, counted in self.differences
        ]
        if problem := self.gateway_problem():
            found.append(problem)
        if not self.fetched:
            found.append("CloudWatch was never asked.")
        found += [
            doubt_in_words(doubt, count, self.answered)
            for doubt, count in self.doubts.items()
            if count and (self.fetched or doubt is not Doubt.MISSING)
        ]
        return found

    def foreign_problem(self) -> str:
        """Records that cannot be the run's; "" when there are none."""
        if not self.foreign_records:
            return ""
        records = "1 record is" if self.foreign_records == 1 else f"{self.foreign_records:,} records are"
        return f"{records} another run's, or of a consumer or pattern that this run does not have."

    def gateway_problem(self) -> str:
        """Answers of the gateway that its own log does not know of; "" when there are none."""
        if self.gateway_saw is None or self.gateway_saw >= self.gateway_answered:
            return ""
        saw = f"The gateway's own log has {self.gateway_saw:,} request{'' if self.gateway_saw == 1 else 's'}"
        return f"{saw}, and the records hold {self.gateway_answered:,} that it answered."

    def notes(self) -> list[str]:
        """What differs and is no fault of the records."""
        found = []
        if self.gateway_saw is not None and (more := self.gateway_saw - self.gateway_answered) > 0:
            found.append(
                f"The gateway's own log has {more:,} more than the records: others use it too, or a request was "
                "broken off."
            )
        if self.by_other_providers:
            found.append(by_other_providers_in_words(self.by_other_providers, self.answered))
        return found


def ledger(run: Run, rows: Rows, locust: Sequence[LocustEntry] | None, fetched: bool) -> Ledger:
    """`locust`: its own statistics; None: it wrote none. `fetched`: whether CloudWatch was ever asked."""
    requests, invocations = rows.requests, len(rows.unmatched_invocations)
    outcomes = {outcome: n for (outcome,), n in requests.counts("outcome").items()}
    through_gateway = [consumer.name for consumer in run.consumers if consumer.route == "gateway"]
    return Ledger(
        sent=len(requests),
        answered=outcomes.get(Outcome.ANSWERED, 0),
        refused_by_gateway=outcomes.get(Outcome.REFUSED_BY_GATEWAY, 0),
        refused_by_bedrock=outcomes.get(Outcome.REFUSED_BY_BEDROCK, 0),
        failed=outcomes.get(Outcome.FAILED, 0),
        locust_sent=None if locust is None else sum(entry.requests for entry in locust),
        gateway_saw=run.self_check.get("gateway_requests"),
        gateway_answered=int((requests.is_in("consumer", through_gateway) & (requests.status != 0)).sum()),
        fetched=fetched,
        doubts={kind: len(rows.doubted(kind)) for kind in Doubt},
        by_other_providers=int(requests.answered.is_in("deployment", other_providers(run)).sum()),
        foreign_records=_foreign_records(run, requests),
        invocations=len(rows.matched) + invocations,
        unmatched_invocations=invocations,
        differences=() if locust is None else tuple(_differences(run, requests, locust)),
    )


def _foreign_records(run: Run, requests: Rows) -> int:
    known = {(run.id, consumer.pattern, consumer.name) for consumer in run.consumers}
    return sum(n for who, n in requests.counts("run_id", "pattern", "consumer").items() if who not in known)


def _differences(run: Run, requests: Rows, locust: Sequence[LocustEntry]) -> Iterator[tuple[str, int, int]]:
    """Per consumer of the run: somebody's own extra requests, under other names, are no business of the ledger."""
    recorded = requests.counts("consumer")
    for consumer in run.consumers:
        ours = recorded.get((consumer.name,), 0)
        theirs = sum(entry.requests for entry in locust if entry.name == consumer.name)
        if ours != theirs:
            yield consumer.name, ours, theirs
