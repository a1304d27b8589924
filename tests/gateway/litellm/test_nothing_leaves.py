"""A file full of what would leave the machine, run by the real gateway: the kernel is asked for loopback only."""

import json
import os
import re
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request

import pytest
import yaml

from common.places import ROOT
from gateway.litellm.connect_guard import refused
from tests.conftest import free_port

EVERYTHING = ROOT / "tests" / "gateway" / "litellm" / "everything.yaml"
# A callback of the user's own: its code runs, and asks another machine about every request.
LEAVING = """
import httpx
from litellm.integrations.custom_logger import CustomLogger

class Leaving(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        try:
            async with httpx.AsyncClient() as client:
                await client.post("http://callback.example.com/seen")
        except httpx.ConnectError as error:
            print("The callback was stopped:", error, flush=True)

handler = Leaving()
"""
AWAY = {
    "AWS_ACCESS_KEY_ID": "AKIASECRET", "AWS_SECRET_ACCESS_KEY": "secret-4711", "OPENAI_API_KEY": "secret-4711",
    "AWS_ENDPOINT_URL_STS": "https://sts.amazonaws.com", "AWS_BEARER_TOKEN_BEDROCK": "secret-4711",
    "TEAM_ACCESS_KEY_ID": "AKIATEAM", "TEAM_SECRET_ACCESS_KEY": "secret-4711", "GROQ_API_KEY": "secret-4711",
    "LANGFUSE_SECRET_KEY": "secret-4711", "DD_API_KEY": "secret-4711", "DD_SITE": "us5.datadoghq.com",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/x", "DATABASE_URL": "postgresql://db.example.com/x",
    "REDIS_HOST": "redis.example.com", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.example.com",
    "LITELLM_RUST": "1", "REPLICATE_API_KEY": "secret-4711",
}  # fmt: skip
GROUPS = ["bedrock", "bedrock-role", "bedrock-bearer", "openai", "azure", "anthropic", "groq", "vllm"]
BY_NAME = [
    "openai/gpt-4o-mini",
    "mistral/mistral-large",
    "bedrock/us.anthropic.claude-sonnet-4-6",
    "anthropic/claude-x",
]
pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="without strace the kernel is not asked")


def ask(port, key, model):
    body = {"model": model, "messages": [{"role": "user", "content": "Hi!"}], "max_tokens": 5}
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions", data=json.dumps(body).encode(), headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)["choices"][0]["message"]["content"]
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def ran(place):
    """What each model answered, what the gateway wrote, and what the kernel was asked for."""
    here = place("nothing-leaves")
    port, trace = free_port(), here.folder / "trace"
    here.write("config", yaml.safe_load(EVERYTHING.read_text()) | {"litellm": {"port": port}})
    (here.folder / "leaving.py").write_text(LEAVING)
    here.environment |= AWAY
    tracing = ["strace", "-ff", "--seccomp-bpf", "-e", "trace=connect,sendmmsg", "-o", str(trace)]
    files = ["--gateway-config", str(here.files["config"]), "--embedded-config", str(here.files["embedded"])]
    logs = here.folder / "logs"
    gateway = here.start([*tracing, sys.executable, "-m", "gateway", *files, "--logs", str(logs)])
    gateway.until("Ctrl-C ends it")
    answers = {model: ask(port, here.keys["LITELLM_MASTER_KEY"], model) for model in GROUPS + BY_NAME}
    answers["replicate/x"] = ask(port, here.keys["LITELLM_MASTER_KEY"], "replicate/x")
    time.sleep(4)  # health checks in the background, and loggers that send in batches, have their turn
    [main] = [pid for pid, command in gateway.children.items() if " -m gateway " in command and "strace" not in command]
    os.kill(main, signal.SIGTERM)  # strace keeps it to itself
    gateway.wait(60)
    said = gateway.said + "".join(log.read_text(errors="replace") for log in logs.iterdir())
    return answers, said, "".join(file.read_text() for file in here.folder.glob("trace.*"))


@pytest.mark.parametrize("model", GROUPS + BY_NAME)
def test_every_deployment_is_answered_here(ran, model):
    assert ran[0][model][0] == 200, ran[0][model]


def test_the_kernel_is_asked_for_this_machine_only(ran):
    addresses = re.findall(r"inet_addr\(\"([^\"]+)\"\)|inet_pton\(AF_INET6, \"([^\"]+)\"", ran[2])
    assert len(addresses) > 20
    assert {four or six for four, six in addresses} <= {"127.0.0.1", "::1"}


def test_what_the_guard_stopped_is_known(ran):
    """The rules knew all but code of the user's own, and a provider that only a request named."""
    stopped = set(refused(ran[1]))
    assert stopped == {"callback.example.com", "api.replicate.com", "huggingface.co"}  # whose template Replicate wants
    assert "The callback was stopped: " in ran[1]
    assert ran[0]["replicate/x"][0] >= 400


def test_no_secret_is_written(ran):
    assert "secret-4711" not in ran[1]
    assert "AKIATEAM" not in ran[1]
    assert "settings of" in ran[1]
