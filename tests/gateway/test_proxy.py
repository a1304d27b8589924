"""What LiteLLM is given to read, and who is taken for LiteLLM."""

import http.server
import socketserver
import threading

import pytest
import yaml

from common.places import CONFIG_DIR
from common.yaml_file import ConfigError
from gateway.aws import environment_of
from gateway.keys import MASTER_KEY
from gateway.litellm.config import load_config
from gateway.litellm.deployments import ModelEntry
from gateway.litellm.process import answers, check_accepts, prices, warm_up
from gateway.litellm.rendering import litellm_file, warm_up_groups, with_warm_ups

FILE = CONFIG_DIR / "config.yaml"


def rendered(tmp_path, **sections):
    content = yaml.safe_load(FILE.read_text()) | sections
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    config = load_config(path)
    return with_warm_ups(litellm_file(config), config)


def test_our_sections_are_left_out_and_litellms_are_kept(tmp_path):
    made = rendered(tmp_path, litellm_settings={"drop_params": True})
    assert made.keys() == {"model_list", "router_settings", "general_settings", "litellm_settings"}
    assert made["router_settings"] == yaml.safe_load(FILE.read_text())["router_settings"]
    assert made["litellm_settings"] == {"drop_params": True}


def test_every_deployment_gets_the_id_that_the_records_name(tmp_path):
    made = rendered(tmp_path)["model_list"]
    shipped = yaml.safe_load(FILE.read_text())["model_list"]
    for entry, written in zip(made, shipped, strict=False):
        assert entry["litellm_params"] == written["litellm_params"]
        assert entry["model_name"] == written["model_name"]
    assert [entry["model_info"]["id"] for entry in made] == [
        "shard-one", "shard-two", "fallback-primary", "fallback-secondary", "balanced-1", "balanced-2",
        "balanced-fallback", "shared", "warm-up-account-one", "warm-up-account-two",
    ]  # fmt: skip


def test_a_configured_id_stays(tmp_path):
    models = yaml.safe_load(FILE.read_text())["model_list"]
    models[0]["model_info"] = {"id": "mine", "mode": "chat"}
    assert rendered(tmp_path, model_list=models)["model_list"][0]["model_info"] == {"id": "mine", "mode": "chat"}


def test_no_key_is_written_into_the_file(tmp_path):
    assert rendered(tmp_path)["general_settings"] == {
        "master_key": "os.environ/LITELLM_MASTER_KEY",
        "custom_auth": "gateway.litellm.custom_auth.authenticate",
    }


def test_the_users_general_settings_win(tmp_path):
    made = rendered(tmp_path, general_settings={"custom_auth": "mine.auth", "max_parallel_requests": 5})
    assert made["general_settings"]["custom_auth"] == "mine.auth"
    assert made["general_settings"]["max_parallel_requests"] == 5
    assert "master_key" in made["general_settings"]


def test_warming_up_takes_from_no_deployments_quota(tmp_path):
    assert warm_up_groups(load_config()).keys() == {"warm-up-account-one", "warm-up-account-two"}
    added = [entry for entry in rendered(tmp_path)["model_list"] if entry["model_name"].startswith("warm-up-")]
    assert len(added) == 2
    assert all("rpm" not in entry["litellm_params"] for entry in added)


def test_warming_up_asks_models_that_answer_chats(tmp_path):
    models = [
        "cohere.embed-english-v3",
        "amazon.rerank-v1:0",
        "luma.ray-v2:0",
        "nobodys.model-v1:0",
        "meta.llama3-8b-instruct-v1:0",
    ]
    path = tmp_path / "config.yaml"
    entries = [{"model_name": name, "litellm_params": {"model": f"bedrock/{name}"}} for name in models]
    path.write_text(yaml.safe_dump({"model_list": entries}))
    (chosen,) = warm_up_groups(load_config(path), {"nobodys.model-v1:0"}).values()
    assert chosen.model_name == "meta.llama3-8b-instruct-v1:0"
    assert warm_up_groups(load_config(path), models) == {}


class SomethingElse(http.server.BaseHTTPRequestHandler):
    """A server that is no LiteLLM, or one with other models."""

    answer: tuple[int, bytes]

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self):
        status, body = self.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(status, body):
        handler = type("Handler", (SomethingElse,), {"answer": (status, body)})
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,)).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class Banner(socketserver.BaseRequestHandler):
    """A server that speaks first, and not HTTP."""

    def handle(self):
        self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


