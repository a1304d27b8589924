"""What a deployment is called with, and the ids under which the records tell deployments apart."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.litellm.deployments import ModelEntry, filled, with_ids

NOVA = "bedrock/us.amazon.nova-lite-v1:0"
ARN = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2"


def entry(name="a", model=NOVA, **params):
    info = {"id": params.pop("id")} if "id" in params else {}
    return {"model_name": name, "litellm_params": {"model": model, **params}, "model_info": info}


# (a deployment's own, default_litellm_params, its credential's, and what it is called with)
JOINED = {
    "its own": ({"aws_region_name": "own"}, {}, {}, {"aws_region_name": "own"}),
    "a credential adds": ({"aws_region_name": "own"}, {}, {"aws_profile_name": "named"},
                          {"aws_region_name": "own", "aws_profile_name": "named"}),
    "its own before the credential": ({"aws_region_name": "own"}, {}, {"aws_region_name": "named"},
                                      {"aws_region_name": "own"}),
    "defaults before its own": ({"aws_region_name": "own"}, {"aws_region_name": "all"}, {}, {"aws_region_name": "all"}),
    "defaults before the credential": ({}, {"aws_region_name": "all"}, {"aws_region_name": "named"},
                                       {"aws_region_name": "all"}),
    "nothing is no value": ({"aws_region_name": None}, {}, {"aws_region_name": "named"}, {"aws_region_name": "named"}),
    "no default either": ({"aws_region_name": "own"}, {"aws_region_name": None}, {}, {"aws_region_name": "own"}),
    "defaults name the credential": ({"litellm_credential_name": None}, {"litellm_credential_name": "c"},
                                     {"aws_profile_name": "named"}, {"aws_profile_name": "named"}),
}  # fmt: skip


@pytest.mark.parametrize(("own", "defaults", "named", "called"), JOINED.values(), ids=JOINED)
def test_joined_as_litellm_joins_them(monkeypatch, own, defaults, named, called):
    written = entry(**{"litellm_credential_name": "c", **own})
    ours = filled(written, {"c": named}, defaults)["litellm_params"]
    assert {name: value for name, value in ours.items() if name.startswith("aws_")} == called
    assert litellms(monkeypatch, written, named, defaults) == called


def litellms(monkeypatch, written, named, defaults):
    """What LiteLLM's Router gives to its call, and the call adds of the credential."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm
    from litellm.types.utils import CredentialItem
    from litellm.utils import load_credentials_from_list

    given_to_the_call = {}

    async def call(**params):
        given_to_the_call.update(params)
        raise ConnectionError

    monkeypatch.setattr(litellm, "acompletion", call)
    credential = CredentialItem(credential_name="c", credential_info={}, credential_values=named)
    monkeypatch.setattr(litellm, "credential_list", [credential])
    router = litellm.Router(model_list=[written], default_litellm_params=dict(defaults), num_retries=0)
    with pytest.raises(ConnectionError):
        asyncio.run(router.acompletion(model="a", messages=[{"role": "user", "content": "x"}]))
    load_credentials_from_list(given_to_the_call)
    return {name: value for name, value in given_to_the_call.items() if name.startswith("aws_") and value is not None}


def test_defaults_and_credentials_do_not_choose_a_deployment():
    odd = {"model": "openai/x", "rpm": 1, "weight": 2, "order": 3, "custom_llm_provider": "openai"}
    assert filled(entry(litellm_credential_name="c"), {"c": odd}, odd) == entry(litellm_credential_name="c")


@pytest.mark.parametrize(
    ("params", "region"),
    [
        ({}, None),
        ({"model": "bedrock/us-east-1/x.y"}, "us-east-1"),
        ({"model": "bedrock/us-east-1/x.y", "aws_region_name": "eu-west-2"}, "eu-west-2"),
        ({"model": f"bedrock/{ARN}"}, "eu-west-1"),
        ({"model_id": ARN}, "eu-west-1"),
        ({"model_id": ARN, "aws_region_name": "us-west-1"}, "us-west-1"),
        ({"model_id": "us.x.y"}, None),
    ],
)
def test_the_region_that_is_asked(params, region):
    assert ModelEntry.model_validate(entry(**params)).region == region


@pytest.mark.parametrize(
    ("entries", "ids"),
    [
        ([entry("a"), entry("b")], ["a", "b"]),
        ([entry("a"), entry("a")], ["a-1", "a-2"]),
        ([entry("a", id="m"), entry("b", id="m")], ["m", "m-2"]),
        ([entry("a", id="m"), entry("b", id="m"), entry("c", id="m-2")], ["m", "m-3", "m-2"]),
        ([entry("a"), entry("b", id="a")], ["a-2", "a"]),
        ([entry("a", id=5), entry("b", id="5"), entry("c", id=True)], ["5", "5-2", "True"]),
        ([entry("a"), entry("a", id="x"), entry("a")], ["a-1", "x", "a-3"]),
    ],
)
def test_every_deployment_has_an_id_of_its_own(entries, ids):
    assert [name for name, _ in with_ids(map(ModelEntry.model_validate, entries))] == ids


NAMES = st.sampled_from(["a", "a-1", "a-2", "a-1-2", "b"])


@given(st.lists(st.tuples(NAMES, NAMES | st.none()), max_size=12))
def test_ids_never_meet_and_the_first_keeps_its_own(pairs):
    entries = [ModelEntry.model_validate(entry(name, **({"id": own} if own else {}))) for name, own in pairs]
    found = list(with_ids(entries))
    assert [one for _, one in found] == entries
    ids = [name for name, _ in found]
    assert len(set(ids)) == len(ids)
    owned = [own for _, own in pairs if own]
    assert set(owned) <= set(ids)
