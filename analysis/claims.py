"""One pure function per claim: what was recorded → PASS, FAIL or UNKNOWN, in plain words with the numbers.

FAIL says that the evidence contradicts the claim. UNKNOWN says that there is none, or not enough: no samples, logs that
have not arrived, counts that do not agree, a claim that the traffic did not put to the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from analysis import metrics, windows
from analysis.evidence import consumers_of, files_of, groups_of, ids, one_of_each, requests_of, what_else, why
from analysis.model import INVOCATIONS_CSV, Answer, Outcome, Run, RunClaim, RunConsumer, Verdict, worst
from analysis.wording import UNKNOWN, clock, listing, plural

NOTHING_SENT = "Nothing was sent."
NO_INVOCATIONS = "CloudWatch knows of no invocation."


def all_answered(run: Run, claim: RunClaim, rows: pd.DataFrame) -> Verdict:
    """Every request of the pattern, or of the named consumers, was answered."""
    of_whom = f" of {listing(claim.consumers)}" if claim.consumers else ""
    sentence = f"Every request{of_whom} is answered."
    names = {consumer.name for consumer in consumers_of(run, claim)}
    requests = requests_of(rows, names, None, claim.pattern)
    bad = requests[requests["outcome"] != Outcome.ANSWERED]
    n = len(requests)
    expected = f"{n:,} of {n:,} answered"
    if not n:
        return _unknown(claim, sentence, "every request answered", 0, NOTHING_SENT)
    observed = f"{n - len(bad):,} of {n:,} answered{what_else(bad)}"
    if len(bad):
        return _fail(claim, sentence, observed, expected, n, why(bad), files_of(rows) + ids(bad))
    if silent := _silent(names, requests):
        return _unknown(claim, sentence, expected, n, silent, observed)
    return _pass(claim, sentence, observed, expected, n, files_of(rows) + ids(requests))


def regions_at_least(run: Run, claim: RunClaim, rows: pd.DataFrame) -> Verdict:
    """CloudWatch shows invocations of the pattern in so many inference Regions."""
    least = claim.at_least or 1
    sentence = f"Bedrock serves the requests from at least {plural(least, 'Region')}."
    expected = f"at least {plural(least, 'Region')}"
    names = {consumer.name for consumer in consumers_of(run, claim)}
    here = requests_of(rows, names, None, claim.pattern)
    found = metrics.regions(here)
    n = sum(region.invocations.count for region in found)
    if not n:
        reason = NOTHING_SENT if here.empty else NO_INVOCATIONS
        return _unknown(claim, sentence, expected, 0, reason)
    counts = ", ".join(f"{region.region} {region.invocations.count:,}" for region in found)
    observed = f"{plural(len(found), 'Region')}: {counts}"
    matched = here[here["side"] == "both"]
    if len(found) >= least:
        return _pass(claim, sentence, observed, expected, n, (INVOCATIONS_CSV, *one_of_each(matched)))
    if missing := int(((here["side"] == "record") & (here["outcome"] == Outcome.ANSWERED)).sum()):
        reason = f"CloudWatch has no invocation for {plural(missing, 'answered request')}, and may show more Regions."
        return _unknown(claim, sentence, expected, n, reason, observed, (INVOCATIONS_CSV, *ids(matched)))
    reason = f"All {plural(n, 'invocation')} were served in {listing([region.region for region in found])}."
    return _fail(claim, sentence, observed, expected, n, reason, (INVOCATIONS_CSV, *ids(matched)))


def shards_separate(run: Run, claim: RunClaim, rows: pd.DataFrame) -> Verdict:
    """Each consumer's requests were invoked in its own account and nowhere else, all of them."""
    sentence = "Each consumer's requests are invoked in an AWS account of its own, and in no other."
    tenants = consumers_of(run, claim)
    here = requests_of(rows, {tenant.name for tenant in tenants}, None, claim.pattern)
    invoked = here[(here["side"] == "both") & (here["outcome"] == Outcome.ANSWERED)]
    own = {tenant.name: metrics.accounts_of(run, tenant) for tenant in tenants}
    sent = {tenant.name: int((here["consumer"] == tenant.name).sum()) for tenant in tenants}
    expected = "; ".join(f"{name}: {sent[name]:,} in {_accounts(own[name])}" for name in own)
    if here.empty:
        return _unknown(claim, sentence, expected, 0, NOTHING_SENT)
    if invoked.empty:
        return _unknown(claim, sentence, expected, 0, NO_INVOCATIONS)
    by_account = {
        name: {str(account): int(n) for account, n in part["account_id"].value_counts().items() if n}
        for name, part in invoked.groupby(invoked["consumer"].astype(object))
    }
    observed = "; ".join(f"{name}: {_spread(by_account.get(name, {}))}" for name in own)
    evidence = (INVOCATIONS_CSV, *one_of_each(invoked))
    n = len(invoked)

    shared = _shared_accounts(by_account)
    if shared:
        reason = f"Account {listing(sorted(shared))} serves more than one consumer."
        return _fail(claim, sentence, observed, expected, n, reason, evidence)
    strays = [
        f"{count:,} of {name} in {account}"
        for name, counts in by_account.items()
        for account, count in counts.items()
        if own[name] is not None and account not in (own[name] or ())
    ]
    if strays:
        return _fail(claim, sentence, observed, expected, n, f"Invoked elsewhere: {listing(strays)}.", evidence)
    lost = here[here["outcome"] != Outcome.ANSWERED]
    if len(lost):
        return _fail(claim, sentence, observed, expected, n, why(lost), evidence + ids(lost))
    if len(tenants) < 2:
        return _unknown(claim, sentence, expected, n, "There is one consumer only, so there is nothing to separate.")
    if silent := _silent(own, here):
        return _unknown(claim, sentence, expected, n, silent, observed)
    if untold := [name for name, accounts in own.items() if accounts is None]:
        reason = f"The account that {listing(untold)} should use is not known: STS did not tell it."
        return _unknown(claim, sentence, expected, n, reason, observed)
    return _pass(claim, sentence, observed, expected, n, evidence)


