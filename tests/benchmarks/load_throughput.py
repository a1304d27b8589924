"""Requests a second of one process, each with its headers read and a record written, beside the bare Locust.

    python tests/benchmarks/load_throughput.py

The same requests to the same server, which answers at once, in turns. The server counts. Processor time a request is
the figure to trust on a busy machine: the ratio of requests a second suffers when a neighbour takes the core.
"""

from __future__ import annotations

import statistics

import click
from _embedded_aws import describe_machine
from _load import Bench, Ran, bench, run_bare, run_ours, undisturbed_option

TARGET_RATIO = 0.7
MORE_THAN_ANY_PER_S = 20_000  # due sooner than they can be sent: every user asks as fast as it can
MEMORY_REQUESTS = 10_000


@click.command()
@click.option("--seconds", default=4, show_default=True, help="How long each is measured, each time.")
@click.option("--users", default=16, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--memory/--no-memory", default=True, show_default=True, help="Also memory after N and 4 N requests.")
@undisturbed_option
def main(seconds: int, users: int, rounds: int, memory: bool, undisturbed: bool) -> None:
    click.echo(f"{describe_machine()}; {users} users, {seconds} s each")
    pairs = []
    with bench(undisturbed) as place:
        place.server.behave(delay_ms=0)
        for number in range(1, rounds + 1):
            bare = measured(place, number, "bare FastHttpUser", users, seconds)
            ours = measured(place, number, "ours", users, seconds)
            pairs.append((ours.per_s() / bare.per_s(), bare.cpu_us() / ours.cpu_us()))
        by_rate, by_cpu = (statistics.median(ratios) for ratios in zip(*pairs, strict=True))
        click.echo(
            f"ours to bare, median of {rounds}: {by_rate:.2f} by requests/s, {by_cpu:.2f} by processor time a request "
            f"(target {TARGET_RATIO})"
        )
        if memory:
            tell_memory(place, users)
    click.echo(describe_machine())


def measured(place: Bench, number: int, name: str, users: int, seconds: int) -> Ran:
    place.server.behave()
    options = ("-t", f"{seconds}s", "--only-summary")
    traffic = {"kind": "constant", "rate_per_s": MORE_THAN_ANY_PER_S, "duration_s": 60}
    ran = run_bare(place, users, *options) if name.startswith("bare") else run_ours(place, traffic, users, *options)
    click.echo(
        f"round {number}  {name:<18}{ran.per_s():8,.0f} requests/s {ran.cpu_us():8.0f} µs of processor time a request "
        f"{max(sample.rss_mb for sample in ran.samples):6.0f} MB"
    )
    if len(ran.records):
        ran.joined()
    return ran


def tell_memory(place: Bench, users: int) -> None:
    place.server.behave()
    seconds = 4 * MEMORY_REQUESTS / MORE_THAN_ANY_PER_S
    traffic = {"kind": "constant", "rate_per_s": MORE_THAN_ANY_PER_S, "duration_s": seconds}
    ran = run_ours(place, traffic, users, "--only-summary")
    ran.joined()
    first, last = ran.rss_mb(MEMORY_REQUESTS), ran.rss_mb(4 * MEMORY_REQUESTS)
    click.echo(
        f"memory: {first:.1f} MB after {MEMORY_REQUESTS:,} requests, {last:.1f} MB after {4 * MEMORY_REQUESTS:,} "
        f"({last - first:+.1f} MB)"
    )


if __name__ == "__main__":
    main()
