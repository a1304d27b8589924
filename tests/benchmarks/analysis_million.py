"""What 1,000,000 records × 1,000,000 invocations cost, against merely reading the two files with pandas.

    python -m tests.benchmarks.analysis_million [REQUESTS]

Each step runs in a process of its own, so that its memory is its own. The goal: judged and reported in at most 3 times
pandas' reading time, under 2 GB, with a report of less than 3 MB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

MEGABYTE = 1024  # in KB


class Cost(NamedTuple):
    wall_s: float
    cpu_s: float
    memory_mb: float


def pandas_reads(folder: Path) -> None:
    import pandas as pd

    pd.read_csv(folder / "requests.csv")
    pd.read_csv(folder / "invocations.csv")


def judge(folder: Path) -> None:
    _judge(folder)


def judge_and_report(folder: Path) -> None:
    from analysis.outputs import registry

    page = registry.write("html", *_judge(folder))
    print(f"  report {page.stat().st_size / 1024**2:.2f} MB")


def _judge(folder: Path):  # type: ignore[no-untyped-def]
    from analysis import verdicts
    from analysis.findings import Findings
    from analysis.folder import reading
    from analysis.folder.verdicts_file import write_verdicts

    started = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal started
        print(f"  {name} {time.perf_counter() - started:.2f} s")
        started = time.perf_counter()

    findings = Findings(reading.read(folder))
    lap("read")
    len(findings.rows)
    lap("join")
    answers = verdicts.judge(findings)
    lap(f"judge {len(answers)} claims")
    write_verdicts(folder, answers)
    return findings, answers


STEPS: dict[str, Callable[[Path], None]] = {step.__name__: step for step in (pandas_reads, judge, judge_and_report)}


def main(requests: int) -> None:
    from tests.analysis import synthetic

    print(f"{requests:,} records, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory(prefix="analysis-million-") as directory:
        folder = synthetic.write(synthetic.sustained(requests, minutes=60), Path(directory) / "run")
        baseline = None
        for name in STEPS:
            print(name, flush=True)
            subprocess.run([sys.executable, "-m", "tests.benchmarks.analysis_million", name, str(folder)], check=True)
            cost = Cost(*map(float, (folder / "cost").read_text().split()))
            baseline = baseline or cost
            ratios = f"{cost.wall_s / baseline.wall_s:.2f} × ({cost.cpu_s / baseline.cpu_s:.2f} × in CPU time)"
            print(f"  {cost.wall_s:.2f} s, CPU {cost.cpu_s:.2f} s, at most {cost.memory_mb:,.0f} MB: {ratios}")
        print(f"load {os.getloadavg()[0]:.2f}; where it is above the number of cores, compare CPU times")


def one_step(name: str, folder: Path) -> None:
    """Imports are counted for neither side: they cost the same for ten requests."""
    import pandas as pd  # noqa: F401

    if name != pandas_reads.__name__:
        import analysis.verdicts
    if name == judge_and_report.__name__:
        import analysis.outputs.html.page  # noqa: F401
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    STEPS[name](folder)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    (folder / "cost").write_text(f"{wall_s} {cpu_s} {_most_memory_mb()}")


def _most_memory_mb() -> float:
    """Since this program began; getrusage would give its parent's too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / MEGABYTE for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    match sys.argv[1:]:
        case [name, folder]:
            one_step(name, Path(folder))
        case [requests]:
            main(int(requests))
        case _:
            main(1_000_000)
