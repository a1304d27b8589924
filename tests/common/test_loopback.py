"""A proxy in the environment is for the world outside."""

import http.server
import threading

import pytest
from botocore.utils import get_environ_proxies

from common.loopback import bypass_proxies, bypassing
from tests.conftest import free_port


@pytest.mark.parametrize(
    ("environment", "value"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": ".corp.example, 10.0.0.1"}, ".corp.example,10.0.0.1,127.0.0.1,localhost"),
        ({"no_proxy": "localhost,a", "NO_PROXY": "a,b"}, "localhost,a,b,127.0.0.1"),
        ({"no_proxy": "a", "NO_PROXY": "*"}, "*"),
    ],
)
def test_what_was_excepted_from_the_proxy_stays_so(environment, value):
    assert bypassing(environment) == {"NO_PROXY": value, "no_proxy": value}


def test_the_gateways_own_host_is_asked_directly_too():
    assert bypassing({}, "192.0.2.20")["NO_PROXY"] == "127.0.0.1,localhost,192.0.2.20"


@pytest.fixture
def behind_a_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://192.0.2.1:3128")


@pytest.mark.parametrize("url", ["http://192.0.2.20:4000", "http://[::1]:4000", "http://[", "nonsense"])
def test_the_real_aws_is_asked_through_the_proxy_as_before(behind_a_proxy, url):
    bypass_proxies(url)
    assert get_environ_proxies("http://127.0.0.1:4510") == {}
    assert get_environ_proxies("http://localhost:4510") == {}
    aws = get_environ_proxies("https://bedrock-runtime.us-east-1.amazonaws.com")
    assert aws["https"] == "http://192.0.2.1:3128"


class Refusing(http.server.BaseHTTPRequestHandler):
    """A proxy that counts what it is asked for and lets nothing through."""

    asked: list[str]

    def do_GET(self):
        self.asked.append(self.requestline)
        self.send_error(403)

    do_POST = do_CONNECT = do_DELETE = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def proxy():
    handler = type("Handler", (Refusing,), {"asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,)).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler.asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("processes", [0, 1], ids=["one process", "a worker"])
def test_nothing_that_stays_on_this_machine_goes_through_a_proxy(place, proxy, processes):
    """Locust's users, boto3 here and in the analysis, LiteLLM and what it asks in turn."""
    url, asked = proxy
    here = place("behind-a-proxy")
    here.environment |= {
        name: "" if name in ("NO_PROXY", "no_proxy") else url
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY", "no_proxy")
    }
    port = str(free_port())
    distributed = ["--processes", str(processes), "--master-bind-port", port, "--master-port", port]
    ended = here.locust("-f", "locustfiles/cris.py,locustfiles/fallback.py", *(distributed if processes else []))
    assert ended.code == 0, ended.said
    assert set(ended.answers.values()) == {"PASS"}
    assert asked == []
