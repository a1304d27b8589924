"""What requests and attempts cost, at the prices that the gateway reckons with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.model import Run, RunDeployment
from analysis.numbers.accounts import bare, patterns_by_place
from analysis.rows import Rows

_Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens and cost of each of some rows; NaN where nobody knows."""

    input_tokens: _Values
    output_tokens: _Values
    cost_usd: _Values


def spent(requests: Rows, deployments: Sequence[RunDeployment]) -> Spent:
    """What the requests' records say, with what they lack.

    A stream reports its usage and its cost at its end, so a broken one reports neither. Bedrock itself never reports a
    cost: on the direct route, where `model_asked` is its model, it is reckoned from a deployment of the same model.
    """
    tokens_in = np.where(np.isnan(requests.input_tokens), requests.logged_input_tokens, requests.input_tokens)
    tokens_out = np.where(np.isnan(requests.output_tokens), requests.logged_output_tokens, requests.output_tokens)
    cost = requests.cost_usd
    unpriced = np.isnan(cost)
    if unpriced.any():
        price_in, price_out = _prices(requests.where(unpriced), deployments)
        cost = cost.copy()
        cost[unpriced] = tokens_in[unpriced] * price_in + tokens_out[unpriced] * price_out
    return Spent(tokens_in, tokens_out, cost)


def _prices(requests: Rows, deployments: Sequence[RunDeployment]) -> tuple[_Values, _Values]:
    alike, by_id = _alike(deployments), {deployment.id: deployment for deployment in deployments}
    prices = np.full((2, len(requests)), np.nan)
    asked, served = requests.texts("model_asked"), requests.texts("deployment")
    for model, by in {*zip(asked.tolist(), served.tolist(), strict=True)}:
        charged_as = by_id.get(by) or alike.get(bare(model))
        if charged_as is not None:
            here = (asked == model) & (served == by)
            pair = (charged_as.usd_per_input_token, charged_as.usd_per_output_token)
            prices[:, here] = [[np.nan if price is None else price] for price in pair]
    return prices[0], prices[1]


def _alike(deployments: Sequence[RunDeployment]) -> dict[str, RunDeployment]:
    """Bedrock's model id → a deployment of that model which knows its price."""
    return {bare(d.model_id): d for d in deployments if d.usd_per_input_token is not None}


@dataclass(frozen=True, slots=True)
class UnmatchedAttempts:
    """Attempts at Bedrock whose id no client got: retried, fallen back from, or broken off."""

    account_id: str
    model_id: str
    error_code: str  # "" when they succeeded
    patterns: tuple[str, ...]  # whose they may be: nothing in the log says
    attempts: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


def unmatched_attempts(run: Run, rows: Rows) -> list[UnmatchedAttempts]:
    """By account, model and error, most first."""
    alike, patterns = _alike(run.deployments), patterns_by_place(run)
    parts: dict[tuple[str, str, str], list[Rows]] = {}
    for (account, model, error), part in sorted(
        rows.unmatched_invocations.split("account_id", "model_id", "error_code").items()
    ):
        parts.setdefault((account, bare(model), error), []).append(part)
    found = []
    for (account, model, error), same in parts.items():
        tokens_in = int(sum(np.nansum(part.logged_input_tokens) for part in same))
        tokens_out = int(sum(np.nansum(part.logged_output_tokens) for part in same))
        found.append(
            UnmatchedAttempts(
                account_id=account,
                model_id=model,
                error_code=error,
                patterns=patterns.get((account, model), run.patterns),
                attempts=sum(len(part) for part in same),
                input_tokens=tokens_in,
                output_tokens=tokens_out,
                cost_usd=_usd(alike.get(model), tokens_in, tokens_out),
            )
        )
    return sorted(found, key=lambda row: -row.attempts)


def _usd(deployment: RunDeployment | None, input_tokens: int, output_tokens: int) -> float | None:
    if deployment is None or deployment.usd_per_input_token is None or deployment.usd_per_output_token is None:
        return None
    return input_tokens * deployment.usd_per_input_token + output_tokens * deployment.usd_per_output_token


def amplification(rows: Rows, attempts: Sequence[UnmatchedAttempts]) -> dict[str, float]:
    """Pattern → invocations for each of its requests that reached Bedrock, where it is known whose they were."""
    shared = {pattern for row in attempts if len(row.patterns) > 1 for pattern in row.patterns}
    more = Counter[str]()
    for row in attempts:
        more.update(dict.fromkeys(row.patterns, row.attempts))
    matched = rows.matched.counts("pattern").items()
    return {pattern: 1 + more[pattern] / n for (pattern,), n in matched if pattern not in shared}


@dataclass(frozen=True, slots=True)
class Cost:
    """What the run cost; None where nothing of it has a price."""

    asked_usd: float | None  # for what clients asked
    unmatched_usd: float | None  # for attempts whose answer no client got
    unpriced: int  # answers with output of which no price is known
    complete: bool  # whether CloudWatch reported every answer, so that it may be taken to know the other attempts too

    @property
    def known(self) -> bool:
        return self.asked_usd is not None or self.unmatched_usd is not None

    @property
    def total_usd(self) -> float:
        return (self.asked_usd or 0) + (self.unmatched_usd or 0)


def cost(
    consumers: Sequence[tuple[float | None, int]], attempts: Sequence[UnmatchedAttempts], *, complete: bool
) -> Cost:
    """`consumers`: what each one's requests cost, and how many of them have no price."""
    asked = [usd for usd, _ in consumers if usd is not None]
    unmatched = [row.cost_usd for row in attempts if row.cost_usd is not None]
    unpriced = sum(n for _, n in consumers)
    unpriced += sum(row.attempts for row in attempts if row.cost_usd is None and row.output_tokens)
    return Cost(sum(asked) if asked else None, sum(unmatched) if unmatched else None, unpriced, complete)
