"""Judges a run: a verdict on each of its claims, which holds only as far as what it rests on does.

No claim passes on records that Locust, the gateway or CloudWatch contradict or do not confirm, on a run that did not
end, or on a client that was too slow: then it is open, and the reason says what to do.
"""

from __future__ import annotations

import json
import traceback
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import files, metrics
from analysis.claims import CLAIMS, NO_INVOCATIONS
from analysis.evidence import consumers_of, ids, requests_of
from analysis.join import join
from analysis.model import VERDICTS_JSON, Answer, Outcome, Run, RunClaim, Verdict
from analysis.wording import UNKNOWN, listing, location, plural

_NEVER_ASKED = "CloudWatch was never asked."
_NEEDED = (
    "pattern", "consumer", "model_asked", "deployment", "started_at", "status", "error_type", "outcome", "request_id",
    "side", "account_id", "inference_region", "invocation_latency_ms", "error_code", "streamed",
    "input_tokens", "output_tokens", "invocation_input_tokens", "invocation_output_tokens",
)  # fmt: skip


def judge(folder: files.RunFolder, rows: pd.DataFrame | None = None) -> list[Verdict]:
    """One verdict per claim of the run, in its order. `rows` saves joining again."""
    if rows is None:
        rows = join(folder.records, folder.invocations)
    rows = rows[list(_NEEDED)]  # parts of them are copied often
    ledger = metrics.ledger(folder.run, rows, folder.locust, fetched=folder.invocations is not None)
    return [_weighed(folder, ledger, rows, claim, _judged(folder.run, claim, rows)) for claim in folder.run.claims]


def _judged(run: Run, claim: RunClaim, rows: pd.DataFrame) -> Verdict:
    judge_claim = CLAIMS.get(claim.claim)
    if judge_claim is None:
        reason = f"No judge is called {claim.claim!r}. Known are {listing(list(CLAIMS), most=len(CLAIMS))}."
        return _not_judged(claim, reason)
    try:
        return judge_claim(run, claim, rows)
    except Exception as error:  # a judge that crashes has proved nothing, and must not hide the others' verdicts
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"The judge crashed at {Path(where.filename).name}:{where.lineno}: {type(error).__name__}: {error}"
        return _not_judged(claim, reason)


def _not_judged(claim: RunClaim, reason: str) -> Verdict:
    return Verdict(claim.pattern, claim.claim.replace("_", " "), Answer.UNKNOWN, UNKNOWN, "", 0, reason)


def _weighed(
    folder: files.RunFolder, ledger: metrics.Ledger, rows: pd.DataFrame, claim: RunClaim, verdict: Verdict
) -> Verdict:
    """The verdict, unless what it rests on does not hold: then UNKNOWN, and why."""
    if bottleneck := folder.run.self_check.get("bottleneck"):
        return _open(verdict, f"The client was the bottleneck, so this says nothing about the gateway: {bottleneck}")
    if verdict.reason == NO_INVOCATIONS:
        return _open(verdict, _why_no_invocations(folder))
    if verdict.answer is not Answer.PASS:
        return verdict
    if folder.run.ended_at is None:
        return _open(verdict, "The run has no end: it was killed, or is still running.")
    consumers = consumers_of(folder.run, claim)
    names = {consumer.name for consumer in consumers}
    if (problem := ledger.gateway_problem()) and any(consumer.route == "gateway" for consumer in consumers):
        return _open(verdict, f"{problem} One of the two is not complete.")
    for consumer, recorded, counted in ledger.differences:
        if consumer in names:
            counts = f"Locust counted {plural(counted, 'request')} of {consumer}, and the records hold {recorded:,}"
            return _open(verdict, f"{counts}: one of the two is not complete.")
    if ledger.locust_sent is None:
        return _open(verdict, "Locust's statistics are missing, so nothing confirms that the records are complete.")
    if folder.invocations is None:  # a PASS promises that CloudWatch agrees
        return _open(verdict, _why_no_invocations(folder))
    answered = requests_of(rows, names, Outcome.ANSWERED, claim.pattern)
    missing = answered[answered["side"] == "record"]
    if len(missing):
        reason = f"CloudWatch has no invocation for {len(missing):,} of {len(answered):,} answered requests."
        why = (folder.fetch and folder.fetch.reason) or "Logs may be on their way."
        evidence = (*verdict.evidence, *ids(missing))
        return replace(_open(verdict, f"{reason} {why} {_ask_again(folder)}"), evidence=evidence)
    made_up = _with_made_up_usage(answered)
    if len(made_up):
        reason = (
            f"{len(made_up):,} of {len(answered):,} answers were streams whose token counts are not CloudWatch's: the "
            "gateway made them up, as LiteLLM does when Bedrock's stream ends without its end. They may be cut short."
        )
        return replace(_open(verdict, reason), evidence=(*verdict.evidence, *ids(made_up)))
    return verdict


def _with_made_up_usage(answered: pd.DataFrame) -> pd.DataFrame:
    """Streamed answers whose usage is not the one that Bedrock logged.

    Bedrock tells a stream's usage in its last event. LiteLLM 1.106 hides that it is missing: it ends the answer with
    finish_reason "stop", a usage by its own tokenizer and [DONE], so that to the client it looks whole.
    """
    matched = answered[(answered["side"] == "both") & answered["streamed"].astype(bool)]
    differs = (matched["output_tokens"] != matched["invocation_output_tokens"]) | (
        matched["input_tokens"] != matched["invocation_input_tokens"]
    )
    told = matched[["output_tokens", "invocation_output_tokens"]].notna().all(axis=1)
    return matched[differs & told]


def _why_no_invocations(folder: files.RunFolder) -> str:
    why = folder.fetch.reason if folder.fetch else ""
    if folder.invocations is None and not why:
        why = _NEVER_ASKED
    return f"{why or NO_INVOCATIONS} {_ask_again(folder)}"


def _ask_again(folder: files.RunFolder) -> str:
    command = f"`python -m analysis all {location(folder.path)}`"
    return f"{command} asks CloudWatch {'again' if folder.fetch else 'now'}."


def _open(verdict: Verdict, reason: str) -> Verdict:
    return replace(verdict, answer=Answer.UNKNOWN, reason=reason)


# --- their file -------------------------------------------------------------------------------------------------


def write_verdicts(path: Path, verdicts: list[Verdict]) -> None:
    """verdicts.json in the run folder `path`."""
    files.write_text(path / VERDICTS_JSON, json.dumps([asdict(verdict) for verdict in verdicts], indent=1) + "\n")


def read_verdicts(path: Path) -> list[Verdict]:
    """Raises RunFolderError when there are none, or the file is not what `write_verdicts` wrote."""
    file = path / VERDICTS_JSON
    try:
        return [_verdict(entry) for entry in json.loads(file.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        raise files.RunFolderError(f"{file}: is missing. Run `python -m analysis judge {path}`.") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise files.RunFolderError(f"{file}: cannot be read: {error}. Run `python -m analysis judge {path}`.") from None


def _verdict(entry: dict[str, Any]) -> Verdict:
    return Verdict(**{**entry, "answer": Answer(entry["answer"]), "evidence": tuple(entry["evidence"])})
