"""How many Converse calls a second the embedded AWS answers on one core, and how many one LiteLLM worker passes on.

    python tests/benchmarks/embedded_converse.py

Signature, policy, quota, destination Region and journal are all on; only the latency model is at 0.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

import click
import uvloop
import yaml
from _embedded_aws import (
    BODY,
    MODEL,
    PROFILE,
    Load,
    Server,
    ask,
    child,
    cores,
    describe_machine,
    embedded_aws,
    http_request,
    settings,
    wait_until,
)

TARGET_PER_S, TARGET_RATIO = 3_000, 30


@click.command()
@click.option("--seconds", default=5.0, show_default=True, help="How long each is measured.")
@click.option("--connections", default=16, show_default=True)
@click.option("--litellm/--no-litellm", default=True, show_default=True)
def main(seconds: float, connections: int, litellm: bool) -> None:
    server_core, load_core = cores()
    os.sched_setaffinity(0, {load_core})
    click.echo(describe_machine())
    at_once = {"first_token_ms": {"median": 0, "p99": 0}, "per_token_ms": 0}
    with embedded_aws(settings(at_once, tokens=40), server_core) as server:
        cpu_s = server.cpu_s()
        direct = run(server.address, server.request("converse"), connections, 1.0, seconds)
        cpu_s = server.cpu_s() - cpu_s
        check(direct, server)
        click.echo(
            f"embedded AWS   {direct.per_s:8,.0f} Converse/s on one core (target {TARGET_PER_S:,}), {connections} "
            f"connections; it got {cpu_s / (seconds + 1.0):.0%} of the core"
        )
        if litellm:
            through = gateway(server, server_core, connections, seconds)
            click.echo(f"LiteLLM worker {through.per_s:8,.0f} chat completions/s passed on, {connections} connections")
            click.echo(f"ratio          {direct.per_s / through.per_s:8,.1f} (target {TARGET_RATIO})")
    click.echo(describe_machine())


def run(address: tuple[str, int], request: bytes, connections: int, warm_up_s: float, measured_s: float) -> Load:
    return uvloop.run(ask(address, request, connections, warm_up_s, measured_s))


def check(load: Load, server: Server) -> None:
    """Figures count only if every answer was whole and is in the journal."""
    answer = json.loads(load.last.partition(b"\r\n\r\n")[2])
    logged = server.admin("journal/stats")["records"]
    if load.refused or answer["stopReason"] != "end_turn" or logged < load.answered:
        raise click.ClickException(f"{load.refused} refused, {logged} logged of {load.answered}: {load.last!r}")


def gateway(server: Server, core: int, connections: int, seconds: float) -> Load:
    """One LiteLLM worker in front of the embedded AWS, with nothing configured that could slow it."""
    key = "sk-" + secrets.token_hex(16)
    config = {
        "model_list": [
            {
                "model_name": "m",
                "litellm_params": {
                    "model": f"bedrock/{MODEL}", "aws_profile_name": PROFILE, "aws_region_name": "us-east-1"
                },
            }
        ],
        "general_settings": {"master_key": key},
    }  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "litellm.yaml")
        path.write_text(yaml.safe_dump(config))
        litellm = shutil.which("litellm", path=str(Path(sys.executable).parent)) or "litellm"
        command = [litellm, "--config", str(path), "--host", "127.0.0.1", "--port", str(address[1])]
        environment = {**server.environment, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        with child(command, environment, core):
            wait_until(lambda: urlopen(f"http://127.0.0.1:{address[1]}/health/liveliness").status == 200)
            body = {"model": "m", "messages": [{"role": "user", "content": BODY["messages"][0]["content"][0]["text"]}]}
            headers = {"host": "127.0.0.1", "authorization": f"Bearer {key}", "content-type": "application/json"}
            request = http_request("/v1/chat/completions", headers, json.dumps(body).encode())
            load = run(address, request, connections, 5.0, seconds)
    if load.refused or not load.answered:
        raise click.ClickException(f"LiteLLM refused {load.refused}: {load.last!r}")
    return load


if __name__ == "__main__":
    main()
