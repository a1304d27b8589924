"""Policies: what is refused at parsing, what is allowed, what is denied, and in which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded_aws.auth.iam import Policy, authorize, authorize_invocation
from embedded_aws.wire import AwsError, Caller

USER = Caller(
    access_key_id="AKIAEXAMPLE",
    account_id="111111111111",
    principal_arn="arn:aws:iam::111111111111:user/one",
    user_id="AIDAEXAMPLE",
    region="us-east-1",
    service="bedrock",
)
SESSION = Caller("ASIAX", "111111111111", "arn:aws:sts::111111111111:assumed-role/R/s", "AROA:s", "us-east-1", "logs")

PROFILE = "arn:aws:bedrock:us-east-1:111111111111:inference-profile/us.anthropic.claude-sonnet-4-6"
MODEL = "arn:aws:bedrock:{}::foundation-model/anthropic.claude-sonnet-4-6"
GROUP = "arn:aws:logs:us-east-1:111111111111:log-group:/aws/bedrock/modelinvocations"


def statement(effect="Allow", action="bedrock:InvokeModel", resource="*", **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def policy(*statements, session=False):
    return Policy.parse(document(*statements), session=session)


def decide(policies, action="bedrock:InvokeModel", resource=PROFILE, context=None, caller=USER):
    """None, or why not."""
    try:
        authorize(caller, policies, action, [resource], context or {})
    except AwsError as error:
        return error.message.partition(resource + " ")[2]
    return None


SILENT = "because no identity-based policy allows the bedrock:InvokeModel action"
DENIED = "with an explicit deny in an identity-based policy"


# --- deciding ---------------------------------------------------------------------------------------------------


def test_nothing_is_allowed_by_default():
    assert decide([]) == SILENT
    assert decide([policy(statement(action="bedrock:GetInferenceProfile"))]) == SILENT


def test_one_allow_is_enough_and_one_deny_is_too_much():
    allow, deny = statement(), statement("Deny")
    assert decide([policy(allow)]) is None
    assert decide([policy(allow, deny)]) == DENIED
    assert decide([policy(deny, allow)]) == DENIED
    assert decide([policy(allow), policy(deny)]) == DENIED


@pytest.mark.parametrize(
    ("pattern", "action", "matches"),
    [
        ("bedrock:InvokeModel", "bedrock:InvokeModel", True),
        ("bedrock:invokemodel", "bedrock:InvokeModel", True),  # actions do not mind the case
        ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream", False),
        ("bedrock:InvokeModel*", "bedrock:InvokeModelWithResponseStream", True),
        ("bedrock:*", "bedrock:InvokeModel", True),
        ("bedrock:*", "bedrock-agent:InvokeModel", False),
        ("bedrock:Invoke?odel", "bedrock:InvokeModel", True),
        ("*", "logs:StartQuery", True),
    ],
)
def test_actions(pattern, action, matches):
    assert (decide([policy(statement(action=pattern))], action) is None) == matches


@pytest.mark.parametrize(
    ("pattern", "resource", "matches"),
    [
        (PROFILE, PROFILE, True),
        (PROFILE.upper(), PROFILE, False),  # resources do
        ("arn:aws:bedrock:*:111111111111:inference-profile/*", PROFILE, True),
        ("arn:aws:bedrock:us-east-?:111111111111:inference-profile/us.*", PROFILE, True),
        ("arn:aws:bedrock:us-east-??:111111111111:inference-profile/us.*", PROFILE, False),
        ("arn:aws:bedrock:*::foundation-model/anthropic.*", PROFILE, False),
        (GROUP, f"{GROUP}:*", False),
        (f"{GROUP}:*", f"{GROUP}:*", True),
        (f"{GROUP}:*", GROUP, False),
        ("arn:aws:logs:us-east-1:111111111111:*", GROUP, True),
        ("arn.aws*", PROFILE, False),  # only * and ? are special
        ("*", "*", True),
        (PROFILE, "*", False),
    ],
)
def test_resources(pattern, resource, matches):
    assert (decide([policy(statement(resource=pattern))], resource=resource) is None) == matches


def glob(pattern, text):
    """What * and ? mean, said in the plainest way."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(glob(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and glob(pattern[1:], text[1:])


