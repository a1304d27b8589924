"""Reads somebody's LiteLLM file and writes the patterns file that it deserves. Sends nothing and starts nothing."""

from __future__ import annotations

from dataclasses import dataclass

from common.yaml_file import ConfigError
from gateway.adopt import findings
from gateway.adopt.draft import Draft
from gateway.adopt.kinds import cris, isolation, overflow, sharding
from gateway.adopt.survey import Survey
from gateway.adopt.text import render
from gateway.litellm import warnings
from gateway.litellm.config import Config


@dataclass(frozen=True)
class Adopted:
    """The patterns file, and what was found wrong in LiteLLM's, a sentence each."""

    text: str
    findings: tuple[str, ...]


def adopt(config: Config) -> Adopted:
    """Raises ConfigError where the file holds nothing that can be tested."""
    survey = Survey(config)
    draft = _draft(survey)
    found = (
        *warnings.typing_errors(config.document),
        *(finding.sentence(config.document) for finding in findings.of(survey)),
    )
    here = f"{config.document.path}:"
    short = [f"line {one.removeprefix(here)}" if one.startswith(here) else one for one in found]
    return Adopted(render(draft, short), found)


def patterns_text(config: Config) -> str:
    """The patterns file that a configuration deserves. Raises ConfigError where nothing in it can be tested."""
    return adopt(config).text


def _draft(survey: Survey) -> Draft:
    draft = Draft(survey)
    sets = isolation.mark(draft)
    cris.propose(draft)
    sharding.propose(draft)
    for kind in ("fallback", "load_balancing", "quota"):
        overflow.propose(draft, kind)
    isolation.propose(draft, sets)
    if not draft.proposals:
        overflow.propose_answers(draft)
    if not draft.proposals:
        whys = [f"{name}: {why}." for name, why in survey.not_askable.items()] or draft.missing
        raise ConfigError(
            f"{survey.config.document.where(['model_list'])}: nothing in it can be tested. Add a deployment of one "
            f"chat model. {' '.join(whys)}"
        )
    _say_who_is_left(draft)
    return draft


def _say_who_is_left(draft: Draft) -> None:
    if idle := [group.name for group in draft.idle]:
        draft.missing.append(
            f"Patterns for {', '.join(idle)}: without a limit, a fallback or another account there is nothing to show "
            "but that it answers."
        )
    draft.missing += [f"A pattern for {name}: {why}." for name, why in draft.survey.not_askable.items()]
