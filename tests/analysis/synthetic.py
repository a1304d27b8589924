"""Run folders made of arithmetic: the five patterns of any size, sound or sabotaged, without sending anything.

What a client, Locust and CloudWatch would have written agrees by construction, so that a judge which finds a
difference in a sound one is wrong, and one which finds none in a sabotaged one is blind.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.folder.reading import FetchLog
from analysis.model import (
    FAULTS_JSON,
    FETCH_JSON,
    INVOCATIONS_CSV,
    LOCUST_STATS_CSV,
    REQUESTS_CSV,
    RUN_JSON,
    Invocation,
    Record,
    Run,
    RunAws,
    RunClaim,
    RunConsumer,
    RunDeployment,
    RunFetch,
)

Sabotage = Literal[
    "no_fallback",  # what is over the primaries' quota is refused by the gateway
    "shared_key",  # A, B and C draw on one quota: the neighbours are refused too
    "shard_throttled",  # Bedrock refuses the second half of account two's requests
    "one_account",  # both shards' profiles lead to the same account
    "one_region",  # CRIS stays at home
    "logs_missing",  # never fetched
    "logs_partial",  # a fifth of the invocations have not arrived
    "primary_overfilled",  # the gateway ignores rpm and sends everything to the first primary
    "locust_disagrees",  # Locust's totals are short by one
    "neighbour_quiet",  # A stays below its quota, so that isolation is not put to the test
]
SABOTAGES: tuple[Sabotage, ...] = get_args(Sabotage)

MINUTE = 1_795_348_800.0  # 2026-11-22T12:00:00Z, a whole minute
ACCOUNTS = {"account-one": "111111111111", "account-two": "222222222222"}
REGIONS = ("us-east-1", "us-east-2", "us-west-2")
SONNET = "us.anthropic.claude-sonnet-4-6"
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
OPUS = "us.anthropic.claude-opus-4-6-v1"
_TYPICAL_MS = {SONNET: 920.0, HAIKU: 430.0, OPUS: 1380.0}
_USD_PER_TOKEN = {SONNET: 15e-6, HAIKU: 5e-6, OPUS: 25e-6}

LOCUST_COLUMNS = [
    "Type", "Name", "Request Count", "Failure Count", "Median Response Time", "Average Response Time",
    "Min Response Time", "Max Response Time", "Average Content Size", "Requests/s", "Failures/s",
    "50%", "66%", "75%", "80%", "90%", "95%", "98%", "99%", "99.9%", "99.99%", "100%",
]  # fmt: skip


@dataclass(frozen=True)
class Synthetic:
    """A run folder in memory; the frames have the columns of Record, Invocation and Locust's stats."""

    run: Run
    records: pd.DataFrame
    invocations: pd.DataFrame | None
    locust: pd.DataFrame
    faults: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class _Sender:
    pattern: str
    name: str
    user_class: str
    model: str
    requests: int  # per minute
    quota_rpm: int | None = None
    route: Literal["gateway", "direct"] = "gateway"


def demo(
    *, sabotage: Sabotage | None = None, evidence: Literal["aws", "embedded"] = "embedded", seed: int = 1
) -> Synthetic:
    """The main job: 65 requests, bursts and two slow accounts in turn."""
    return _build(scale=1, minutes=1, traffic="demo", sabotage=sabotage, evidence=evidence, seed=seed)


def sustained(requests: int, minutes: int = 5, *, sabotage: Sabotage | None = None, seed: int = 1) -> Synthetic:
    """About `requests` evenly over each of `minutes`, quotas scaled so that the same shares of them are exceeded."""
    scale = max(1, round(requests / (65 * minutes)))
    return _build(scale=scale, minutes=minutes, traffic="sustained", sabotage=sabotage, evidence="embedded", seed=seed)


def write(synthetic: Synthetic, folder: Path) -> Path:
    """The run folder as a run and its fetch leave it."""
    folder.mkdir(parents=True, exist_ok=True)
    run = synthetic.run
    (folder / RUN_JSON).write_text(run.model_dump_json(indent=2), encoding="utf-8")
    synthetic.records.to_csv(folder / REQUESTS_CSV, index=False, lineterminator="\n")
    synthetic.locust.to_csv(folder / LOCUST_STATS_CSV, index=False, lineterminator="\n")
    if synthetic.invocations is not None:
        synthetic.invocations.to_csv(folder / INVOCATIONS_CSV, index=False, lineterminator="\n")
        (folder / FETCH_JSON).write_text(_fetch_log(synthetic, len(synthetic.invocations)), encoding="utf-8")
    if synthetic.faults:
        (folder / FAULTS_JSON).write_text(json.dumps(synthetic.faults), encoding="utf-8")
    return folder


