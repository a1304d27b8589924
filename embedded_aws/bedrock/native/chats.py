"""Bodies that take messages: OpenAI's chat completions, Mistral's, and Cohere Command R's.

Source: Amazon Bedrock User Guide, "Inference request parameters and response fields for foundation models": the pages
of each maker.
"""

from __future__ import annotations

from embedded_aws.bedrock.bodies import Reply
from embedded_aws.bedrock.native.format import Json, NativeFormat, Wish, ended, required_text, texts_of_messages

# --- OpenAI: gpt-oss, and the makers who took its body over ------------------------------------------------------


def _openai_whole(reply: Reply) -> Json:
    message = {"role": "assistant", "content": reply.answer.text}
    return {
        "id": f"chatcmpl-{reply.request_id}",
        "object": "chat.completion",
        "model": reply.model_id,
        "choices": [{"index": 0, "message": message, "finish_reason": ended(reply, "stop", "length")}],
        "usage": {
            "prompt_tokens": reply.input_tokens,
            "completion_tokens": reply.output_tokens,
            "total_tokens": reply.input_tokens + reply.output_tokens,
        },
    }


def _openai_piece(reply: Reply, text: str, last: bool) -> Json:
    choice = {
        "index": 0,
        "delta": {} if last else {"role": "assistant", "content": text},
        "finish_reason": ended(reply, "stop", "length") if last else None,
    }
    return {
        "id": f"chatcmpl-{reply.request_id}",
        "object": "chat.completion.chunk",
        "model": reply.model_id,
        "choices": [choice],
    }


def _openai_wish(content: Json) -> Wish:
    limit = content.get("max_completion_tokens", content.get("max_tokens"))
    return Wish(texts_of_messages(content), limit, content.get("stop"))


OPENAI = NativeFormat(_openai_wish, _openai_whole, _openai_piece)


# --- Mistral Large 24.07 and what came after it -------------------------------------------------------------------


def _mistral_piece(reply: Reply, text: str, last: bool) -> Json:
    """AWS documents `stop_reason`; gateways read `finish_reason`, as Mistral's own API has it."""
    reason = ended(reply, "stop", "length") if last else None
    message = {"role": "assistant", "content": text}
    return {"choices": [{"index": 0, "message": message, "stop_reason": reason, "finish_reason": reason}]}


def _mistral_wish(content: Json) -> Wish:
    """A prompt is taken as well: gateways send one to all of Mistral's models."""
    prompt = required_text(content, "prompt") if "prompt" in content else texts_of_messages(content)
    return Wish(prompt, content.get("max_tokens"), content.get("stop"))


MISTRAL_CHAT = NativeFormat(_mistral_wish, lambda reply: _mistral_piece(reply, reply.answer.text, True), _mistral_piece)


# --- Cohere Command R ---------------------------------------------------------------------------------------------


def _cohere_whole(reply: Reply) -> Json:
    return {
        "response_id": reply.request_id,
        "text": reply.answer.text,
        "generation_id": reply.request_id,
        "chat_history": [],
        "finish_reason": ended(reply, "COMPLETE", "MAX_TOKENS"),
    }


def _cohere_piece(reply: Reply, text: str, last: bool) -> Json:
    if last:
        return {
            "event_type": "stream-end",
            "is_finished": True,
            "finish_reason": ended(reply, "COMPLETE", "MAX_TOKENS"),
            "response": _cohere_whole(reply),
        }
    return {"event_type": "text-generation", "text": text, "is_finished": False}


COHERE_CHAT = NativeFormat(
    lambda content: Wish(required_text(content, "message"), content.get("max_tokens"), content.get("stop_sequences")),
    _cohere_whole,
    _cohere_piece,
)
