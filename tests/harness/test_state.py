"""A run goes through its stages in one order, and what it shows of that."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from harness.live.counts import Live
from harness.run.state import RunState, Stage
from tests.harness.test_live import RUN

WAYS = [
    [Stage.PREPARING, Stage.SENDING, Stage.STOPPING, Stage.SAVING, Stage.JUDGING, Stage.JUDGED],
    [Stage.PREPARING, Stage.SENDING, Stage.STOPPING, Stage.SAVING, Stage.JUDGING, Stage.UNJUDGED],
    [Stage.PREPARING, Stage.STOPPING, Stage.SAVING, Stage.JUDGING, Stage.JUDGED],
    [Stage.PREPARING, Stage.SENDING, Stage.STOPPING, Stage.SAVING, Stage.UNJUDGED],
]
STEPS = {step for way in WAYS for step in pairwise([Stage.IDLE, *way])}


def at(stage: Stage) -> RunState:
    state = RunState()
    for way in WAYS:
        if stage in way:
            for each in way[: way.index(stage) + 1]:
                state.to(each)
            return state
    return state


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("following", Stage)
def test_only_the_steps_that_a_run_makes_are_made(stage: Stage, following: Stage) -> None:
    state = at(stage)
    assert state.stage is stage
    if (stage, following) in STEPS:
        state.to(following)
        assert state.stage is following
    else:
        with pytest.raises(ValueError, match=f"is {stage.name.lower()} cannot be {following.name.lower()} next"):
            state.to(following)
        assert state.stage is stage


@pytest.mark.parametrize("stage", Stage)
def test_a_run_is_shown_as_sending_until_it_is_judged(stage: Stage) -> None:
    shown = Live(RUN, Path(RUN.id), at(stage)).phase
    assert shown == (stage if stage in (Stage.JUDGING, Stage.JUDGED, Stage.UNJUDGED) else "sending")
