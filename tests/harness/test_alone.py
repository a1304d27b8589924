"""Locustfiles and User classes one by one, against one gateway that runs already, with Locust's own options."""

import json
import urllib.request
from collections import Counter

import openai
import pytest
import urllib3
import yaml

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
    port = str(free_port())  # of the master, where Locust's own may be in use
    gateways = f"http://127.0.0.1:{here.read('config')['litellm']['port']}"
    streaming = elsewhere / "streaming.yaml"
    patterns = here.read("patterns")
    for consumer, route in (("account-one", "gateway"), ("account-two", "direct")):
        patterns["patterns"]["account_sharding"]["consumers"][consumer] |= {"route": route, "stream": True}
    streaming.write_text(yaml.safe_dump(patterns))
    started = {}

    def start(name, file, *arguments):
        started[name] = here.start_locust("-f", f"locustfiles/{file}.py", *arguments)

    def wait(*names):
        return {name: started[name].wait() for name in names}

    start("repeated", "fallback", "-t", "90s")
    start("options", "load_balancing", "--csv", str(elsewhere / "mine"), "--html", str(elsewhere / "mine.html"),
          "-u", "12", "--host", gateways, "--only-summary")  # fmt: skip
    start("distributed", "quota_isolation", "--processes", "2", "--master-bind-port", port, "--master-port", port)
    first = wait("options", "distributed")
    faults = f"http://127.0.0.1:{here.read('embedded')['port']}/_embedded/faults"
    never = json.dumps({"name": "never", "kind": "throttle", "start_s": 3600}).encode()
    for request in (
        urllib.request.Request(faults, data=never),
        urllib.request.Request(f"{faults}?name=never", method="DELETE"),
    ):
        urllib.request.urlopen(request).close()
    start("single", "account_sharding", "AccountOneUser")
    start("unjudged", "quota_isolation", "ConsumerB")
    second = wait("single", "unjudged")
    start("streamed", "account_sharding", "--patterns", str(streaming))
    third = wait("streamed")
    cut = json.dumps({"name": "cut", "kind": "stream_cut", "after_tokens": 1}).encode()
    with urllib.request.urlopen(urllib.request.Request(faults, data=cut)):
        start("hidden", "account_sharding", "AccountOneUser", "--patterns", str(streaming))
        start("broken", "account_sharding", "AccountTwoUser", "--patterns", str(streaming))
        third |= wait("hidden", "broken")
    with urllib.request.urlopen(urllib.request.Request(f"{faults}?name=cut", method="DELETE")):
        pass
    return elsewhere, first | second | third | wait("repeated")


def one(name):
    @pytest.fixture
    def ended_one(ended):
        return ended[1][name]

    return ended_one


repeated, options, distributed, single, unjudged, streamed, hidden, broken = map(
    one, ("repeated", "options", "distributed", "single", "unjudged", "streamed", "hidden", "broken")
)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("repeated", 0),
        ("options", 0),
        ("distributed", 0),
        ("single", 3),
        ("unjudged", 3),
        ("streamed", 0),
        ("hidden", 3),
        ("broken", 1),
    ],
)
def test_ends_and_leaves_nothing_running(ended, name, code):
    each = ended[1][name]
    assert each.code == code, each.said
    assert each.left == {}


