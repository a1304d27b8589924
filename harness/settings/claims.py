"""A claim as patterns.yaml has it: its name, whom it is about, its parameters; held against the registry of claims."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError, model_validator

from analysis.claims.registry import claims
from common.fields import Strict
from common.yaml_file import At, nearest

_OWN = ("claim", "consumers")  # whatever stands beside them is a parameter of the claim


class Claim(Strict):
    """A sentence to be proved, by its name in analysis.claims; its parameters stand beside its name."""

    claim: str
    consumers: list[str] = Field(default_factory=list)  # absent: every consumer of the pattern
    parameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _parameters_apart(cls, content: Any) -> Any:
        if not (isinstance(content, dict) and isinstance(content.get("claim"), str)):
            return content  # which is wrong, and is said to be
        own = {name: value for name, value in content.items() if name in _OWN}
        return own | {"parameters": {name: value for name, value in content.items() if name not in _OWN}}

    @model_validator(mode="after")
    def _known(self) -> Claim:
        known = claims()
        if self.claim not in known:
            raise At(("claim",), f"{self.claim!r} is not a claim{nearest(self.claim, known)}")
        kind = known[self.claim].parameters
        try:
            kind.model_validate(self.parameters)
        except ValidationError as error:
            fault = error.errors()[0]
            keys = fault["loc"] or ("claim",)
            if fault["type"] == "missing":
                raise At(("claim",), f"{self.claim} needs {keys[0]}. Add it.") from None
            if fault["type"] == "extra_forbidden":
                problem = f"is not a known key{nearest(str(keys[0]), [*_OWN, *kind.model_fields])}"
            else:
                problem = f"{fault['msg'][0].lower()}{fault['msg'][1:]}, not {fault['input']!r}"
            raise At(keys, problem) from None
        return self
