"""What a claim is: a sentence to be proved, with all that settings, judging, showing and documenting it need."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from analysis.claims.about import About
from analysis.model import Verdict

if TYPE_CHECKING:
    from analysis.claims.case import Case


class Parameters(BaseModel):
    """What a claim is configured with beside its name and consumers. A claim without parameters uses it as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Evidence(StrEnum):
    """What an answer other than PASS rests on. Where it does not hold, the claim is open.

    A PASS rests on everything: on complete records, and on CloudWatch confirming each answer.
    """

    ALL_RECORDS = "all_records"  # no record is missing: a claim without it fails by requests that are there
    SERVED_BY = "served_by"  # the deployment that the gateway names is the one that CloudWatch saw
    REGIONS = "regions"  # CloudWatch says the Region of every invocation


class Shows(StrEnum):
    """A table in the terminal that a claim can be read from."""

    ACCOUNTS = "accounts"  # consumers with their accounts, and the Regions of each
    CONSUMERS = "consumers"
    SERVED_BY = "served_by"
    REGIONS = "regions"
    GROUP_WINDOWS = "group_windows"  # of the model groups that the consumers ask
    CONSUMER_WINDOWS = "consumer_windows"


class State(StrEnum):
    """What can be said of a claim before it is judged."""

    HOLDING = "holds so far"
    BROKEN = "does not hold"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a claim stands while the run goes on; `why` says what that rests on."""

    state: State
    why: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What has become of the requests that a claim is about, so far."""

    answered: int = 0
    refused_by_gateway: int = 0
    refused_by_bedrock: int = 0
    failed: int = 0

    @property
    def sent(self) -> int:
        return self.answered + self.refused_by_gateway + self.refused_by_bedrock + self.failed


P = TypeVar("P", bound=Parameters)


class Claim(ABC, Generic[P]):
    """A claim. `proves` and `needs` are its line in the documentation; `rests_on` has no default, so that no claim is
    less scrutinised because somebody forgot."""

    name: ClassVar[str]
    proves: ClassVar[str]  # what PASS says, as a sentence
    needs: ClassVar[str]  # what the traffic or the configuration must have, else it is open
    rests_on: ClassVar[frozenset[Evidence]]
    shows: ClassVar[tuple[Shows, ...]] = ()
    example: ClassVar[Parameters] = Parameters()  # its parameters, as somebody may choose them
    parameters: type[P]

    @abstractmethod
    def sentence(self, about: About, parameters: P) -> str:
        """What is to be proved of these consumers."""

    @abstractmethod
    def standing(self, counts: Counts, parameters: P) -> Standing:
        """How it stands while the run goes on."""

    @abstractmethod
    def judge(self, case: Case, parameters: P) -> Verdict:
        """PASS, FAIL or UNKNOWN by what the run left; pure.

        FAIL says that the evidence contradicts the claim. UNKNOWN says that there is none, or not enough: no samples,
        a claim that the traffic did not put to the test.
        """

    def label(self, about: About) -> str:
        """Its name in words, with its parameters and the named consumers."""
        words = self.name.replace("_", " ")
        for name, value in about.claim.parameters.items():
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            words += f" {shown}" if name in self.name else f", {name.replace('_', ' ')} {shown}"
        return f"{words} ({', '.join(about.claim.consumers)})" if about.claim.consumers else words


def by_answers(counts: Counts) -> Standing:
    """How a claim stands that any unanswered request breaks."""
    if counts.answered < counts.sent:
        return Standing(State.BROKEN, f"{counts.sent - counts.answered:,} of {counts.sent:,} not answered")
    if counts.sent:
        return Standing(State.HOLDING, f"{counts.sent:,} of {counts.sent:,} answered")
    return Standing(State.OPEN, "nothing sent yet")


KNOWN_BY_CLOUDWATCH = Standing(State.OPEN, "known when CloudWatch has delivered")
KNOWN_AT_THE_END = Standing(State.OPEN, "judged when the run has ended")
