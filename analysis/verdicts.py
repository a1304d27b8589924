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

import numpy as np
import pandas as pd

from analysis import files, metrics
from analysis.claims import CLAIMS, NO_INVOCATIONS
from analysis.evidence import consumers_of, ids, requests_of
from analysis.join import join
from analysis.metrics import Doubt
from analysis.model import VERDICTS_JSON, Answer, Outcome, Run, RunClaim, RunConsumer, Verdict
from analysis.wording import UNKNOWN, command, listing, plural

_NEVER_ASKED = "CloudWatch was never asked."
_USAGE = ("input_tokens", "output_tokens")
_INVOCATION_USAGE = ("invocation_input_tokens", "invocation_output_tokens")
# What the claims are about, and what is looked at besides: parts of these columns are copied often.
_CLAIMED = (
    "pattern", "consumer", "model_asked", "deployment", "started_at", "status", "error_type", "outcome", "request_id",
    "side", "account_id", "inference_region", "invocation_latency_ms", "error_code",
)  # fmt: skip
_NEEDED = (*_CLAIMED, "run_id", "model_id", "streamed", *_USAGE, *_INVOCATION_USAGE)
_BY_REGION = {"regions_at_least"}
_BY_WHOM = {"primaries_filled", "overflow_answered_by_fallback"}  # which deployment answered decides these
_FAIL_ANYHOW = {"all_answered", "shards_separate"}  # by requests that are there, whatever else is missing


def judge(folder: files.RunFolder, rows: pd.DataFrame | None = None) -> list[Verdict]:
    """One verdict per claim of the run, in its order, then one per pattern without any. `rows` saves joining again."""
    if rows is None:
        rows = join(folder.records, folder.invocations)
    rows = rows[list(_NEEDED)]
    ledger = metrics.ledger(folder.run, rows, folder.locust, fetched=folder.invocations is not None)
    few, rows = rows[list(_CLAIMED)], rows.assign(doubt=metrics.doubts(rows))
    claimed = {claim.pattern for claim in folder.run.claims}
    return [
        *(_weighed(folder, ledger, rows, claim, _judged(folder.run, claim, few)) for claim in folder.run.claims),
        *(_unclaimed(folder.run, pattern) for pattern in folder.run.patterns if pattern not in claimed),
    ]


def _unclaimed(run: Run, pattern: str) -> Verdict:
    """A run keeps the claims whose consumers all took part: of some users alone, a pattern may claim nothing."""
    users = list(dict.fromkeys(consumer.user_class for consumer in run.consumers if consumer.pattern == pattern))
    reason = f"None of its claims is about {listing(users) or 'nobody'} alone. Run its other users too."
    return Verdict(pattern, "The pattern holds.", Answer.UNKNOWN, UNKNOWN, "a claim to judge", 0, reason)


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
    if problem := ledger.stray_problem():
        return _open(verdict, f"{problem} Records were mixed.")
    names = {consumer.name for consumer in consumers_of(folder.run, claim)}
    answered = requests_of(rows, names, Outcome.ANSWERED, claim.pattern)
    if claim.claim in _BY_REGION and verdict.answer is not Answer.PASS and (untold := _regions_untold(answered)):
        return _doubted(verdict, untold)
    if verdict.reason == NO_INVOCATIONS:
        return _doubted(verdict, _no_id(answered) or (_why_no_invocations(folder), answered[:0]))
    if verdict.answer is Answer.UNKNOWN or (verdict.answer is Answer.FAIL and claim.claim in _FAIL_ANYHOW):
        return verdict
    if reason := _incomplete(folder, ledger, claim):
        return _open(verdict, reason)
    found = None
    if verdict.answer is Answer.PASS or claim.claim in _BY_WHOM:
        found = _served_elsewhere(folder.run, answered)
    if verdict.answer is Answer.PASS:
        found = found or _no_id(answered) or _unconfirmed(folder, answered) or _made_up_usage(answered)
    return _doubted(verdict, found) if found else verdict


_Found = tuple[str, pd.DataFrame]  # why a verdict does not hold, and the requests that show it


def _doubted(verdict: Verdict, found: _Found) -> Verdict:
    reason, requests = found
    return replace(_open(verdict, reason), evidence=(*verdict.evidence, *ids(requests)))


def _incomplete(folder: files.RunFolder, ledger: metrics.Ledger, claim: RunClaim) -> str:
    """Why records of its consumers, or of others who share their models, may be missing; "" if nothing says so."""
    if folder.run.ended_at is None:
        return "The run has no end: it was killed, or is still running."
    consumers = consumers_of(folder.run, claim)
    if (problem := ledger.gateway_problem()) and any(consumer.route == "gateway" for consumer in consumers):
        return f"{problem} One of the two is not complete."
    models = {consumer.model for consumer in consumers}
    concerned = {consumer.name for consumer in folder.run.consumers if consumer.model in models}
    for consumer, recorded, counted in ledger.differences:
        if consumer in concerned:
            counts = f"Locust counted {plural(counted, 'request')} of {consumer}, and the records hold {recorded:,}"
            return f"{counts}: one of the two is not complete."
    if ledger.locust_sent is None:
        return "Locust's statistics are missing, so nothing confirms that the records are complete."
    return ""


