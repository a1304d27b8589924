"""LiteLLM files at random, of many shapes, each with a seed; all that they hold LiteLLM may take."""

import random

ENVIRONMENT = {"RPM": "7", "AWS_REGION": "us-east-1", "MODEL": "bedrock/us.amazon.nova-lite-v1:0", "TEAM": "team"}
ARN = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2"
GROUPS = ["chat", "fast", "team/a", "claude-3.5", "gpt-4o", "é ünï", "bedrock/*", "openai/*", "anthropic.*", "7", "a*b"]
MODELS = [
    "bedrock/us.anthropic.claude-sonnet-4-6", "bedrock/us-east-1/amazon.nova-pro-v1:0", f"bedrock/{ARN}", "gpt-4o",
    "bedrock/converse/us.amazon.nova-lite-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0", "os.environ/MODEL",
    "amazon.nova-lite-v1:0", "openai/gpt-4o-mini", "azure/mine", "bedrock/*", "bedrock/amazon.titan-embed-text-v2:0",
]  # fmt: skip
NUMBERS = [None, 1, 3, "10", 10.0, "os.environ/RPM", 100]


class Writer:
    """Files of many shapes, each with its own seed."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.groups = self.rng.sample(GROUPS, self.rng.randint(1, 5))

    def some(self, **choices):
        return {name: self.rng.choice(values) for name, values in choices.items() if self.rng.random() < 0.3}

    def group(self):
        return self.rng.choice([*self.groups, "nowhere"])

    def fallbacks(self):
        listed = [
            {self.rng.choice([self.group(), "*"]): self.rng.choice([[self.group()], [self.group(), {"model": "chat"}]])}
            for _ in range(self.rng.randint(0, 3))
        ]
        return self.rng.choice([listed, listed, listed, None])

    def entry(self):
        params = self.some(
            rpm=NUMBERS, tpm=NUMBERS, weight=NUMBERS, order=[1, 2, "2"], aws_region_name=["eu-west-1", None],
            aws_profile_name=["one", "os.environ/TEAM"],
        )  # fmt: skip
        return {
            "model_name": self.rng.choice(self.groups),
            "litellm_params": {"model": self.rng.choice(MODELS), **params},
            **self.some(rpm=NUMBERS, model_info=[{}, {"id": "a"}, {"id": 5}, {"mode": "embedding"}]),
        }

    def file(self):
        fallbacks = {"fallbacks": [self.fallbacks()], "default_fallbacks": [None, [], [self.group()]]}
        router = self.some(
            **fallbacks, context_window_fallbacks=[self.fallbacks()], content_policy_fallbacks=[self.fallbacks()],
            model_group_alias=[{"alias": self.group()}, {"alias": {"model": self.group(), "hidden": True}}, None],
            routing_strategy=["simple-shuffle", "least-busy", "latency-based-routing", "cost-based-routing", None],
            enable_pre_call_checks=[True, False, "false", None], num_retries=[0, 2], unheard_of=[1],
        )  # fmt: skip
        return {
            "model_list": [self.entry() for _ in range(self.rng.randint(1, 6))],
            **self.some(
                router_settings=[router] * 3 + [None], litellm_settings=[self.some(**fallbacks), None],
                general_settings=[{"master_key": "sk-abc"}, {}, None], environment_variables=[{"X": 1}, None],
                **{"x-anchor": [{"a": 1}], "new_section": [{"a": 1}, None]},
            ),
        }  # fmt: skip
