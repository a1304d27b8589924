"""Files made at random: what LiteLLM takes is taken, and means the same to us, before and after it is rendered."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from common.places import ROOT
from gateway.litellm.config import load_config
from gateway.litellm.fallback_chains import following
from gateway.litellm.rendering import WARM_UP, litellm_file, with_warm_ups
from tests.gateway.litellm.writer import ENVIRONMENT, Writer

FILES = 200
KEY = "sk-as-long-as-litellm-wants-it"
HERE = Path(__file__).parent
ASKED = ["alias", "nowhere", "bedrock/foo", "gpt-4o-mini", "axbc", "anthropic.claude-v2", "us.amazon.nova-lite-v1:0"]


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Each file, as we read it, as LiteLLM does, and as LiteLLM reads what is rendered of it."""
    folder = tmp_path_factory.mktemp("files")
    configs, asked = [], []
    for seed in range(FILES):
        path, rendered = folder / f"{seed}.yaml", folder / f"{seed}-rendered.yaml"
        path.write_text(yaml.safe_dump(Writer(seed).file(), allow_unicode=True, sort_keys=False))
        config = load_config(path, environment=ENVIRONMENT)
        rendered.write_text(yaml.safe_dump(with_warm_ups(litellm_file(config), config), allow_unicode=True))
        configs.append(config)
        names = [*ASKED, *(str(entry.litellm_params.model) for entry in config.model_list), *config.groups]
        asked += [[str(file), names] for file in (path, rendered)]
    return list(zip(configs, *_litellms(asked), strict=True))


def _litellms(asked):
    environment = {**os.environ, **ENVIRONMENT, "LITELLM_MASTER_KEY": KEY, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, HERE / "as_litellm_reads.py"], input="\n".join(map(json.dumps, asked)), env=environment,
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    return found[::2], found[1::2]


def number(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def meant(read):
    """Deployments without those for warming up; a number is the same in quotes."""
    return [[number(value) for value in entry] for entry in read["deployments"] if not entry[0].startswith(WARM_UP)]


def test_what_litellm_takes_means_the_same_after_rendering(read):
    taken = 0
    for config, theirs, rendered in read:
        assert "error" not in rendered, f"{config.document.path}: {rendered}"
        if "error" in theirs or len(theirs["deployments"]) < len(config.model_list):
            continue  # LiteLLM leaves out what it cannot read
        taken += 1
        assert meant(theirs) == meant(rendered), config.document.path
        assert theirs["fallbacks"] == {
            kind: {name: names for name, names in found.items() if not name.startswith(WARM_UP)}
            for kind, found in rendered["fallbacks"].items()
        }
    assert taken > FILES / 2


def test_quotas_and_checks_are_those_of_litellm(read):
    for config, _, rendered in read:
        theirs = [entry[2:4] for entry in rendered["deployments"] if not entry[0].startswith(WARM_UP)]
        if len(theirs) == len(config.model_list):
            ours = [[entry.quota_rpm, entry.quota_tpm] for entry in config.model_list]
            assert ours == [list(map(number, quotas)) for quotas in theirs], config.document.path
        assert config.limits_enforced == rendered["checks"], config.document.path


def test_a_name_leads_to_the_groups_to_which_litellm_leads_it(read):
    for config, theirs, _ in read:
        if "error" in theirs or len(theirs["deployments"]) < len(config.model_list):
            continue
        ours = {name: sorted({entry.model_name for entry in config.entries_of(name)}) for name in theirs["groups"]}
        assert ours == theirs["groups"], config.document.path


@pytest.mark.parametrize("kind", ["", "context_window", "content_policy"])
def test_the_same_take_over(read, kind):
    for config, _, rendered in read:
        direct = config.direct_fallbacks(kind)
        theirs = {name: one for name, one in rendered["fallbacks"][kind].items() if not name.startswith(WARM_UP)}
        assert {name: list(following(direct, name)) for name in theirs} == theirs, config.document.path