@pytest.fixture
def no_http():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Banner)
    threading.Thread(target=server.serve_forever, args=(0.02,)).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_only_litellm_is_taken_for_litellm(serve, no_http):
    assert answers(serve(200, b'"I\'m alive!"'))
    assert not answers(serve(200, b"<html>"))
    assert not answers(serve(404, b"alive"))
    assert not answers("http://127.0.0.1:1")
    assert not answers(no_http)
    assert not answers("nonsense")
    assert not answers("http://127.0.0.1:abc")
    assert not answers("http://[")


def test_only_an_embedded_aws_is_taken_for_one(serve, no_http):
    def port(url):
        return int(url.rsplit(":", 1)[1])

    assert environment_of(port(serve(200, b'{"ready": true, "environment": {"A": "1"}}'))) == {"A": "1"}
    assert environment_of(port(serve(200, b'{"ready": false, "environment": {"A": "1"}}'))) is None
    assert environment_of(port(serve(200, b'["ready"]'))) is None
    assert environment_of(port(no_http)) is None
    assert environment_of(1) is None


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, b"{}", "answers 401 to LITELLM_MASTER_KEY. Set the key that it was started with"),
        (200, b'{"data": [{"id": "other"}]}', "has no model group 'shared' (it has: other)"),
        (200, b"<html>", "does not list its models"),
        (200, b"{}", "does not list its models"),
        (200, b"[]", "does not list its models"),
        (200, b'{"data": null}', "does not list its models"),
        (200, b'{"data": ["shared"]}', "does not list its models"),
        (200, b'{"data": [{"name": "shared"}]}', "has no model group 'shared'"),
    ],
)
def test_a_gateway_that_cannot_be_used_is_told(serve, status, body, says):
    with pytest.raises(ConfigError) as caught:
        check_accepts(serve(status, body), {MASTER_KEY: "sk-secret"}, ["shared"])
    assert says in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_what_does_not_speak_http_is_no_gateway_that_can_be_used(no_http):
    with pytest.raises(ConfigError, match="does not list its models"):
        check_accepts(no_http, {MASTER_KEY: "sk-secret"}, ["shared"])
    with pytest.raises(ConfigError, match="LiteLLM did not answer"):
        warmed_up(no_http)


@pytest.mark.parametrize(
    ("body", "known"),
    [
        (b'{"data": [{"model_info": {"id": "a", "input_cost_per_token": 0.5}}]}', {"a": (0.5, None)}),
        (b'{"data": [{"model_info": {}}, {"model_info": null}, {}]}', {}),
        (b'{"data": null}', {}),
        (b"<html>", {}),
    ],
)
def test_prices_are_taken_where_they_are_told(serve, no_http, body, known):
    assert prices(serve(200, body), "sk-secret") == known
    assert prices(no_http, "sk-secret") == {}


def test_a_gateway_with_all_models_is_accepted(serve):
    check_accepts(serve(200, b'{"data": [{"id": "shared"}, {"id": "more"}]}'), {MASTER_KEY: "sk-x"}, ["shared"])


ENTRY = ModelEntry.model_validate({"model_name": "a", "litellm_params": {"model": "bedrock/amazon.nova-pro-v1:0"}})


def warmed_up(url, groups=("one", "two")):
    said = []
    return warm_up(int(url.rsplit(":", 1)[1]), dict.fromkeys(groups, ENTRY), "sk-secret", said.append), said


def test_a_spent_quota_is_no_reason_not_to_start(serve):
    assert warmed_up(serve(429, b"{}")) == (10, [])


def test_a_gateway_that_cannot_reach_its_models_is_told_before_anything_is_measured(serve):
    with pytest.raises(ConfigError) as caught:
        warmed_up(serve(403, b'{"error": "AccessDeniedException"}'))
    assert "Warming up one: LiteLLM answered 403" in str(caught.value)
    assert "AccessDeniedException" in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_one_identity_that_cannot_be_asked_is_reported_and_the_others_go_on(serve):
    """The server refuses the group whose name is in its answer's way: here every second request."""
    url = serve(200, b"{}")
    handler = SomethingElse.__subclasses__()[-1]
    plain = handler.do_POST

    def refuse_two(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer = (403, b"no") if b'"two"' in body else (200, b"{}")
        self.do_GET()

    handler.do_POST = refuse_two
    try:
        assert warmed_up(url) == (5, ["Warning: Warming up two: LiteLLM answered 403: no"])
    finally:
        handler.do_POST = plain
