"""Providers whose requests LiteLLM sends wherever `api_base` says, and by which variable they are led without one.

Measured with LiteLLM 1.106.2: for each of its 174 providers a chat completion with `api_base`, and one with every
variable of LiteLLM's source that holds an address, at a server on loopback, while connections to anything else were
refused. A provider that is not here ignored the address, asked another machine first, or speaks a protocol that the
embedded side does not (OpenAI's older completions and its Responses API too).
"""

from __future__ import annotations

OPENAI, OPENAI_ROOT, AZURE, ANTHROPIC = "openai/v1", "openai", "azure", "anthropic"

# POST {api_base}/chat/completions in OpenAI's shape, with the key in Authorization.
_CHAT = """
    abliteration ai21 ai21_chat aihubmix aiml aiohttp_openai amazon_nova apertis assemblyai baseten bedrock_mantle
    cerebras charity_engine chutes cloudflare codestral cognition cometapi compactifai cortecs crusoe custom_openai
    darkbloom dashscope databricks deepinfra deepseek docker_model_runner edenai empiriolabs empower featherless_ai
    fireworks_ai friendliai galadriel github gmi groq helicone hosted_vllm hyperbolic inception lambda_ai lemonade
    libertai litellm_proxy llamafile llamagate lm_studio maritalk meta meta_llama minimax mistral modelscope moonshot
    morph nadir nano-gpt nebius neosantara novita nscale nvidia_nim openai openrouter ovhcloud parasail perplexity
    pinstripes poe prism publicai qwen_ai_platform qwencloud reka sail sambanova sarvam scaleway scx-ai synthetic
    tencent tensormesh together_ai v0 veniceai vercel_ai_gateway volcengine wandb xai xiaomi_mimo xinference zai
"""

# Provider → the path, below the embedded side's `_providers/`, that takes the place of its api_base.
PATHS: dict[str, str] = {
    **dict.fromkeys(_CHAT.split(), OPENAI),
    **dict.fromkeys(("heroku", "oobabooga"), OPENAI_ROOT),  # which add /v1/chat/completions
    "azure": AZURE,  # POST {api_base}/openai/deployments/NAME/chat/completions
    "azure_ai": OPENAI,  # but see `gateway.litellm.containment.providers`
    "anthropic": ANTHROPIC,  # POST {api_base}/v1/messages
}

# What answers in LiteLLM's own process: other model groups, which are contained themselves.
IN_PROCESS = frozenset({"auto_router"})

# Variable of an address → the path. Without a wildcard that leaves the provider open, nothing asks for most of them.
_CHAT_VARIABLES = """
    AI21_API_BASE AIML_API_BASE AMAZON_NOVA_API_BASE AZURE_AI_API_BASE BEDROCK_MANTLE_API_BASE CEREBRAS_API_BASE
    CLOUDFLARE_API_BASE CODESTRAL_API_BASE COMETAPI_API_BASE COMETAPI_BASE_URL DASHSCOPE_API_BASE DATABRICKS_API_BASE
    DEEPINFRA_API_BASE DEEPSEEK_API_BASE DOCKER_MODEL_RUNNER_API_BASE EDENAI_API_BASE EMPOWER_API_BASE
    FEATHERLESS_AI_API_BASE FIREWORKS_API_BASE FIREWORKS_AI_API_BASE FRIENDLI_API_BASE GALADRIEL_API_BASE
    GITHUB_API_BASE GROQ_API_BASE HOSTED_VLLM_API_BASE HYPERBOLIC_API_BASE INCEPTION_API_BASE LAMBDA_API_BASE
    LEMONADE_API_BASE LITELLM_PROXY_API_BASE LLAMAFILE_API_BASE LLAMA_API_BASE LM_STUDIO_API_BASE MARITALK_API_BASE
    MINIMAX_API_BASE MISTRAL_API_BASE MISTRAL_AZURE_API_BASE MODELSCOPE_API_BASE MOONSHOT_API_BASE MORPH_API_BASE
    NADIR_API_BASE NEBIUS_API_BASE NOVITA_API_BASE NSCALE_API_BASE NVIDIA_NIM_API_BASE OPENAI_API_BASE OPENAI_BASE_URL
    OPENROUTER_API_BASE OVHCLOUD_API_BASE PERPLEXITY_API_BASE QWENCLOUD_API_BASE QWEN_AI_PLATFORM_API_BASE
    SAMBANOVA_API_BASE TENCENT_API_BASE TOGETHER_AI_API_BASE V0_API_BASE VERCEL_AI_GATEWAY_API_BASE VOLCENGINE_API_BASE
    WANDB_API_BASE XAI_API_BASE ZAI_API_BASE
"""
VARIABLES: dict[str, str] = {
    **dict.fromkeys(_CHAT_VARIABLES.split(), OPENAI),
    "AZURE_API_BASE": AZURE,
    "ANTHROPIC_API_BASE": ANTHROPIC,
    "ANTHROPIC_BASE_URL": ANTHROPIC,
    "HEROKU_API_BASE": OPENAI_ROOT,
}

# The keys without which LiteLLM would not send a request of a wildcard at all.
_KEYED = """
    AI21 AIML AMAZON_NOVA ANTHROPIC AZURE AZURE_AI CEREBRAS CLOUDFLARE CODESTRAL COMETAPI DASHSCOPE DATABRICKS DEEPINFRA
    DEEPSEEK EDENAI EMPOWER FEATHERLESS_AI FIREWORKS FRIENDLIAI GALADRIEL GITHUB GROQ HEROKU HOSTED_VLLM HYPERBOLIC
    INCEPTION LAMBDA LLAMA MARITALK MINIMAX MISTRAL MOONSHOT MORPH NEBIUS NOVITA NSCALE NVIDIA_NIM OPENAI OPENROUTER
    OVHCLOUD PERPLEXITYAI SAMBANOVA TOGETHERAI V0 VERCEL_AI_GATEWAY VOLCENGINE WANDB XAI ZAI
"""
KEYS = tuple(f"{name}_API_KEY" for name in _KEYED.split())