def _fetch_log(synthetic: Synthetic, invocations: int) -> str:
    run, answered = synthetic.run, int((synthetic.records["status"] == 200).sum())
    known = set() if synthetic.invocations is None else set(synthetic.invocations["request_id"])
    missing = answered - int(synthetic.records.loc[synthetic.records["status"] == 200, "request_id"].isin(known).sum())
    return FetchLog(
        fetched_at=(run.ended_at or run.started_at) + 7,
        waited_s=6.1,
        window=(int(run.started_at) - 5, int(run.ended_at or run.started_at) + 5),
        profiles=run.aws.profiles,
        query="fields @timestamp, requestId | limit 10000",
        queries=4,
        invocations=invocations,
        answered=answered,
        missing=missing,
        complete=not missing,
        reason="The deadline of 300 s passed." if missing else "",
    ).model_dump_json()


def _senders(scale: int, sabotage: Sabotage | None) -> list[_Sender]:
    noisy = 2 if sabotage == "neighbour_quiet" else 5
    return [
        _Sender("cris", "cris", "CrisUser", SONNET, 10 * scale, route="direct"),
        _Sender("account_sharding", "account-one", "AccountOneUser", "shard-one", 10 * scale),
        _Sender("account_sharding", "account-two", "AccountTwoUser", "shard-two", 10 * scale),
        _Sender("fallback", "fallback", "FallbackUser", "fallback-primary", 10 * scale),
        _Sender("load_balancing", "load-balanced", "LoadBalancedUser", "balanced", 10 * scale),
        _Sender("quota_isolation", "A", "ConsumerA", "shared", noisy * scale, quota_rpm=3 * scale),
        _Sender("quota_isolation", "B", "ConsumerB", "shared", 5 * scale, quota_rpm=10 * scale),
        _Sender("quota_isolation", "C", "ConsumerC", "shared", 5 * scale, quota_rpm=10 * scale),
    ]


def _deployments(scale: int, accounts: dict[str, str]) -> list[RunDeployment]:
    def deployment(id: str, group: str, model_id: str, profile: str, rpm: int | None = None) -> RunDeployment:
        return RunDeployment(
            id=id, group=group, model_id=model_id, profile=profile, account_id=accounts[profile],
            rpm=rpm and rpm * scale,
        )  # fmt: skip

    return [
        deployment("shard-one", "shard-one", SONNET, "account-one"),
        deployment("shard-two", "shard-two", SONNET, "account-two"),
        deployment("fallback-primary", "fallback-primary", SONNET, "account-one", 3),
        deployment("fallback-secondary", "fallback-secondary", HAIKU, "account-one", 25),
        deployment("balanced-1", "balanced", SONNET, "account-one", 3),
        deployment("balanced-2", "balanced", OPUS, "account-two", 3),
        deployment("balanced-fallback", "balanced-fallback", HAIKU, "account-one", 25),
        deployment("shared", "shared", HAIKU, "account-two"),
    ]


def _build(
    *,
    scale: int,
    minutes: int,
    traffic: str,
    sabotage: Sabotage | None,
    evidence: Literal["aws", "embedded"],
    seed: int,
) -> Synthetic:
    random = np.random.default_rng(seed)
    accounts = dict.fromkeys(ACCOUNTS, ACCOUNTS["account-one"]) if sabotage == "one_account" else dict(ACCOUNTS)
    senders, deployments = _senders(scale, sabotage), _deployments(scale, accounts)
    run = _run(senders, deployments, accounts, minutes, traffic, sabotage, evidence)
    by_id = {deployment.id: deployment for deployment in deployments}
    frames = [_requests(run.id, sender, by_id, scale, minutes, traffic, sabotage, random) for sender in senders]
    together = pd.concat(frames, ignore_index=True)
    together["request_id"] = np.where(together["at_bedrock"], _request_ids(len(together), random), "")
    ended_at = together["intended_at"] + together["latency_ms"] / 1000
    together = together.iloc[ended_at.argsort(kind="stable")].reset_index(drop=True)
    invocations = _invocations(together, sabotage, random)
    run = run.model_copy(update={"ended_at": round(float(ended_at.max()) + 0.4, 3)})
    return Synthetic(
        run=run,
        records=together[list(Record.columns())],
        invocations=None if sabotage == "logs_missing" else invocations,
        locust=_locust(together, run, sabotage),
        faults=_faults(run, sabotage),
    )


