"""Filling the policy templates."""

import pytest

from common.inference_profiles import PROFILES
from common.least_privilege import fill, policy, trust_policy
from embedded_aws.auth.iam import Policy


def statements(**given):
    filled = policy(**{"account_id": "111111111111", "log_group": "/g", "uses": []} | given)
    Policy.parse(filled)
    assert "${" not in str(filled)
    return {statement["Sid"]: statement for statement in filled["Statement"]}


def test_a_profile_names_itself_its_models_and_its_logs():
    made = statements(uses=[("us-west-1", "us.anthropic.claude-sonnet-4-6")])
    profile = "arn:aws:bedrock:us-west-1:111111111111:inference-profile/us.anthropic.claude-sonnet-4-6"
    assert made["CallInferenceProfiles"]["Resource"] == [profile]
    assert made["ServeThemInEveryDestinationRegion"]["Resource"] == [
        f"arn:aws:bedrock:{region}::foundation-model/anthropic.claude-sonnet-4-6"
        for region in ("us-east-1", "us-east-2", "us-west-1", "us-west-2")
    ]
    condition = {"ArnLike": {"bedrock:InferenceProfileArn": [profile]}}
    assert made["ServeThemInEveryDestinationRegion"]["Condition"] == condition
    assert made["QueryInvocationLogs"]["Resource"] == [
        "arn:aws:logs:us-west-1:111111111111:log-group:/g",
        "arn:aws:logs:us-west-1:111111111111:log-group:/g:*",
    ]
    assert set(made) == {
        "CallInferenceProfiles",
        "ServeThemInEveryDestinationRegion",
        "QueryInvocationLogs",
        "ReadQueryResults",
    }


def test_a_global_profile_is_allowed_here_and_without_a_region():
    made = statements(uses=[("eu-west-1", "global.anthropic.claude-sonnet-4-6")])
    assert made["ServeThemInEveryDestinationRegion"]["Resource"] == [
        "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-sonnet-4-6",
        "arn:aws:bedrock:::foundation-model/anthropic.claude-sonnet-4-6",
    ]


def test_a_foundation_model_needs_no_profile():
    made = statements(uses=[("us-east-1", "amazon.nova-lite-v1:0")])
    model = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"
    assert made["CallFoundationModels"]["Resource"] == [model]
    assert "CallInferenceProfiles" not in made


def test_roles_alone_need_nothing_else_of_this_account():
    role = "arn:aws:iam::222222222222:role/R"
    made = statements(role_arns=[role])
    assert made["AssumeRolesOfOtherAccounts"]["Resource"] == [role]
    assert "QueryInvocationLogs" not in made


def test_uses_are_named_once_however_often_they_occur():
    use = ("us-east-1", "us.anthropic.claude-sonnet-4-6")
    arn = "arn:aws:bedrock:us-east-1:111111111111:inference-profile/us.anthropic.claude-sonnet-4-6"
    once, twice = statements(uses=[use]), statements(uses=[use, use, (use[0], arn)])
    assert once == twice


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_known_profile_can_be_granted_from_every_source(profile):
    made = statements(uses=[(region, profile.id) for region in profile.destinations])
    assert len(made["CallInferenceProfiles"]["Resource"]) == len(profile.destinations)


@pytest.mark.parametrize(
    ("use", "complaint"),
    [
        (("us-east-1", "us.anthropic.claude-1"), r"'us\.anthropic\.claude-1' is not known: add it"),
        (("eu-west-1", "us.anthropic.claude-sonnet-4-6"), r"cannot be called from 'eu-west-1', only from: us-east-1"),
    ],
)
def test_a_profile_that_cannot_be_used_is_an_error(use, complaint):
    with pytest.raises(ValueError, match=complaint):
        policy(account_id="111111111111", log_group="/g", uses=[use])


def test_a_misspelt_placeholder_is_an_error():
    template = {"Version": "2012-10-17", "Statement": [{"Resource": "arn:aws:x:${REGOIN}"}]}
    with pytest.raises(ValueError, match=r"\$\{REGOIN\} in 'arn:aws:x:\$\{REGOIN\}' is not a placeholder"):
        fill(template, [{"REGION": "us-east-1"}])


def test_the_trust_policy_names_its_principal():
    filled = trust_policy("arn:aws:iam::111111111111:user/one")
    assert filled["Statement"][0]["Principal"] == {"AWS": ["arn:aws:iam::111111111111:user/one"]}
    Policy.parse_trust(filled)
