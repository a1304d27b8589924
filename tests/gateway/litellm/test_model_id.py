"""What a deployment's `model` says. The ids and Regions are those that LiteLLM 1.106.2 sent, seen on the wire."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.litellm.model_id import account_of_arn, parse, region_of_arn

PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2"
IMPORTED = "arn:aws:bedrock:us-east-1:123456789012:imported-model/r4c4"
GOV = "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.anthropic.claude-3-5-sonnet"

# (model, the id in the request's path, the Region that it names)
BEDROCK = [
    ("bedrock/us.amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0", None),
    ("bedrock/global.anthropic.claude-opus-4-6-v1", "global.anthropic.claude-opus-4-6-v1", None),
    ("bedrock/us-east-1/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", "us-east-1"),
    ("bedrock/us-gov-west-1/anthropic.claude-3-5-sonnet-20240620-v1:0", "anthropic.claude-3-5-sonnet-20240620-v1:0",
     "us-gov-west-1"),
    ("bedrock/converse/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", None),
    ("bedrock/invoke/anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-3-haiku-20240307-v1:0", None),
    ("bedrock/converse/eu-west-3/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", "eu-west-3"),
    ("bedrock/eu-west-3/converse/amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", "eu-west-3"),
    (f"bedrock/{PROFILE}", PROFILE, "eu-west-1"),
    (f"bedrock/converse/{PROFILE}", PROFILE, "eu-west-1"),
    (f"bedrock/{GOV}", GOV, "us-gov-west-1"),
    ("bedrock/arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
     "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "us-east-1"),
    *((f"bedrock/{like}/{IMPORTED}", IMPORTED, "us-east-1") for like in ("llama", "deepseek_r1", "qwen3", "openai")),
    ("bedrock/openai.gpt-oss-120b-1:0", "openai.gpt-oss-120b-1:0", None),
    ("bedrock/amazon.nova-lite-v1:0:24k", "amazon.nova-lite-v1:0:24k", None),
    ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0", None),
    ("amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v2:0", None),
    ("bedrock/*", "*", None),
    ("bedrock/anthropic.*", "anthropic.*", None),
]  # fmt: skip


@pytest.mark.parametrize(("model", "model_id", "region"), BEDROCK)
def test_bedrock(model, model_id, region):
    name = parse(model)
    assert (name.provider, name.id, name.region) == ("bedrock", model_id, region)
    assert name.wildcard == ("*" in model)


@pytest.mark.parametrize(
    ("model", "provider", "found", "model_id"),
    [
        ("openai/gpt-4o", None, "openai", "gpt-4o"),
        ("gpt-4o", None, "openai", "gpt-4o"),
        ("azure/my/deployment", None, "azure", "my/deployment"),
        ("claude-3-5-sonnet-20241022", None, "anthropic", "claude-3-5-sonnet-20241022"),
        ("claude-sonnet-4-5-20250929-v1:0", None, "bedrock", "claude-sonnet-4-5-20250929-v1:0"),
        ("us.amazon.nova-lite-v1:0", "bedrock", "bedrock", "us.amazon.nova-lite-v1:0"),
        ("us-west-2/amazon.nova-lite-v1:0", "bedrock", "bedrock", "amazon.nova-lite-v1:0"),
        ("bedrock/us.amazon.nova-lite-v1:0", "bedrock", "bedrock", "us.amazon.nova-lite-v1:0"),
        ("gpt-4o", "azure", "azure", "gpt-4o"),
        ("azure/gpt-4o", "azure", "azure", "gpt-4o"),
        ("nobody-knows", None, "", "nobody-knows"),
    ],
)
def test_providers(model, provider, found, model_id):
    name = parse(model, provider)
    assert (name.provider, name.id) == (found, model_id)


@pytest.mark.parametrize(
    ("arn", "region", "account"),
    [
        (PROFILE, "eu-west-1", "123456789012"),
        ("arn:aws:bedrock:us-east-1::foundation-model/x", "us-east-1", None),
        ("arn:aws:iam::123456789012:role/gateway", None, "123456789012"),
        ("arn:aws:iam::12345:role/gateway", None, None),
        ("us.amazon.nova-lite-v1:0", None, None),
        ("arn:aws", None, None),
        ("", None, None),
    ],
)
def test_arns(arn, region, account):
    assert (region_of_arn(arn), account_of_arn(arn)) == (region, account)


IDS = st.from_regex(r"[a-z]{2,9}\.[a-z0-9][a-z0-9.:-]{0,20}", fullmatch=True)
REGIONS = st.sampled_from(["us-east-1", "eu-central-2", "ap-southeast-4", "us-gov-west-1"])


@given(IDS, REGIONS | st.none(), st.sampled_from(["converse", "invoke", ""]), st.booleans())
def test_an_id_is_found_behind_its_route_and_region(model_id, region, route, region_first):
    before = [part for part in ((region, route) if region_first else (route, region)) if part]
    name = parse("/".join(["bedrock", *before, model_id]))
    assert (name.provider, name.id, name.region, name.route) == ("bedrock", model_id, region, route)


@given(
    st.text() | st.lists(st.sampled_from(["bedrock", "converse", "us-east-1", "arn:", "x.y", "", "*"])).map("/".join)
)
def test_any_text_is_parsed_and_nothing_is_invented(text):
    for provider in (None, "bedrock", "openai"):
        name = parse(text, provider)
        assert text.endswith(name.id)
        assert name.region is None or name.region in text


KNOWN = """
import os, sys
import litellm
from gateway.litellm.model_id import parse

for model in sorted({*litellm.bedrock_models, *litellm.bedrock_converse_models}):
    if "/" not in model and parse(model).provider != "bedrock":
        print("not found to be Bedrock's:", model)
for provider, models in litellm.models_by_provider.items():
    for model in models:
        if not provider.startswith("bedrock") and parse(model).provider == "bedrock":
            if litellm.get_llm_provider(model)[1] != "bedrock":
                print("taken for Bedrock's:", provider, model)
"""


def test_names_without_a_provider_are_bedrocks_where_litellm_says_so():
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    ended = subprocess.run([sys.executable, "-c", KNOWN], capture_output=True, text=True, env=environment, check=True)
    assert ended.stdout == ""
