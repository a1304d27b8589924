"""The table of destination Regions: consistent in itself, and with what botocore knows."""

import botocore.session
import pytest

from common.inference_profiles import COMMERCIAL_REGIONS, PROFILES, bare_id, find, is_profile_id


def test_the_commercial_regions_are_botocores():
    partitions = botocore.session.get_session().get_component("data_loader").load_data("partitions")["partitions"]
    known = next(partition["regions"] for partition in partitions if partition["id"] == "aws")
    assert set(COMMERCIAL_REGIONS) == set(known) - {"aws-global"}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_profile_serves_its_sources_from_existing_regions(profile):
    assert profile.id.endswith("." + profile.foundation_model_id)
    assert profile.destinations
    for source, destinations in profile.destinations.items():
        assert source in destinations
        assert len(set(destinations)) == len(destinations)
        assert {source, *destinations} <= set(COMMERCIAL_REGIONS)


def test_california_is_served_by_itself_too():
    profile = find("us.anthropic.claude-sonnet-4-6")
    assert profile.destinations["us-east-1"] == ("us-east-1", "us-east-2", "us-west-2")
    assert profile.destinations["us-west-1"] == ("us-east-1", "us-east-2", "us-west-1", "us-west-2")


def test_profiles_are_found_by_id_and_by_arn():
    arn = "arn:aws:bedrock:us-east-1:111111111111:inference-profile/us.anthropic.claude-sonnet-4-6"
    assert find(arn) is find("us.anthropic.claude-sonnet-4-6")
    assert find("anthropic.claude-sonnet-4-6") is None
    assert find("us.anthropic.claude-1") is None


@pytest.mark.parametrize(
    ("model_id", "bare", "profile"),
    [
        ("us.anthropic.claude-1", "us.anthropic.claude-1", True),
        ("anthropic.claude-sonnet-4-6", "anthropic.claude-sonnet-4-6", False),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", False),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0", True),
    ],
)
def test_ids_and_arns(model_id, bare, profile):
    assert bare_id(model_id) == bare
    assert is_profile_id(model_id) == profile
