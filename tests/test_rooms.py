"""Which room may import which: one direction of flow, held by reading the imports of every file."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("analysis", "common", "embedded_aws", "gateway", "harness", "iam", "locustfiles")

# Room → the modules of other rooms that it may import. Everybody may import `common`.
MAY_IMPORT = {
    "common": (),
    "embedded_aws": ("common",),
    "analysis": ("common",),
    "gateway": ("common",),
    "harness": ("common", "gateway", "analysis.model", "analysis.claims"),
    "locustfiles": ("harness",),
    "iam": ("common", "gateway", "harness.settings"),
}


def imported(path: Path) -> set[str]:
    """The modules of our rooms that a file imports, with the names that are taken from them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in ROOMS}


def files() -> list[Path]:
    return [path.relative_to(ROOT) for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def within(name: str, module: str) -> bool:
    return f"{name}.".startswith(f"{module}.")


@pytest.mark.parametrize("path", files(), ids=str)
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    room = path.parts[0]
    for name in imported(ROOT / path):
        assert any(within(name, allowed) for allowed in (room, *MAY_IMPORT[room])), f"{path} imports {name}"


@pytest.mark.parametrize("path", files(), ids=str)
def test_what_is_private_stays_in_its_room(path: Path) -> None:
    for name in imported(ROOT / path):
        private = any(part.startswith("_") and not part.startswith("__") for part in name.split("."))
        assert not private or name.split(".")[0] == path.parts[0], f"{path} imports {name}"


def test_locusts_process_never_loads_pandas() -> None:
    program = "import sys, harness.run.events; print([name for name in ('pandas', 'litellm') if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_the_public_names_need_no_locust_until_they_are_asked_for() -> None:
    program = (
        "import sys, harness.settings.patterns; assert 'locust' not in sys.modules\n"
        "from harness import BedrockUser, GatewayUser; assert GatewayUser.abstract and 'locust' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_the_old_place_of_the_users_still_works_and_says_so_once() -> None:
    program = "from locustfiles._users import BedrockUser\nfrom locustfiles._users import GatewayUser"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stderr.count("from harness import GatewayUser, BedrockUser") == 1