def _run(
    senders: list[_Sender],
    deployments: list[RunDeployment],
    accounts: dict[str, str],
    minutes: int,
    traffic: str,
    sabotage: Sabotage | None,
    evidence: Literal["aws", "embedded"],
) -> Run:
    def claim(pattern: str, name: str, *consumers: str, **parameters: Any) -> RunClaim:
        return RunClaim(pattern=pattern, claim=name, consumers=consumers, parameters=parameters)

    offered = sum(sender.requests for sender in senders) / 60
    through_gateway = sum(sender.requests * minutes for sender in senders if sender.route == "gateway")
    return Run(
        id="20261122-120003-synth",
        patterns=tuple(dict.fromkeys(sender.pattern for sender in senders)),
        titles={"cris": "Cross-Region inference"},
        started_at=MINUTE + 3,
        ended_at=None,
        evidence=evidence,
        versions={"python": "3.11.2", "locust": "2.47.0", "litellm": "1.106.2", "boto3": "1.44.5"},
        command="locust --headless" if traffic == "demo" else f"locust --headless --traffic {traffic} -t {minutes}m",
        traffic=traffic,
        aws=RunAws(
            profiles=tuple(ACCOUNTS), accounts=accounts, region=REGIONS[0], log_group="/aws/bedrock/modelinvocations"
        ),
        fetch=RunFetch(deadline_s=300, poll_s=2),
        consumers=tuple(
            RunConsumer(
                pattern=sender.pattern, name=sender.name, user_class=sender.user_class, route=sender.route,
                model=sender.model, profile="account-one" if sender.route == "direct" else None,
                quota_rpm=sender.quota_rpm, quota_tpm=None, users=min(sender.requests, 100),
                traffic={"kind": "burst", "requests": sender.requests} if traffic == "demo"
                else {"kind": "constant", "rate_per_s": round(sender.requests / 60, 3), "duration_s": 60.0 * minutes},
            )
            for sender in senders
        ),
        deployments=tuple(deployments),
        fallbacks={} if sabotage == "no_fallback" else {
            "fallback-primary": ("fallback-secondary",), "balanced": ("balanced-fallback",),
        },
        claims=(
            claim("cris", "all_answered"),
            claim("cris", "regions_at_least", at_least=2),
            claim("account_sharding", "all_answered"),
            claim("account_sharding", "shards_separate"),
            *(claim(pattern, name) for pattern in ("fallback", "load_balancing")
              for name in ("all_answered", "primaries_filled", "overflow_answered_by_fallback")),
            claim("quota_isolation", "limited_to_quota", "A"),
            claim("quota_isolation", "neighbours_unharmed", "B", "C"),
        ),
        self_check={
            "offered_per_s": round(offered, 3), "achieved_per_s": round(offered, 3), "lag_p50_ms": 0.4,
            "lag_p99_ms": 3.1, "lag_max_ms": 4.8, "client_cpu_percent": 23.0, "loop_delay_p99_ms": 1.9,
            "warmup_requests": 12, "gateway_requests": through_gateway, "clock_step_ms": 0.0,
        },
        settings={"config": {"router_settings": {"routing_strategy": "simple-shuffle", "num_retries": 0}}},
    )  # fmt: skip


def _arrivals(sender: _Sender, minutes: int, traffic: str) -> NDArray[np.float64]:
    """When each request is due. Sustained traffic keeps clear of the edges of a minute, where windows are ambiguous."""
    place = np.arange(sender.requests)
    if traffic == "demo":
        if sender.pattern == "account_sharding":
            return MINUTE + 3 + place / 2 + (0.25 if sender.name == "account-two" else 0)
        return np.full(sender.requests, MINUTE + 3.0)
    one_minute = 4 + 51 * place / sender.requests
    # Each minute begins 10 ms later in its minute, so that a window opened by its first request has just ended.
    return np.concatenate([MINUTE + 60.01 * minute + one_minute for minute in range(minutes)])