def _regions_untold(answered: pd.DataFrame) -> _Found | None:
    untold = answered[(answered["side"] == "both") & (answered["inference_region"] == "")]
    if untold.empty:
        return None
    return f"CloudWatch does not tell the Region of {len(untold):,} of {len(answered):,} answered requests.", untold


def _served_elsewhere(run: Run, answered: pd.DataFrame) -> _Found | None:
    """Answers that CloudWatch saw another model give, or in another account, than the one that is said to have.

    On the gateway's route that is the deployment that its header names; on the direct route, what was asked for.
    """
    matched = answered[answered["side"] == "both"]
    direct = {consumer.name: consumer for consumer in run.consumers if consumer.route == "direct"}
    deployed = {deployment.id: deployment for deployment in run.deployments}
    elsewhere, example = pd.Series(False, index=matched.index), ""
    who = matched[["consumer", "deployment", "model_id", "account_id"]]
    for seen in who.drop_duplicates().itertuples(index=False):
        said = direct.get(seen.consumer) or deployed.get(seen.deployment)
        if said is None:
            continue
        model = said.model if isinstance(said, RunConsumer) else said.model_id
        account = metrics.account_of(run, said)
        if not _same_model(seen.model_id, model) or account not in (None, seen.account_id):
            elsewhere |= (who == list(seen)).all(axis=1)
            example = example or f"{_named(seen.model_id, seen.account_id)} instead of {_named(model, account)}"
    if not elsewhere.any():
        return None
    counts = f"{int(elsewhere.sum()):,} of {len(answered):,} answered requests"
    return f"By CloudWatch, others served {counts} than the records say: {example}.", matched[elsewhere]


def _same_model(logged: str, configured: str) -> bool:
    """By the ends of ARNs. A model's own id stands for its inference profiles too, which have a geography in front."""
    one, other = metrics.bare(logged), metrics.bare(configured)
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _named(model: str, account: str | None) -> str:
    short = metrics.bare(model) or "no known model"
    return f"{short} in {account}" if account else short


def _no_id(answered: pd.DataFrame) -> _Found | None:
    """Answers that nothing of CloudWatch's can confirm, however often it is asked."""
    for doubt in (Doubt.NAMELESS, Doubt.REPEATED):
        if len(part := answered[answered["doubt"] == doubt]):
            return doubt.told(len(part), len(answered)), part
    return None


def _unconfirmed(folder: files.RunFolder, answered: pd.DataFrame) -> _Found | None:
    """A PASS promises that CloudWatch agrees."""
    if folder.invocations is None:
        return _why_no_invocations(folder), answered[:0]
    if len(missing := answered[answered["doubt"] == Doubt.MISSING]):
        why = (folder.fetch and folder.fetch.reason) or "Logs may be on their way."
        return f"{Doubt.MISSING.told(len(missing), len(answered))} {why} {_ask_again(folder)}", missing
    if len(erred := answered[answered["doubt"] == Doubt.ERRED]):
        codes = listing(sorted(set(erred["error_code"])))
        return f"{Doubt.ERRED.told(len(erred), len(answered))} It says {codes}.", erred
    return None


def _made_up_usage(answered: pd.DataFrame) -> _Found | None:
    """Streamed answers whose usage is not the one that Bedrock logged, or that nobody can compare with it.

    Bedrock tells a stream's usage in its last event. LiteLLM 1.106 hides that it is missing: it ends the answer with
    finish_reason "stop", a usage by its own tokenizer and [DONE], so that to the client it looks whole.
    """
    streams = answered[answered["streamed"].astype(bool)]
    usage, logged = streams[list(_USAGE)].to_numpy(), streams[list(_INVOCATION_USAGE)].to_numpy("float64")
    told = ~(np.isnan(usage) | np.isnan(logged)).any(axis=1)
    counts = f"of {len(answered):,} answers were streams whose token counts"
    if not told.all():
        reason = f"{int((~told).sum()):,} {counts} are not told by both sides, so nothing shows that they are whole."
        return reason, streams[~told]
    differs = (usage != logged).any(axis=1)
    if differs.any():
        reason = (
            f"{int(differs.sum()):,} {counts} are not CloudWatch's: the gateway made them up, as LiteLLM does when "
            "Bedrock's stream ends without its end. They may be cut short."
        )
        return reason, streams[differs]
    return None


def _why_no_invocations(folder: files.RunFolder) -> str:
    why = folder.fetch.reason if folder.fetch else ""
    if folder.invocations is None and not why:
        why = _NEVER_ASKED
    return f"{why or NO_INVOCATIONS} {_ask_again(folder)}"


def _ask_again(folder: files.RunFolder) -> str:
    return f"`{command('all', folder.path)}` asks CloudWatch {'again' if folder.fetch else 'now'}."


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
        raise files.RunFolderError(f"{file}: is missing. Run `{command('judge', path)}`.") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise files.RunFolderError(f"{file}: cannot be read: {error}. Run `{command('judge', path)}`.") from None


def _verdict(entry: dict[str, Any]) -> Verdict:
    return Verdict(**{**entry, "answer": Answer(entry["answer"]), "evidence": tuple(entry["evidence"])})
