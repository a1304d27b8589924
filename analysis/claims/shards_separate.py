"""Each consumer has an AWS account of its own."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.claims.about import About
from analysis.claims.case import Case
from analysis.claims.claim import KNOWN_BY_CLOUDWATCH, Claim, Counts, Parameters, Shows, Standing
from analysis.claims.outcomes import why
from analysis.model import INVOCATIONS_CSV, Cause, Verdict
from analysis.numbers.accounts import accounts_of
from analysis.wording import listing


class ShardsSeparate(Claim[Parameters]):
    name = "shards_separate"
    proves = "Each consumer's requests are answered, invoked in an AWS account of its own, and in no other."
    needs = "Two consumers or more, whose accounts STS has named."
    rests_on = frozenset()  # one invocation in another account is enough, and so is one request that was not answered
    shows = (Shows.ACCOUNTS,)
    parameters = Parameters

    def sentence(self, about: About, parameters: Parameters) -> str:
        return "Each consumer's requests are invoked in an AWS account of its own, and in no other."

    def standing(self, counts: Counts, parameters: Parameters) -> Standing:
        return KNOWN_BY_CLOUDWATCH

    def judge(self, case: Case, parameters: Parameters) -> Verdict:
        here, invoked = case.requests, case.requests.matched.answered
        own = {consumer.name: accounts_of(case.run, consumer) for consumer in case.consumers}
        sent = here.counts("consumer")
        expected = "; ".join(f"{name}: {sent.get((name,), 0):,} in {_accounts(own[name])}" for name in own)
        if not len(here):
            return case.nothing_sent(expected)
        if not len(invoked):
            return case.no_invocations(expected)
        found = _by_account(invoked.counts("consumer", "account_id"))
        observed = "; ".join(f"{name}: {_spread(found.get(name, {}))}" for name in own)
        evidence, n = (INVOCATIONS_CSV, *invoked.one_id_of_each_place()), len(invoked)
        if reason := _shared(found) or _elsewhere(found, own):
            return case.fails(observed, expected, n, reason, evidence)
        if len(lost := here.unanswered):
            return case.fails(observed, expected, n, why(lost), evidence + lost.ids())
        if len(case.consumers) < 2:
            alone = "There is one consumer only, so there is nothing to separate."
            return case.unknown(Cause.NOT_CONFIGURED, alone, expected, n)
        if silent := case.silent():
            return case.unknown(Cause.SILENT_CONSUMER, silent, expected, n, observed)
        if nameless := [name for name, accounts in own.items() if accounts is None]:
            reason = f"The account that {listing(nameless)} should use is not known: STS did not say it."
            return case.unknown(Cause.ACCOUNT_UNKNOWN, reason, expected, n, observed)
        return case.passes(observed, expected, n, evidence)


def _by_account(counts: Mapping[tuple[str, ...], int]) -> dict[str, dict[str, int]]:
    """Consumer → account → invocations, most first."""
    found: dict[str, dict[str, int]] = {}
    for (consumer, account), n in sorted(counts.items(), key=lambda pair: -pair[1]):
        found.setdefault(consumer, {})[account] = n
    return found


def _shared(found: Mapping[str, Mapping[str, int]]) -> str:
    accounts = [account for counts in found.values() for account in counts]
    shared = sorted({account for account in accounts if accounts.count(account) > 1})
    return f"Account {listing(shared)} serves more than one consumer." if shared else ""


def _elsewhere(found: Mapping[str, Mapping[str, int]], own: Mapping[str, set[str] | None]) -> str:
    elsewhere = [
        f"{count:,} of {name} in {account}"
        for name in own
        for account, count in found.get(name, {}).items()
        if account not in (own[name] or found[name])
    ]
    return f"Invoked elsewhere: {listing(elsewhere)}." if elsewhere else ""


def _accounts(accounts: set[str] | None) -> str:
    return listing(sorted(accounts), "or") if accounts else "an account of its own"


def _spread(counts: Mapping[str, int]) -> str:
    return listing([f"{count:,} in {account}" for account, count in counts.items()]) or "none invoked"
