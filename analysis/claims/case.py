"""A claim before its judge: whom it is about, what the run came to, and the forms of a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from analysis.claims.about import About
from analysis.model import INVOCATIONS_CSV, REQUESTS_CSV, Answer, Cause, Verdict
from analysis.wording import UNKNOWN, listing

if TYPE_CHECKING:
    from analysis.findings import Findings
    from analysis.rows import Rows

NO_INVOCATIONS = "CloudWatch knows of no invocation."


@dataclass(frozen=True)
class Case(About):
    """What a judge is given, and what it answers with."""

    findings: Findings
    sentence: str

    @cached_property
    def requests(self) -> Rows:
        """Those of whom the claim is about."""
        return self.findings.requests(self.claim.pattern, self.names)

    @property
    def files(self) -> tuple[str, ...]:
        """Where the evidence stands."""
        return (REQUESTS_CSV, INVOCATIONS_CSV) if len(self.findings.rows.matched) else (REQUESTS_CSV,)

    def passes(self, observed: str, expected: str, n: int, evidence: tuple[str, ...]) -> Verdict:
        return self._verdict(Answer.PASS, Cause.PROVED, observed, expected, n, "", evidence)

    def fails(self, observed: str, expected: str, n: int, reason: str, evidence: tuple[str, ...]) -> Verdict:
        return self._verdict(Answer.FAIL, Cause.DISPROVED, observed, expected, n, reason, evidence)

    def unknown(
        self,
        cause: Cause,
        reason: str,
        expected: str = "",
        n: int = 0,
        observed: str = UNKNOWN,
        evidence: tuple[str, ...] = (),
    ) -> Verdict:
        return self._verdict(Answer.UNKNOWN, cause, observed, expected, n, reason, evidence)

    def nothing_sent(self, expected: str) -> Verdict:
        return self.unknown(Cause.NOTHING_SENT, "Nothing was sent.", expected)

    def no_invocations(self, expected: str) -> Verdict:
        return self.unknown(Cause.NO_INVOCATIONS, NO_INVOCATIONS, expected)

    def silent(self) -> str:
        """Who of them sent nothing, as a sentence; "" when all did."""
        silent = set(self.names) - self.requests.consumers
        return f"{listing(sorted(silent))} sent nothing." if silent else ""

    def _verdict(
        self,
        answer: Answer,
        cause: Cause,
        observed: str,
        expected: str,
        n: int,
        reason: str,
        evidence: tuple[str, ...],
    ) -> Verdict:
        return Verdict(
            pattern=self.claim.pattern,
            claim=self.claim.claim,
            sentence=self.sentence,
            answer=answer,
            cause=cause,
            observed=observed,
            expected=expected,
            n=n,
            reason=reason,
            evidence=evidence,
            consumers=self.claim.consumers,
            parameters=self.claim.parameters,
        )