def _requests(
    run_id: str,
    sender: _Sender,
    deployments: dict[str, RunDeployment],
    scale: int,
    minutes: int,
    traffic: str,
    sabotage: Sabotage | None,
    random: np.random.Generator,
) -> pd.DataFrame:
    """One sender's records, with `at_bedrock` and the columns of the invocation each of them caused."""
    intended_at = _arrivals(sender, minutes, traffic)
    n = len(intended_at)
    rank = np.arange(n) % sender.requests  # place in its minute
    served = _served_by(sender, rank, scale, sabotage, random)
    refused = served == ""
    throttled = (served == "shard-two") & (sabotage == "shard_throttled") & (rank >= sender.requests // 2)
    answered = ~refused & ~throttled

    ids = pd.Series(served)
    model_id = np.where(refused, "", ids.map({d: deployments[d].model_id for d in deployments}).fillna(sender.model))
    profile = ids.map({d: deployments[d].profile for d in deployments}).fillna("account-one")
    account_id = ids.map({d: deployments[d].account_id for d in deployments}).fillna(ACCOUNTS["account-one"])

    typical_ms = pd.Series(model_id).map(_TYPICAL_MS).fillna(0).to_numpy()
    model_ms = np.where(throttled, 6.0, typical_ms * random.lognormal(0, 0.22, n))
    overhead_ms = np.where(sender.route == "gateway", random.gamma(9, 2.2, n), 2.0)
    queued_ms = random.gamma(2, 0.5, n)
    fell_back = np.isin(served.astype(str), ["fallback-secondary", "balanced-fallback"]).astype(int)
    streamed = sender.pattern == "load_balancing" and traffic != "demo"
    output_tokens = random.integers(12, 64, n)
    left = rank < 0 if sabotage == "one_region" else random.random(n) < 0.6
    return pd.DataFrame(
        {
            "run_id": run_id,
            "pattern": sender.pattern,
            "user_class": sender.user_class,
            "consumer": sender.name,
            "intended_at": intended_at.round(6),
            "started_at": (intended_at + queued_ms / 1000).round(6),
            "latency_ms": (queued_ms + overhead_ms + model_ms).round(3),
            "ttft_ms": pd.Series(np.where(answered & streamed, overhead_ms + 0.3 * model_ms, np.nan)).round(3),
            "status": np.where(answered, 200, 429),
            "model_asked": sender.model,
            "deployment": np.where(answered, np.where(sender.route == "direct", profile, served), ""),
            "retries": pd.array(np.zeros(n, int), dtype="Int64") if sender.route == "gateway" else pd.NA,
            "fallbacks": pd.array(fell_back, dtype="Int64") if sender.route == "gateway" else pd.NA,
            "error_type": np.select([refused, throttled], ["rate_limit_error", "ThrottlingException"], ""),
            "input_tokens": pd.array(np.where(answered, 9, -1), dtype="Int64").map(lambda v: v if v >= 0 else pd.NA),
            "output_tokens": pd.Series(output_tokens).where(answered).astype("Int64"),
            "cost_usd": (pd.Series(output_tokens * pd.Series(model_id).map(_USD_PER_TOKEN)).where(answered)).round(8),
            "gateway_overhead_ms": pd.Series(overhead_ms).where(answered & (sender.route == "gateway")).round(3),
            "streamed": streamed,
            "gap_mean_ms": pd.Series(model_ms * 0.7 / output_tokens).where(answered & streamed).round(3),
            "gap_p50_ms": pd.Series(model_ms * 0.6 / output_tokens).where(answered & streamed).round(3),
            "gap_p95_ms": pd.Series(model_ms * 1.4 / output_tokens).where(answered & streamed).round(3),
            "gap_p99_ms": pd.Series(model_ms * 1.9 / output_tokens).where(answered & streamed).round(3),
            "worker": "",
            # AWS's side
            "at_bedrock": ~refused,
            "account_id": account_id,
            "source_region": REGIONS[0],
            "inference_region": np.where(left, random.choice(REGIONS[1:], n), REGIONS[0]),
            "model_id": model_id,
            "operation": "ConverseStream" if streamed else "Converse",
            "invocation_latency_ms": model_ms.round(0),
            "error_code": np.where(throttled, "ThrottlingException", ""),
        }
    )  # fmt: skip


def _served_by(
    sender: _Sender, rank: NDArray[np.int_], scale: int, sabotage: Sabotage | None, random: np.random.Generator
) -> NDArray[np.str_]:
    """The deployment of each request by its place in its minute; "" for what the gateway refuses."""
    quota = 3 * scale
    match sender.pattern:
        case "cris":
            return np.full(len(rank), "direct", dtype=object)
        case "fallback":
            primaries, fallback = ["fallback-primary"], "fallback-secondary"
        case "load_balancing":
            primaries, fallback = ["balanced-1", "balanced-2"], "balanced-fallback"
        case "quota_isolation":
            allowed = sender.quota_rpm or 0
            if sabotage == "shared_key":
                allowed = {"A": quota, "B": scale, "C": 0}[sender.name]
            return np.where(rank < allowed, "shared", "").astype(object)
        case _:
            return np.full(len(rank), sender.model, dtype=object)
    if sabotage == "primary_overfilled":
        return np.full(len(rank), primaries[0], dtype=object)
    primary = np.array(primaries, dtype=object)[rank % len(primaries)]
    overflow = "" if sabotage == "no_fallback" else fallback
    return np.where(rank < quota * len(primaries), primary, overflow).astype(object)


def _request_ids(n: int, random: np.random.Generator) -> list[str]:
    digits = random.bytes(16 * n).hex()
    whole = (digits[start : start + 32] for start in range(0, 32 * n, 32))
    return [f"{id[:8]}-{id[8:12]}-{id[12:16]}-{id[16:20]}-{id[20:]}" for id in whole]


def _invocations(together: pd.DataFrame, sabotage: Sabotage | None, random: np.random.Generator) -> pd.DataFrame:
    reached = together[together["at_bedrock"]].copy()
    if sabotage == "logs_partial":
        reached = reached[random.random(len(reached)) < 0.8]
    reached["at"] = np.floor(reached["started_at"])  # the log's timestamps have no fraction
    reached["latency_ms"] = reached["invocation_latency_ms"]
    return reached[list(Invocation.columns())].reset_index(drop=True)


def _locust(together: pd.DataFrame, run: Run, sabotage: Sabotage | None) -> pd.DataFrame:
    """Locust's statistics of the same requests: one entry a consumer, percentiles rounded as Locust rounds them."""
    seconds = max((run.ended_at or run.started_at + 60) - run.started_at, 1)

    def line(kind: str, name: str, part: pd.DataFrame) -> dict[str, Any]:
        latency = part["latency_ms"]
        quantiles = latency.quantile([0.5, 0.66, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 0.9999, 1.0])
        failures = int((part["status"] != 200).sum())
        values = [
            kind, name, len(part), failures, _two_digits(latency.median()), latency.mean(), latency.min(),
            latency.max(), 0.0, len(part) / seconds, failures / seconds, *(_two_digits(value) for value in quantiles),
        ]  # fmt: skip
        return dict(zip(LOCUST_COLUMNS, values, strict=True))

    lines = [line("POST", str(consumer), part) for consumer, part in together.groupby("consumer", sort=False)]
    total = line("", "Aggregated", together)
    if sabotage == "locust_disagrees":
        total["Request Count"] -= 1
        lines[0]["Request Count"] -= 1
    return pd.DataFrame([*lines, total], columns=LOCUST_COLUMNS)


def _two_digits(value: float) -> int:
    digits = 10 ** max(len(str(int(value))) - 2, 0)
    return int(round(value / digits) * digits)


def _faults(run: Run, sabotage: Sabotage | None) -> tuple[dict[str, Any], ...]:
    if sabotage != "shard_throttled":
        return ()
    return (
        {
            "name": "throttle account-two", "kind": "throttle", "scope": {"account": ACCOUNTS["account-two"]},
            "started_at": run.started_at + 2.5, "stopped_at": None,
        },
    )  # fmt: skip
