"""LiteLLM files as dictionaries, and what is made of them."""

import yaml

from gateway.adopt import adopt
from gateway.adopt.survey import Survey
from gateway.litellm.config import load_config
from harness.settings.patterns import load_patterns

SONNET, HAIKU = "us.anthropic.claude-sonnet-4-6", "us.anthropic.claude-haiku-4-5-20251001-v1:0"
STRICT = {"enable_pre_call_checks": True, "num_retries": 0}


def entry(name, model=f"bedrock/{SONNET}", **params):
    """One of model_list; `id` and `mode` go into model_info."""
    info = {key: params.pop(key) for key in ("id", "mode") if key in params}
    written = {"model_name": name, "litellm_params": {"model": model, **params}}
    return {**written, "model_info": info} if info else written


class Adopting:
    """Writes files, adopts them, and reads what comes out as a run would."""

    def __init__(self, folder):
        self._folder = folder

    def file(self, entries, router=None, **sections):
        content = {"model_list": entries, **({"router_settings": router} if router else {}), **sections}
        path = self._folder / "litellm.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    def config(self, entries, router=None, **sections):
        return load_config(self.file(entries, router, **sections), environment={})

    def survey(self, entries, router=None, **sections):
        return Survey(self.config(entries, router, **sections))

    def text(self, entries, router=None, **sections):
        return adopt(self.config(entries, router, **sections)).text

    def findings(self, entries, router=None, **sections):
        """Each without the file's path."""
        found = adopt(self.config(entries, router, **sections)).findings
        return [one.removeprefix(f"{self._folder / 'litellm.yaml'}:") for one in found]

    def patterns(self, entries, router=None, **sections):
        """Pattern name → pattern, read back from the text that was written."""
        return self.read(self.config(entries, router, **sections)).patterns

    def read(self, config):
        path = self._folder / "mine.yaml"
        path.write_text(adopt(config).text)
        again = load_config(config.document.path, beside=path, environment={})
        return load_patterns(path, again)


def claims(pattern):
    return [claim.claim for claim in pattern.claims]