@given(pattern=st.text("ab:*?.", max_size=8), text=st.text("ab:.\n", max_size=8))
def test_wildcards_mean_what_they_say(pattern, text):
    assert (decide([policy(statement(resource=pattern))], resource=text) is None) == glob(pattern, text)


def test_a_pattern_full_of_stars_is_decided_all_the_same():
    assert decide([policy(statement(resource="*a" * 1_000))], resource="a" * 999 + "b") == SILENT


def test_lists_mean_any_of_them():
    either = policy(statement(action=["bedrock:InvokeModel", "bedrock:Converse"], resource=["arn:aws:x", PROFILE]))
    assert decide([either]) is None


def test_not_action_and_not_resource_mean_all_others():
    others = policy({"Effect": "Allow", "NotAction": "logs:*", "NotResource": "arn:aws:bedrock:eu-*"})
    assert decide([others]) is None
    assert decide([others], "logs:StartQuery") is not None
    assert decide([others], resource="arn:aws:bedrock:eu-west-1:111111111111:inference-profile/eu.x") == SILENT


VIA_PROFILE = {"bedrock:InferenceProfileArn": PROFILE}


@pytest.mark.parametrize(
    ("operator", "key", "value", "context", "holds"),
    [
        ("ArnLike", "bedrock:InferenceProfileArn", PROFILE, VIA_PROFILE, True),
        ("ArnLike", "bedrock:InferenceProfileArn", "arn:aws:bedrock:*:*:inference-profile/us.*", VIA_PROFILE, True),
        ("ArnEquals", "bedrock:InferenceProfileArn", "arn:aws:bedrock:*:*:inference-profile/us.*", VIA_PROFILE, True),
        ("ArnLike", "bedrock:InferenceProfileArn", "arn:*:us-east-1:*:*:*", VIA_PROFILE, False),  # part by part
        ("ArnLike", "bedrock:InferenceProfileArn", "arn:*:*:*:*:*", VIA_PROFILE, True),
        ("ArnLike", "bedrock:InferenceProfileArn", PROFILE, {}, False),
        ("ArnLikeIfExists", "bedrock:InferenceProfileArn", PROFILE, {}, True),
        ("ArnNotLike", "bedrock:InferenceProfileArn", PROFILE, VIA_PROFILE, False),
        ("ArnNotLike", "bedrock:InferenceProfileArn", PROFILE, {}, True),
        ("ArnNotEquals", "bedrock:InferenceProfileArn", "arn:aws:bedrock:*:*:other/*", VIA_PROFILE, True),
        ("StringEquals", "aws:RequestedRegion", "us-east-1", {}, True),  # known about every caller
        ("StringEquals", "AWS:requestedregion", "us-east-1", {}, True),
        ("StringEquals", "aws:RequestedRegion", "us-*", {}, False),
        ("StringEquals", "aws:RequestedRegion", ["eu-west-1", "us-east-1"], {}, True),
        ("StringEquals", "aws:RequestedRegion", "us-east-1", {"aws:RequestedRegion": "us-west-2"}, False),
        ("StringLike", "aws:RequestedRegion", "us-*", {}, True),
        ("StringNotLike", "aws:RequestedRegion", "us-*", {}, False),
        ("StringNotEquals", "aws:RequestedRegion", ["us-east-1", "us-east-2"], {}, False),
        ("StringNotEquals", "aws:RequestedRegion", ["eu-west-1", "eu-west-2"], {}, True),
        ("StringEqualsIgnoreCase", "aws:RequestedRegion", "US-EAST-1", {}, True),
        ("StringNotEqualsIgnoreCase", "aws:RequestedRegion", "US-EAST-1", {}, False),
        ("StringEquals", "aws:PrincipalAccount", "111111111111", {}, True),
        ("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::111111111111:user/*", {}, True),
        ("StringEquals", "aws:userid", "AIDAEXAMPLE", {}, True),
        ("Bool", "sts:ExternalId", "true", {"sts:ExternalId": "TRUE"}, True),
        ("Bool", "sts:ExternalId", True, {"sts:ExternalId": "false"}, False),
        ("Null", "bedrock:InferenceProfileArn", "true", {}, True),
        ("Null", "bedrock:InferenceProfileArn", "true", VIA_PROFILE, False),
        ("Null", "bedrock:InferenceProfileArn", False, VIA_PROFILE, True),
    ],
)
def test_conditions(operator, key, value, context, holds):
    conditional = policy(statement(Condition={operator: {key: value}}))
    assert (decide([conditional], context=context) is None) == holds


