"""What a verdict rests on beyond its judge: whether records, gateway and CloudWatch agree well enough to believe it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from analysis.claims.case import NO_INVOCATIONS, Case
from analysis.claims.claim import Evidence
from analysis.findings import Findings
from analysis.model import Answer, Cause, RunConsumer, RunDeployment, Verdict
from analysis.numbers.accounts import account_of, bare, other_providers, same_model
from analysis.numbers.ledger import by_other_providers_in_words, doubt_in_words
from analysis.rows import Doubt, Rows
from analysis.wording import command, listing, plural

_NEVER_ASKED = "CloudWatch was never asked."


@dataclass(frozen=True)
class _Objection:
    """Why a verdict does not hold, and the request ids that show it."""

    cause: Cause
    reason: str
    ids: tuple[str, ...] = ()


def weighed(case: Case, rests_on: Collection[Evidence], verdict: Verdict) -> Verdict:
    """The verdict, unless what it rests on does not hold: then UNKNOWN, and why."""
    answered = case.requests.answered
    objection = _objection(case, rests_on, verdict, answered)
    if objection:
        evidence = (*verdict.evidence, *objection.ids)
        return replace(
            verdict, answer=Answer.UNKNOWN, cause=objection.cause, reason=objection.reason, evidence=evidence
        )
    others = int(answered.is_in("deployment", other_providers(case.run)).sum())
    return replace(verdict, note=by_other_providers_in_words(others, len(answered))) if others else verdict


def _objection(case: Case, rests_on: Collection[Evidence], verdict: Verdict, answered: Rows) -> _Objection | None:
    findings, passed = case.findings, verdict.answer is Answer.PASS
    if bottleneck := findings.run.self_check.get("bottleneck"):
        reason = f"The client was the bottleneck, so this says nothing about the gateway: {bottleneck}"
        return _Objection(Cause.CLIENT_TOO_SLOW, reason)
    if problem := findings.ledger.foreign_problem():
        return _Objection(Cause.FOREIGN_RECORDS, f"{problem} Records were mixed.")
    if Evidence.REGIONS in rests_on and not passed and (objection := _region_unknown(answered)):
        return objection
    if verdict.cause is Cause.NO_INVOCATIONS:
        return _without_id(answered) or _no_invocations(findings)
    if verdict.answer is Answer.UNKNOWN or (verdict.answer is Answer.FAIL and Evidence.ALL_RECORDS not in rests_on):
        return None
    if reason := _incomplete(case):
        return _Objection(Cause.INCOMPLETE, reason)
    if (passed or Evidence.SERVED_BY in rests_on) and (objection := _served_elsewhere(case, answered)):
        return objection
    if not passed:
        return None
    return _without_id(answered) or _unconfirmed(findings, answered) or _made_up_usage(case, answered)


def _incomplete(case: Case) -> str:
    """Why records of its consumers, or of others who share their models, may be missing; "" if nothing says so."""
    run, ledger = case.run, case.findings.ledger
    if run.ended_at is None:
        return "The run has no end: it was killed, or is still running."
    if (problem := ledger.gateway_problem()) and any(consumer.route == "gateway" for consumer in case.consumers):
        return f"{problem} One of the two is not complete."
    groups = {run.group_of(consumer.model) for consumer in case.consumers}
    concerned = {consumer.name for consumer in run.consumers if run.group_of(consumer.model) in groups}
    for consumer, recorded, counted in ledger.differences:
        if consumer in concerned:
            counts = f"Locust counted {plural(counted, 'request')} of {consumer}, and the records hold {recorded:,}"
            return f"{counts}: one of the two is not complete."
    if ledger.locust_sent is None:
        return "Locust's statistics are missing, so nothing confirms that the records are complete."
    return ""


def _region_unknown(answered: Rows) -> _Objection | None:
    matched = answered.matched
    nowhere = matched.where(matched.is_("inference_region", ""))
    if not len(nowhere):
        return None
    counts = f"{len(nowhere):,} of {len(answered):,} answered requests"
    return _Objection(Cause.REGION_UNKNOWN, f"CloudWatch does not say the Region of {counts}.", nowhere.ids())


def _served_elsewhere(case: Case, answered: Rows) -> _Objection | None:
    """Answers that CloudWatch saw another model give, or in another account, than the one that is said to have.

    On the gateway's route that is the deployment that its header names; on the direct route, what was asked for.
    """
    direct = {consumer.name: consumer for consumer in case.run.consumers if consumer.route == "direct"}
    deployed = {deployment.id: deployment for deployment in case.run.deployments}
    matched = answered.matched
    elsewhere, example = np.zeros(len(matched), dtype=bool), ""
    for consumer, deployment, model, account in matched.split("consumer", "deployment", "model_id", "account_id"):
        said: RunConsumer | RunDeployment | None = direct.get(consumer) or deployed.get(deployment)
        if said is None:
            continue
        said_model = said.model if isinstance(said, RunConsumer) else said.model_id
        said_account = account_of(case.run, said)
        if same_model(model, said_model) and said_account in (None, account):
            continue
        elsewhere |= (
            matched.is_("consumer", consumer)
            & matched.is_("deployment", deployment)
            & matched.is_("model_id", model)
            & matched.is_("account_id", account)
        )
        example = example or f"{_named(model, account)} instead of {_named(said_model, said_account)}"
    if not elsewhere.any():
        return None
    counts = f"{int(elsewhere.sum()):,} of {len(answered):,} answered requests"
    reason = f"By CloudWatch, others served {counts} than the records say: {example}."
    return _Objection(Cause.CONTRADICTED, reason, matched.where(elsewhere).ids())


def _named(model: str, account: str | None) -> str:
    short = bare(model) or "no known model"
    return f"{short} in {account}" if account else short


def _without_id(answered: Rows) -> _Objection | None:
    """Answers that nothing of CloudWatch's can confirm, however often it is asked."""
    for doubt in (Doubt.NAMELESS, Doubt.REPEATED):
        if len(part := answered.doubted(doubt)):
            return _Objection(Cause.NO_REQUEST_ID, doubt_in_words(doubt, len(part), len(answered)), part.ids())
    return None