def test_the_running_gateway_is_used_and_left_alone(ended, gateway):
    for each in (each for name, each in ended[1].items() if name != "broken"):  # that one asks Bedrock only
        assert "Using the gateway that runs at" in each.out
        assert "Starting the gateway" not in each.out
    assert gateway.process.poll() is None
    assert any("gateway.litellm.launcher" in command for command in gateway.children.values())
    assert any("embedded_aws" in command for command in gateway.children.values())


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
    assert names - {"streaming.yaml"} == {
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


def test_a_fault_that_was_stopped_before_it_began_did_nothing(single, broken):
    assert json.loads((single.run / "faults.json").read_text()) == []
    assert [fault["name"] for fault in json.loads((broken.run / "faults.json").read_text())] == ["cut"]


def test_a_class_that_no_claim_is_about_alone_proves_nothing(unjudged):
    assert unjudged.statuses("B") == {"200": 5}
    assert unjudged.answers == {("quota_isolation", ""): "UNKNOWN"}
    assert "None of its claims is about ConsumerB alone." in unjudged.verdicts["quota_isolation", ""]["reason"]


def test_streams_are_timed_through_the_gateway_and_straight_from_bedrock(streamed):
    assert streamed.served("account_sharding") == {"shard-one": 10, "account-two": 10}
    for record in streamed.records:
        assert record["streamed"] == "True"
        assert 0 < float(record["ttft_ms"]) <= float(record["latency_ms"])
        assert int(record["output_tokens"]) > 1
        assert float(record["gap_p50_ms"]) <= float(record["gap_p99_ms"])
        assert record["request_id"]
    assert set(streamed.answers.values()) == {"PASS"}


def test_a_stream_that_breaks_is_a_failure_of_its_own_kind(broken):
    assert {record["error_type"] for record in broken.records} == {"broken_stream"}
    assert {record["status"] for record in broken.records} == {"200"}
    assert broken.answers["account_sharding", "all_answered"] == "FAIL"


def test_a_broken_stream_that_litellm_hides_is_found_by_cloudwatchs_count_of_its_tokens(hidden):
    assert {record["error_type"] for record in hidden.records} == {""}
    assert set(hidden.answers.values()) == {"UNKNOWN"}
    assert (
        "10 of 10 answers were streams whose token counts are not CloudWatch's"
        in (hidden.verdicts["account_sharding", "all_answered"]["reason"])
    )


def ask(here, key, model="shared"):
    """The status and error type with which the gateway answers."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hi!"}], "max_tokens": 5}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"http://127.0.0.1:{here.read('config')['litellm']['port']}/v1/chat/completions"
    answer = urllib3.request("POST", url, json=body, headers=headers, timeout=60, retries=False)
    return answer.status, answer.json().get("error", {}).get("type")


def test_the_gateway_knows_its_keys_and_no_others(here, ended):
    assert ask(here, here.keys["CONSUMER_C_KEY"])[0] == 200
    assert ask(here, here.keys["LITELLM_MASTER_KEY"])[0] == 200
    for stranger in ("sk-unknown", here.keys["CONSUMER_C_KEY"] + "x", here.keys["CONSUMER_C_KEY"][:-1], None):
        status, kind = ask(here, stranger)
        assert (status, kind) == (401, "auth_error"), stranger


def test_the_openai_client_is_served_like_any(here, ended):
    """What consumers use: whole, streamed, cut at max_tokens, with a tool, and refused."""
    gateway = f"http://127.0.0.1:{here.read('config')['litellm']['port']}/v1"
    client = openai.OpenAI(base_url=gateway, api_key=here.keys["LITELLM_MASTER_KEY"], max_retries=0, timeout=60)
    asked = {"model": "shared", "messages": [{"role": "user", "content": "What is a load balancer?"}]}
    whole = client.chat.completions.create(**asked)
    pieces = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == whole.choices[0].message.content != ""
    assert pieces[-1].usage.completion_tokens == whole.usage.completion_tokens > 3
    short = client.chat.completions.create(**asked, max_tokens=3)
    assert (short.choices[0].finish_reason, short.usage.completion_tokens) == ("length", 3)
    parameters = {"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]}
    tool = {"type": "function", "function": {"name": "look_up", "parameters": parameters}}
    called = client.chat.completions.create(**asked, tools=[tool]).choices[0]
    assert called.finish_reason == "tool_calls"
    assert json.loads(called.message.tool_calls[0].function.arguments).keys() == {"topic"}
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-unknown").chat.completions.create(**asked)


def test_workers_records_end_complete_in_one_folder(distributed):
    assert distributed.statuses("A") == {"200": 3, "429": 2}
    assert distributed.statuses("B") == distributed.statuses("C") == {"200": 5}
    assert len({record["worker"] for record in distributed.records}) == 2
    assert len({record["intended_at"] for record in distributed.records}) == 1  # one burst, not one a worker
    stats = {row["Name"]: int(row["Request Count"]) for row in rows(distributed.run / "locust_stats.csv")}
    assert stats == {"A": 5, "B": 5, "C": 5, "Aggregated": 15}
    assert set(distributed.answers.values()) == {"PASS"}
    assert distributed.settings["notes"] == []


def test_a_gateway_cannot_start_where_something_else_listens(here, gateway, tmp_path):
    """Here it is the embedded AWS, whose port is no place for a gateway."""
    config = here.read("config")
    config["litellm"]["port"] = here.read("embedded")["port"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    second = here.python("-m", "gateway", *here.options, "--gateway-config", str(tmp_path / "config.yaml"))
    assert second.code == 2, second.said
    assert "in use by something that is not a LiteLLM proxy" in second.err
    assert second.left == {}


def test_end_of_the_gateway_leaves_nothing_running(gateway, ended, here):
    """By SIGKILL, after which it cannot end its children: they see for themselves that it is gone."""
    gateway.process.kill()
    gateway.process.wait()
    gateway.gone()
