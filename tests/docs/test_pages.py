"""What the pages say of the project is so: folders, links, tables, prices, error texts."""

from __future__ import annotations

import ast
import json
import math
import os
import re
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from gateway.litellm.config import load_config
from harness.settings.patterns import load_patterns
from tests.docs.pages import PAGES, README, ROOT, blocks, commands


def test_folder_map_is_complete() -> None:
    """Every path in it exists, and every folder that a newcomer sees is in it."""
    (block,) = blocks("text", "docs/architecture.md")
    mapped = {line.split()[0].rstrip("/") for line in block.splitlines()}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))}
    assert folders - mapped == set()
    made_by_runs = {"runs"}
    parents = (ROOT, ROOT / "config", ROOT / "gateway")
    assert {name for name in mapped - made_by_runs if not any((parent / name).exists() for parent in parents)} == set()


def test_every_benchmark_is_told() -> None:
    programs = {path.stem for path in (ROOT / "tests" / "benchmarks").glob("*.py") if "def main(" in path.read_text()}
    assert programs - {"truth_server"} == set(re.findall(r"tests[/.]benchmarks[/.](\w+)", " ".join(commands())))


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_exist(page: str) -> None:
    folder = (ROOT / page).parent
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]) if "://" not in target]
    for target in targets:
        name, _, anchor = target.partition("#")
        path = folder / name if name else ROOT / page
        assert path.exists(), f"{page} leads to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_page_is_reached_from_the_readme() -> None:
    reached, pages = set(), [README]
    while pages:
        page = pages.pop()
        reached.add(page)
        for target in re.findall(r"\]\(([^)#\s]+\.md)", PAGES[page]):
            name = os.path.normpath(Path(page).parent / target)
            if name in PAGES and name not in reached:
                pages.append(name)
    assert set(PAGES) - reached == set()


def test_the_readme_fits_on_a_screen_and_a_half() -> None:
    assert len(PAGES[README].splitlines()) < 90


@pytest.mark.parametrize(("traffic", "said"), [("demo", "(\\d+) requests cost"), ("sustained", "(\\d+) of `--traffic")])
def test_cost_is_what_the_prices_make_it(traffic: str, said: str) -> None:
    """At most: every answer as long as it may be, each from the dearest model that may give it."""
    requests, cost_usd = 0, 0.0
    for prices, sent in asked(traffic):
        requests += sent
        cost_usd += sent * max(prices)
    told = re.search(rf"{said}.*?at most (\d+) US cents", PAGES["docs/real-aws.md"], re.DOTALL)
    assert told is not None
    assert requests == int(told[1])
    assert math.ceil(100 * cost_usd) == int(told[2])


def asked(traffic: str) -> Iterator[tuple[list[float], int]]:
    """For each consumer: what one request may cost in USD, by every model that may answer, and how many it sends."""
    spec = find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    price_list = json.loads(Path(spec.origin).with_name("model_prices_and_context_window_backup.json").read_text())
    config = load_config()
    patterns = load_patterns(None, config)
    fallbacks = config.fallbacks()
    for pattern in patterns.patterns.values():
        for consumer in pattern.consumers.values():
            groups = [consumer.model, *fallbacks.get(consumer.model, ())] if consumer.model else []
            models = [entry.bedrock_model_id for group in groups for entry in config.groups[group]]
            tokens = (consumer.prompt or patterns.prompt).max_tokens
            prices = [price_list[model] for model in models or [config.cris.model_id]]
            costs = [PROMPT_TOKENS * p["input_cost_per_token"] + tokens * p["output_cost_per_token"] for p in prices]
            yield costs, sum(1 for _ in consumer.traffic[traffic].arrivals(patterns.seed))


PROMPT_TOKENS = 20  # more than the shipped prompt has


def test_error_texts_are_the_real_ones() -> None:
    """What the table under Troubleshooting quotes stands in the code, apart from the gaps marked …"""
    table = PAGES["docs/troubleshooting.md"]
    quoted = [text for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for text in re.findall(r"`(.+?)`", row)]
    assert len(quoted) > 8
    texts = [
        text
        for folder in ("analysis", "common", "embedded_aws", "gateway", "harness")
        for text in texts_in(ROOT / folder)
    ]
    for quote in quoted:
        pieces = [piece.strip() for piece in re.split(r"…|\d+|https?://\S+|_?[A-Z]{2,}_\S+", quote)]
        for piece in pieces:
            assert any(piece in text for text in texts), f"{piece!r} of {quote!r} is nowhere in the code"


def texts_in(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def first_columns(heading: str, page: str) -> list[set[str]]:
    """Of each table with that heading the words in its first column."""
    tables = re.findall(rf"^\| `?{heading}`? \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGES[page], re.MULTILINE)
    return [
        {word for cell in re.findall(r"^\| (.+?) \|", table, re.MULTILINE) for word in re.findall(r"\w+", cell)}
        for table in tables
    ]


def test_the_table_of_exit_codes_is_complete() -> None:
    from analysis.__main__ import FAILED, OPEN, PASSED, UNUSABLE
    from common.interruption import Interrupted

    interrupted = (Interrupted(number).exit_code for number in (signal.SIGINT, signal.SIGTERM))
    codes = {str(code) for code in (PASSED, FAILED, UNUSABLE, OPEN, *interrupted)}
    assert first_columns("Exit code", "docs/verdicts.md") == [codes]


def test_the_table_of_traffic_is_complete() -> None:
    assert first_columns("kind", "docs/traffic.md") == [traffic_kinds()]


def traffic_kinds() -> set[str]:
    from harness.settings.traffic import KINDS, name_of

    return {name_of(kind) for kind in KINDS}