def primaries_filled(run: Run, claim: RunClaim, rows: pd.DataFrame) -> Verdict:
    """In every quota window the primaries answered as much as their quotas allow, none of them more."""
    sentence = "In every quota window the primaries answer what their quotas allow, and none answers more."
    groups = groups_of(run, claim)
    found = {group: windows.deployment_windows(run, rows, group) for group in groups}
    limited = {group: seen for group, seen in found.items() if seen is not None}
    if not limited:
        return _unknown(claim, sentence, "", 0, f"No deployment of {listing(groups) or 'the pattern'} has an rpm.")
    expected = "; ".join(_quota_text(seen) for seen in limited.values())
    n = sum(seen.offered for seen in limited.values())
    if not n:
        return _unknown(claim, sentence, expected, 0, NOTHING_SENT)
    observed = "; ".join(_windows_text(seen) for seen in limited.values())
    verdict = _by_windows(claim, sentence, observed, expected, n, list(limited.values()), files_of(rows))
    idle = [chain.name for seen in limited.values() for chain in seen.chains if not chain.filled]
    if verdict.answer is Answer.PASS and idle:
        reason = f"The quota of {listing(idle)} was never used up, so this was not put to the test. Send more."
        return _unknown(claim, sentence, expected, n, reason, observed)
    return verdict