def test_all_conditions_must_hold():
    region, account = {"aws:RequestedRegion": "us-east-1"}, {"aws:PrincipalAccount": "222222222222"}
    assert decide([policy(statement(Condition={"StringEquals": region}))]) is None
    assert decide([policy(statement(Condition={"StringEquals": region | account}))]) == SILENT
    assert decide([policy(statement(Condition={"StringEquals": region, "StringLike": account}))]) == SILENT


def test_a_condition_limits_a_deny_as_well():
    fence = statement("Deny", "*", Condition={"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}})
    assert decide([policy(statement(), fence)]) is None
    assert decide([policy(statement(), fence)], context={"aws:RequestedRegion": "us-west-2"}) == DENIED


def test_a_sessions_principal_is_its_role():
    role = policy(
        statement(Condition={"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/R"}}, action="*")
    )
    assert decide([role], caller=SESSION) is None


def test_a_session_policy_limits_and_grants_nothing():
    everything, converse_only = statement(action="*"), policy(statement(), session=True)
    assert decide([policy(everything), converse_only]) is None
    assert decide([converse_only]) == SILENT
    because = "because no session policy allows the logs:StartQuery action"
    assert decide([policy(everything), converse_only], "logs:StartQuery") == because
    denying = policy(statement("Deny"), everything, session=True)
    assert decide([policy(everything), denying]) == "with an explicit deny in a session policy"


# --- AWS's words ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caller", "status", "code"),
    [
        (USER, 403, "AccessDeniedException"),
        (SESSION, 400, "AccessDeniedException"),  # JSON 1.1
        (Caller(*["x"] * 5, service="sts"), 403, "AccessDenied"),
    ],
)
def test_a_refusal_in_the_form_of_the_service(caller, status, code):
    with pytest.raises(AwsError) as raised:
        authorize(caller, [], "logs:StartQuery", [GROUP], {})
    assert (raised.value.status, raised.value.code) == (status, code)
    assert raised.value.message == (
        f"User: {caller.principal_arn} is not authorized to perform: logs:StartQuery on resource: {GROUP} "
        "because no identity-based policy allows the logs:StartQuery action"
    )


def test_the_first_refused_resource_is_the_one_that_is_named():
    with pytest.raises(AwsError, match=r"on resource: arn:aws:b "):
        authorize(
            USER, [policy(statement(resource="arn:aws:a"))], "bedrock:InvokeModel", ["arn:aws:a", "arn:aws:b"], {}
        )


# --- calls of models --------------------------------------------------------------------------------------------

US = ("us-east-1", "us-east-2", "us-west-2")
SONNET = "us.anthropic.claude-sonnet-4-6"


def invoke(*statements, model_id=SONNET, caller=USER):
    """None, or the resource that was refused."""
    try:
        authorize_invocation(caller, [policy(*statements)], "bedrock:InvokeModel", model_id)
    except AwsError as error:
        return error.message.partition("on resource: ")[2].partition(" ")[0]
    return None


