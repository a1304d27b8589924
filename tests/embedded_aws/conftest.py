"""Embedded AWSes that listen on a port of their own, spoken to by boto3."""

import json
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import orjson
import pytest
import urllib3
import yaml
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config

from common.places import CONFIG_DIR
from embedded_aws.__main__ import HOST, build
from embedded_aws.server import Server, listen
from embedded_aws.settings import Embedded
from tests.conftest import free_port

AT_ONCE = {"first_token_ms": {"median": 0, "p99": 0}, "per_token_ms": 0}
HTTP = urllib3.PoolManager(retries=False)


def written_settings(**changes):
    """The shipped configuration with all latencies at 0 and logs delivered at once, and then the changes."""
    written = yaml.safe_load((CONFIG_DIR / "embedded.yaml").read_text())
    for model in written["models"].values():
        model.pop("latency", None)
    written["latency"] = AT_ONCE
    written["invocation_logging"]["delivery_delay_s"] = 0
    written["log_queries"] = {"scheduled_s": 0, "running_s": 0, "requests_per_s": {}}
    return {**written, **changes}


@dataclass
class Running:
    """A running embedded AWS and clients of it."""

    server: Server
    environment: dict[str, str]
    _clients: dict[Any, Any] = field(default_factory=dict)

    @property
    def url(self):
        return self.environment["AWS_ENDPOINT_URL"]

    def session(self, profile="account-one"):
        key = ("session", profile)
        if key not in self._clients:
            with pytest.MonkeyPatch.context() as patch:
                for name, value in self.environment.items():
                    patch.setenv(name, value)
                session = boto3.Session(profile_name=profile)
                session.get_credentials()  # read the files while they are named
                self._clients[key] = session
        return self._clients[key]

    def client(self, service="bedrock-runtime", profile="account-one", region="us-east-1", **config):
        key = (service, profile, region, tuple(sorted(config.items())))
        if key not in self._clients:
            self._clients[key] = self.session(profile).client(
                service,
                region_name=region,
                endpoint_url=self.url,
                config=Config(retries={"total_max_attempts": 1}, max_pool_connections=64, **config),
            )
        return self._clients[key]

    def signed(self, path, body=b"", profile="account-one", region="us-east-1", method="POST", headers=None):
        """The headers of a request that botocore signs, whatever it holds."""
        service = "logs" if "x-amz-target" in (headers or {}) else "sts" if path == "/" else "bedrock"
        request = AWSRequest(method, self.url + path, data=body, headers={"content-type": "application/json"})
        for name, value in (headers or {}).items():
            request.headers[name] = value
        SigV4Auth(self.session(profile).get_credentials(), service, region).add_auth(request)
        return {"host": self.url.removeprefix("http://"), **dict(request.headers.items())}

    def raw(self, path, body=b"", **kwargs):
        """A signed request with a body that botocore would not build; bytes as they are, anything else as JSON."""
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = self.signed(path, body, **kwargs)
        return HTTP.request(kwargs.get("method", "POST"), self.url + path, body=body, headers=headers, timeout=60)

    def admin(self, path, method="GET", content=None):
        body = None if content is None else orjson.dumps(content)
        answer = HTTP.request(method, f"{self.url}/_embedded/{path}", body=body)
        return answer.status, answer.json()

    @contextmanager
    def fault(self, **fault):
        status, content = self.admin("faults", "POST", fault)
        assert status == 201, content
        try:
            yield content
        finally:
            self.admin(f"faults?name={content['name']}", "DELETE")

    def records(self, profile="account-one", region="us-east-1", query="fields @message | limit 10000"):
        """The invocation log as Logs Insights gives it: a dict for each row."""
        logs = self.client("logs", profile, region)
        group = "/aws/bedrock/modelinvocations"
        query_id = logs.start_query(
            logGroupName=group, startTime=0, endTime=4_000_000_000, queryString=query, limit=10_000
        )["queryId"]
        while (answer := logs.get_query_results(queryId=query_id))["status"] in ("Scheduled", "Running"):
            pass
        assert answer["status"] == "Complete"
        return [{cell["field"]: cell["value"] for cell in row} for row in answer["results"]]

    def record(self, request_id, **kwargs):
        """The log record of one invocation."""
        found = [orjson.loads(row["@message"]) for row in self.records(**kwargs) if request_id in row["@message"]]
        assert len(found) == 1
        return found[0]


@contextmanager
def running(directory, **changes):
    listener = listen(HOST, free_port())  # one that stays its own while a fault has closed it
    server, environment = build(Embedded.model_validate(written_settings(**changes)), directory, listener)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Running(server, environment)
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def aws(tmp_path_factory):
    """One for all tests that change nothing about it."""
    with running(tmp_path_factory.mktemp("aws")) as shared:
        yield shared


@pytest.fixture
def start(tmp_path):
    """Starts one with other settings."""
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(running(tmp_path, **changes))
