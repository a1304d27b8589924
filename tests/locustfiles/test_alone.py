"""Locustfiles and User classes one by one, against one gateway that runs already, with Locust's own options."""

from collections import Counter

import pytest

from tests.conftest import free_port, rows


@pytest.fixture(scope="module")
def here(place):
    return place("alone")


@pytest.fixture(scope="module")
def gateway(here):
    return here.start_gateway()


@pytest.fixture(scope="module")
def ended(here, gateway, tmp_path_factory):
    """Several at once: none of them takes from a quota that another one is about."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    config = here.read("config")
    started = {}

    def start(name, file, *arguments):
        started[name] = here.start_locust("-f", f"locustfiles/{file}.py", *arguments)

    port = str(free_port())  # of the master, where Locust's own may be in use
    start("repeated", "fallback", "-t", "90s")
    start("options", "load_balancing", "--csv", str(elsewhere / "mine"), "--html", str(elsewhere / "mine.html"),
          "-u", "12", "--host", f"http://127.0.0.1:{config['litellm']['port']}", "--only-summary")  # fmt: skip
    start("distributed", "quota_isolation", "--processes", "2", "--master-bind-port", port, "--master-port", port)
    first = {name: started.pop(name).wait() for name in ("options", "distributed")}
    start("single", "account_sharding", "AccountOneUser")
    return elsewhere, first | {name: each.wait() for name, each in started.items()}


def one(name):
    @pytest.fixture
    def ended_one(ended):
        return ended[1][name]

    return ended_one


repeated, options, distributed, single = map(one, ("repeated", "options", "distributed", "single"))


@pytest.mark.parametrize(("name", "code"), [("repeated", 0), ("options", 0), ("distributed", 0), ("single", 3)])
def test_ends_and_leaves_nothing_running(ended, name, code):
    each = ended[1][name]
    assert each.code == code, each.said
    assert each.left == {}


def test_the_running_gateway_is_used_and_left_alone(ended, gateway):
    for each in ended[1].values():
        assert "Using the gateway that runs at" in each.out
        assert "Starting the gateway" not in each.out
    assert gateway.process.poll() is None
    assert any("gateway._litellm" in command for command in gateway.children.values())
    assert any("gateway.embedded_aws" in command for command in gateway.children.values())


def test_run_time_repeats_the_burst(repeated):
    starts = Counter(float(record["intended_at"]) for record in repeated.records)
    assert sorted(starts.values()) == [10, 10]
    first, second = sorted(starts)
    assert second - first == pytest.approx(65, abs=1e-3)  # the primary's window has ended by then
    assert repeated.served("fallback") == {"fallback-primary": 6, "fallback-secondary": 14}
    assert set(repeated.answers.values()) == {"PASS"}
    assert len(repeated.answers) == 3  # its own claims, and no other pattern's


def test_a_locustfile_alone_runs_its_pattern_alone(options):
    assert options.served("load_balancing") == {"balanced-1": 3, "balanced-2": 3, "balanced-fallback": 4}
    assert options.settings["patterns"] == ["load_balancing"]


def test_csv_and_html_are_written_where_they_were_asked_for(ended):
    elsewhere, by_name = ended
    names = {file.name for file in elsewhere.iterdir()}
    assert names == {
        "mine_stats.csv", "mine_stats_history.csv", "mine_failures.csv", "mine_exceptions.csv", "mine.html"
    }  # fmt: skip
    assert "load-balanced" in (elsewhere / "mine.html").read_text()
    stats = {row["Name"]: row for row in rows(elsewhere / "mine_stats.csv")}
    ours = {row["Name"]: row for row in rows(by_name["options"].run / "locust_stats.csv")}
    assert stats["Aggregated"].keys() == ours["Aggregated"].keys()


def test_only_summary_leaves_out_the_lines(options):
    assert "answered   " not in options.out.split("waiting for logs")[0]
    assert "PASS" in options.out


def test_a_single_class_is_not_judged_by_its_neighbours(single):
    assert single.served("account_sharding") == {"shard-one": 10}
    assert {record["user_class"] for record in single.records} == {"AccountOneUser"}
    assert single.answers == {
        ("account_sharding", "all_answered"): "PASS",
        ("account_sharding", "shards_separate"): "UNKNOWN",
    }
    assert "one consumer only" in single.verdicts["account_sharding", "shards_separate"]["reason"]


def test_workers_records_end_complete_in_one_folder(distributed):
    assert distributed.statuses("A") == {"200": 3, "429": 2}
    assert distributed.statuses("B") == distributed.statuses("C") == {"200": 5}
    assert len({record["worker"] for record in distributed.records}) == 2
    assert len({record["intended_at"] for record in distributed.records}) == 1  # one burst, not one a worker
    stats = {row["Name"]: int(row["Request Count"]) for row in rows(distributed.run / "locust_stats.csv")}
    assert stats == {"A": 5, "B": 5, "C": 5, "Aggregated": 15}
    assert set(distributed.answers.values()) == {"PASS"}
    assert distributed.settings["notes"] == []


def test_end_of_the_gateway_leaves_nothing_running(gateway, ended, here):
    """By SIGKILL, after which it cannot end its children: they see for themselves that it is gone."""
    gateway.process.kill()
    gateway.process.wait()
    gateway.gone(within_s=10)