def test_a_profile_needs_its_model_in_every_destination_region():
    profile = statement(resource=PROFILE)
    everywhere = [MODEL.format(region) for region in US]
    assert invoke(profile, statement(resource=everywhere)) is None
    assert invoke(statement(resource=everywhere)) == PROFILE
    for missing in everywhere:
        others = [arn for arn in everywhere if arn != missing]
        assert invoke(profile, statement(resource=others)) == missing


def test_the_models_may_be_allowed_through_the_profile_alone():
    scoped = statement(resource=[MODEL.format(r) for r in US], Condition={"ArnLike": VIA_PROFILE})
    assert invoke(statement(resource=PROFILE), scoped) is None
    assert invoke(scoped, model_id="anthropic.claude-sonnet-4-6") == MODEL.format("us-east-1")


def test_the_condition_belongs_on_the_models_statement_only():
    assert invoke(statement(Condition={"ArnLike": VIA_PROFILE})) == PROFILE


def test_a_fence_around_regions_stops_a_profile_that_leaves_it():
    fence = statement("Deny", "*", Condition={"StringNotEquals": {"aws:RequestedRegion": ["us-east-1", "us-west-2"]}})
    assert invoke(statement(), fence) == MODEL.format("us-east-2")


def test_a_global_profile_needs_the_model_here_and_without_a_region():
    model_id = "global.anthropic.claude-sonnet-4-6"
    profile = statement(resource=f"arn:aws:bedrock:us-east-1:111111111111:inference-profile/{model_id}")
    here, nowhere = MODEL.format("us-east-1"), MODEL.format("")
    assert invoke(profile, statement(resource=[here, nowhere]), model_id=model_id) is None
    assert invoke(profile, statement(resource=here), model_id=model_id) == nowhere
    assert invoke(profile, statement(resource=nowhere), model_id=model_id) == here
    unspecified = {"StringEquals": {"aws:RequestedRegion": "unspecified"}}
    allowed = (profile, statement(resource=here), statement(resource=nowhere, Condition=unspecified))
    assert invoke(*allowed, model_id=model_id) is None


def test_a_foundation_model_needs_its_own_arn():
    assert invoke(statement(resource=MODEL.format("us-east-1")), model_id="anthropic.claude-sonnet-4-6") is None
    assert invoke(statement(resource=MODEL.format("us-east-1")), model_id=MODEL.format("us-east-1")) is None


def test_a_profiles_arn_is_checked_as_it_is_written():
    assert invoke(statement(resource=[PROFILE, *(MODEL.format(r) for r in US)]), model_id=PROFILE) is None
    foreign = PROFILE.replace("111111111111", "222222222222")
    assert invoke(statement(resource=[PROFILE, *(MODEL.format(r) for r in US)]), model_id=foreign) == foreign


@given(model_id=st.text(max_size=40), region=st.sampled_from(["us-east-1", "eu-west-1"]))
def test_any_model_id_gets_a_decision(model_id, region):
    stranger = Caller("AKIAX", "111111111111", USER.principal_arn, "AIDAX", region, "bedrock")
    with pytest.raises(AwsError, match="is not authorized to perform: bedrock:InvokeModel"):
        authorize_invocation(stranger, (), "bedrock:InvokeModel", model_id)


