"""What the clients saw × what AWS says: records and invocations meet by Bedrock's request id.

There is one row for each record, and one for each invocation that belongs to none. This is the only place that knows
their columns: those of `model.Record`; `outcome` and `queued_ms`; those of `model.Invocation`, of which the ones that a
record has too begin with `invocation_`; `side` (both, record or invocation); and `doubt`. What the other side would
have said is NaN, or no category.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.model import Invocation, Outcome, Record

SIDES = ("both", "record", "invocation")
Key = Literal[
    "run_id", "pattern", "consumer", "model_asked", "deployment", "outcome", "error_type", "status",
    "account_id", "inference_region", "model_id", "error_code",
]  # fmt: skip
Mask = NDArray[np.bool_]
_EXAMPLES = 3  # request ids given as evidence
_RENAMED = {
    name: f"invocation_{name}" for name in Invocation.columns() if name in Record.columns() and name != "request_id"
}


class Doubt(StrEnum):
    """Why CloudWatch does not confirm an answer."""

    NAMELESS = "nameless"  # without Bedrock's request id
    REPEATED = "repeated"  # another answer has the same request id, and an invocation confirms one
    MISSING = "missing"  # no invocation has its request id
    ERRED = "erred"  # its invocation was logged with an errorCode


class _Numbers:
    """A column of numbers, one for each row, NaN where there is none."""

    def __init__(self, column: str) -> None:
        self._column = column

    def __get__(self, rows: Rows, _: type[Rows]) -> NDArray[np.float64]:
        return np.asarray(rows.column(self._column), dtype="float64")


class Rows:
    """Joined rows, or a part of them: places in one frame, whose columns are copied only where they are read."""

    intended_at = _Numbers("intended_at")
    started_at = _Numbers("started_at")
    latency_ms = _Numbers("latency_ms")
    queued_ms = _Numbers("queued_ms")
    ttft_ms = _Numbers("ttft_ms")
    gap_mean_ms = _Numbers("gap_mean_ms")
    gap_p50_ms = _Numbers("gap_p50_ms")
    gap_p95_ms = _Numbers("gap_p95_ms")
    gap_p99_ms = _Numbers("gap_p99_ms")
    overhead_ms = _Numbers("gateway_overhead_ms")
    status = _Numbers("status")
    retries = _Numbers("retries")
    fallbacks = _Numbers("fallbacks")
    input_tokens = _Numbers("input_tokens")  # as the client got them
    output_tokens = _Numbers("output_tokens")
    cost_usd = _Numbers("cost_usd")
    logged_latency_ms = _Numbers("invocation_latency_ms")  # as CloudWatch says
    logged_input_tokens = _Numbers("invocation_input_tokens")
    logged_output_tokens = _Numbers("invocation_output_tokens")

    def __init__(self, frame: pd.DataFrame, places: NDArray[np.intp] | None = None) -> None:
        self._frame = frame
        self._places = places

    def __len__(self) -> int:
        return len(self._frame) if self._places is None else len(self._places)

    def column(self, name: str) -> Any:
        """An array or a Categorical. For this module's accessors."""
        values = self._frame[name].array
        return values if self._places is None else values.take(self._places)

    def texts(self, key: Key) -> NDArray[Any]:
        """Each row's value as an object: a text, a number, or NaN."""
        return np.asarray(self.column(key), dtype=object)

    @property
    def streamed(self) -> Mask:
        return np.asarray(self.column("streamed")).astype(bool)

    # --- parts ---

    def where(self, mask: Mask) -> Rows:
        if mask.all():
            return self
        return self._at(np.flatnonzero(mask))

    def order_by(self, *values: NDArray[Any]) -> Rows:
        """Ascending by the first of the values, then by the next."""
        return self._at(np.lexsort(values[::-1]))

    def _at(self, places: NDArray[np.intp]) -> Rows:
        return Rows(self._frame, places if self._places is None else self._places[places])

    def is_in(self, key: Key, values: Collection[Any]) -> Mask:
        return np.asarray(pd.Series(self.column(key)).isin(list(values)))

    def is_(self, key: Key, value: Any) -> Mask:
        return np.asarray(self.column(key) == value)

    def of(self, pattern: str, consumers: Collection[str] | None = None) -> Rows:
        """A pattern's requests; only those of the consumers where some are named."""
        mine = self.is_("pattern", pattern)
        return self.where(mine if consumers is None else mine & self.is_in("consumer", consumers))

    def with_outcome(self, *outcomes: Outcome) -> Rows:
        return self.where(self.is_in("outcome", outcomes))

    @property
    def answered(self) -> Rows:
        return self.where(self.is_("outcome", Outcome.ANSWERED))

    @property
    def unanswered(self) -> Rows:
        return self.requests.where(~self.requests.is_("outcome", Outcome.ANSWERED))

    @property
    def admitted(self) -> Mask:
        """Which were answered, or begun to be, where they were sent. A stream that broke off has used quota."""
        return (self.status >= 200) & (self.status < 300)

    @property
    def requests(self) -> Rows:
        """Those that are somebody's request."""
        return self.where(~self._is_side("invocation"))

    @property
    def matched(self) -> Rows:
        """Requests that CloudWatch has an invocation of."""
        return self.where(self._is_side("both"))

    @property
    def unmatched_requests(self) -> Rows:
        return self.where(self._is_side("record"))

    @property
    def unmatched_invocations(self) -> Rows:
        """Attempts at Bedrock whose request id no client has."""
        return self.where(self._is_side("invocation"))

    @property
    def successful_invocations(self) -> Rows:
        return self.where(~self._is_side("record") & self.is_("error_code", ""))

    def doubted(self, doubt: Doubt) -> Rows:
        return self.where(np.asarray(self.column("doubt") == doubt))

    def _is_side(self, side: str) -> Mask:
        return np.asarray(self.column("side") == side)

    # --- groups ---

    def counts(self, *keys: Key) -> dict[tuple[Any, ...], int]:
        """How many rows have which values, those that none has left out."""
        return {_tuple(name): int(n) for name, n in self._grouped(keys).size().items() if n}

    def split(self, *keys: Key) -> dict[tuple[Any, ...], Rows]:
        """The rows by their values, in the order in which these first occur."""
        indices = self._grouped(keys).indices.items()
        return {_tuple(name): self._at(places) for name, places in sorted(indices, key=lambda pair: pair[1][0])}

    def _grouped(self, keys: tuple[Key, ...]) -> Any:
        return pd.DataFrame({key: self.column(key) for key in keys}).groupby(list(keys), observed=True)

    def codes(self, key: Key, names: list[str]) -> NDArray[np.intp]:
        """The place of each row's value among the names; -1 where it is none of them."""
        return pd.Index(names, dtype=object).get_indexer(pd.Index(self.texts(key), dtype=object))

    # --- what they show ---

    @property
    def consumers(self) -> set[str]:
        return {name for (name,) in self.counts("consumer")}

    def ids(self) -> tuple[str, ...]:
        """Some request ids, as evidence."""
        return tuple(str(one) for one in self.column("request_id")[:1000] if one)[:_EXAMPLES]

    def one_id_of_each_place(self) -> tuple[str, ...]:
        """A request id for each account and Region."""
        seen = pd.DataFrame({key: self.column(key) for key in ("account_id", "inference_region")})
        return self.where(~seen.duplicated().to_numpy()).ids()


