"""The entries of `model_list`, as far as the harness relies on them; the rest is LiteLLM's to judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from gateway.litellm.model_id import BEDROCK, ModelName, parse, region_of_arn
from gateway.litellm.numbers import Real, Whole, whole

# What is read of litellm_params: `os.environ/NAME` is resolved there, and a name close to one of these is reported.
READ = frozenset(
    {
        "model", "custom_llm_provider", "aws_profile_name", "aws_region_name", "aws_role_name", "rpm", "tpm", "weight",
        "order", "model_id", "base_model", "litellm_credential_name",
    }
)  # fmt: skip
# Of these, what default parameters may decide: how Bedrock is called, not which deployment is chosen.
OF_THE_CALL = frozenset({"aws_profile_name", "aws_region_name", "aws_role_name", "model_id", "litellm_credential_name"})


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _name(value: Any) -> Any:
    return str(value) if isinstance(value, bool) else _text(value)


Text = Annotated[str, BeforeValidator(_text)]
Id = Annotated[str, BeforeValidator(_name)]  # LiteLLM takes `id: yes`, too

# In the names of models that embed, rank, draw, film, listen or speak.
_NO_CHAT = ("embed", "rerank", "stability", "stable-", "image", "canvas", "reel", "luma.", "sonic", "realtime",
            "whisper", "tts-", "dall-e", "moderation")  # fmt: skip


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())


class LiteLlmParams(_Open):
    model: Text
    custom_llm_provider: str | None = None
    aws_profile_name: Text | None = None
    aws_region_name: Text | None = None
    aws_role_name: Text | None = None  # the ARN of a role that LiteLLM assumes for it
    aws_access_key_id: Any = None
    litellm_credential_name: Text | None = None
    base_model: Text | None = None
    model_id: Text | None = None
    rpm: Whole | None = None
    tpm: Whole | None = None
    weight: Real | None = None
    order: Annotated[int, BeforeValidator(whole)] | None = None


class ModelInfo(_Open):
    id: Id | None = None
    mode: Text | None = None


class ModelEntry(_Open):
    """One deployment."""

    model_name: Text
    litellm_params: LiteLlmParams
    model_info: ModelInfo = ModelInfo()
    rpm: Whole | None = None
    tpm: Whole | None = None

    @cached_property
    def name(self) -> ModelName:
        return parse(self.litellm_params.model, self.litellm_params.custom_llm_provider)

    @property
    def provider(self) -> str:
        return self.name.provider

    @property
    def is_bedrock(self) -> bool:
        return self.provider == BEDROCK

    @property
    def is_chat(self) -> bool:
        """Whether it answers chat requests, by its mode, else by what its model is called.

        A wildcard does not: only a request's name decides.
        """
        if self.name.wildcard:
            return False
        if self.model_info.mode:
            return self.model_info.mode in ("chat", "completion", "responses")
        return not any(word in self.name.id.lower() for word in _NO_CHAT)

    @property
    def bedrock_model_id(self) -> str:
        """Bedrock's id or ARN of the model, without LiteLLM's provider, route and Region in front."""
        return self.litellm_params.model_id or self.name.id

    @property
    def region(self) -> str | None:
        """Where it is asked: its own, else the one in its model's name or ARN; None: that of whoever names none."""
        params = self.litellm_params
        return params.aws_region_name or self.name.region or region_of_arn(params.model_id or "")

    @property
    def profile(self) -> str | None:
        return self.litellm_params.aws_profile_name

    @property
    def role(self) -> str | None:
        return self.litellm_params.aws_role_name

    @property
    def quota_rpm(self) -> int | None:
        return self.rpm if self.litellm_params.rpm is None else self.litellm_params.rpm

    @property
    def quota_tpm(self) -> int | None:
        return self.tpm if self.litellm_params.tpm is None else self.litellm_params.tpm

    @property
    def weight(self) -> float | None:
        return self.litellm_params.weight

    @property
    def order(self) -> int | None:
        return self.litellm_params.order


def with_ids(entries: Iterable[ModelEntry]) -> Iterator[tuple[str, ModelEntry]]:
    """Each with an id that no other has: the configured one, else its group's name, numbered where there are several.

    LiteLLM takes two deployments with one id, and names both alike in its headers; the second becomes ID-2.
    """
    entries = list(entries)
    sizes: dict[str, int] = {}
    for entry in entries:
        sizes[entry.model_name] = sizes.get(entry.model_name, 0) + 1
    taken = {entry.model_info.id for entry in entries if entry.model_info.id}
    given: set[str] = set()
    numbers: dict[str, int] = {}
    for entry in entries:
        group = entry.model_name
        numbers[group] = numbers.get(group, 0) + 1
        own = entry.model_info.id or (group if sizes[group] == 1 else f"{group}-{numbers[group]}")
        name, number = own, 1
        while name in given or (name in taken and name != entry.model_info.id):
            number += 1
            name = f"{own}-{number}"
        given.add(name)
        yield name, entry


def filled(
    entry: Mapping[str, Any], credentials: Mapping[str, Mapping[str, Any]], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """An entry with what the router's default parameters and its named credential say of the call.

    The defaults go before its own, and these before the credential. Only what is read here: what else they hold,
    LiteLLM adds itself. Source: LiteLLM 1.106.2, `Router._acompletion` and `load_credentials_from_list`.
    """
    params = entry.get("litellm_params")
    if not isinstance(params, Mapping):
        return dict(entry)
    called = {**params, **_of_the_call(defaults)}
    named = _of_the_call(credentials.get(str(called.get("litellm_credential_name")), {}))
    own = {name: value for name, value in called.items() if value is not None}
    return {**entry, "litellm_params": {**named, **own}}


def _of_the_call(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name in OF_THE_CALL and value is not None}
