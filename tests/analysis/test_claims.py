"""What every claim declares: checked for all that the registry finds, so that a new one need not be named here."""

import subprocess
import sys
from pathlib import Path

import pytest

from analysis.claims import registry
from analysis.claims.about import About
from analysis.claims.claim import Claim, Counts, Evidence, Parameters, Standing, State
from analysis.claims.registry import claims
from analysis.model import RunClaim, Verdict
from analysis.outputs.claims_table import table
from tests.analysis.histories import consumer, run

ROOT = Path(__file__).parents[2]


def test_there_are_claims_and_each_has_a_file_of_its_name() -> None:
    assert {"all_answered", "regions_at_least", "primaries_filled", "limited_to_quota"} <= claims().keys()
    for name, claim in claims().items():
        assert type(claim).__module__ == f"analysis.claims.{name}"


def test_the_documentation_lists_every_claim_as_the_registry_has_it() -> None:
    page = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    assert f"<!-- claims: begin -->\n{table()}<!-- claims: end -->" in page
    assert all(f"| `{name}` |" in page for name in claims())


def test_the_registry_loads_neither_pandas_nor_numpy() -> None:
    """Locust's process asks it."""
    program = "import sys; from analysis.claims.registry import claims; assert claims(); " + (
        "print([name for name in ('pandas', 'numpy', 'boto3', 'rich') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize("name", sorted(claims()))
def test_a_claim_says_what_it_is_in_whole_sentences(name: str) -> None:
    claim = claims()[name]
    for text in (claim.proves, claim.needs):
        assert text[0].isupper()
        assert text.endswith(".")
        assert "|" not in text
    assert all(isinstance(one, Evidence) for one in claim.rests_on)


@pytest.mark.parametrize("name", sorted(claims()))
def test_a_claim_is_open_before_anything_is_sent(name: str) -> None:
    claim = claims()[name]
    assert claim.standing(Counts(), claim.example).state is State.OPEN


@pytest.mark.parametrize("name", sorted(claims()))
def test_a_claims_example_shows_all_its_keys(name: str) -> None:
    claim = claims()[name]
    assert type(claim.example) is claim.parameters
    assert claim.example.model_fields_set == claim.parameters.model_fields.keys()


def test_a_claim_that_declares_too_little_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Careless(Claim[Parameters]):
        name = "all_answered"
        proves = needs = "It holds."
        parameters = Parameters

        def sentence(self, about: About, parameters: Parameters) -> str:
            return "It holds."

        def standing(self, counts: Counts, parameters: Parameters) -> Standing:
            return Standing(State.OPEN, "")

        def judge(self, case: object, parameters: Parameters) -> Verdict:
            raise NotImplementedError

    monkeypatch.setattr(registry, "_defined_in", lambda module: [Careless] if module.endswith("all_answered") else [])
    with pytest.raises(TypeError, match=r"Careless does not declare rests_on$"):
        claims.__wrapped__()


def test_a_claim_is_shown_by_its_name_its_keys_and_its_consumers() -> None:
    of = RunClaim(pattern="p", claim="regions_at_least", consumers=("A",), parameters={"at_least": 2})
    assert claims()["regions_at_least"].label(About(run(), of)) == "regions at least 2 (A)"


def test_whom_a_claim_is_about_and_which_groups_answer_for_them() -> None:
    of = run(
        consumers=[
            consumer("A", model="gpt"),
            consumer("B"),
            consumer("C", route="direct"),
            consumer("D", pattern="q"),
        ],
        fallbacks={"group": ("spare", "gpt")},
    )
    of = of.model_copy(update={"routing": of.routing.model_copy(update={"aliases": {"gpt": "group", "spare": "s"}})})
    about = About(of, RunClaim(pattern="p", claim="all_answered", consumers=("A", "C")))
    assert (about.names, [other.name for other in about.others]) == (("A", "C"), ["B"])
    assert (about.groups, about.fallback_groups) == (("group",), ("s",))
    assert About(of, RunClaim(pattern="p", claim="all_answered")).names == ("A", "B", "C")
