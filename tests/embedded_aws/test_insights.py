"""The Logs Insights language: hand-written queries over hand-written events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from embedded_aws.logs.insights import (
    Column,
    Index,
    MalformedQuery,
    Result,
    Stopped,
    Timestamp,
    Value,
    evaluate,
    evaluation,
    parse,
)
from embedded_aws.logs.insights.functions import sort_key

TEN = 1_795_341_600_000  # 2026-11-22 10:00:00 UTC


class Listed:
    """Events as a list of flat dicts, oldest first."""

    def __init__(self, events: Sequence[Mapping[str, Value]]) -> None:
        self.events = events

    def rows(self, newest_first: bool) -> Index:
        rows = list(range(len(self.events)))
        if newest_first:
            rows.sort(key=lambda row: (-int(self.events[row].get("@timestamp") or 0), -row))
        return np.array(rows, dtype=np.int64)

    def load(self, names: Sequence[str], rows: Index) -> list[Column]:
        return [Column(np.arange(len(rows)), [self.events[row].get(name) for row in rows]) for name in names]


def event(second: int, **members: Any) -> dict[str, Value]:
    dotted = {name.replace("__", "."): value for name, value in members.items()}
    return {"@timestamp": Timestamp(TEN + second * 1000), "@message": f"m{second}", "@ptr": f"p{second}", **dotted}


def ask(query: str, *events: Mapping[str, Value], limit: int | None = None) -> Result:
    return evaluate(parse(query), Listed(events), limit)


def rows(query: str, *events: Mapping[str, Value], limit: int | None = None) -> list[tuple[str | None, ...]]:
    return ask(query, *events, limit=limit).rows


def value_of(expression: str, **members: Any) -> str | None:
    """What one event shows for an expression."""
    return rows(f"fields {expression} as x | display x", event(0, **members))[0][0]


THREE = (
    event(0, region="us-west-2", model="sonnet", ms=100, run="r1"),
    event(1, region="us-east-1", model="nova", ms=200, run="r1"),
    event(70, region="us-west-2", model="sonnet", ms=400),
)


# --- rows and columns -----------------------------------------------------------------------------------------------


def test_without_fields_an_event_shows_its_time_and_message_newest_first_and_its_pointer():
    result = ask("filter ms > 0", *THREE)
    assert result.names == ("@timestamp", "@message", "@ptr")
    assert result.rows[0] == ("2026-11-22 10:01:10.000", "m70", "p70")
    assert [row[2] for row in result.rows] == ["p70", "p1", "p0"]


def test_fields_adds_columns_in_order_and_names_unaliased_expressions_as_they_are_written():
    result = ask("fields region, ms*2 | fields abs( ms - 300 ) as distance", *THREE[:1])
    assert result.names == ("region", "ms*2", "distance", "@ptr")
    assert result.rows == [("us-west-2", "200", "200", "p0")]


def test_an_alias_can_be_used_from_there_on_and_may_hide_a_field():
    assert rows("fields ms * 2 as ms, ms + 1 as more | display ms, more", THREE[0]) == [("200", "201", "p0")]


def test_display_replaces_fields():
    result = ask("fields region, ms | display ms", *THREE[:1])
    assert result.names == ("ms", "@ptr")


def test_parsed_fields_are_shown_without_being_asked_for():
    assert ask('fields ms | parse region "*-*-*" as a, b, c', *THREE[:1]).names == ("ms", "a", "b", "c", "@ptr")
    assert ask('parse region "us-*" as rest', *THREE[:1]).names == ("@timestamp", "@message", "rest", "@ptr")


def test_a_cell_without_a_value_is_none():
    assert rows("fields run, nothing", THREE[2]) == [(None, None, "p70")]


def test_stats_shows_groups_first_then_aggregates_named_as_written_and_no_pointer():
    result = ask("stats count(*), avg(ms) as mean by region, bin(1m)", *THREE)
    assert result.names == ("region", "bin(1m)", "count(*)", "mean")
    assert result.rows == [
        ("us-west-2", "2026-11-22 10:00:00.000", "1", "100"),
        ("us-east-1", "2026-11-22 10:00:00.000", "1", "200"),
        ("us-west-2", "2026-11-22 10:01:00.000", "1", "400"),
    ]


def test_stats_over_no_events_has_no_rows():
    assert rows("filter ms > 1000 | stats count(*)", *THREE) == []


def test_a_group_may_be_without_value():
    assert rows("stats count(*) by run", *THREE) == [("r1", "2"), (None, "1")]


def test_a_group_may_be_an_expression_with_an_alias():
    assert rows("stats sum(ms) as s by coalesce(run, 'none') as r | sort r", *THREE) == [("none", "400"), ("r1", "300")]


def test_aggregates_may_be_computed_with():
    assert rows("stats sum(ms) / count(*) + 1 as x, max(ms) - min(ms) as spread", *THREE) == [
        ("234.33333333333334", "300")
    ]


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        ("count(*)", "4"),
        ("count()", "4"),
        ("count(ms)", "3"),
        ("count_distinct(ms)", "2"),
        ("sum(ms)", "50"),
        ("avg(ms)", "16.666666666666668"),
        ("min(ms)", "10"),
        ("max(ms)", "20"),
        ("min(name)", "a"),
        ("pct(ms, 50)", "20"),
        ("pct(ms, 33)", "10"),
        ("earliest(name)", "b"),
        ("latest(name)", "c"),
        ("earliest(@timestamp)", str(TEN)),
        ("max(@timestamp)", str(TEN + 3000)),
        ("sortsFirst(name)", "a"),
        ("sortsLast(name)", "c"),
        ("sum(name)", None),
        ("sum(absent)", None),
        ("count(absent)", "0"),
    ],
)
def test_aggregates(aggregate: str, expected: str | None):
    events = (event(0, ms=10, name="b"), event(1, ms=20, name="a"), event(2, ms="20"), event(3, name="c"))
    assert rows(f"stats {aggregate}", *events) == [(expected,)]


def test_stddev_is_of_the_population():
    assert rows("stats stddev(ms)", event(0, ms=10), event(1, ms=20)) == [("5",)]


def test_aggregates_beyond_all_numbers_have_no_value():
    events = [event(number, large=large, ms=1) for number, large in enumerate((1e300, 1.7e308, 1.7e308, -1e300))]
    query = "stats sum(large), avg(large), stddev(large), avg(ms)"
    assert rows(query, *events) == [(None, None, None, "1")]
    assert rows("stats avg(large), stddev(large)", events[0], events[3]) == [("0", None)]


def test_a_second_stats_works_on_the_first():
    query = "stats count(*) as n by region | stats max(n) as most, count(*) as regions"
    assert rows(query, *THREE) == [("2", "2")]


def test_filter_after_stats_sees_aggregates():
    assert rows("stats count(*) as n by region | filter n > 1", *THREE) == [("us-west-2", "2")]


# --- filter ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("ms = 200", ["p1"]),
        ('ms = "200"', ["p1"]),
        ("ms != 200", ["p70", "p0"]),
        ("ms < 200 or ms >= 400", ["p70", "p0"]),
        ("ms > 100 and region = 'us-west-2'", ["p70"]),
        ("not ms = 200 and ms <= 400", ["p70", "p0"]),
        ("not (ms = 200 or ms = 100)", ["p70"]),
        ("model in ['nova', 'titan']", ["p1"]),
        ("ms not in [100, 200]", ["p70"]),
        ("region like 'west'", ["p70", "p0"]),
        ("region like /^us-(west|south)-\\d$/", ["p70", "p0"]),
        ("region not like /west/", ["p1"]),
        ("region =~ /(?i)WEST/", ["p70", "p0"]),
        ("region =~ /^us-(?i)WEST/", ["p70", "p0"]),
        ("region =~ /^US-(?i)WEST/", []),
        ("ispresent(run)", ["p1", "p0"]),
        ("not ispresent(run)", ["p70"]),
        ("run = 'r1'", ["p1", "p0"]),
        ("run != 'r1'", []),
        ("not run = 'r1'", []),
        ("run not in ['r2']", ["p1", "p0"]),
        ("run != 'r1' or ms = 400", ["p70"]),
        ("coalesce(run, model) = 'sonnet'", ["p70"]),
        ("toMillis(@timestamp) >= 1795341670000", ["p70"]),
        ("@timestamp < 1795341601000", ["p0"]),
        ("ms / 0 = 1", []),
        ("region > 5", []),
        ("FALSE = 1", []),
        ("ms", ["p70", "p1", "p0"]),
        ("region", []),
    ],
)
def test_filter(condition: str, expected: list[str]):
    assert [row[-1] for row in rows(f"filter {condition}", *THREE)] == expected


def test_a_slash_inside_a_regular_expression_is_escaped():
    assert rows(r"filter path like /a\/b/ | display path", event(0, path="xa/by"), event(1, path="ab")) == [
        ("xa/by", "p0")
    ]


def test_names_with_other_characters_stand_in_backticks():
    query = "fields `user-agent`, headers.`x-id` | filter `user-agent` = 'curl'"
    events = ({**event(0), "user-agent": "curl", "headers.x-id": "7"}, {**event(1), "user-agent": "wget"})
    assert ask(query, *events).names == ("user-agent", "headers.x-id", "@ptr")
    assert rows(query, *events) == [("curl", "7", "p0")]


def test_array_members_are_reached_by_number():
    assert rows("fields input.messages.0.role", event(0, **{"input.messages.0.role": "user"})) == [("user", "p0")]


def test_keywords_are_understood_in_any_case_and_comments_are_not_read():
    assert rows("FILTER ms > 100 AND NOT ms = 400 # but | not = this\n| DISPLAY ms", *THREE) == [("200", "p1")]


def test_a_pipe_or_hash_inside_a_string_is_part_of_it():
    assert rows("filter a = 'x|#y' | display a", event(0, a="x|#y"), event(1, a="x")) == [("x|#y", "p0")]


def test_quotes_in_strings_are_escaped_with_a_backslash():
    assert value_of(r"""concat("a\"b", 'c\'d', 'e\\f', "g\d")""") == r"""a"bc'de\fg\d"""


