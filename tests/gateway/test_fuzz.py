"""Any file gives a configuration that can be rendered, contained and adopted, or an error that names what is wrong."""

from __future__ import annotations

import copy
import random
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.places import CONFIG_DIR
from common.yaml_file import ConfigError
from gateway.adopt import adopt
from gateway.demand import Demand
from gateway.litellm.config import Config, load_config
from gateway.litellm.containment import contain
from gateway.litellm.fallback_chains import KINDS
from gateway.litellm.rendering import litellm_file, with_warm_ups
from gateway.needs import needs
from harness.settings.patterns import load_patterns
from tests.gateway.litellm.writer import ENVIRONMENT as VARIABLES
from tests.gateway.litellm.writer import Writer

WRITTEN = 40  # files at random beside those that are there
FILES = [CONFIG_DIR / "config.yaml", *sorted((Path(__file__).parent / "files").glob("*.yaml"))]
MUTATIONS = 2_000
LONGEST_S = 5
ENVIRONMENT = {
    **VARIABLES,
    "AWS_REGION": "us-east-1",
    "OPENAI_API_KEY": "sk-from-the-environment",
    "HTTPS_PROXY": "http://10.0.0.1:1",
}
JUNK: list[Any] = [
    None, True, False, 0, -1, 10**20, 1.5, float("nan"), float("inf"), "", " ", "*", "os.environ/", "ключ", "a" * 5_000,
    "os.environ/NOWHERE", "http://198.51.100.7/", [], {}, [[]], [None], {"": ""}, {"x": {"y": [1]}}, "bedrock/", "/",
    "arn:", "1e5", "0x10", "2026-13-01", ["a", {"b": "c"}], {"model": "a"}, "bedrock/arn:aws:bedrock:::x/y", "\x85",
]  # fmt: skip


def used(path: Path, folder: Path) -> str:
    """All that is made of a file before anything is started; what LiteLLM would read, as text."""
    config = load_config(path, environment=ENVIRONMENT)
    contained = contain(litellm_file(config), "http://127.0.0.1:4510", config.profile, config.region, ENVIRONMENT)
    needs(config, contained.file["model_list"], contained.profiles, Demand())
    adopted(config, folder / "patterns.yaml")
    config.warnings()
    list(config.deployments())
    for group in (*config.groups, *config.aliases, "nowhere"):
        config.group_of(group)
    for kind in KINDS:
        config.fallbacks_for(kind)
    return yaml.safe_dump(with_warm_ups(contained.file, config))


def adopted(config: Config, path: Path) -> None:
    """What `adopt` writes is a patterns file for this configuration, unless nothing in it can be tested."""
    try:
        path.write_text(adopt(config).text, encoding="utf-8")
    except ConfigError as error:
        if "nothing in it can be tested" not in str(error):
            raise AssertionError(f"adopt: {error}") from error
        return
    load_patterns(path, load_config(config.document.path, beside=path, environment=ENVIRONMENT))


def mutated(content: Any, rng: random.Random) -> Any:
    """The content with one to three things in it changed."""
    content = copy.deepcopy(content)
    for _ in range(rng.randint(1, 3)):
        holder, key = rng.choice(places(content))
        match rng.randrange(6):
            case 0:
                del holder[key]
            case 1 | 2:
                holder[key] = copy.deepcopy(rng.choice(JUNK))
            case 3 if isinstance(holder, dict):
                holder[misspelt(str(key), rng)] = holder.pop(key)
            case 3 | 4:
                holder[key] = [holder[key]] if rng.random() < 0.5 else {"x": holder[key]}
            case 5:
                other, name = rng.choice(places(content))
                holder[key] = copy.deepcopy(other[name])
        if not places(content):
            break
    return content


def places(content: Any) -> list[tuple[Any, Any]]:
    """Each mapping or list with each of its keys."""
    found, pending = [], [content]
    while pending:
        holder = pending.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            found.append((holder, key))
            pending.append(holder[key])
    return found


def misspelt(name: str, rng: random.Random) -> str:
    at = rng.randrange(len(name)) if name else 0
    return rng.choice([name[:at] + name[at + 1 :], name[:at] + "q" + name[at:], f"x-{name}", name.upper()])


def broken(text: str, rng: random.Random) -> str:
    """The text of a file with a few characters or lines changed."""
    for _ in range(rng.randint(1, 4)):
        lines = text.splitlines(keepends=True)
        at = rng.randrange(len(lines))
        match rng.randrange(4):
            case 0:
                del lines[at]
            case 1:
                lines[at] = rng.choice(["  ", "\t", "- ", "&a ", "*a ", "? ", "<<: ", "!!int "]) + lines[at]
            case 2:
                lines.insert(at, rng.choice(lines))
            case 3:
                where = rng.randrange(len(lines[at]))
                lines[at] = lines[at][:where] + rng.choice("{}[]:,'\"#&*!|>%@`\0é") + lines[at][where:]
        text = "".join(lines) or "a: 1"
    return text


@pytest.fixture
def limited():
    """Nothing may take longer than a moment."""

    def late(*_: Any) -> None:
        raise TimeoutError

    former = signal.signal(signal.SIGALRM, late)
    yield lambda: signal.alarm(LONGEST_S)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, former)


@pytest.mark.parametrize("part", range(4))
def test_a_mutated_file_is_used_or_refused_in_words(tmp_path, limited, part):
    rng = random.Random(part)
    texts = [path.read_text() for path in FILES]
    texts += [yaml.safe_dump(Writer(part * WRITTEN + number).file(), allow_unicode=True) for number in range(WRITTEN)]
    path = tmp_path / "config.yaml"
    used_files = 0
    for number in range(MUTATIONS // 4):
        text = rng.choice(texts)
        text = broken(text, rng) if number % 4 == 0 else yaml.safe_dump(mutated(yaml.safe_load(text), rng))
        path.write_text(text, encoding="utf-8")
        limited()
        try:
            used(path, tmp_path)
            used_files += 1
        except ConfigError as error:
            words = str(error)
            if not words.startswith(str(path)) and "model_list[" not in words:
                raise AssertionError(f"{words}\n{text}") from error
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\n{text}") from error
    assert used_files > MUTATIONS // 40  # else the mutations are too wild to say anything


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_the_files_themselves_are_used(tmp_path, file):
    rendered = used(file, tmp_path)
    assert "example.com" not in rendered
    assert "wJalr" not in rendered
