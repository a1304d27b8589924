"""Other providers of models than Bedrock, as far as a gateway falls back to them: OpenAI, Azure OpenAI, Anthropic.

They speak their own protocols under /_providers/ on the embedded AWS's port. Faults and latencies are the world's.
"""