# --- functions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("7 / 2", "3.5"),
        ("6 / 2", "3"),
        ("10 % 3", "1"),
        ("2 ^ 3 ^ 2", "512"),
        ("-2 ^ 2", "-4"),
        ("10 - 2 - 3", "5"),
        ("n - 1", "9"),
        ("n-1", "9"),
        ("1 / 0", None),
        ("word * 2", None),
        ("absent + 1", None),
        ("abs(-3)", "3"),
        ("ceil(1.2)", "2"),
        ("floor(-1.2)", "-2"),
        ("round(2.5)", "3"),
        ("greatest(1, n, 3)", "10"),
        ("least(1, n, 3)", "1"),
        ("sqrt(n + 6)", "4"),
        ("sqrt(-1)", None),
        ("log(1)", "0"),
        ("9 ^ 999", None),
        ("strlen(word)", "5"),
        ("toupper(word)", "HELLO"),
        ("tolower('ABC')", "abc"),
        ("substr(word, 1)", "ello"),
        ("substr(word, 1, 3)", "ell"),
        ("replace(word, 'l', '1')", "he11o"),
        ("strcontains(word, 'ell')", "1"),
        ("strcontains(word, 'ELL')", "0"),
        ("startsWith(word, 'he')", "1"),
        ("endsWith(word, 'he')", "0"),
        ("trim('  a ')", "a"),
        ("ltrim('xyZfooxyZ', 'xyZ')", "fooxyZ"),
        ("rtrim('xyZfooxyZ', 'xyZ')", "xyZfoo"),
        ("trim('xyZfooxyZ', 'xyZ')", "foo"),
        ("concat(word, '-', n)", "hello-10"),
        ("isempty(absent)", "1"),
        ("isblank('  ')", "1"),
        ("isempty(word)", "0"),
        ("coalesce(absent, word, n)", "hello"),
        ("if(n > 5, 'many', 'few')", "many"),
        ("if(ispresent(absent), 1, 2)", "2"),
        ("n > 5", "1"),
        ("toMillis(@timestamp)", str(TEN)),
        ("toMillis(n)", None),
        ("fromMillis(0)", "1970-01-01 00:00:00.000"),
        ("@timestamp", "2026-11-22 10:00:00.000"),
        ("datefloor(fromMillis(1795345199999), 1h)", "2026-11-22 10:00:00.000"),
        ("dateceil(fromMillis(1795341600001), 1h)", "2026-11-22 11:00:00.000"),
        ("dateceil(@timestamp, 1h)", "2026-11-22 10:00:00.000"),
        ("bin(1d)", "2026-11-22 00:00:00.000"),
        ("bin(1w)", "2026-11-16 00:00:00.000"),
        ("bin(1mo)", "2026-11-01 00:00:00.000"),
        ("bin(1q)", "2026-10-01 00:00:00.000"),
        ("bin(1y)", "2026-01-01 00:00:00.000"),
        ("dateceil(@timestamp, 1mo)", "2026-12-01 00:00:00.000"),
        ("dateceil(@timestamp, 1y)", "2027-01-01 00:00:00.000"),
    ],
)
def test_functions(expression: str, expected: str | None):
    assert value_of(expression, n=10, word="hello") == expected


