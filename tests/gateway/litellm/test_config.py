"""A plain LiteLLM file is enough: what nobody says of AWS is inferred, and variables are resolved where we read."""

import pytest
import yaml

from common.yaml_file import ConfigError
from gateway.litellm.config import load_config
from gateway.litellm.rendering import litellm_file

NOVA = "bedrock/us.amazon.nova-lite-v1:0"


def written(tmp_path, content, **environment):
    path = tmp_path / "c.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    return load_config(path, environment=environment)


def deployments(*params, **sections):
    listed = [{"model_name": "chat", "litellm_params": {"model": NOVA, **one}} for one in params]
    return {"model_list": listed, **sections}


def test_a_plain_file(tmp_path):
    config = written(tmp_path, deployments({}))
    aws = config.aws
    assert (aws.profile_name, aws.secondary_profile_name, aws.region_name) == ("default", None, "us-east-1")
    assert (aws.bedrock_log_group_name, config.litellm.port) == ("/aws/bedrock/modelinvocations", 4000)
    assert not config.aws_said
    assert not config.region_said
    assert config.cris is None


# (deployments, the aws section, the environment, and the profile, the second one and the Region)
INFERRED = [
    ([{}], {}, {"AWS_PROFILE": "mine", "AWS_REGION": "eu-west-1"}, ("mine", None, "eu-west-1")),
    ([{"aws_profile_name": "one"}], {}, {"AWS_PROFILE": "mine"}, ("one", None, "us-east-1")),
    ([{"aws_profile_name": "one"}, {"aws_profile_name": "one"}, {"aws_profile_name": "two"}], {}, {},
     ("one", "two", "us-east-1")),
    ([{"aws_profile_name": "one"}, {"aws_profile_name": "two"}], {"profile_name": "two"}, {},
     ("two", "one", "us-east-1")),
    ([{"aws_profile_name": "one"}], {"secondary_profile_name": "z"}, {}, ("one", "z", "us-east-1")),
    ([{"aws_region_name": "eu-west-3"}], {}, {"AWS_REGION": "eu-west-1"}, ("default", None, "eu-west-3")),
    ([{"model": "bedrock/ap-south-1/x.y"}], {}, {}, ("default", None, "ap-south-1")),
    ([{"model": "openai/x", "aws_region_name": "eu-west-3", "aws_profile_name": "no"}], {}, {},
     ("default", None, "us-east-1")),
    ([{}], {"region_name": "sa-east-1"}, {"AWS_REGION": "eu-west-1"}, ("default", None, "sa-east-1")),
    ([{}], {}, {"AWS_DEFAULT_REGION": "a-b-3", "AWS_REGION": "a-b-2", "AWS_REGION_NAME": "a-b-1"},
     ("default", None, "a-b-1")),
    ([{}], {}, {"AWS_DEFAULT_REGION": "a-b-3", "AWS_REGION": ""}, ("default", None, "a-b-3")),
    ([{"aws_profile_name": "os.environ/P", "aws_region_name": "os.environ/R"}], {}, {"P": "team", "R": "eu-west-2"},
     ("team", None, "eu-west-2")),
    ([{}], {"profile_name": "os.environ/P"}, {"P": "team"}, ("team", None, "us-east-1")),
]  # fmt: skip


@pytest.mark.parametrize(("params", "aws", "environment", "found"), INFERRED)
def test_what_nobody_says_is_inferred(tmp_path, params, aws, environment, found):
    config = written(tmp_path, deployments(*params, **({"aws": aws} if aws else {})), **environment)
    assert (config.aws.profile_name, config.aws.secondary_profile_name, config.aws.region_name) == found


def test_anchors_and_x_keys_are_nobodys_settings(tmp_path):
    config = written(
        tmp_path,
        f"""\
x-defaults: &d {{aws_region_name: eu-west-1, aws_profile_name: one}}
model_list:
- {{model_name: chat, litellm_params: {{model: {NOVA}, <<: *d, aws_profile_name: two}}}}
guardrails: [{{guardrail_name: pii, litellm_params: {{guardrail: presidio, mode: pre_call}}}}]
something_new: {{}}
""",
    )
    assert (config.profile, config.region) == ("two", "eu-west-1")
    assert litellm_file(config).keys() == {"model_list", "guardrails", "something_new", "general_settings"}


def test_numbers_region_weight_and_order(tmp_path):
    config = written(
        tmp_path,
        "model_list: [{model_name: a, litellm_params: {model: bedrock/us-east-2/x.y, rpm: '10', tpm: 1e5, weight: 2, "
        "order: 1}}, {model_name: a, rpm: 3.0, litellm_params: {model: bedrock/x.y}}]",
    )
    first, second = config.model_list
    assert (first.quota_rpm, first.quota_tpm, first.weight, first.order, first.region) == (
        10,
        100_000,
        2,
        1,
        "us-east-2",
    )
    assert (first.bedrock_model_id, second.quota_rpm) == ("x.y", 3)
    assert litellm_file(config)["model_list"][0]["litellm_params"]["tpm"] == 100_000


