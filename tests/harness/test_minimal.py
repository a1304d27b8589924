"""The shortest config.yaml, consumers that differ by model name instead of by key, and no keys anywhere yet."""

import pytest

from gateway.keys import MASTER_KEY
from tests.conftest import ROOT

MODELS = {"A": "consumer-a", "B": "consumer-b", "C": "consumer-c"}


@pytest.fixture(scope="module")
def here(place):
    here = place("minimal")
    here.cwd = here.folder  # .env is looked for where the command runs
    for name in ("locustfiles", "pyproject.toml"):
        (here.folder / name).symlink_to(ROOT / name)
    here.keys = {}

    config = {name: here.read("config")[name] for name in ("aws", "litellm", "model_list", "cris", "router_settings")}
    del config["aws"]["endpoint"]  # which means the real AWS, unless --aws says otherwise
    shared = next(entry for entry in config["model_list"] if entry["model_name"] == "shared")
    config["model_list"].remove(shared)
    config["model_list"] += [
        {"model_name": model, "litellm_params": shared["litellm_params"] | {"rpm": 3 if consumer == "A" else 10}}
        for consumer, model in MODELS.items()
    ]
    here.write("config", config)

    patterns = here.read("patterns")
    for name, consumer in patterns["patterns"]["quota_isolation"]["consumers"].items():
        del consumer["key"], consumer["quota_rpm"]
        consumer["model"] = MODELS[name]
    here.write("patterns", patterns)
    return here


@pytest.fixture(scope="module")
def job(here):
    return here.locust("--aws", "embedded")


def test_works_like_the_shipped_one(job):
    assert job.code == 0, job.said
    assert job.left == {}
    assert set(job.answers.values()) == {"PASS"}
    assert len(job.answers) == 12


def test_model_quotas_isolate_like_keys_quotas(job):
    assert job.statuses("A") == {"200": 3, "429": 2}
    assert job.statuses("B") == job.statuses("C") == {"200": 5}
    assert job.served("quota_isolation") == {"consumer-a": 3, "consumer-b": 5, "consumer-c": 5}


def test_keys_are_made_once_for_the_owner_alone_and_are_nowhere_else(here, job):
    env = here.folder / ".env"
    assert env.stat().st_mode & 0o777 == 0o600
    ((name, key),) = (line.split("=", 1) for line in env.read_text().splitlines())
    assert name == MASTER_KEY
    for file in here.folder.rglob("*"):
        if file.is_file() and file != env:
            assert key.encode() not in file.read_bytes(), file

    before = env.read_bytes()
    again = here.locust("--aws", "embedded", "--host", "http://127.0.0.1:1")  # ends after the keys were looked for
    assert again.code == 2
    assert env.read_bytes() == before
