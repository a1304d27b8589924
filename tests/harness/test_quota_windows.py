"""Quotas that the run before has drawn on."""

from __future__ import annotations

from pathlib import Path

from analysis.model import RUN_JSON
from harness.clock import now
from harness.run.quota_windows import last_run_ended_at
from tests.analysis.synthetic import demo


def leave(runs: Path, ended_at: float | None) -> set[str]:
    """A run folder as a run leaves it; returns the model groups it asked the gateway for."""
    run = demo().run.model_copy(update={"ended_at": ended_at})
    (runs / "latest").mkdir()
    (runs / "latest" / RUN_JSON).write_text(run.model_dump_json())
    return {consumer.model for consumer in run.consumers if consumer.route == "gateway"}


def test_the_quotas_of_the_run_before_are_exhausted_until_its_end(tmp_path: Path) -> None:
    models = leave(tmp_path, 1_000.0)
    assert last_run_ended_at(tmp_path, models) == 1_000.0
    assert last_run_ended_at(tmp_path, {min(models), "another"}) == 1_000.0


def test_other_model_groups_are_whole(tmp_path: Path) -> None:
    leave(tmp_path, 1_000.0)
    assert last_run_ended_at(tmp_path, {"another"}) == 0.0


def test_a_run_that_was_killed_counts_from_its_start(tmp_path: Path) -> None:
    models = leave(tmp_path, None)
    assert last_run_ended_at(tmp_path, models) == min(demo().run.started_at, now())


def test_a_clock_that_was_ahead_makes_nobody_wait_for_it(tmp_path: Path) -> None:
    models = leave(tmp_path, now() + 86_400)
    assert last_run_ended_at(tmp_path, models) <= now()


def test_without_a_run_before_nothing_is_spent(tmp_path: Path) -> None:
    assert last_run_ended_at(tmp_path, {"shared"}) == 0.0
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "run.json").write_text("{")
    assert last_run_ended_at(tmp_path, {"shared"}) == 0.0
