"""Other load generators against the same server, beside ours: how true the times of their streams are.

    python tests/benchmarks/load_peers.py

Whichever of aiperf, inference-perf and k6 is on the PATH, or named with `--aiperf FILE` and so on; README.md says how
to install them. Errors are percentiles measured less the same percentiles of the truth, for the tools tell no more.
k6 knows no tokens: its time to first token is the time to the first byte.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import click
import pandas as pd
import yaml
from _embedded_aws import describe_machine
from _load import KEY, Bench, bench, run_ours

AT_ONCE, FIRST_TOKEN_MS, GAP_MS, TOKENS = 8, 50.0, 10.0, 20
DEADLINE_S = 120


@dataclass
class Figures:
    """What a tool says of its own run, in milliseconds."""

    ttft_p50: float
    ttft_p99: float
    latency_p50: float
    latency_p99: float


@click.command()
@click.option("--requests", default=200, show_default=True, help="Of each tool.")
@click.option("--aiperf", default="aiperf", show_default=True)
@click.option("--inference-perf", default="inference-perf", show_default=True)
@click.option("--k6", default="k6", show_default=True)
def main(requests: int, aiperf: str, inference_perf: str, k6: str) -> None:
    click.echo(
        f"{describe_machine()}; {requests} streams each, {AT_ONCE} at once, first token after {FIRST_TOKEN_MS:g} ms"
    )
    click.echo(f"{'measured - true, ms':<20}{'TTFT p50':>10}{'p99':>8}{'end to end p50':>17}{'p99':>8}")
    with bench(undisturbed=False) as place:
        tell(place, "ours", lambda: ours(place, requests))
        tools: dict[str, tuple[str, Callable[[Bench, str, int], Figures]]] = {
            "aiperf": (aiperf, run_aiperf),
            "inference-perf": (inference_perf, run_inference_perf),
            "k6": (k6, run_k6),
        }
        for name, (command, run) in tools.items():
            if found := shutil.which(command):
                tell(place, name, lambda run=run, found=found: run(place, found, requests))
            else:
                click.echo(f"{name:<20}is not installed: see tests/benchmarks/README.md")
    click.echo(describe_machine())


def tell(place: Bench, name: str, run: Callable[[], Figures]) -> None:
    place.server.behave(delay_ms=FIRST_TOKEN_MS, gap_ms=GAP_MS, tokens=TOKENS)
    figures = run()
    truth, _ = place.server.truth()
    ttft_ms = (truth.content_at.map(lambda times: times[0]) - truth.arrived_at) * 1000
    latency_ms = (truth.ended_at - truth.arrived_at) * 1000
    errors = (
        figures.ttft_p50 - quantile(ttft_ms, 0.5),
        figures.ttft_p99 - quantile(ttft_ms, 0.99),
        figures.latency_p50 - quantile(latency_ms, 0.5),
        figures.latency_p99 - quantile(latency_ms, 0.99),
    )
    click.echo("{:<20}{:+10.2f}{:+8.2f}{:+17.2f}{:+8.2f}".format(name, *errors))


def quantile(values: pd.Series, share: float) -> float:
    return float(values.quantile(share))


def ours(place: Bench, requests: int) -> Figures:
    seconds = requests / 10_000  # all due at once: a closed loop, like the others'
    traffic = {"kind": "constant", "rate_per_s": 10_000, "duration_s": seconds}
    records = run_ours(place, traffic, AT_ONCE, "--only-summary", stream=True).records
    latency_ms = records.latency_ms - (records.started_at - records.intended_at) * 1000
    return Figures(
        quantile(records.ttft_ms, 0.5), quantile(records.ttft_ms, 0.99),
        quantile(latency_ms, 0.5), quantile(latency_ms, 0.99),
    )  # fmt: skip


def run_aiperf(place: Bench, command: str, requests: int) -> Figures:
    prompts = place.directory / "prompts.jsonl"
    prompts.write_text('{"text": "Hi!"}\n')
    folder = place.directory / "aiperf"
    run(
        place, command, "profile", "-m", "load", "-u", place.server.url, "--endpoint-type", "chat", "--streaming",
        "--concurrency", AT_ONCE, "--request-count", requests, "--input-file", prompts,
        "--custom-dataset-type", "single_turn", "--tokenizer", tokenizer(place), "--use-server-token-count",
        "--no-server-metrics", "--no-gpu-telemetry", "--ui", "none", "--artifact-dir", folder,
    )  # fmt: skip
    told = json.loads((folder / "profile_export_aiperf.json").read_text())
    ttft, latency = told["time_to_first_token"], told["request_latency"]
    return Figures(ttft["p50"], ttft["p99"], latency["p50"], latency["p99"])


def run_inference_perf(place: Bench, command: str, requests: int) -> Figures:
    folder = place.directory / "inference-perf"
    config = place.directory / "inference-perf.yaml"
    content = {
        "load": {
            "type": "concurrent",
            "stages": [{"num_requests": requests, "concurrency_level": AT_ONCE}],
            "num_workers": 1,
        },
        "api": {"type": "chat", "streaming": True},
        "server": {"type": "vllm", "model_name": "load", "base_url": place.server.url, "ignore_eos": True},
        "tokenizer": {"pretrained_model_name_or_path": tokenizer(place)},
        "data": {"type": "mock"},
        "report": {"request_lifecycle": {"summary": True, "per_stage": False, "per_request": False}},
        "storage": {"local_storage": {"path": str(folder)}},
    }
    config.write_text(yaml.safe_dump(content))
    run(place, command, "-c", config)
    latency = json.loads((folder / "summary_lifecycle_metrics.json").read_text())["successes"]["latency"]
    ttft, whole = latency["time_to_first_token"], latency["request_latency"]
    return Figures(*(told[which] * 1000 for told in (ttft, whole) for which in ("median", "p99")))


def run_k6(place: Bench, command: str, requests: int) -> Figures:
    body = {"model": "load", "messages": [{"role": "user", "content": "Hi!"}], "max_tokens": 64, "stream": True}
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    script, summary = place.directory / "k6.js", place.directory / "k6.json"
    script.write_text(
        "import http from 'k6/http';\n"
        f"export const options = {{vus: {AT_ONCE}, iterations: {requests}, summaryTrendStats: ['p(50)', 'p(99)']}};\n"
        f"const parameters = {json.dumps({'headers': headers})};\n"
        f"export default () => http.post('{place.server.url}/v1/chat/completions', "
        f"JSON.stringify({json.dumps(body)}), parameters);\n"
        "export const handleSummary = (data) => ({"
        f"{json.dumps(str(summary))}: JSON.stringify(data.metrics)}});\n"
    )
    run(place, command, "run", "--quiet", "--no-usage-report", script)
    told = {name: metric["values"] for name, metric in json.loads(summary.read_text()).items()}
    first, whole = told["http_req_waiting"], told["http_req_duration"]
    return Figures(first["p(50)"], first["p(99)"], whole["p(50)"], whole["p(99)"])


def run(place: Bench, *command: object) -> None:
    done = subprocess.run(
        list(map(str, command)),
        cwd=place.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=DEADLINE_S,
        preexec_fn=lambda: os.sched_setaffinity(0, {place.load_core}),
    )
    if done.returncode:
        raise click.ClickException(f"{command[0]} exited with {done.returncode}:\n{done.stdout.decode()[-2000:]}")


def tokenizer(place: Bench) -> str:
    """A tokenizer of one word: the tools want one even where the server counts, and would download it."""
    folder = place.directory / "tokenizer"
    folder.mkdir(exist_ok=True)
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    content = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": 0, "content": "<unk>", **special}, {"id": 1, "content": "</s>", **special}],
        "normalizer": None, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "</s>": 1, "word": 2}, "unk_token": "<unk>"},
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(content))
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind))
    return str(folder)


if __name__ == "__main__":
    main()
