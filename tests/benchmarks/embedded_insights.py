"""Logs Insights over the journal of the embedded AWS: python -m tests.benchmarks.embedded_insights [--records N]

Appends a million invocations as the world writes them, then times queries as Logs runs them, beside the plainest
program that could answer the same: read the journal's file line by line and count. Prints seconds, peak memory and
the ratio of the two.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import click
import orjson

from embedded_aws.bedrock import invocation_log
from embedded_aws.logs.blocks import LogGroup
from embedded_aws.logs.insights import evaluate, parse
from embedded_aws.logs.journal import Journal

GROUP = LogGroup("111111111111", "us-east-1", "/aws/bedrock/modelinvocations")
NOON = 1_795_348_800
MODELS = ("us.anthropic.claude-sonnet-4-6", "us.anthropic.claude-haiku-4-5-20251001-v1:0", "us.amazon.nova-lite-v1:0")
REGIONS = ("us-east-1", "us-east-2", "us-west-2")
RUN, MODEL = "run-3", MODELS[0]
COUNTED = f'filter requestMetadata.run = "{RUN}" and modelId = "{MODEL}" | stats count(*) by inferenceRegion'
OTHERS = (
    "filter modelId like /sonnet/ | stats count(*) as n by coalesce(inferenceRegion, region), bin(1m)",
    "stats pct(output.outputBodyJson.metrics.latencyMs, 95) as p95, sum(input.inputTokenCount) by modelId",
    "stats count_distinct(requestId)",
    f'filter requestMetadata.run = "{RUN}" | display @timestamp, requestId, inferenceRegion | limit 10000',
    "filter @message like 'id-99999' | limit 10",
)


def record(number: int, rng: Random) -> dict[str, Any]:
    entry = invocation_log.record(
        at=NOON + number / 3_000,
        account_id=GROUP.account_id,
        region=GROUP.region,
        request_id=f"{rng.getrandbits(64):016x}-id-{number}",
        operation="Converse",
        model_id=rng.choice(MODELS),
        principal_arn="arn:aws:iam::111111111111:user/gateway",
        request_metadata={"run": f"run-{number % 10}", "consumer": rng.choice("ABC")},
    )
    question = {"messages": [{"role": "user", "content": [{"text": f"What is {number}?"}]}]}
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": "It is a number, as far as one can see."}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 12, "outputTokens": 11, "totalTokens": 23},
        "metrics": {"latencyMs": int(rng.lognormvariate(6, 0.5))},
    }
    counts = {"inputTokenCount": 12, "cacheReadInputTokenCount": 0, "cacheWriteInputTokenCount": 0}
    entry["input"] = invocation_log.side("input", question, counts)
    entry["output"] = invocation_log.side("output", answer, {"outputTokenCount": 11})
    entry["inferenceRegion"] = rng.choice(REGIONS)
    return entry


def counted_line_by_line(path: Path) -> Counter[str]:
    regions: Counter[str] = Counter()
    with path.open("rb") as lines:
        for line in lines:
            entry = orjson.loads(line)
            if entry["requestMetadata"]["run"] == RUN and entry["modelId"] == MODEL:
                regions[entry["inferenceRegion"]] += 1
    return regions


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@click.command()
@click.option("--records", default=1_000_000, show_default=True, type=click.IntRange(min=1))
def main(records: int) -> None:
    rng = Random(1)
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal(Path(directory), time.time)
        cpu_s, longest_s = 0.0, 0.0
        for start in range(0, records, 1_000):
            entries = [record(number, rng) for number in range(start, min(records, start + 1_000))]
            started_cpu = time.process_time()
            for entry in entries:
                started = time.perf_counter()
                journal.append(*GROUP, entry, deliver_at=0.0)
                longest_s = max(longest_s, time.perf_counter() - started)
            cpu_s += time.process_time() - started_cpu
        stats = journal.stats()
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"append       {cpu_s / records * 1e6:6.1f} µs of CPU a record, {longest_s * 1e3:.1f} ms the longest")
        memory, disk = stats["bytes_in_memory"] / 1e6, stats["bytes_on_disk"] / 1e6
        print(f"kept         {memory:6.0f} MB of records in memory, {disk:.0f} MB on disk, {peak_mb():.0f} MB peak RSS")

        def ask(query: str) -> tuple[float, list[tuple[str | None, ...]]]:
            started = time.perf_counter()
            rows = evaluate(parse(query), journal.events([GROUP], 0, 2 * NOON * 1000)).rows
            return time.perf_counter() - started, rows

        first_s, rows = ask(COUNTED)
        again_s, _ = ask(COUNTED)
        print(f"query        {first_s:6.2f} s, again {again_s:.2f} s, {peak_mb():.0f} MB peak RSS: {COUNTED}")
        for query in OTHERS:
            print(f"             {ask(query)[0]:6.2f} s, {peak_mb():.0f} MB peak RSS: {query}")

        journal_file = Path(directory) / "journal.jsonl"
        on_disk = sum(1 for _ in journal_file.open("rb"))
        started = time.perf_counter()
        plain = counted_line_by_line(journal_file)
        plain_s = (time.perf_counter() - started) * records / max(1, on_disk)
        print(f"line by line {plain_s:6.2f} s for as many records; the query takes 1/{plain_s / first_s:.0f} of that")
        if on_disk == records:
            assert Counter({str(region): int(count or 0) for region, count in rows}) == plain
        journal.close()


if __name__ == "__main__":
    main()