def test_variables_of_the_file_itself_come_too_late_for_what_names_them_and_in_time_for_all_else(tmp_path):
    config = written(
        tmp_path,
        deployments(
            {"aws_region_name": "os.environ/HERE", "aws_profile_name": "os.environ/GIVEN", "api_key": "os.environ/NO"},
            environment_variables={"HERE": "eu-west-1", "GIVEN": "other", "AWS_REGION": "os.environ/COPIED"},
            litellm_settings={"redis_password": "os.environ/NO_ONES"},
        ),
        GIVEN="team",
        COPIED="eu-west-3",
    )
    assert (config.region, config.profile, config.model_list[0].region) == ("eu-west-3", "team", None)
    params = litellm_file(config)["model_list"][0]["litellm_params"]
    assert params["aws_profile_name"] == "team"
    assert "aws_region_name" not in params
    assert params["api_key"] == "os.environ/NO"  # LiteLLM's to read
    assert config.warnings() == [
        f"{tmp_path}/c.yaml:5: model_list[0].litellm_params.aws_region_name: names HERE, which only "
        "environment_variables sets: LiteLLM looks for it before that, and takes the value for missing; write the "
        "value itself"
    ]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (deployments({"aws_region_name": "os.environ/NO"}), "5: model_list[0].litellm_params.aws_region_name"),
        (deployments({"rpm": "os.environ/NO"}), "5: model_list[0].litellm_params.rpm"),
        ({"aws": {"profile_name": "os.environ/NO"}, **deployments({})}, "2: aws.profile_name"),
        (deployments({}, credential_list=[{"credential_name": "c", "credential_values": {"aws_profile_name":
         "os.environ/NO"}}]), "8: credential_list[0].credential_values.aws_profile_name"),
        (deployments({}, router_settings={"default_litellm_params": {"aws_region_name": "os.environ/NO"}}),
         "7: router_settings.default_litellm_params.aws_region_name"),
    ],
)  # fmt: skip
def test_a_variable_that_is_not_set_is_named_with_its_place(tmp_path, content, where):
    with pytest.raises(ConfigError) as caught:
        written(tmp_path, content)
    assert str(caught.value) == (
        f"{tmp_path}/c.yaml:{where}: names the environment variable NO, which is not set. "
        "Set it, or write the value itself."
    )


CHAT = "model_list:\n- model_name: a\n  litellm_params:\n    model: bedrock/x.y\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"x-d: &d\n  rpm: many\n{CHAT}    <<: *d\n", ":2: model_list[0].litellm_params.rpm: must be a whole number"),
        (f"x-d: &d\n  rpm: 5\nx-e: &e\n  tpm: many\n{CHAT}    <<: [*d, *e]\n",
         ":4: model_list[0].litellm_params.tpm: must be a whole number"),
        ("x-m: &m\n- model_name: a\n  litellm_params: {model: bedrock/x.y,\n    rpm: many}\nmodel_list: *m\n",
         ":4: model_list[0].litellm_params.rpm: must be a whole number"),
        (f"x-d: &d\n  rpm: os.environ/NO\n{CHAT}    <<: *d\n", ":2: model_list[0].litellm_params.rpm: names the"),
    ],
)  # fmt: skip
def test_what_an_anchor_brings_is_said_of_where_it_stands(tmp_path, text, says):
    with pytest.raises(ConfigError) as caught:
        written(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/c.yaml{says}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model_list: []\n", ":1: model_list: is empty: there is nothing to ask. Add a deployment."),
        ("model_list:\n", ":1: model_list: is empty: there is nothing to ask. Add a deployment."),
        ("a: 1\nmodle_list: []\n", ":2: modle_list: is this meant to be model_list? There is none."),
        ("general_settings: {}\n", ": model_list: is missing. Without a deployment there is nothing to ask."),
    ],
)
def test_without_a_deployment_nothing_can_be_tested(tmp_path, text, says):
    with pytest.raises(ConfigError) as caught:
        written(tmp_path, text)
    assert str(caught.value) == f"{tmp_path}/c.yaml{says}"


@pytest.mark.parametrize(
    ("router", "enforced"),
    [
        ({}, False),
        ({"enable_pre_call_checks": True}, True),
        ({"enable_pre_call_checks": "false"}, True),  # as Python takes a text that is not empty
        ({"enable_pre_call_checks": False}, False),
        ({"optional_pre_call_checks": ["enforce_model_rate_limits"]}, True),
        ({"optional_pre_call_checks": ["prompt_caching"]}, False),
        ({"optional_pre_call_checks": None}, False),
        ({"routing_strategy": "usage-based-routing-v2"}, True),
        ({"routing_strategy": "latency-based-routing"}, False),
    ],
)
def test_what_makes_rpm_a_limit(tmp_path, router, enforced):
    assert written(tmp_path, deployments({"rpm": 1}, router_settings=router)).limits_enforced == enforced


def beside(tmp_path, ours, theirs):
    other = tmp_path / "patterns.yaml"
    other.write_text(yaml.safe_dump(theirs))
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(deployments({}) | ours))
    return load_config(path, beside=other, environment={})


def test_our_sections_may_stand_in_the_patterns_file(tmp_path):
    config = beside(tmp_path, {"aws": {"region_name": "eu-west-1"}},
                    {"aws": {"profile_name": "p", "region_name": "eu-west-1"}, "litellm": {"port": 4100},
                     "patterns": {}})  # fmt: skip
    assert (config.region, config.profile, config.litellm.port, config.aws_said) == ("eu-west-1", "p", 4100, True)


def test_a_key_that_stands_twice_and_differs_is_an_error_that_names_both_places(tmp_path):
    with pytest.raises(ConfigError) as caught:
        beside(tmp_path, {"litellm": {"port": 4001}}, {"litellm": {"port": 4002}})
    assert str(caught.value) == (
        f"{tmp_path}/patterns.yaml:2: litellm.port: says 4002, and {tmp_path}/c.yaml:2: litellm.port says 4001. "
        "Say it once."
    )
