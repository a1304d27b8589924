"""The tables, held against the LiteLLM that is installed: they are to be looked at again when it changes."""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

from gateway.litellm.containment.callbacks import IN_PROCESS
from gateway.litellm.containment.provider_table import PATHS
from gateway.litellm.containment.variables import leads_away

LITELLM = Path(find_spec("litellm").origin).parent


def test_no_variable_that_litellm_reads_for_an_address_or_a_key_is_left():
    read = re.compile(
        r"""(?:get_secret\w*|getenv|environ\.get)\(\s*["']([A-Z][A-Z0-9_]+)["']|environ\[["'](\w+)["']\]"""
    )
    names = {
        one or other for file in LITELLM.rglob("*.py") for one, other in read.findall(file.read_text(encoding="utf-8"))
    }
    assert len(names) > 1000
    telling = re.compile(
        r"(API_BASE|API_KEY|_URL|_HOST|_ENDPOINT|_TOKEN|_SECRET|_PASSWORD|WEBHOOK|_PROXY|CONNECTION_STRING)$"
    )
    left = {name for name in names if telling.search(name) and not leads_away(name)}
    assert left == {"NO_PROXY", "DEFAULT_NUM_WORKERS_LITELLM_PROXY"}


def test_callbacks_that_stay_are_litellms_own():
    source = (LITELLM / "__init__.py").read_text()
    literal = source.partition("_custom_logger_compatible_callbacks_literal = Literal[")[2].partition("]")[0]
    hooks = (LITELLM / "proxy" / "common_utils" / "callback_utils.py").read_text()
    assert {name for name in IN_PROCESS if f'"{name}"' not in literal + hooks} == set()
    sending = {"langfuse", "datadog", "otel", "s3_v2", "gcs_bucket", "lago", "slack", "webhook", "sentry", "helicone"}
    assert not sending & IN_PROCESS


def test_providers_are_litellms_own():
    types = (LITELLM / "types" / "utils.py").read_text().partition("class LlmProviders(")[2].partition("\nclass ")[0]
    enum = set(re.findall(r'= "([^"]+)"', types))
    constants = (LITELLM / "constants.py").read_text()
    listed = constants.partition("openai_compatible_providers: Final[list] = [")[2].partition("\n]")[0]
    json_providers = set(ast.literal_eval((LITELLM / "llms/openai_like/providers.json").read_text().replace(
        "true", "True").replace("false", "False").replace("null", "None")))  # fmt: skip
    known = enum | set(re.findall(r'"([^"]+)"', listed)) | json_providers
    assert set(PATHS) - known == set()
