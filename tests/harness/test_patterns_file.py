"""Which patterns file is meant where none is named."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from common.places import CONFIG_DIR
from common.yaml_file import ConfigError
from harness.settings.patterns_file import SHIPPED, choose

OWN = {"model_list": [{"model_name": "mine", "litellm_params": {"model": "bedrock/us.anthropic.claude-sonnet-4-6"}}]}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "litellm.yaml"
    path.write_text(yaml.safe_dump(OWN))
    return path


def test_the_one_that_is_named(own: Path, tmp_path: Path) -> None:
    assert choose(Path("mine.yaml"), own, tmp_path, print) == Path("mine.yaml")


def test_the_shipped_one_for_the_shipped_configuration_and_for_one_with_its_groups(tmp_path: Path) -> None:
    assert choose(None, CONFIG_DIR / "config.yaml", tmp_path, print) == SHIPPED
    copy = tmp_path / "copy.yaml"
    copy.write_text((CONFIG_DIR / "config.yaml").read_text())
    assert choose(None, copy, tmp_path, print) == SHIPPED


def test_else_one_is_made_and_kept(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SimpleNamespace(patterns_text=lambda config: f"# for {', '.join(config.groups)}\n")
    monkeypatch.setitem(sys.modules, "gateway.adopt", fake)  # type: ignore[arg-type]
    said: list[str] = []
    made = choose(None, own, tmp_path, said.append)
    assert made.read_text() == "# for mine\n"
    assert made.parent == tmp_path
    assert str(made) in said[0]
    (tmp_path / "occupied").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be written: .* Name a patterns file with --patterns"):
        choose(None, own, tmp_path / "occupied", said.append)
