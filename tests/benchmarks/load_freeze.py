"""The server stands still for a second: are all requests sent, and do their latencies tell of it?

    python tests/benchmarks/load_freeze.py

50 requests a second for 6 seconds are 300, whatever the server does. The truth is arithmetic: a request that is due
while the server stands still is answered when it moves again, any other at once.
"""

from __future__ import annotations

import click
import numpy as np
import pandas as pd
from _embedded_aws import describe_machine
from _load import bench, run_ours, undisturbed_option

RATE_PER_S, SECONDS, USERS = 50, 6, 60
FREEZE_AFTER_S, FREEZE_S = 2.5, 1.0
DELAY_MS = 10.0


@click.command()
@click.option("--rounds", default=3, show_default=True)
@undisturbed_option
def main(rounds: int, undisturbed: bool) -> None:
    click.echo(describe_machine())
    traffic = {"kind": "constant", "rate_per_s": RATE_PER_S, "duration_s": SECONDS}
    with bench(undisturbed) as place:
        for number in range(1, rounds + 1):
            place.server.behave(delay_ms=DELAY_MS, freeze_after_s=FREEZE_AFTER_S, freeze_s=FREEZE_S)
            ran = run_ours(place, traffic, USERS, "--only-summary")
            assert ran.freeze is not None
            joined = ran.joined()
            measured, true = p95(joined.latency_ms), p95(true_ms(joined.intended_at.min(), ran.freeze))
            click.echo(
                f"round {number}: {len(joined)} of {RATE_PER_S * SECONDS} sent; p95 {measured:.1f} ms, "
                f"true {true:.1f} ms ({measured / true - 1:+.2%}, target 5 %); queued in the client at most "
                f"{(joined.started_at - joined.intended_at).max() * 1000:.1f} ms"
            )
    click.echo(describe_machine())


def true_ms(start_at: float, freeze: tuple[float, float]) -> pd.Series:
    """The latency of each request of the schedule that begins then."""
    due_at = start_at + np.arange(RATE_PER_S * SECONDS) / RATE_PER_S
    ready_at = due_at + DELAY_MS / 1000
    frozen = (ready_at > freeze[0]) & (due_at < freeze[1])
    arrives_in_freeze = (due_at >= freeze[0]) & (due_at < freeze[1])
    ended_at = np.where(arrives_in_freeze, freeze[1] + DELAY_MS / 1000, np.where(frozen, freeze[1], ready_at))
    return pd.Series((ended_at - due_at) * 1000)


def p95(values: pd.Series) -> float:
    """By nearest rank."""
    return float(values.quantile(0.95, interpolation="inverted_cdf"))


if __name__ == "__main__":
    main()