def test_seconds_are_capped_at_sixty_in_bin_and_minutes_are_not_seconds():
    at = event(299)  # 10:04:59
    assert rows("stats count(*) by bin(300s)", at)[0][0] == "2026-11-22 10:04:00.000"
    assert rows("stats count(*) by bin(5m)", at)[0][0] == "2026-11-22 10:00:00.000"
    assert rows("stats count(*) by bin(10 s)".replace(" s", "s"), at)[0][0] == "2026-11-22 10:04:50.000"


@pytest.mark.parametrize(
    ("spellings", "floor"),
    [
        ("ms msec msecs millisecond milliseconds", "10:03:07.004"),
        ("s sec secs second seconds", "10:03:06.000"),
        ("m min mins minute minutes", "10:02:00.000"),
        ("h hr hrs hour hours", "10:00:00.000"),
    ],
)
def test_periods_may_be_spelt_in_many_ways(spellings: str, floor: str):
    moment = {"@timestamp": Timestamp(TEN + 187_005)}  # 10:03:07.005
    for unit in spellings.split():
        assert rows(f"stats count(*) by bin(2{unit})", moment)[0][0] == f"2026-11-22 {floor}"
    with pytest.raises(MalformedQuery):
        parse("stats count(*) by bin(2x)")


def test_no_function_makes_a_text_longer_than_an_event_can_be():
    grown = "word"
    for _ in range(20):
        grown = f"replace({grown}, '', 'hello')"
    assert value_of(f"strlen({grown})", word="hello") is None
    assert value_of(f"concat({', '.join(['word'] * 20)})", word="x" * 100_000) is None
    assert value_of("strlen(replace(word, 'l', 'll'))", word="hello") == "7"


