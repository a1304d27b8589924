"""Writes table.tsv anew: Bedrock's models with their limits, from LiteLLM's price list.

    uv run python -m embedded_aws.models.update

The embedded AWS reads the table only; nothing of LiteLLM's is imported where it runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("table.tsv")
PRICE_LIST = "model_prices_and_context_window_backup.json"
_PROVIDERS = ("bedrock", "bedrock_converse")
_MODES = ("chat", "embedding")
_MODEL = re.compile(
    r"(?:[a-z-]+\.)?((?:ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshot|moonshotai|nvidia|"
    r"openai|qwen|twelvelabs|writer|xai|zai)\.[\w.:-]+)"
)


def lines(price_list: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The table's lines; limits that the list does not give are empty. A model's own entry wins over a profile's."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, entry in sorted(price_list.items()):
        if entry.get("litellm_provider") not in _PROVIDERS or entry.get("mode") not in _MODES:
            continue
        if match := _MODEL.fullmatch(name.rpartition("/")[2]):
            model = match[1]
            found[model] = entry if name == model else found.get(model, entry)
    yield f"# Bedrock's models, of LiteLLM {version('litellm')}'s price list. Written by update.py.\n"
    yield "id\tmode\tmax_input_tokens\tmax_output_tokens\n"
    for name, entry in sorted(found.items()):
        limits = (entry.get("max_input_tokens"), entry.get("max_output_tokens"))
        yield "\t".join([name, entry["mode"], *("" if limit is None else str(int(limit)) for limit in limits)]) + "\n"


def price_list() -> Mapping[str, Mapping[str, Any]]:
    """LiteLLM's own file, found without importing LiteLLM, which takes seconds."""
    spec = find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    content: Mapping[str, Mapping[str, Any]] = json.loads(
        Path(spec.origin).with_name(PRICE_LIST).read_text(encoding="utf-8")
    )
    return content


if __name__ == "__main__":
    TABLE.write_text("".join(lines(price_list())), encoding="utf-8")