def _unconfirmed(findings: Findings, answered: Rows) -> _Objection | None:
    """A PASS promises that CloudWatch agrees."""
    of_bedrock = answered.where(~answered.is_in("deployment", other_providers(findings.run)))
    if not findings.fetched and (len(of_bedrock) or not len(answered)):
        return _no_invocations(findings)
    if len(missing := answered.doubted(Doubt.MISSING)):
        why = (findings.fetch and findings.fetch.reason) or "Logs may be on their way."
        reason = f"{doubt_in_words(Doubt.MISSING, len(missing), len(answered))} {why} {_ask_again(findings)}"
        return _Objection(Cause.NOT_CONFIRMED, reason, missing.ids())
    if len(erred := answered.doubted(Doubt.ERRED)):
        codes = listing(sorted(code for (code,) in erred.counts("error_code")))
        reason = f"{doubt_in_words(Doubt.ERRED, len(erred), len(answered))} It says {codes}."
        return _Objection(Cause.CONTRADICTED, reason, erred.ids())
    return None


def _made_up_usage(case: Case, answered: Rows) -> _Objection | None:
    """Streamed answers whose usage is not the one that Bedrock logged, or that nobody can compare with it.

    Bedrock reports a stream's usage in its last event. LiteLLM 1.106 hides that it is missing: it ends the answer with
    finish_reason "stop", a usage by its own tokenizer and [DONE], so that to the client it looks whole.
    """
    streams = answered.where(answered.streamed & ~answered.is_in("deployment", other_providers(case.run)))
    usage = (streams.input_tokens, streams.output_tokens)
    logged = (streams.logged_input_tokens, streams.logged_output_tokens)
    known = ~np.isnan(np.array([*usage, *logged])).any(axis=0)
    counts = f"of {len(answered):,} answers were streams whose token counts"
    if not known.all():
        reason = (
            f"{int((~known).sum()):,} {counts} are not reported by both sides, so nothing shows that they are whole."
        )
        return _Objection(Cause.NOT_CONFIRMED, reason, streams.where(~known).ids())
    differs = (usage[0] != logged[0]) | (usage[1] != logged[1])
    if not differs.any():
        return None
    reason = (
        f"{int(differs.sum()):,} {counts} are not CloudWatch's: the gateway made them up, as LiteLLM does when "
        "Bedrock's stream ends without its end. They may be cut short."
    )
    return _Objection(Cause.CONTRADICTED, reason, streams.where(differs).ids())


def _no_invocations(findings: Findings) -> _Objection:
    why = findings.fetch.reason if findings.fetch else ""
    if not findings.fetched:
        return _Objection(Cause.NOT_FETCHED, f"{why or _NEVER_ASKED} {_ask_again(findings)}")
    return _Objection(Cause.NO_INVOCATIONS, f"{why or NO_INVOCATIONS} {_ask_again(findings)}")


def _ask_again(findings: Findings) -> str:
    return f"`{command('all', findings.path)}` asks CloudWatch {'again' if findings.fetch else 'now'}."
