"""A run under way, counted from hand-written records; and the table that a terminal shows of it."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from analysis.claims.claim import State
from analysis.model import (
    Answer,
    Invocation,
    Outcome,
    Record,
    Run,
    RunAws,
    RunClaim,
    RunConsumer,
    RunDeployment,
    RunFetch,
)
from harness.live.counts import MAX_DEPLOYMENTS, OTHERS, Given, Live, RegionRow, percent, read_regions
from harness.live.terminal import summary, table
from tests.conftest import LOCUST, inherited


def consumer(pattern: str, name: str, model: str, route: Any = "gateway") -> RunConsumer:
    return RunConsumer(
        pattern=pattern, name=name, user_class=f"{name}User", route=route, model=model, profile=None, quota_rpm=None,
        quota_tpm=None, users=1, traffic={},
    )  # fmt: skip


def deployment(identity: str, group: str) -> RunDeployment:
    return RunDeployment(id=identity, group=group, model_id=f"{group}-model", profile=None, account_id=None, rpm=None)


RUN = Run(
    id="20261122-110255-8322", patterns=("cris", "fallback", "quota_isolation"), started_at=0.0, ended_at=None,
    evidence="embedded", versions={}, command="locust", traffic="demo",
    aws=RunAws(profiles=(), accounts={}, region="us-east-1", log_group="group"),
    fetch=RunFetch(deadline_s=1, poll_s=1),
    consumers=(
        consumer("cris", "cris", "us.model", "direct"), consumer("fallback", "fallback", "primary"),
        consumer("quota_isolation", "A", "shared"), consumer("quota_isolation", "B", "shared"),
    ),
    deployments=(deployment("primary-1", "primary"), deployment("secondary-1", "secondary")),
    fallbacks={"primary": ("secondary",)},
    claims=(
        RunClaim(pattern="cris", claim="all_answered"),
        RunClaim(pattern="cris", claim="regions_at_least", parameters={"at_least": 2}),
        RunClaim(pattern="fallback", claim="all_answered"),
        RunClaim(pattern="fallback", claim="overflow_answered_by_fallback"),
        RunClaim(pattern="quota_isolation", claim="limited_to_quota", consumers=("A",)),
        RunClaim(pattern="quota_isolation", claim="neighbours_unharmed", consumers=("B",)),
    ),
)  # fmt: skip

ANSWERED = Record(
    RUN.id, "fallback", "FallbackUser", "fallback", 0.0, 0.0, 100.0, None, 200, "primary", "primary-1", 0, 0, "id-1",
    "", 10, 5, 0.001, 2.0,
)  # fmt: skip
BY_FALLBACK = replace(ANSWERED, deployment="secondary-1", latency_ms=300.0, fallbacks=1)
REFUSED = replace(ANSWERED, status=429, error_type="throttling_error", request_id="", deployment="")
THROTTLED = replace(REFUSED, request_id="id-2")
FAILED = replace(REFUSED, status=0, error_type="timeout")


def live(*records: Record) -> Live:
    counted = Live(RUN, Path(RUN.id))
    for record in records:
        counted.add(record)
    return counted


def row(counted: Live, pattern: str) -> Any:
    return next(row for row in counted.patterns() if row.pattern == pattern)


def of(record: Record, pattern: str, name: str) -> Record:
    return replace(record, pattern=pattern, consumer=name)


def test_every_outcome_is_counted_for_itself() -> None:
    found = row(live(ANSWERED, ANSWERED, BY_FALLBACK, REFUSED, THROTTLED, FAILED), "fallback")
    assert (found.sent, found.answered, found.refused_by_gateway, found.refused_by_bedrock, found.failed) == (
        6, 3, 1, 1, 1,
    )  # fmt: skip
    assert found.by_fallback == 1


def test_patterns_come_in_the_runs_order_before_anything_is_sent() -> None:
    rows = live().patterns()
    assert [row.pattern for row in rows] == ["cris", "fallback", "quota_isolation"]
    assert all(row.sent == 0 for row in rows)
    assert {standing.state for row in rows for standing in row.claims} == {State.OPEN}


def test_a_fallback_is_known_by_its_group_and_of_a_strange_gateway_by_its_header() -> None:
    strange = replace(ANSWERED, deployment="not ours")
    assert (
        row(live(strange, replace(strange, fallbacks=None), replace(strange, fallbacks=1)), "fallback").by_fallback == 1
    )


def test_a_pattern_without_a_fallback_has_no_share_of_it() -> None:
    assert row(live(), "cris").by_fallback is None


def test_a_claim_holds_until_one_request_breaks_it() -> None:
    assert [str(standing) for standing in row(live(ANSWERED, BY_FALLBACK), "fallback").claims] == [
        "all answered: holds so far, 2 of 2 answered",
        "overflow answered by fallback: open, judged when the run has ended",
    ]
    assert str(row(live(ANSWERED, FAILED), "fallback").claims[0]) == "all answered: does not hold, 1 of 2 not answered"


def test_a_claim_is_about_its_consumers_only() -> None:
    claims = row(
        live(of(ANSWERED, "quota_isolation", "A"), of(REFUSED, "quota_isolation", "A"),
             of(ANSWERED, "quota_isolation", "B")), "quota_isolation"
    ).claims  # fmt: skip
    assert [str(standing) for standing in claims] == [
        "limited to quota (A): open, 1 admitted, 1 refused",
        "neighbours unharmed (B): holds so far, 1 of 1 answered",
    ]


def test_what_only_cloudwatch_knows_stays_open() -> None:
    claims = row(live(of(ANSWERED, "cris", "cris")), "cris").claims
    assert str(claims[1]) == "regions at least 2: open, known when CloudWatch has delivered"


def test_verdicts_take_the_place_of_what_was_so_far() -> None:
    counted = live(ANSWERED)
    answers = [Answer.PASS, Answer.PASS, Answer.FAIL, Answer.UNKNOWN, Answer.PASS, Answer.PASS]
    given = [Given(claim.id, answer) for claim, answer in zip(RUN.claims, answers, strict=True)]
    counted.judged(given[::-1], None)  # whatever their order is
    assert [str(standing) for standing in row(counted, "fallback").claims] == [
        "all answered: FAIL",
        "overflow answered by fallback: UNKNOWN",
    ]


def test_a_run_without_verdicts_is_not_judged() -> None:
    counted = live(ANSWERED)
    counted.judged(None, None)
    assert row(counted, "fallback").claims[0].state is State.HOLDING


def test_deployments_are_those_that_answered() -> None:
    found = live(ANSWERED, BY_FALLBACK, BY_FALLBACK, REFUSED).deployments()
    assert [(row.deployment, row.model, row.answered, row.of, row.mean_ms) for row in found] == [
        ("secondary-1", "secondary-model", 2, 3, 300.0),
        ("primary-1", "primary-model", 1, 3, 100.0),
    ]


def test_on_the_direct_route_a_profile_serves_the_model_that_was_asked() -> None:
    asked = replace(of(ANSWERED, "cris", "cris"), deployment="account-one", model_asked="us.model")
    (found,) = live(asked).deployments()
    assert (found.deployment, found.model) == ("account-one", "us.model")


def test_memory_is_bounded_however_many_deployments_a_server_names() -> None:
    found = live(*(replace(ANSWERED, deployment=f"d{number}") for number in range(3 * MAX_DEPLOYMENTS))).deployments()
    assert len(found) == MAX_DEPLOYMENTS + 1
    assert found[0].deployment == OTHERS
    assert sum(row.answered for row in found) == 3 * MAX_DEPLOYMENTS


@given(st.lists(st.sampled_from([ANSWERED, BY_FALLBACK, REFUSED, THROTTLED, FAILED])))
def test_the_ledger_of_every_moment_closes(records: list[Record]) -> None:
    counted = live(*records)
    found = row(counted, "fallback")
    assert found.sent == len(records) == counted.sent
    assert found.sent == found.answered + found.refused_by_gateway + found.refused_by_bedrock + found.failed
    assert sum(part.answered for part in counted.deployments()) == found.answered
    assert (found.by_fallback or 0) <= found.answered == sum(r.outcome is Outcome.ANSWERED for r in records)


def invocation(request_id: str, account: str, region: str) -> str:
    return Invocation(request_id, 0.0, account, "us-east-1", region, "model", "Converse", 1.0, 1, 1, "").line()


def test_regions_are_told_by_pattern_and_account(tmp_path: Path) -> None:
    asked = [of(replace(ANSWERED, request_id=f"c{number}"), "cris", "cris") for number in range(3)]
    asked.append(replace(ANSWERED, request_id="f0"))
    (tmp_path / "requests.csv").write_text(Record.header_line() + "".join(record.line() for record in asked))
    (tmp_path / "invocations.csv").write_text(
        Invocation.header_line() + invocation("f0", "2", "us-east-1") + invocation("c0", "1", "us-west-2")
        + invocation("c1", "1", "us-east-2") + invocation("c2", "1", "us-east-2") + invocation("x", "1", "us-east-2")
    )  # fmt: skip
    pauses: list[None] = []
    assert read_regions(tmp_path, RUN.patterns, lambda: pauses.append(None)) == [
        RegionRow("cris", "1", "us-east-2", 2, 3),
        RegionRow("cris", "1", "us-west-2", 1, 3),
        RegionRow("fallback", "2", "us-east-1", 1, 1),
        RegionRow("", "1", "us-east-2", 1, 1),
    ]
    assert pauses


def test_regions_are_unknown_before_cloudwatch_has_delivered(tmp_path: Path) -> None:
    assert read_regions(tmp_path, RUN.patterns, lambda: None) is None


@pytest.mark.parametrize(
    ("count", "of", "text"),
    [(0, 0, "—"), (0, 7, "0 %"), (7, 7, "100 %"), (1, 3, "33.3 %"), (99_999, 100_000, "99.9 %"), (1, 100_000, "0.1 %")],
)
def test_only_all_of_it_is_100_percent(count: int, of: int, text: str) -> None:
    assert percent(count, of) == text


def shown(counted: Live, width: int) -> str:
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(table(counted))
    return console.export_text()


def test_the_table_fits_into_80_columns() -> None:
    text = shown(live(ANSWERED, BY_FALLBACK, FAILED), 80)
    assert "…" not in text
    assert re.search(r"^fallback +3 +2 +0 +0 +1 +50.0 % 1 broken, 1 open", text, re.MULTILINE), text
    assert re.search(r"secondary-1  fallback +1 50.0 % +0.300 s", text), text


def test_a_run_in_one_line() -> None:
    assert summary(live(ANSWERED, REFUSED, THROTTLED, FAILED)) == "4 sent: 1 answered, 2 refused, 1 failed"


# --- the same in a real terminal ---

CURSOR_OFF, CURSOR_ON, LINE_UP_AND_GONE, GREEN = "\x1b[?25l", "\x1b[?25h", "\x1b[1A\x1b[2K", "\x1b[32m"


class Terminal:
    """A command on a pseudo-terminal of 100 columns, and all that it wrote there."""

    def __init__(self, command: list[str], environment: dict[str, str], cwd: Path) -> None:
        ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, start_new_session=True,
            env={**inherited(), "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40", **environment},
        )  # fmt: skip
        os.close(theirs)
        self.written = ""
        self._reader = threading.Thread(target=self._read, args=(ours,), daemon=True)
        self._reader.start()

    def _read(self, ours: int) -> None:
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux: the other side is closed
                return
            self.written += piece.decode(errors="replace")

    def wait(self, within_s: float) -> int:
        try:
            return self.process.wait(within_s)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self._reader.join(5)


@pytest.fixture(scope="module")
def many(place: Any) -> Iterator[Any]:
    """The embedded AWS alone, and a pattern of more requests than are told one by one."""
    here = place("many")
    patterns = here.read("patterns")
    cris = patterns["patterns"]["cris"]
    cris["consumers"]["cris"]["traffic"]["many"] = {"kind": "constant", "rate_per_s": 80, "duration_s": 3}
    here.write("patterns", patterns | {"patterns": {"cris": cris}})
    embedded = here.start(
        [sys.executable, "-m", "embedded_aws", "--config", str(here.files["embedded"])]
    )  # fmt: skip
    embedded.until("AWS_ENDPOINT_URL")
    yield here
    embedded.kill_all()


@pytest.mark.parametrize("no_color", ["", "1"])
def test_many_requests_are_shown_in_a_table_that_stays_in_place(many: Any, no_color: str) -> None:
    environment = {**many.keys, **({"NO_COLOR": "1"} if no_color else {})}
    command = [LOCUST, "--headless", "-f", "locustfiles/cris.py", *many.options, "--runs", str(many.folder / "runs")]
    terminal = Terminal([*command, "--traffic", "many"], environment, many.cwd)
    assert terminal.wait(300) == 0, terminal.written
    written = terminal.written
    under_way, afterwards = written.split("waiting for logs", 1)
    assert under_way.count("Claims so far") > 2  # drawn again and again,
    last = under_way[under_way.rindex("Claims so far") :]
    assert last.count(LINE_UP_AND_GONE) >= last.count("\n") > 2  # in its place, and taken away
    assert written.count(CURSOR_OFF) == written.count(CURSOR_ON) > 0
    assert not re.search(r"\d\d:\d\d:\d\d .*cris +cris +answered", under_way)  # no line each
    assert (GREEN in written) is not bool(no_color)
    assert "PASS" in afterwards


def test_only_summary_shows_no_table(many: Any) -> None:
    command = [LOCUST, "--headless", "-f", "locustfiles/cris.py", *many.options, "--runs", str(many.folder / "runs")]
    terminal = Terminal([*command, "--traffic", "many", "--only-summary"], many.keys, many.cwd)
    assert terminal.wait(300) == 0, terminal.written
    assert "Claims so far" not in terminal.written
    assert "PASS" in terminal.written
