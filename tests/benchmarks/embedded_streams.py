"""How punctual the embedded AWS's streams are: many at once, each frame due at a time of its own.

    python tests/benchmarks/embedded_streams.py

Late is (sent - scheduled), as the server itself measures it for every frame; beside it what the client saw, against
the schedule that fits its arrivals best.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import click
import uvloop
from _embedded_aws import Server, cores, describe_machine, embedded_aws, settings

TARGET_P99_MS = 5.0
FIRST_TOKEN_MS = 500  # all have been accepted before the first answers


@click.command()
@click.option("--streams", default=500, show_default=True)
@click.option("--tokens", default=50, show_default=True)
@click.option("--gap-ms", default=20.0, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(streams: int, tokens: int, gap_ms: float, rounds: int) -> None:
    server_core, load_core = cores()
    os.sched_setaffinity(0, {load_core})
    click.echo(f"{describe_machine()}; {streams} streams, {tokens} tokens every {gap_ms:g} ms")
    latency = {"first_token_ms": {"median": FIRST_TOKEN_MS, "p99": FIRST_TOKEN_MS}, "per_token_ms": gap_ms}
    with embedded_aws(settings(latency, tokens), server_core) as server:
        for number in range(1, rounds + 1):
            server.admin("pacing", "DELETE")
            cpu_s = server.cpu_s()
            arrivals = uvloop.run(listen(server, streams))
            cpu_s = server.cpu_s() - cpu_s
            if any(len(times) < tokens for times in arrivals):
                click.echo("the client fell behind and read several frames at once; its figures are too good")
            pacing = server.admin("pacing")
            client = sorted(late for times in arrivals for late in lateness_ms(times, gap_ms))
            click.echo(
                f"round {number}: {pacing['frames']:,} frames sent late by p50 {pacing['late_p50_ms']} ms, p99 "
                f"{pacing['late_p99_ms']} ms (target {TARGET_P99_MS}), max {pacing['late_max_ms']} ms; "
                f"seen by the client p50 {client[len(client) // 2]:.1f}, p99 {client[len(client) * 99 // 100]:.1f} ms; "
                f"{cpu_s / pacing['frames'] * 1e6:.0f} µs of CPU a frame"
            )
    click.echo(describe_machine())


def lateness_ms(times: list[float], gap_ms: float) -> list[float]:
    """How late each arrival is behind an even schedule that none precedes."""
    starts = [at * 1000 - position * gap_ms for position, at in enumerate(times)]
    return [start - min(starts) for start in starts]


class Listener(asyncio.Protocol):
    """Notes when each token arrives: every read but the headers, the opening and the end."""

    def __init__(self, ended: asyncio.Semaphore) -> None:
        self.ended = ended
        self.times: list[float] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if b"contentBlockDelta" in data:
            self.times.append(time.perf_counter())
        if data.endswith(b"0\r\n\r\n"):
            self.ended.release()


async def listen(server: Server, streams: int) -> list[list[float]]:
    loop = asyncio.get_running_loop()
    ended = asyncio.Semaphore(0)
    request = server.request("converse-stream")
    listeners = [(await loop.create_connection(lambda: Listener(ended), *server.address))[1] for _ in range(streams)]
    for listener in listeners:
        listener.transport.write(request)
    for _ in listeners:
        await asyncio.wait_for(ended.acquire(), 60)
    for listener in listeners:
        listener.transport.close()
    return [listener.times for listener in listeners]


if __name__ == "__main__":
    main()
