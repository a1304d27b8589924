"""Included files are merged as LiteLLM merges them, and each value still knows its own file and line."""

import asyncio
import os

import pytest
import yaml

from common.yaml_file import ConfigError
from gateway.litellm import includes
from gateway.litellm.config import load_config


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".yaml").write_text(text)
    return folder / "main.yaml"


def litellms(path):
    """The same by LiteLLM's own functions."""
    from litellm.proxy.common_utils.config_includes import resolve_include_file_path, resolve_includes

    async def read(location):
        with open(location) as file:
            return yaml.safe_load(file)

    def resolve(entry, declared_in):
        return resolve_include_file_path(entry, declared_in, str(path))

    return asyncio.run(resolve_includes(yaml.safe_load(path.read_text()), str(path), resolve, read))


CASES = {
    "lists are joined": {"main": "include: [b.yaml]\nm: [1]\n", "b": "m: [2]\n"},
    "all else is overridden": {"main": "include: [b.yaml]\nr: {a: 1}\nn: 1\n", "b": "r: {b: 2}\nn: [2]\n"},
    "one after another": {"main": "include: [b.yaml, c.yaml]\nn: 1\n", "b": "n: 2\nm: [1]\n", "c": "n: 3\nm: [2]\n"},
    "nested, beside the includer": {"main": "include: [d/b.yaml]\n", "d__b": "include: [c.yaml]\n", "d__c": "n: 1\n"},
    "nested, beside the first": {"main": "include: [d/b.yaml]\n", "d__b": "include: [c.yaml]\n", "c": "n: 1\n"},
    "both are there": {"main": "include: [d/b.yaml]\n", "d__b": "include: [c.yaml]\n", "d__c": "n: 1\n", "c": "n: 2\n"},
    "none is read twice": {"main": "include: [b.yaml, b.yaml]\nm: [1]\n", "b": "include: [main.yaml]\nm: [2]\n"},
    "the width goes before the depth": {
        "main": "include: [b.yaml, c.yaml]\n", "b": "include: [d.yaml]\nn: 1\n", "c": "n: 2\n", "d": "n: 3\n"
    },
    "nothing to include": {"main": "include: []\nn: 1\n"},
    "anchors": {"main": "include: [b.yaml]\nx-a: &a {k: 1}\nm: [*a]\n", "b": "x-b: &a {k: 2}\nm: [{<<: *a, l: 3}]\n"},
}  # fmt: skip


@pytest.mark.parametrize("files", CASES.values(), ids=CASES)
def test_merged_as_litellm_merges(tmp_path, files):
    path = write(tmp_path, **files)
    assert includes.read(path).content == litellms(path)


DEPLOYMENT = "{model_name: %s, litellm_params: {model: bedrock/amazon.nova-pro-v1:0, %s}}"


def test_deployments_of_an_included_file_count(tmp_path):
    path = write(
        tmp_path,
        main=f"include: [more.yaml]\nmodel_list:\n- {DEPLOYMENT % ('a', 'rpm: 1')}\n",
        more=f"model_list:\n- {DEPLOYMENT % ('b', 'rpm: 2')}\nrouter_settings: {{enable_pre_call_checks: true}}\n",
    )
    config = load_config(path, environment={})
    assert [(entry.model_name, entry.quota_rpm) for entry in config.model_list] == [("a", 1), ("b", 2)]
    assert config.limits_enforced


@pytest.mark.parametrize(
    ("main", "more", "says"),
    [
        ("include: [no.yaml]\n", "", "main.yaml:1: include: there is no file "),
        ("a: 1\ninclude:\n- more.yaml\n- no.yaml\n", "a: 1\n", "main.yaml:4: include: there is no file "),
        ("include: more.yaml\n", "", "main.yaml:1: include: must be a list of file names"),
        ("include: [more.yaml, 1]\n", "", "main.yaml:1: include: must be a list of file names"),
        ("include: [more.yaml]\n", "a: [\n", "more.yaml:2: is not valid YAML"),
        ("include: [more.yaml]\n", "- 1\n", "more.yaml: must hold keys and values, and holds a list"),
        ("include: [more.yaml]\n", "b: 1\na: {b: 1, b: 2}\n", "more.yaml:2: a.b: stands here twice"),
        ("include: [more.yaml]\n", "include: [no.yaml]\n", "more.yaml:1: include: there is no file "),
        ("include: [more.yaml]\n", f"\nmodel_list:\n- {DEPLOYMENT % ('b', 'rpm: many')}\n",
         "more.yaml:3: model_list[0].litellm_params.rpm: must be a whole number, not 'many'"),
        ("include: [more.yaml]\n", f"model_list:\n- {DEPLOYMENT % ('b', 'rpm: os.environ/NO')}\n",
         "more.yaml:2: model_list[0].litellm_params.rpm: names the environment variable NO, which is not set"),
        (f"include: [more.yaml]\nmodel_list:\n- {DEPLOYMENT % ('a', 'rpm: 1')}\n",
         f"\nmodel_list:\n- {DEPLOYMENT % ('b', 'rpm: many')}\n",
         "more.yaml:3: model_list[1].litellm_params.rpm: must be a whole number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_of_the_file_where_it_stands(tmp_path, main, more, says):
    path = write(tmp_path, main=main, more=more)
    with pytest.raises(ConfigError) as caught:
        load_config(path, environment={})
    assert str(caught.value).startswith(f"{tmp_path}{os.sep}{says}")
