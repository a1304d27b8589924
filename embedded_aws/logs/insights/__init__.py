"""The CloudWatch Logs Insights query language: parse(text) → Query, evaluate(Query, events) → rows. Pure.

What AWS would not understand, and what is not understood here, is a MalformedQuery: nothing is ever ignored.

    grammar.lark   the syntax
    parsing.py     text → Query
    query.py       what a Query is
    rules.py       what the grammar cannot say
    functions.py   values, and the functions and aggregates on them
    evaluation.py  Query × events → rows, by columns
"""

from embedded_aws.logs.insights.evaluation import Column, Index, Result, Source, Stopped, evaluate
from embedded_aws.logs.insights.functions import Timestamp, Value
from embedded_aws.logs.insights.parsing import parse
from embedded_aws.logs.insights.query import MalformedQuery, Query

__all__ = [
    "Column",
    "Index",
    "MalformedQuery",
    "Query",
    "Result",
    "Source",
    "Stopped",
    "Timestamp",
    "Value",
    "evaluate",
    "parse",
]
