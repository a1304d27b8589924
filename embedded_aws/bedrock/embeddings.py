"""InvokeModel for embedding models: Titan's, Cohere's, Nova's and Marengo's bodies. Pure; the same text has the same
vector.

Source: Amazon Bedrock User Guide, "Amazon Titan Embeddings Text", "Amazon Titan Multimodal Embeddings G1",
"Cohere Embed", "TwelveLabs Marengo Embed"; Amazon Nova User Guide, "Embeddings".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any
from zlib import crc32

from embedded_aws.bedrock.bodies import invalid, too_many_tokens
from embedded_aws.bedrock.language import count_tokens
from embedded_aws.bedrock.native.format import Json, malformed, required_text
from embedded_aws.bedrock.nova import read_body

_MAX_TEXTS = 96  # in one request to Cohere
_MAX_CHARACTERS = 2_048  # of each, for its v3 models


@dataclass(frozen=True)
class Embedding:
    """What is asked, and what is answered."""

    body: Json
    input_tokens: int
    response: Json


def embed(model_id: str, body: bytes, request_id: str, max_input_tokens: int) -> Embedding:
    """Raises AwsError for a body that the model does not take."""
    content = read_body(body)
    answer = next(answer for start, answer in _ANSWERS.items() if model_id.startswith(start))
    tokens, response = answer(model_id, content)
    if tokens > max_input_tokens and not model_id.startswith("cohere."):
        raise invalid(too_many_tokens(tokens, max_input_tokens))
    return Embedding(content, tokens, {"id": request_id, **response} if model_id.startswith("cohere.") else response)


# --- each maker's body: (model id, body) → tokens, response ---------------------------------------------------------


def _titan_text(model_id: str, content: Json) -> tuple[int, Json]:
    text = required_text(content, "inputText")
    size = _size(content.get("dimensions"), (1024, 512, 256)) if "-v2" in model_id else 1536
    numbers, tokens = vector(text, size), count_tokens(text)
    response: Json = {"embedding": numbers, "inputTextTokenCount": tokens}
    if kinds := content.get("embeddingTypes"):
        response["embeddingsByType"] = {kind: _of_kind(numbers, kind) for kind in _kinds(kinds)}
    return tokens, response


def _titan_image(model_id: str, content: Json) -> tuple[int, Json]:
    text, image = content.get("inputText") or "", content.get("inputImage") or ""
    if not isinstance(text, str) or not isinstance(image, str) or not text + image:
        raise malformed("#: required key [inputText] not found")
    config = content.get("embeddingConfig")
    size = _size((config if isinstance(config, dict) else {}).get("outputEmbeddingLength"), (1024, 384, 256))
    tokens = count_tokens(text)
    return tokens, {"embedding": vector(text + image, size), "inputTextTokenCount": tokens, "message": None}


def _cohere(model_id: str, content: Json) -> tuple[int, Json]:
    texts = content.get("texts")
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise malformed("#: required key [texts] not found")
    required_text(content, "input_type")
    if len(texts) > _MAX_TEXTS:
        raise malformed(f"#/texts: expected maximum item count: {_MAX_TEXTS}, found: {len(texts)}")
    newest = "-v3" not in model_id
    for number, text in enumerate(texts):
        if not newest and len(text) > _MAX_CHARACTERS and content.get("truncate", "NONE") == "NONE":
            raise malformed(f"#/texts/{number}: expected maxLength: {_MAX_CHARACTERS}, actual: {len(text)}")
    size = _size(content.get("output_dimension"), (1536, 1024, 512, 256)) if newest else 1024
    vectors = [vector(text, size) for text in texts]
    response: Json = {"response_type": "embeddings_floats", "embeddings": vectors, "texts": texts}
    if kinds := content.get("embedding_types"):
        by_kind = {kind: [_of_kind(numbers, kind) for numbers in vectors] for kind in _kinds(kinds)}
        response |= {"response_type": "embeddings_by_type", "embeddings": by_kind}
    return sum(map(count_tokens, texts)), response


def _nova(model_id: str, content: Json) -> tuple[int, Json]:
    asked = content.get("singleEmbeddingParams")
    if not isinstance(asked, dict):
        raise malformed("#: required key [singleEmbeddingParams] not found")
    text = asked.get("text")
    medium = next((name for name in ("text", "image", "video", "audio") if isinstance(asked.get(name), dict)), None)
    if medium is None or (medium == "text" and not isinstance(text, dict)):
        raise malformed("#/singleEmbeddingParams: required key [text] not found")
    value = required_text(asked["text"], "value") if medium == "text" else str(asked[medium])
    size = _size(asked.get("embeddingDimension"), (3072, 1024, 384, 256))
    embedding = {"embeddingType": medium.upper(), "embedding": vector(value, size)}
    return count_tokens(value) if medium == "text" else 0, {"embeddings": [embedding]}


def _marengo(model_id: str, content: Json) -> tuple[int, Json]:
    kind = required_text(content, "inputType")
    within = content.get(kind)
    value = (within if isinstance(within, Mapping) else content).get("inputText")
    text = value if isinstance(value, str) else ""
    if kind == "text" and not text:
        raise malformed("#: required key [inputText] not found")
    size = 512 if "marengo-embed-3" in model_id else 1024
    return count_tokens(text), {"data": [{"embedding": vector(text or str(content), size)}]}


_ANSWERS: Mapping[str, Callable[[str, Json], tuple[int, Json]]] = {
    "amazon.titan-embed-image": _titan_image,
    "amazon.titan": _titan_text,
    "cohere.": _cohere,
    "amazon.nova": _nova,
    "twelvelabs.": _marengo,
    "": _titan_text,  # a model that only embedded.yaml knows
}


# --- vectors --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def vector(text: str, size: int) -> list[float]:
    """Of length 1."""
    rng = Random(crc32(text.encode(errors="replace")))
    numbers = [rng.gauss(0, 1) for _ in range(size)]
    length = math.sqrt(sum(number * number for number in numbers))
    return [number / length for number in numbers]


def _size(asked: Any, allowed: Sequence[int]) -> int:
    """The first where nothing is asked for."""
    if asked is None:
        return allowed[0]
    if asked not in allowed:
        raise malformed(f"#/dimensions: {asked!r} is not a valid enum value, supported are {sorted(allowed)}")
    return int(asked)


_KINDS = ("float", "int8", "uint8", "binary", "ubinary")


def _kinds(asked: Any) -> list[str]:
    if not isinstance(asked, list) or any(kind not in _KINDS for kind in asked):
        raise malformed(f"#/embedding_types: supported are {', '.join(_KINDS)}")
    return asked


def _of_kind(numbers: Sequence[float], kind: str) -> Sequence[float]:
    """A vector in whole numbers of eight bits, or in one bit a number, as its kind says."""
    if kind == "float":
        return numbers
    if kind in ("int8", "uint8"):
        shift = 128 if kind == "uint8" else 0
        return [round(127 * number) + shift for number in numbers]
    bits = [number > 0 for number in numbers]
    packed = [sum(bit << (7 - place) for place, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8)]
    return packed if kind == "ubinary" else [byte - 128 for byte in packed]