def overflow_answered_by_fallback(run: Run, claim: RunClaim, rows: pd.DataFrame) -> Verdict:
    """Whatever the primaries could not take was answered by a deployment that stands in for them."""
    sentence = "Every request over the primaries' quotas is answered by a fallback."
    groups = groups_of(run, claim)
    primaries = {deployment.id for deployment in run.deployments if deployment.group in groups}
    stand_in_groups = {name for group in groups for name in run.fallbacks.get(group, ())}
    stand_ins = [deployment.id for deployment in run.deployments if deployment.group in stand_in_groups]
    names = {consumer.name for consumer in consumers_of(run, claim)}
    requests = requests_of(rows, names, None, claim.pattern)
    if requests.empty:
        return _unknown(claim, sentence, "every overflow answered by a fallback", 0, NOTHING_SENT)
    overflow = requests[~(windows.let_in(requests) & requests["deployment"].isin(list(primaries)))]
    by_fallback = overflow[(overflow["outcome"] == Outcome.ANSWERED) & overflow["deployment"].isin(stand_ins)]
    limited = [seen for group in groups if (seen := windows.deployment_windows(run, rows, group)) is not None]
    excess = sum(chain.excess for seen in limited for chain in seen.chains if chain.answer is Answer.FAIL)
    n = len(overflow) + excess
    whom = listing(stand_ins) or "a fallback"
    expected = f"{n:,} of {n:,} answered by {whom}"
    observed = f"{len(by_fallback):,} of {n:,} answered by {whom}"
    if not n:
        reason = f"{plural(len(requests), 'request')} did not exceed the primaries' quotas. Send more than they allow."
        return _unknown(claim, sentence, "something over the quotas", 0, reason)
    rest = overflow[~overflow.index.isin(by_fallback.index)]
    if len(rest):
        elsewhere = rest[rest["outcome"] == Outcome.ANSWERED]
        reason = why(rest[rest["outcome"] != Outcome.ANSWERED]) or (
            f"{plural(len(elsewhere), 'request')} answered by "
            f"{listing(sorted({str(name) or 'nobody known' for name in elsewhere['deployment']}))}."
        )
        if not stand_ins:
            reason = f"No fallback is configured for {listing(groups)}. {reason}"
        return _fail(claim, sentence, observed, expected, n, reason, files_of(rows) + ids(rest))
    if excess:
        reason = f"The primaries answered {plural(len(requests), 'request')}, {excess:,} more than they may."
        return _fail(claim, sentence, observed, expected, n, reason, files_of(rows) + ids(requests))
    return _pass(claim, sentence, observed, expected, n, files_of(rows) + ids(by_fallback))


def limited_to_quota(run: Run, claim: RunClaim, rows: pd.DataFrame) -> Verdict:
    """In every quota window a consumer is let through up to its quota, and the gateway refuses what is over it."""
    tenants = consumers_of(run, claim)
    names = [tenant.name for tenant in tenants]
    verb = "is" if len(names) == 1 else "are"
    sentence = f"{listing(names)} {verb} held to the quota: the gateway refuses what is over it."
    found = {tenant.name: windows.consumer_windows(run, rows, tenant) for tenant in tenants}
    limited = {name: seen for name, seen in found.items() if seen is not None}
    if unlimited := [name for name in found if name not in limited]:
        reason = f"{listing(unlimited)} has no quota_rpm, nor has its model group an rpm."
        return _unknown(claim, sentence, "", 0, reason)
    expected = "; ".join(
        f"{name}: at most {sum(chain.quota_rpm for chain in seen.chains):,} let through a window, the rest refused"
        for name, seen in limited.items()
    )
    requests = requests_of(rows, set(names), None, claim.pattern)
    n = len(requests)
    if not n:
        return _unknown(claim, sentence, expected, 0, NOTHING_SENT)
    refused = requests[requests["outcome"] == Outcome.REFUSED_BY_GATEWAY]
    lost = {name: int((refused["consumer"] == name).sum()) for name in names}
    let_through = {name: int((requests["consumer"] == name).sum()) - lost[name] for name in names}
    observed = "; ".join(
        f"{name}: {let_through[name]:,} let through, {lost[name]:,} refused by the gateway" for name in names
    )
    answered = requests[requests["outcome"] == Outcome.ANSWERED]
    broken = requests[requests["outcome"].isin([Outcome.FAILED, Outcome.REFUSED_BY_BEDROCK])]
    if len(broken):
        reason = f"Not by the gateway's quota: {why(broken)}"
        return _fail(claim, sentence, observed + what_else(broken), expected, n, reason, files_of(rows) + ids(broken))
    by_group = [tenant.name for tenant in tenants if tenant.quota_rpm is None]
    members = [chain.name for seen in limited.values() for chain in seen.chains]
    elsewhere = answered[answered["consumer"].isin(by_group) & ~answered["deployment"].isin(members)]
    if len(elsewhere):
        whom = listing(sorted({str(name) or "nobody known" for name in elsewhere["deployment"]}))
        reason = f"{plural(len(elsewhere), 'request')} over the quota answered by {whom}, and not refused."
        return _fail(claim, sentence, observed, expected, n, reason, files_of(rows) + ids(elsewhere))
    evidence = files_of(rows) + ids(answered)
    verdict = _by_windows(claim, sentence, observed, expected, n, list(limited.values()), evidence)
    modest = [name for name, seen in limited.items() if not lost[name] and not any(c.excess for c in seen.chains)]
    if modest and verdict.answer is not Answer.FAIL:
        reason = f"{listing(modest)} never asked for more than the quota. Send more than it allows."
        return _unknown(claim, sentence, "something over the quota", n, reason, observed)
    return verdict


