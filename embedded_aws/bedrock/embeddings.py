"""InvokeModel for embedding models: Titan's and Cohere's bodies. Pure; the same text has the same vector.

Source: Amazon Bedrock User Guide, "Amazon Titan Embeddings Text" and "Cohere Embed".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any
from zlib import crc32

from embedded_aws.bedrock.bodies import invalid
from embedded_aws.bedrock.language import count_tokens
from embedded_aws.bedrock.nova import read_body

_DIMENSIONS = {"amazon.titan-embed-text-v1": 1536, "amazon.titan-embed-g1-text-02": 1536, "cohere.embed-v4:0": 1536}
_MALFORMED = "Malformed input request: {}, please reformat your input and try again."


@dataclass(frozen=True)
class Embedding:
    """What is asked, and what is answered."""

    body: dict[str, Any]
    input_tokens: int
    response: dict[str, Any]


def embed(model_id: str, body: bytes, request_id: str) -> Embedding:
    """Raises AwsError for a body that the model does not take."""
    content = read_body(body)
    size = content.get("dimensions") or content.get("output_dimension") or _DIMENSIONS.get(model_id, 1024)
    if type(size) is not int or not 1 <= size <= 4096:
        raise invalid(_MALFORMED.format("#/dimensions: is not a supported number of dimensions"))
    if model_id.startswith("cohere."):
        texts = content.get("texts")
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise invalid(_MALFORMED.format("#: required key [texts] not found"))
        vectors = [vector(text, size) for text in texts]
        response = {"id": request_id, "response_type": "embeddings_floats", "embeddings": vectors, "texts": texts}
        return Embedding(content, sum(map(count_tokens, texts)), response)
    text = content.get("inputText")
    if not isinstance(text, str) or not text:
        raise invalid(_MALFORMED.format("#: required key [inputText] not found"))
    tokens = count_tokens(text)
    return Embedding(content, tokens, {"embedding": vector(text, size), "inputTextTokenCount": tokens})


@lru_cache(maxsize=256)
def vector(text: str, size: int) -> list[float]:
    """Of length 1."""
    rng = Random(crc32(text.encode(errors="replace")))
    numbers = [rng.gauss(0, 1) for _ in range(size)]
    length = math.sqrt(sum(number * number for number in numbers))
    return [number / length for number in numbers]
