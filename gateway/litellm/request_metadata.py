"""Which deployments carry `requestMetadata` from a request into Bedrock's invocation log. Others refuse it.

Converse has such a member; InvokeModel's bodies have none, nor have other providers'. Source: LiteLLM 1.106.2,
`llms/bedrock/common_utils.py` (`get_bedrock_route`).
"""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from gateway.litellm.model_id import BEDROCK, ModelName

_PRICE_LIST = "model_prices_and_context_window_backup.json"
_LIST = re.compile(r"^BEDROCK_CONVERSE_MODELS[^=]*= (\[.*?\])", re.DOTALL | re.MULTILINE)
_GEOGRAPHY = re.compile(r"(us|us-gov|eu|apac|jp|au|ca|sa|global)\.")


def takes(name: ModelName) -> bool:
    """Whether LiteLLM asks Converse for it; False where that is not sure."""
    if name.provider != BEDROCK or name.wildcard:
        return False
    if name.route or name.looks_like:
        return name.route == "converse" or (not name.route and name.looks_like in ("nova", "nova-2"))
    if ":application-inference-profile/" in name.id:
        return True
    bare = name.id.rpartition("/")[2]
    return not _on_converse().isdisjoint((bare, _GEOGRAPHY.sub("", bare, count=1)))


@cache
def _on_converse() -> frozenset[str]:
    """The models that LiteLLM asks Converse for by itself: its list, and those that its price list says are there.

    Read as text, for importing LiteLLM takes seconds. What is not found there is not sent the member.
    """
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        return frozenset()
    folder = Path(spec.origin).parent
    priced = json.loads((folder / _PRICE_LIST).read_text(encoding="utf-8"))
    written = _LIST.search((folder / "constants.py").read_text(encoding="utf-8"))
    return frozenset(
        [
            *(ast.literal_eval(written[1]) if written else ()),
            *(name for name, entry in priced.items() if entry.get("litellm_provider") == "bedrock_converse"),
        ]
    )
