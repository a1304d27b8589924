"""Where a run is: one explicit state machine, whose steps are checked."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """In the words that people read."""

    IDLE = "idle"  # nothing has been made of it yet
    PREPARING = "preparing"  # its folder is there, and its users are coming up
    SENDING = "sending"  # the plan is made; the first request may still have to wait for a quota window
    STOPPING = "stopping"  # nothing more is sent; requests under way, and workers' last records, are waited for
    SAVING = "saving"
    JUDGING = "waiting for CloudWatch, then judging"
    JUDGED = "judged"
    UNJUDGED = "saved, but not judged: see the terminal"


_NEXT: dict[Stage, tuple[Stage, ...]] = {
    Stage.IDLE: (Stage.PREPARING,),
    Stage.PREPARING: (Stage.SENDING, Stage.STOPPING),  # stopped before all of its users were there
    Stage.SENDING: (Stage.STOPPING,),
    Stage.STOPPING: (Stage.SAVING,),
    Stage.SAVING: (Stage.JUDGING, Stage.UNJUDGED),  # it could not be saved whole
    Stage.JUDGING: (Stage.JUDGED, Stage.UNJUDGED),
    Stage.JUDGED: (),
    Stage.UNJUDGED: (),
}


class RunState:
    """At which stage one run is, from idle to judged or unjudged."""

    def __init__(self) -> None:
        self._stage = Stage.IDLE

    @property
    def stage(self) -> Stage:
        return self._stage

    def to(self, stage: Stage) -> None:
        """Raises ValueError for a step that no run makes."""
        if stage not in _NEXT[self._stage]:
            raise ValueError(f"a run that is {self._stage.name.lower()} cannot be {stage.name.lower()} next")
        self._stage = stage
