"""Bodies that take one prompt: Llama, Mistral's first models, Titan, Cohere Command, DeepSeek, Jurassic, Claude 2.

Source: Amazon Bedrock User Guide, "Inference request parameters and response fields for foundation models": the pages
of each maker.
"""

from __future__ import annotations

from embedded_aws.bedrock.bodies import Reply
from embedded_aws.bedrock.native.format import Json, NativeFormat, Wish, ended, required_text

# --- Meta Llama ---------------------------------------------------------------------------------------------------


def _llama_piece(reply: Reply, text: str, last: bool) -> Json:
    return {
        "generation": text,
        "prompt_token_count": reply.input_tokens,
        "generation_token_count": reply.output_tokens,
        "stop_reason": ended(reply, "stop", "length") if last else None,
    }


LLAMA = NativeFormat(
    lambda content: Wish(required_text(content, "prompt"), content.get("max_gen_len")),
    lambda reply: _llama_piece(reply, reply.answer.text, True),
    _llama_piece,
)


# --- Mistral 7B, Mixtral, and the 24.02 models --------------------------------------------------------------------


def _mistral_piece(reply: Reply, text: str, last: bool) -> Json:
    return {"outputs": [{"text": text, "stop_reason": ended(reply, "stop", "length") if last else None}]}


def _prompt(content: Json) -> Wish:
    return Wish(required_text(content, "prompt"), content.get("max_tokens"), content.get("stop"))


MISTRAL = NativeFormat(_prompt, lambda reply: _mistral_piece(reply, reply.answer.text, True), _mistral_piece)


# --- DeepSeek R1 and V3.1 -----------------------------------------------------------------------------------------


def _deepseek_piece(reply: Reply, text: str, last: bool) -> Json:
    return {"choices": [{"text": text, "stop_reason": ended(reply, "stop", "length") if last else None}]}


DEEPSEEK = NativeFormat(_prompt, lambda reply: _deepseek_piece(reply, reply.answer.text, True), _deepseek_piece)


# --- Amazon Titan text --------------------------------------------------------------------------------------------


def _titan_wish(content: Json) -> Wish:
    config = content.get("textGenerationConfig")
    settings = config if isinstance(config, dict) else {}
    return Wish(required_text(content, "inputText"), settings.get("maxTokenCount"), settings.get("stopSequences"))


def _titan_whole(reply: Reply) -> Json:
    result = {
        "tokenCount": reply.output_tokens,
        "outputText": reply.answer.text,
        "completionReason": ended(reply, "FINISH", "LENGTH"),
    }
    return {"inputTextTokenCount": reply.input_tokens, "results": [result]}


def _titan_piece(reply: Reply, text: str, last: bool) -> Json:
    return {
        "outputText": text,
        "index": 0,
        "totalOutputTextTokenCount": reply.output_tokens if last else None,
        "completionReason": ended(reply, "FINISH", "LENGTH") if last else None,
        "inputTextTokenCount": reply.input_tokens,
    }


TITAN = NativeFormat(_titan_wish, _titan_whole, _titan_piece)


# --- Cohere Command -----------------------------------------------------------------------------------------------


def _cohere_whole(reply: Reply) -> Json:
    generation = {
        "id": reply.request_id,
        "text": reply.answer.text,
        "finish_reason": ended(reply, "COMPLETE", "MAX_TOKENS"),
    }
    return {"id": reply.request_id, "generations": [generation]}


def _cohere_piece(reply: Reply, text: str, last: bool) -> Json:
    if last:
        return {"is_finished": True, "finish_reason": ended(reply, "COMPLETE", "MAX_TOKENS")}
    return {"text": text, "is_finished": False}


COHERE = NativeFormat(
    lambda content: Wish(required_text(content, "prompt"), content.get("max_tokens"), content.get("stop_sequences")),
    _cohere_whole,
    _cohere_piece,
)


# --- AI21 Jurassic-2 ----------------------------------------------------------------------------------------------


def _jurassic_piece(reply: Reply, text: str, last: bool) -> Json:
    reason = {"reason": ended(reply, "endoftext", "length") if last else None}
    return {"id": reply.request_id, "completions": [{"data": {"text": text}, "finishReason": reason}]}


JURASSIC = NativeFormat(
    lambda content: Wish(required_text(content, "prompt"), content.get("maxTokens"), content.get("stopSequences")),
    lambda reply: _jurassic_piece(reply, reply.answer.text, True),
    _jurassic_piece,
)


# --- Anthropic Claude 2 and Instant: Text Completions -------------------------------------------------------------


def _claude_piece(reply: Reply, text: str, last: bool) -> Json:
    reason = ended(reply, "stop_sequence", "max_tokens") if last else None
    return {"type": "completion", "completion": text, "stop_reason": reason, "stop": None}


CLAUDE_TEXT = NativeFormat(
    lambda content: Wish(
        required_text(content, "prompt"), content.get("max_tokens_to_sample"), content.get("stop_sequences")
    ),
    lambda reply: _claude_piece(reply, reply.answer.text, True),
    _claude_piece,
)
