"""Each provider of the table is asked by LiteLLM itself: its requests come here, without a key that counts."""

import json
import subprocess
import sys

import pytest

from common.places import ROOT
from gateway.litellm.containment.provider_table import PATHS

ASKING = ROOT / "tests" / "gateway" / "litellm" / "contained_providers.py"
# Where LiteLLM ends up below the path, where it is not /chat/completions.
ENDS = {"azure": "/openai/deployments/some-model/chat/completions", "anthropic": "/v1/messages",
        "heroku": "/v1/chat/completions", "oobabooga": "/v1/chat/completions"}  # fmt: skip


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """How it was asked → provider → what became of it."""
    home = tmp_path_factory.mktemp("home")
    keys = {f"{name}_API_KEY": "sk-real-key" for name in ("OPENAI", "AZURE", "ANTHROPIC", "GROQ", "GEMINI", "COHERE")}
    ended = subprocess.run(
        [sys.executable, str(ASKING)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(home), **keys},
        capture_output=True, text=True, timeout=300, cwd=home,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "sk-real-key" not in ended.stdout
    found = {"deployment": {}, "wildcard": {}}
    for one in map(json.loads, ended.stdout.splitlines()):
        found[one["how"]][one["model"].partition("/")[0]] = one
    return found


def test_a_deployment_of_each_provider_is_answered_here(asked):
    found = asked["deployment"]
    assert {provider: (one["became"], one["refused"]) for provider, one in found.items()} == {
        provider: ("hello", []) for provider in PATHS
    }
    for provider, path in PATHS.items():
        where = f"/_providers/{path}{ENDS.get(provider, '/chat/completions')}"
        keys = {key.removeprefix("Bearer ") for path, keys in found[provider]["asked"] if path == where for key in keys}
        assert where in [path for path, _ in found[provider]["asked"]]
        assert keys <= {"sk-not-a-real-key"}


@pytest.mark.parametrize("provider", ["openai", "azure", "anthropic", "groq", "mistral", "together_ai", "deepseek"])
def test_a_wildcard_leads_the_usual_providers_here(asked, provider):
    assert (asked["wildcard"][provider]["became"], asked["wildcard"][provider]["refused"]) == ("hello", [])


def test_a_wildcard_leads_no_provider_elsewhere(asked):
    """What its variables do not lead here, the guard stops: LiteLLM takes it for a provider that cannot be reached."""
    wildcard = asked["wildcard"]
    assert {where[:12] for one in wildcard.values() for where, _ in one["asked"]} == {"/_providers/"}
    stopped = {provider for provider, one in wildcard.items() if one["refused"]}
    assert {"replicate", "gemini", "cohere"} & stopped
    assert all("Error" in wildcard[provider]["became"] for provider in stopped)