def test_floats_print_without_needless_decimals_and_booleans_as_digits():
    assert rows("fields a, b, c | display a, b, c", event(0, a=2.0, b=0.25, c=True)) == [("2", "0.25", "1", "p0")]


# --- parse ----------------------------------------------------------------------------------------------------------


def test_a_glob_is_found_anywhere_and_takes_as_little_as_it_can():
    text = "at 10:00 user=ann, method:get, latency := 25 ms"
    query = 'parse text "user=*, method:*, latency := *" as @user, @method, @latency | display @user, @method, @latency'
    assert rows(query, event(0, text=text)) == [("ann", "get", "25 ms", "p0")]


def test_a_regular_expression_names_its_groups():
    query = "parse text /user=(?<user>\\w+)(, (?<rest>.*))?/ | display user, rest"
    with pytest.raises(MalformedQuery, match="groups are all named"):
        parse(query)
    query = "parse text /user=(?<user>\\w+)(?:, (?<rest>.*))?/ | display user, rest"
    assert rows(query, event(0, text="user=ann, x"), event(1, text="user=bob"), event(2, text="none")) == [
        (None, None, "p2"),
        ("bob", None, "p1"),
        ("ann", "x", "p0"),
    ]


def test_parsed_fields_can_be_filtered_and_aggregated():
    events = (event(0, text="took 5 ms"), event(1, text="took 7 ms"), event(2, text="failed"))
    assert rows('parse text "took * ms" as ms | filter ms > 5 | stats avg(ms) as m', *events) == [("7",)]


