"""Whether requests arrive as they were asked for: Poisson like Poisson, constant at constant gaps.

    python tests/benchmarks/load_arrivals.py

Judged by what the server saw. Kolmogorov-Smirnov: D is the largest distance between the distribution seen and the one
asked for, p the probability that chance alone makes it as large; below 0.01 the arrivals are not what was asked.
Beside it the schedule itself, which is a sample too.
"""

from __future__ import annotations

import math

import click
import numpy as np
import pandas as pd
from _embedded_aws import describe_machine
from _load import bench, percentiles, run_ours, undisturbed_option

USERS, DELAY_MS = 40, 20.0
SIGNIFICANT = 0.01


@click.command()
@click.option("--rate-per-s", default=100.0, show_default=True)
@click.option("--seconds", default=15.0, show_default=True)
@undisturbed_option
def main(rate_per_s: float, seconds: float, undisturbed: bool) -> None:
    click.echo(f"{describe_machine()}; {rate_per_s:g} requests/s for {seconds:g} s")
    with bench(undisturbed) as place:
        for kind in ("poisson", "constant"):
            place.server.behave(delay_ms=DELAY_MS)
            traffic = {"kind": kind, "rate_per_s": rate_per_s, "duration_s": seconds}
            joined = run_ours(place, traffic, USERS, "--only-summary").joined().sort_values("intended_at")
            due_at, arrived_at = joined.intended_at.to_numpy(), np.sort(joined.arrived_at.to_numpy())
            click.echo(f"{kind}: {len(joined):,} requests")
            if kind == "poisson":
                for name, times in (("seen by the server", arrived_at), ("the schedule", due_at)):
                    d, p = kolmogorov_smirnov(1 - np.exp(-rate_per_s * np.diff(times)))
                    verdict = "exponential" if p >= SIGNIFICANT else "NOT exponential"
                    click.echo(f"  gaps, {name:<20} D {d:.4f}  p {p:.3f}  {verdict}")
            else:
                gaps_ms = pd.Series(np.diff(arrived_at) * 1000)
                click.echo(
                    f"  gaps, seen by the server   mean {gaps_ms.mean():.3f} ms  "
                    f"standard deviation {gaps_ms.std():.3f}  shortest {gaps_ms.min():.2f}  longest {gaps_ms.max():.2f}"
                )
                d, p = kolmogorov_smirnov((arrived_at - due_at[0]) / seconds)
                click.echo(f"  arrivals, evenly spread?   D {d:.4f}  p {p:.3f}")
            click.echo(f"  arrived - due              {percentiles(pd.Series((arrived_at - due_at) * 1000))}")
    click.echo(describe_machine())


def kolmogorov_smirnov(cumulative: np.ndarray) -> tuple[float, float]:
    """D and p of values that would be uniform between 0 and 1, were the sample what it should be.

    p by Stephens' approximation (Numerical Recipes, 14.3), good for 5 values and more.
    """
    n = len(cumulative)
    ranks, values = np.arange(n), np.sort(cumulative)
    d = float(max((values - ranks / n).max(), ((ranks + 1) / n - values).max()))
    scaled = (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n)) * d
    p = 2 * sum((-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return d, min(1.0, max(0.0, p)) if scaled > 0.2 else 1.0  # the series does not converge near 0


if __name__ == "__main__":
    main()