def _tuple(name: Any) -> tuple[Any, ...]:
    values = name if isinstance(name, tuple) else (name,)
    return tuple(value.item() if isinstance(value, np.generic) else value for value in values)


# --- the join ---------------------------------------------------------------------------------------------------


def join(records: pd.DataFrame, invocations: pd.DataFrame | None, of_other_providers: Collection[str] = ()) -> Rows:
    """Nothing is dropped but what CloudWatch delivered twice, which it may: delivery is at least once.

    An invocation belongs to one record, the first that has its request id; one without an id belongs to none.
    `of_other_providers`: deployments that are not Bedrock's, whose answers CloudWatch cannot confirm.
    """
    records = records.assign(
        outcome=outcomes(records), queued_ms=(records["started_at"] - records["intended_at"]) * 1000
    )
    if invocations is None:
        invocations = pd.DataFrame(columns=list(Invocation.columns()))
    ids = pd.Index(invocations["request_id"], dtype=object)
    if "" in ids or not ids.is_unique:
        nameless = invocations["request_id"] == ""
        named = invocations[~nameless].drop_duplicates("request_id")
        ids = pd.Index(named["request_id"], dtype=object)
        invocations = pd.concat([named, invocations[nameless]])
    other_side = invocations.drop(columns="request_id").rename(columns=_RENAMED)

    position = ids.get_indexer(pd.Index(records["request_id"], dtype=object))  # -1: no invocation
    position[pd.Series(position).duplicated()] = -1
    matched = other_side.reset_index(drop=True).reindex(position).set_axis(records.index)
    rows = pd.concat([records, matched], axis=1)
    rows["side"] = _sides(np.where(position >= 0, 0, 1))

    alone = np.ones(len(invocations), dtype=bool)
    alone[position[position >= 0]] = False
    if alone.any():
        request_id = invocations["request_id"][alone]
        rest = other_side[alone].assign(request_id=request_id, side=_sides(np.full(int(alone.sum()), 2)))
        rows = _append(rows, rest)
    rows["doubt"] = _doubts(rows, of_other_providers)
    return Rows(rows)


