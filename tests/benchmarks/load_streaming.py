"""How true the times of streams are: what our client measured, less what the server did, for each request.

    python tests/benchmarks/load_streaming.py

Time to first token, end to end, and the mean gap between tokens, with 8 and with 100 streams at once. The truth is
taken just before the bytes leave the server: from a request's arrival to its first token, and to its end.
"""

from __future__ import annotations

import click
import numpy as np
import pandas as pd
from _embedded_aws import describe_machine
from _load import bench, percentiles, run_ours, undisturbed_option

TARGET_P50_MS, TARGET_P99_MS = 1.0, 5.0


@click.command()
@click.option(
    "--at-once", default=[8, 100], show_default=True, multiple=True, help="How many streams at the same time."
)
@click.option("--seconds", default=10.0, show_default=True, help="How long each is measured.")
@click.option("--first-token-ms", default=50.0, show_default=True)
@click.option("--tokens", default=20, show_default=True)
@click.option("--gap-ms", default=20.0, show_default=True)
@undisturbed_option
def main(
    at_once: tuple[int, ...], seconds: float, first_token_ms: float, tokens: int, gap_ms: float, undisturbed: bool
) -> None:
    click.echo(describe_machine())
    click.echo(
        f"first token after {first_token_ms:g} ms, then {tokens - 1} tokens every {gap_ms:g} ms; "
        f"targets p50 {TARGET_P50_MS:g} ms, p99 {TARGET_P99_MS:g} ms"
    )
    stream_s = (first_token_ms + (tokens - 1) * gap_ms) / 1000
    with bench(undisturbed) as place:
        for streams in at_once:
            place.server.behave(delay_ms=first_token_ms, gap_ms=gap_ms, tokens=tokens)
            # One user stays free on average, so that nearly all start when they are due.
            rate_per_s = (streams - 1) / stream_s
            traffic = {"kind": "poisson", "rate_per_s": rate_per_s, "duration_s": seconds}
            joined = run_ours(place, traffic, streams, "--only-summary", stream=True).joined()
            click.echo(
                f"{streams} at once, {len(joined):,} streams, {rate_per_s * tokens:,.0f} tokens/s, measured - true:"
            )
            for name, error in errors_ms(joined).items():
                click.echo(f"  {name:<22}{percentiles(error)}")
            late = joined.content_at.map(lambda times: times[0]) - joined.arrived_at - first_token_ms / 1000
            click.echo(f"  (the server was late  {percentiles(late * 1000)}: when it is, so is the machine)")
    click.echo(describe_machine())


def errors_ms(joined: pd.DataFrame) -> dict[str, pd.Series]:
    """Measured less true, a value for each request."""
    first = joined.content_at.map(lambda times: times[0])
    gaps = joined.content_at.map(np.diff)
    queued_ms = (joined.started_at - joined.intended_at) * 1000
    return {
        "time to first token": joined.ttft_ms - (first - joined.arrived_at) * 1000,
        "end to end": joined.latency_ms - queued_ms - (joined.ended_at - joined.arrived_at) * 1000,
        "mean gap": joined.gap_mean_ms - gaps.map(np.mean) * 1000,
        "p99 gap": joined.gap_p99_ms - gaps.map(np.max) * 1000,  # nearest rank: of fewer than 100 gaps, the longest
    }


if __name__ == "__main__":
    main()
