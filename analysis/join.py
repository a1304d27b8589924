"""What the clients saw × what AWS says: records and invocations meet by Bedrock's request id.

`rows` is one line per record and one per invocation that belongs to none:

- the columns of `model.Record`;
- `outcome`, a category of `model.Outcome`, and `queued_ms`, how long the request waited in the client;
- the columns of `model.Invocation`, of which those that a record has too begin with `invocation_`;
- `side`: both, record or invocation. What the other side would have said is NaN, or no category.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import locust_csv
from analysis.model import Invocation, Outcome, Record

SIDES = ("both", "record", "invocation")
_RENAMED = {
    name: f"invocation_{name}" for name in Invocation.columns() if name in Record.columns() and name != "request_id"
}


def join(records: pd.DataFrame, invocations: pd.DataFrame | None) -> pd.DataFrame:
    """Nothing is dropped but what CloudWatch delivered twice, which it may: delivery is at least once.

    An invocation belongs to one record, the first that has its request id; one without an id belongs to none.
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
    if not alone.any():
        return rows
    request_id = invocations["request_id"][alone]
    rest = other_side[alone].assign(request_id=request_id, side=_sides(np.full(int(alone.sum()), 2)))
    return _append(rows, rest)


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


def regions_of_locust(locust: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Locust's statistics with the Regions beside them: its columns, `invocations`, and a count for every Region.

    Locust's Name of a request is the consumer that sent it. An entry of another name has no invocations.
    """
    matched = rows.loc[rows["side"] == "both", ["consumer", "inference_region"]]
    counts = matched.groupby(["consumer", "inference_region"], observed=True).size().unstack(fill_value=0)
    counts.index, counts.columns = counts.index.astype(object), counts.columns.astype(object)
    counts = counts.reindex(locust[locust_csv.NAME], fill_value=0).reset_index(drop=True)
    invocations = counts.sum(axis=1).rename("invocations").astype(int)
    return pd.concat([locust, invocations, counts.drop(columns="", errors="ignore")], axis=1)


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