def outcomes(records: pd.DataFrame) -> pd.Categorical:
    """`model.outcome_of`, for all records at once."""
    status, error = records["status"].to_numpy(), (records["error_type"] != "").to_numpy()
    has_id = (records["request_id"] != "").to_numpy()
    names = list(Outcome)
    codes = np.select(
        [(status >= 200) & (status < 300) & ~error, (status == 429) & has_id, status == 429],
        [names.index(o) for o in (Outcome.ANSWERED, Outcome.REFUSED_BY_BEDROCK, Outcome.REFUSED_BY_GATEWAY)],
        default=names.index(Outcome.FAILED),
    )
    return pd.Categorical.from_codes(codes, categories=[str(name) for name in names])


def _doubts(rows: pd.DataFrame, of_other_providers: Collection[str]) -> pd.Categorical:
    """Of each row the Doubt; no category where an answer is confirmed or cannot be, and for what is no answer."""
    kinds = list(Doubt)
    answered = (rows["outcome"] == Outcome.ANSWERED) & ~rows["deployment"].isin(list(of_other_providers))
    alone = rows["side"] == "record"
    codes = np.full(len(rows), -1, dtype="int8")
    codes[answered & (rows["side"] == "both") & (rows["error_code"] != "")] = kinds.index(Doubt.ERRED)
    ids = rows["request_id"][answered & alone]
    if len(ids):
        repeated = ids.duplicated() | ids.isin(rows["request_id"][~alone])
        codes[answered & alone] = np.select(
            [ids == "", repeated],
            [kinds.index(Doubt.NAMELESS), kinds.index(Doubt.REPEATED)],
            default=kinds.index(Doubt.MISSING),
        )
    return pd.Categorical.from_codes(codes, categories=[str(kind) for kind in kinds])


def _sides(codes: np.ndarray) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=list(SIDES))


def _append(rows: pd.DataFrame, rest: pd.DataFrame) -> pd.DataFrame:
    """`rest` under `rows`, each column keeping its type where it can say that a value is missing."""
    length = len(rows) + len(rest)
    columns = {}
    for name in rows.columns:
        upper = rows[name]
        lower = rest[name] if name in rest else pd.Series(np.nan, index=rest.index, dtype="float64")
        if isinstance(upper.dtype, pd.CategoricalDtype):
            columns[name] = pd.concat([upper, lower.astype(upper.dtype)], ignore_index=True)
        else:
            columns[name] = pd.concat([upper, lower], ignore_index=True)
    return pd.DataFrame(columns, index=pd.RangeIndex(length))


# --- for the fetch, which comes before the join ---


Span = tuple[float, float]  # start and end, epoch seconds


@dataclass(frozen=True)
class Wanted:
    """Bedrock's answers among the records, which CloudWatch must have an invocation of."""

    spans: dict[str, Span]  # by request id
    without_id: int  # how many have none of their own
    last_end: float | None  # of any record; None: there is none


def wanted(records: pd.DataFrame, of_other_providers: Collection[str] = ()) -> Wanted:
    ended_at = records["intended_at"] + records["latency_ms"] / 1000
    at_bedrock = (outcomes(records) == Outcome.ANSWERED) & ~records["deployment"].isin(list(of_other_providers))
    spans: dict[str, Span] = {}
    columns = (records["request_id"], records["started_at"], ended_at)
    for request_id, start, end in zip(*(column[at_bedrock] for column in columns), strict=True):
        spans.setdefault(request_id, (start, end))
    spans.pop("", None)
    return Wanted(spans, int(at_bedrock.sum()) - len(spans), float(ended_at.max()) if len(records) else None)


def invocations_by_id(frame: pd.DataFrame) -> dict[str, Invocation]:
    plain = frame.astype(object).where(frame.notna(), None)
    return {row[0]: Invocation(*row) for row in plain.itertuples(index=False, name=None)}