# --- sort, limit, dedup ---------------------------------------------------------------------------------------------


def test_sort_by_several_keys_ascending_unless_told_and_events_without_value_last():
    assert [r[0] for r in rows("fields ms | sort region desc, ms", *THREE)] == ["100", "400", "200"]
    assert [r[0] for r in rows("fields run | sort run", *THREE)] == ["r1", "r1", None]
    assert [r[0] for r in rows("fields run | sort run desc", *THREE)] == ["r1", "r1", None]


def test_sort_is_natural():
    """The example of the CloudWatch Logs user guide."""
    values: list[Value] = ["!:", "#", "*%04", "0#", "5A", "111A", "2345_", "@", "@_", "A", "A9876fghj", "a12345hfh"]
    numbers: list[Value] = ["0", "01", 1, "2", "3"]
    assert sorted([*numbers[::-1], *values[::-1]], key=sort_key)[: len(values)] == values
    assert [sort_key(n)[0] for n in numbers] == [1] * 5


def test_equal_rows_keep_their_order():
    assert [r[-1] for r in rows("sort region", *THREE)] == ["p1", "p70", "p0"]


def test_the_smaller_of_the_query_s_and_the_request_s_limit_wins():
    assert len(rows("limit 2", *THREE)) == 2
    assert len(rows("limit 2", *THREE, limit=1)) == 1
    assert len(rows("limit 2", *THREE, limit=3)) == 2
    assert len(rows("stats count(*) by ms", *THREE, limit=2)) == 2


def test_ten_thousand_rows_unless_asked_for_more():
    many = [event(0)] * 10_050
    assert len(rows("fields @ptr", *many)) == 10_000
    assert len(rows("limit 10050", *many)) == 10_050
    assert len(rows("fields @ptr", *many, limit=10_020)) == 10_020


def test_dedup_keeps_the_first_of_each_and_all_without_value():
    assert [r[-1] for r in rows("dedup region", *THREE)] == ["p70", "p1"]
    assert [r[-1] for r in rows("sort ms | dedup region, model | limit 1", *THREE)] == ["p0"]
    assert [r[-1] for r in rows("dedup run", *THREE)] == ["p70", "p1"]
    assert [r[-1] for r in rows("dedup run", *THREE, THREE[2])] == ["p70", "p70", "p1"]


def test_matched_counts_what_passed_the_filters_before_any_cut():
    assert ask("filter ms > 100 | limit 1", *THREE).matched == 2
    assert ask("filter ms > 100 | stats count(*)", *THREE).matched == 2
    assert ask("dedup region", *THREE).matched == 3


