"""What is asked: one text, so many words drawn at random, or the message lists of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from common.fields import Count, Strict
from common.yaml_file import At, ConfigError


class Between(Strict):
    """A number drawn anew for each request: any of min to max, both included, is as likely as any other."""

    min: Count
    max: Count

    @model_validator(mode="after")
    def _ordered(self) -> Between:
        if self.max < self.min:
            raise At(("max",), f"is {self.max}, below min, which is {self.min}")
        return self


class Prompt(Strict):
    """What is asked. One of `text`, `words` (so many, at random) and `file` (JSONL, a list of messages a line)."""

    text: str | None = None
    words: Count | Between | None = None
    file: str | None = None
    max_tokens: Count | Between = 64

    @model_validator(mode="after")
    def _one_source(self) -> Prompt:
        if sum(source is not None for source in (self.text, self.words, self.file)) != 1:
            raise ValueError("takes exactly one of text, words and file")
        return self


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    role: Literal["system", "user", "assistant"]
    content: Annotated[str, Field(min_length=1)]


_JSONL: TypeAdapter[list[_Message]] = TypeAdapter(Annotated[list[_Message], Field(min_length=1)])


def bounds(number: int | Between) -> tuple[int, int]:
    """At least and at most."""
    return (number, number) if isinstance(number, int) else (number.min, number.max)


def messages(prompt: Prompt) -> tuple[list[dict[str, Any]], ...]:
    """The message lists of a prompt; none where words are drawn. Raises ConfigError naming a line that is no list."""
    if prompt.words is not None:
        return ()
    if prompt.text is not None:
        return ([{"role": "user", "content": prompt.text}],)
    return tuple(_read(Path(prompt.file or "")))


def _read(path: Path) -> list[list[dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # a text may hold line ends of other kinds
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the prompts cannot be read: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append([message.model_dump() for message in _JSONL.validate_json(line)])
            except ValidationError:
                raise ConfigError(
                    f"{path}:{number}: is not a message list. A line holds "
                    '[{"role": "user", "content": "…"}]; the roles are system, user and assistant.'
                ) from None
    if not found:
        raise ConfigError(f"{path}: has no message list. Write one a line.")
    return found
