"""Whatever else a file holds, and wherever it stands: no address of another machine is left, and no secret reported."""

import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.yaml_file import ConfigError
from gateway.litellm.containment.addresses import host_is_elsewhere, is_elsewhere
from tests.gateway.litellm.cases import AWAY, SECRET, contained, full

URLS = st.sampled_from(
    [AWAY, "redis://cache.example.com:6379", "postgresql://u:p@10.0.0.1/x", "wss://192.0.2.1/x", "grpc://a.example:1"]
)
KEYS = st.text("abc_", min_size=1, max_size=4)


@st.composite
def places(draw):
    """A path of new keys and positions, at whose end there is an address."""
    value = draw(URLS)
    for key in draw(st.lists(st.one_of(KEYS, st.none()), max_size=4)):
        value = [value, 1] if key is None else {key: value, "n": 1}
    section = draw(st.sampled_from(["litellm_settings", "router_settings", "general_settings", "deployment", "new"]))
    return section, draw(KEYS), value


def addresses(value):
    """Every text below a value that is another machine's address."""
    if isinstance(value, dict):
        return [found for name, one in value.items() if name != "model_info" for found in addresses(one)]
    if isinstance(value, list):
        return [found for one in value for found in addresses(one)]
    return [value] if isinstance(value, str) and re.search(r"://(?!127\.0\.0\.1|localhost)", value) else []


@given(st.lists(places(), max_size=5), st.dictionaries(st.text("ABC_", min_size=1), URLS, max_size=3))
def test_no_address_of_another_machine_is_left_anywhere(added, variables):
    file = full()
    for section, key, value in added:
        place = file["model_list"][0]["litellm_params"] if section == "deployment" else file.setdefault(section, {})
        place[key] = value
    result = contained(file, **variables)
    assert addresses(result.file) == []
    assert addresses({name: value for name, value in result.environment.items() if value}) == []
    assert {name for name in variables if result.environment.get(name, AWAY) is not None} == set()


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), URLS, st.just("os.environ/A"))
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def odd_files(draw):
    """The full file with something else in the place of one of its values."""
    file = full()
    place = file
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
        else:
            place[key] = draw(ANYTHING)
            return file


@settings(max_examples=150)
@given(odd_files())
def test_what_litellm_would_refuse_is_left_to_it(file):
    """Whatever stands there, the rules stumble over nothing, and no address is left."""
    with suppress(ConfigError):
        assert addresses(contained(file).file) == []


def test_no_secret_is_left_or_reported():
    result = contained(full())
    assert SECRET not in str(result.changes)
    assert SECRET not in str(result.file)
    assert "pw@" not in str(result.changes)


def test_what_is_given_is_not_changed():
    file = full()
    contained(file)
    assert file == full()


@pytest.mark.parametrize(
    ("value", "elsewhere"),
    [
        (AWAY, True), ("http://127.0.0.1:1/x", False), ("http://localhost", False), ("http://[::1]:80/", False),
        ("redis://:pw@127.0.0.1:6379/0", False), ("redis://:pw@cache:6379/0", True), ("file:///x", False),
        ("see https://example.com for more", False), ("http://", False), ("http://[", True), (3, False), (None, False),
        ("http://127.0.0.1.example.com", True), ("HTTPS://EXAMPLE.COM", True), ("http://user@127.0.0.1@evil.com", True),
        ("http://evil.com#@127.0.0.1", True),
    ],
)  # fmt: skip
def test_addresses(value, elsewhere):
    assert is_elsewhere(value) is elsewhere


@pytest.mark.parametrize(
    ("value", "elsewhere"),
    [("redis", True), ("redis:6379", True), ("127.0.0.1", False), ("127.0.0.1:6379", False), ("localhost", False),
     ("::1", False), ("[::1]:80", False), ("10.0.0.1", True), ("", False), (None, False), (AWAY, True)],
)  # fmt: skip
def test_hosts(value, elsewhere):
    assert host_is_elsewhere(value) is elsewhere