def neighbours_unharmed(run: Run, claim: RunClaim, rows: pd.DataFrame) -> Verdict:
    """The named consumers were answered in full while another of the pattern was over its quota."""
    tenants = consumers_of(run, claim)
    names = [tenant.name for tenant in tenants]
    noisy = [tenant for tenant in run.consumers if tenant.pattern == claim.pattern and tenant.name not in names]
    who = listing([tenant.name for tenant in noisy]) or "another consumer"
    verb = "is" if len(names) == 1 else "are"
    sentence = f"{listing(names)} {verb} answered in full while {who} is over its quota."
    requests = requests_of(rows, set(names), None, claim.pattern)
    bad = requests[requests["outcome"] != Outcome.ANSWERED]
    n = len(requests)
    if not n:
        return _unknown(claim, sentence, "every request answered", 0, NOTHING_SENT)
    counts = [(name, int((requests["consumer"] == name).sum()), int((bad["consumer"] == name).sum())) for name in names]
    expected = "; ".join(f"{name}: {sent:,} of {sent:,} answered" for name, sent, _ in counts)
    observed = "; ".join(f"{name}: {sent - lost:,} of {sent:,} answered" for name, sent, lost in counts)
    if silent := _silent(names, requests):
        return _unknown(claim, sentence, expected, n, silent, observed)

    over = [span for tenant in noisy for span in _over_quota(run, rows, tenant)]
    if not over:
        reason = f"{who} never asked for more than its quota, so isolation was not put to the test. Send more."
        return _unknown(claim, sentence, expected, n, reason, observed)
    apart = [name for name in names if not _overlaps(requests[requests["consumer"] == name]["started_at"], over)]
    if apart:
        reason = f"{listing(apart)} sent nothing while {who} was over its quota, so isolation was not put to the test."
        return _unknown(claim, sentence, expected, n, reason, observed)
    if len(bad):
        greedy = [tenant.name for tenant in tenants if _over_quota(run, rows, tenant)]
        reason = why(bad)
        if set(bad["outcome"]) == {Outcome.REFUSED_BY_GATEWAY} and set(bad["consumer"]) <= set(greedy):
            reason = f"{listing(greedy)} asked for more than the own quota too, so these refusals do not tell. {reason}"
            return _unknown(claim, sentence, expected, n, reason, observed)
        return _fail(claim, sentence, observed, expected, n, reason, files_of(rows) + ids(bad))
    return _pass(claim, sentence, observed, expected, n, files_of(rows) + ids(requests))


CLAIMS: Mapping[str, Callable[[Run, RunClaim, pd.DataFrame], Verdict]] = {
    judge_claim.__name__: judge_claim
    for judge_claim in (
        all_answered,
        regions_at_least,
        shards_separate,
        primaries_filled,
        overflow_answered_by_fallback,
        limited_to_quota,
        neighbours_unharmed,
    )
}


# --- quota windows and accounts, in words -----------------------------------------------------------------------


