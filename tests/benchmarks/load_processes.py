"""`--processes 2` against one process: the same schedule, so the same totals and the same percentiles.

    python tests/benchmarks/load_processes.py

The server answers after 200 ms. Side by side: what was sent, what arrived, the latency, and each worker's part.
"""

from __future__ import annotations

import click
from _embedded_aws import describe_machine
from _load import Ran, bench, run_ours, undisturbed_option

RATE_PER_S, USERS, DELAY_MS = 100, 60, 200.0


@click.command()
@click.option("--seconds", default=10.0, show_default=True)
@undisturbed_option
def main(seconds: float, undisturbed: bool) -> None:
    click.echo(f"{describe_machine()}; Poisson, {RATE_PER_S} requests/s for {seconds:g} s, {DELAY_MS:g} ms each")
    traffic = {"kind": "poisson", "rate_per_s": RATE_PER_S, "duration_s": seconds}
    with bench(undisturbed) as place:
        ran = {}
        for processes in (1, 2):
            place.server.behave(delay_ms=DELAY_MS)
            options = ("--processes", "2") if processes == 2 else ()
            ran[processes] = run_ours(place, traffic, USERS, "--only-summary", *options)
            tell(processes, ran[processes])
        one, two = (ran[processes].records.latency_ms for processes in (1, 2))
        differences = ", ".join(f"p{p} {two.quantile(p / 100) - one.quantile(p / 100):+.2f} ms" for p in (50, 95, 99))
        click.echo(f"2 less 1: {len(two) - len(one):+d} requests, {differences}")
        schedules = [ran[processes].records.intended_at.sort_values().to_numpy() for processes in (1, 2)]
        if len(one) == len(two):
            offsets_ms = [(times - times[0]) * 1000 for times in schedules]
            click.echo(f"the two schedules differ by at most {abs(offsets_ms[0] - offsets_ms[1]).max():.3f} ms")
    click.echo(describe_machine())


def tell(processes: int, ran: Ran) -> None:
    joined = ran.joined()
    workers = " + ".join(str(len(part)) for _, part in joined.groupby("worker"))
    latency = ", ".join(f"p{p} {joined.latency_ms.quantile(p / 100):.2f}" for p in (50, 95, 99))
    click.echo(
        f"{processes} process(es): {len(joined)} sent ({workers}), {len(ran.truth)} arrived; latency {latency} ms"
    )


if __name__ == "__main__":
    main()