# --- parsing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ([], "a policy must be an object"),
        ({"Statement": [statement()]}, "Version must be"),
        ({"Version": "2008-10-17", "Statement": [statement()]}, "Version must be"),
        ({**document(statement()), "Statements": []}, "Statements: not an element of a policy"),
        (document(), "Statement must be"),
        ({"Version": "2012-10-17"}, "Statement must be"),
        (document("Allow"), "statement 1: must be an object"),
        (document(statement(), statement(Sid="Two", Condtion={})), "statement Two: Condtion: not an element"),
        (document(statement(Principal="*")), "Principal: not an element of a statement here"),
        (document(statement("allow")), "Effect must be"),
        (document({"Effect": "Allow", "Resource": "*"}), "needs exactly one of Action and NotAction"),
        (document(statement(NotAction="*")), "needs exactly one of Action and NotAction"),
        (document({"Effect": "Allow", "Action": "*"}), "needs exactly one of Resource and NotResource"),
        (document(statement(action="InvokeModel")), "action 'InvokeModel' must be"),
        (document(statement(action=[])), "Action must not be empty"),
        (document(statement(action=[1])), "Action must be a text"),
        (document(statement(resource="arn:aws:x:${aws:username}")), "policy variables"),
        (document(statement(Condition=[])), "Condition must be an object"),
        (document(statement(Condition={"StringEqual": {}})), "condition operator 'StringEqual' is not supported"),
        (document(statement(Condition={"NumericLessThan": {}})), "condition operator 'NumericLessThan'"),
        (document(statement(Condition={"ForAnyValue:StringLike": {}})), "condition operator 'ForAnyValue:StringLike'"),
        (document(statement(Condition={"NullIfExists": {}})), "condition operator 'NullIfExists'"),
        (document(statement(Condition={"StringLike": "x"})), "condition StringLike must be an object"),
        (document(statement(Condition={"StringLike": {"aws:SourceIp": "x"}})), "context key 'aws:SourceIp'"),
        (document(statement(Condition={"ArnLike": {"aws:PrincipalArn": "*"}})), "'*' is not an ARN"),
        (document(statement(Condition={"Bool": {"aws:userid": "yes"}})), 'must be "true" or "false"'),
        (document(statement(Condition={"Null": {"aws:userid": ["true", "false"]}})), 'must be "true" or "false"'),
    ],
)
def test_what_is_not_understood_is_refused_and_named(broken, complaint):
    with pytest.raises(ValueError, match=r".") as raised:
        Policy.parse(broken)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("principal", "complaint"),
    [
        (None, "Principal must be"),
        ({"Service": "bedrock.amazonaws.com"}, "Principal must be"),
        ({"AWS": []}, "AWS must not be empty"),
    ],
)
def test_trust_policies_name_their_principals(principal, complaint):
    with pytest.raises(ValueError, match=complaint):
        Policy.parse_trust(document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}))


def test_a_trust_policy_has_no_resource():
    with pytest.raises(ValueError, match="Resource: not an element"):
        Policy.parse_trust(document(statement(Principal="*")))


@pytest.mark.parametrize(
    ("effect", "principal", "caller", "trusted"),
    [
        ("Allow", USER.principal_arn, USER, True),
        ("Allow", "arn:aws:iam::111111111111:root", USER, True),
        ("Allow", "111111111111", USER, True),
        ("Allow", "*", USER, True),
        ("Deny", "*", USER, False),
        ("Allow", "arn:aws:iam::222222222222:root", USER, False),
        ("Allow", "arn:aws:iam::111111111111:user/two", USER, False),
        ("Allow", "arn:aws:iam::111111111111:user/*", USER, False),  # principals take no wildcards
        ("Allow", "arn:aws:iam::111111111111:role/R", SESSION, True),
        ("Allow", SESSION.principal_arn, SESSION, True),
        ("Allow", "arn:aws:iam::111111111111:role/S", SESSION, False),
    ],
)
def test_whom_a_trust_policy_trusts(effect, principal, caller, trusted):
    allow = {"Effect": effect, "Principal": {"AWS": [principal]}, "Action": "sts:AssumeRole"}
    role = "arn:aws:iam::333333333333:role/R"
    assert Policy.parse_trust(document(allow)).trusts(caller, "sts:AssumeRole", role, {}) == trusted


def test_a_denied_principal_is_not_trusted_however_many_allow_it():
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
    deny = {"Effect": "Deny", "Principal": {"AWS": USER.principal_arn}, "Action": "sts:*"}
    assert not Policy.parse_trust(document(allow, deny)).trusts(USER, "sts:AssumeRole", "arn:aws:iam::3:role/R", {})