def _by_windows(
    claim: RunClaim,
    sentence: str,
    observed: str,
    expected: str,
    n: int,
    found: list[windows.Windows],
    evidence: tuple[str, ...],
) -> Verdict:
    answer = worst([seen.answer for seen in found])
    if answer is Answer.PASS:
        return _pass(claim, sentence, observed, expected, n, evidence)
    chain = next(chain for seen in found for chain in seen.chains if chain.answer is answer)
    reason = _what_is_off(chain)
    if answer is Answer.FAIL:
        return _fail(claim, sentence, observed, expected, n, reason, evidence)
    excuse = (
        f"Its quota of {chain.quota_tpm:,} tokens a minute may explain it, which counts of requests do not tell."
        if chain.quota_tpm is not None
        else "Requests at the very edge of a quota window may count in either; run it again."
    )
    return _unknown(claim, sentence, expected, n, f"{reason} {excuse}", observed, evidence)


def _what_is_off(chain: windows.Chain) -> str:
    for window in chain.windows:
        if not chain.holds(window):
            counts = f"{chain.name} {window.served:,} of {window.offered:,} offered"
            due = chain.expected(window)
            return f"In the window from {clock(window.starts_at)}: {counts}, where the quota makes it {due:,}."
    return f"{chain.name} turned requests away before its quota was used up, or after it was free again."


def _windows_text(seen: windows.Windows) -> str:
    parts = ", ".join(f"{chain.name} {chain.served:,}" for chain in seen.chains)
    most = max(len(chain.windows) for chain in seen.chains)
    return f"{parts} of {seen.offered:,} in {plural(most, 'window')}"


def _quota_text(seen: windows.Windows) -> str:
    limits = listing([f"{chain.name} at most {chain.quota_rpm:,}" for chain in seen.chains])
    return f"{limits} a window; the rest elsewhere, while they are full"


def _over_quota(run: Run, rows: pd.DataFrame, tenant: RunConsumer) -> list[tuple[float, float]]:
    """When it asked for more than its quota. One of tokens is known by its refusals only."""
    seen = windows.consumer_windows(run, rows, tenant)
    spans = [span for chain in seen.chains for span in chain.over_quota()] if seen else []
    if tenant.quota_tpm is not None and not spans:
        refused = requests_of(rows, {tenant.name}, Outcome.REFUSED_BY_GATEWAY, tenant.pattern)["started_at"]
        return [(refused.min(), refused.max())] if len(refused) else []
    return spans


def _silent(names: Iterable[str], requests: pd.DataFrame) -> str:
    """Who of them sent nothing, as a sentence; "" when all did."""
    silent = set(names) - set(requests["consumer"].unique())
    return f"{listing(sorted(silent))} sent nothing." if silent else ""


def _overlaps(times: pd.Series, spans: Iterable[tuple[float, float]]) -> bool:
    tolerance = windows.TOLERANCE_S
    return any(times.between(start - tolerance, end + tolerance).any() for start, end in spans)


def _shared_accounts(by_account: Mapping[str, Mapping[str, int]]) -> set[str]:
    seen: set[str] = set()
    shared: set[str] = set()
    for counts in by_account.values():
        shared |= seen & set(counts)
        seen |= set(counts)
    return shared


def _accounts(accounts: set[str] | None) -> str:
    return listing(sorted(accounts), "or") if accounts else "an account of its own"


def _spread(counts: Mapping[str, int]) -> str:
    return listing([f"{count:,} in {account}" for account, count in counts.items()]) or "none invoked"


# --- verdicts -----------------------------------------------------------------------------------------------------


def _pass(claim: RunClaim, sentence: str, observed: str, expected: str, n: int, evidence: tuple[str, ...]) -> Verdict:
    return Verdict(claim.pattern, sentence, Answer.PASS, observed, expected, n, "", evidence)


def _fail(
    claim: RunClaim, sentence: str, observed: str, expected: str, n: int, reason: str, evidence: tuple[str, ...]
) -> Verdict:
    return Verdict(claim.pattern, sentence, Answer.FAIL, observed, expected, n, reason, evidence)


def _unknown(
    claim: RunClaim,
    sentence: str,
    expected: str,
    n: int,
    reason: str,
    observed: str = UNKNOWN,
    evidence: tuple[str, ...] = (),
) -> Verdict:
    return Verdict(claim.pattern, sentence, Answer.UNKNOWN, observed, expected, n, reason, evidence)
