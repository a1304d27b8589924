"""The claim that Bedrock serves in no Region but the allowed ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.model import Answer, Cause, Invocation
from tests.analysis.histories import claim, consumer, invocation, judged, record, refused, run

PASS, FAIL, UNKNOWN = Answer.PASS, Answer.FAIL, Answer.UNKNOWN
EUROPE = claim("regions_only", regions=["eu-central-1", "eu-west-1"])


def served(*regions: str) -> list[Invocation]:
    return [invocation(str(number), inference_region=region) for number, region in enumerate(regions)]


@pytest.mark.parametrize(
    ("regions", "answer", "cause"),
    [
        (["eu-central-1", "eu-west-1"], PASS, Cause.PROVED),
        (["eu-central-1", "eu-central-1"], PASS, Cause.PROVED),
        (["eu-central-1", "eu-north-1"], FAIL, Cause.DISPROVED),
        (["", "eu-north-1"], FAIL, Cause.DISPROVED),
        (["eu-central-1", ""], UNKNOWN, Cause.REGION_UNKNOWN),
        (["eu-central-1"], UNKNOWN, Cause.NOT_CONFIRMED),  # the other answer may have come from anywhere
        ([], UNKNOWN, Cause.NO_INVOCATIONS),
    ],
)
def test_one_invocation_elsewhere_is_enough(tmp_path: Path, regions: list[str], answer: Answer, cause: Cause) -> None:
    records = [record(request_id="0"), record(request_id="1")]
    verdict = judged(tmp_path, run([EUROPE]), records, served(*regions))
    assert (verdict.answer, verdict.cause) == (answer, cause)
    assert verdict.sentence == "Bedrock serves the requests in eu-central-1 and eu-west-1 only."
    if answer is FAIL:
        assert verdict.reason == f"1 of {len(regions)} invocations were elsewhere: 1 in eu-north-1."
        assert verdict.evidence == ("invocations.csv", "1")


def test_a_throttled_request_was_there_too(tmp_path: Path) -> None:
    throttled = record(request_id="1", status=429, error_type="ThrottlingException")
    seen = [*served("eu-west-1"), invocation("1", inference_region="us-east-1", error_code="ThrottlingException")]
    assert judged(tmp_path, run([EUROPE]), [record(request_id="0"), throttled], seen).answer is FAIL


def test_attempts_that_no_client_knows_count_where_they_can_only_be_its_own(tmp_path: Path) -> None:
    records, seen = [record(request_id="0")], [*served("eu-west-1"), invocation("lost", inference_region="us-east-1")]
    own = judged(tmp_path / "own", run([EUROPE]), records, seen)
    assert (own.answer, own.reason) == (FAIL, "Attempts that no client knows were elsewhere: 1 in us-east-1.")
    two = run([EUROPE], [consumer(), consumer("Q", pattern="q")])
    of_two = judged(tmp_path / "two", two, records, seen)
    assert (of_two.answer, of_two.cause) == (UNKNOWN, Cause.AMBIGUOUS)


def test_an_attempt_in_an_unknown_region_leaves_it_open(tmp_path: Path) -> None:
    seen = [*served("eu-west-1"), invocation("lost", inference_region="")]
    verdict = judged(tmp_path, run([EUROPE]), [record(request_id="0")], seen)
    assert (verdict.cause, verdict.reason) == (
        Cause.REGION_UNKNOWN,
        "CloudWatch does not say the Region of 1 invocation.",
    )


def test_what_the_gateway_refused_was_nowhere(tmp_path: Path) -> None:
    records = [record(request_id="0"), refused()]
    assert judged(tmp_path, run([EUROPE]), records, served("eu-west-1")).answer is PASS


@pytest.mark.parametrize("regions", [[], ["Frankfurt"], "eu-west-1", [1]])
def test_regions_are_names_of_regions(tmp_path: Path, regions: object) -> None:
    of = run([claim("regions_only", regions=regions)])
    assert judged(tmp_path, of, [record(request_id="0")], served("eu-west-1")).cause is Cause.UNKNOWN_CLAIM
