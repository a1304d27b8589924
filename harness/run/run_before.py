"""What the run before left behind for the next one: spent quotas."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from analysis.model import RUN_JSON, Run
from harness.clock import now


def spent_at(runs: Path, models: Collection[str]) -> float:
    """When the newest run ended, if it drew on the quotas of one of these model groups; 0 if not, or if there is none.

    For a gateway that was already running: what another Locust has spent there a minute ago is still spent.
    """
    try:
        run = Run.model_validate_json((runs / "latest" / RUN_JSON).read_bytes())
    except (OSError, ValueError):
        return 0.0
    shared = any(consumer.route == "gateway" and consumer.model in models for consumer in run.consumers)
    return min(run.ended_at or run.started_at, now()) if shared else 0.0