# --- what is not understood -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "text"),
    [
        # texts and positions as AWS has been seen to give them
        ("", "unexpected symbol found <EOF> at line 1 and position 0"),
        ("sort bin(5m)", "unexpected symbol found ( at line 1 and position 8"),
        ("filter a =~ /x/i", "unexpected symbol found i at line 1 and position 15"),
        ("fields a | count()", "unexpected symbol found count at line 1 and position 11"),
        ("fields a\n| bad b", "unexpected symbol found bad at line 2 and position 2"),
        ("fields a as x | fields x", "Ephemeral field is already defined: x ([23,24])"),
        ("parse a '*' as x | stats avg(b) as x", "Ephemeral field is already defined: x"),
        ("fields a as x, b as x", "Ephemeral field is already defined: x"),
        ("stats count(*) as n | filter m = 1", "Unknown symbols found in or after stats: m"),
        ("stats count(*) as n | stats sum(a)", "Unknown symbols found in or after stats: a"),
        ("fields a | fields coalesce(a, b) as a | stats count(*) by a", "Unknown symbols found in or after stats: a"),
        ("dedup a | sort b", "unexpected symbol found sort"),
    ],
)
def test_malformed_queries_have_the_text_of_aws(query: str, text: str):
    with pytest.raises(MalformedQuery) as caught:
        parse(query)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    "query",
    [
        "fields",
        "fields a,",
        "fields a | ",
        "| fields a",
        "fields a b",
        "fields a as",
        "fields a as b as c",
        "fields *",
        "filter",
        "filter a = ",
        "filter a == 1",
        "filter a <> 1",
        "filter a = 'x",
        "filter a like b",
        "filter a like /(/",
        "filter a in []",
        "filter a in 1",
        "filter (a = 1",
        "filter a = 1 b = 2",
        "filter 5x = 1",
        "where a = 1",
        "fields nosuch(a)",
        "fields abs()",
        "fields abs(a, b)",
        "fields abs(*)",
        "fields 5m",
        "fields bin(a)",
        "fields bin(5)",
        "fields datefloor(5m, a)",
        "fields count(*)",
        "filter count(*) > 1",
        "stats",
        "stats a",
        "stats count(*) + a",
        "stats sum(sum(a))",
        "stats count(*) by",
        "stats count(*) by count(*)",
        "stats pct(a)",
        "stats pct(a, b)",
        "stats pct(a, 101)",
        "stats count(*) as a by a",
        "sort a | stats count(*)",
        "limit 5 | stats count(*)",
        "sort a up",
        "sort count(*)",
        "limit",
        "limit 0",
        "limit -1",
        "limit 1.5",
        "limit 100001",
        "limit all",
        "limit " + "9" * 5_000,
        "fields " + "9" * 5_000,
        "fields 1e999",
        "stats count(*) by bin(" + "9" * 5_000 + "m)",
        "filter a like /((a{9999}){9999}){9999}/",
        "filter a like /" + "(" * 3_000 + ")" * 3_000 + "/",
        "dedup",
        "dedup a | filter b = 1",
        "parse a 'x*'",
        "parse a 'x*' as b, c",
        "parse a 'x' as b",
        "parse a /x/",
        "parse a /(x)/",
        "pattern @message",
        "unmask @message",
        "SOURCE 'x' | fields a",
    ],
)
def test_what_is_not_understood_is_refused(query: str):
    with pytest.raises(MalformedQuery):
        parse(query)


def test_a_query_of_nothing_but_brackets_is_answered_and_not_a_stack_overflow():
    with pytest.raises(MalformedQuery, match="deep"):
        parse("filter " + "not " * 2_400 + "a")
    with pytest.raises(MalformedQuery, match="deep"):
        parse("fields " + "abs(" * 2_000 + "a" + ")" * 2_000)
    assert parse("filter " + "(" * 4_900 + "a" + ")" * 4_900) == parse("filter a")
    with pytest.raises(MalformedQuery, match="deep"):
        parse("fields " + "a+" * 4_900 + "a")


def test_many_rows_are_computed_by_parts_and_it_does_not_show(monkeypatch: pytest.MonkeyPatch):
    events = [event(n, a=n % 4, b=f"k{n % 3}", c=None if n % 5 else "x") for n in range(50)]
    queries = (
        'fields a * 2 as d | filter d > 2 and b like /k[01]/ | parse b "k*" as n | sort d desc, n | display d, n, c',
        "filter ispresent(c) | stats count(*), sum(a + 1) as s by concat(b, c), bin(10s)",
        "filter a > 9 | parse b 'k*' as n | stats count(n)",
    )
    whole = [ask(query, *events) for query in queries]
    monkeypatch.setattr(evaluation, "_PART", 7)
    assert [ask(query, *events) for query in queries] == whole
    assert [len(result.rows) > 3 for result in whole] == [True, True, False]


def test_a_regular_expression_that_backtracks_without_end_is_given_up():
    with pytest.raises(TimeoutError):
        ask("filter a like /^(a|a)*$/", event(0, a="a" * 60 + "b"))


def test_a_stopped_query_stops():
    with pytest.raises(Stopped):
        evaluate(parse("filter a = 1"), Listed([event(0, a=1)]), None, lambda: True)
