"""Keys come from the environment, else from .env, else are made once, and nobody else can read them."""

import pytest

from common.places import CONFIG_DIR
from common.yaml_file import ConfigError
from gateway.keys import Limits, find_or_make, load_key_table, read_key_table, write_key_table
from gateway.litellm.config import load_config
from harness.settings.patterns import Patterns, load_patterns

NAMES = ("LITELLM_MASTER_KEY", "CONSUMER_A_KEY")


def mode(path):
    return path.stat().st_mode & 0o777


def test_every_key_that_the_patterns_name_is_in_the_table_and_the_masters_is_not():
    assert list(load_patterns(None, load_config()).key_table()) == [
        "CONSUMER_A_KEY", "CONSUMER_B_KEY", "CONSUMER_C_KEY",
    ]  # fmt: skip
    assert read_key_table(CONFIG_DIR / "patterns.yaml") == load_patterns(None, load_config()).key_table()


def test_the_table_that_litellm_reads_holds_no_key_and_is_for_its_owner_only(tmp_path):
    table = {"A_KEY": Limits("A", 3, None)}
    write_key_table(table, tmp_path / "keys.json")
    assert mode(tmp_path / "keys.json") == 0o600
    assert load_key_table(tmp_path / "keys.json") == table


def test_missing_keys_are_made_once_and_found_again(tmp_path):
    path = tmp_path / ".env"
    made = find_or_make(NAMES, {}, path)
    assert mode(path) == 0o600
    assert len(set(made.values())) == 2
    assert all(key.startswith("sk-") and len(key) > 40 for key in made.values())
    before = path.read_bytes()
    assert find_or_make(NAMES, {}, path) == made
    assert path.read_bytes() == before


def test_the_environment_comes_first_and_is_not_written_down(tmp_path):
    path = tmp_path / ".env"
    keys = find_or_make(NAMES, {"CONSUMER_A_KEY": "sk-mine"}, path)
    assert keys["CONSUMER_A_KEY"] == "sk-mine"
    assert "sk-mine" not in path.read_text()
    find_or_make(("CONSUMER_A_KEY",), {"CONSUMER_A_KEY": "sk-mine"}, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_only_what_is_missing_is_added_to_a_file_that_is_there(tmp_path):
    path = tmp_path / ".env"
    path.write_text("OTHER=1\nCONSUMER_A_KEY=sk-there")  # without an end of line
    path.chmod(0o644)
    keys = find_or_make(NAMES, {}, path)
    assert keys["CONSUMER_A_KEY"] == "sk-there"
    assert path.read_text() == f"OTHER=1\nCONSUMER_A_KEY=sk-there\nLITELLM_MASTER_KEY={keys['LITELLM_MASTER_KEY']}\n"
    assert mode(path) == 0o600


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path):
    path = tmp_path / ".env"
    find_or_make(NAMES, {}, path)
    path.chmod(0o644)
    find_or_make(NAMES, {}, path)
    assert mode(path) == 0o600


def test_a_dollar_in_a_key_is_a_dollar(tmp_path):
    (tmp_path / ".env").write_text("CONSUMER_A_KEY='sk-a${HOME}b'\n")
    assert find_or_make(("CONSUMER_A_KEY",), {}, tmp_path / ".env") == {"CONSUMER_A_KEY": "sk-a${HOME}b"}


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"LITELLM_MASTER_KEY": "secret"}, "LITELLM_MASTER_KEY: must start with 'sk-'"),
        ({"LITELLM_MASTER_KEY": "sk-same", "CONSUMER_A_KEY": "sk-same"}, "is the same key as LITELLM_MASTER_KEY"),
        ({"CONSUMER_A_KEY": "sk-a\nsk-b"}, "CONSUMER_A_KEY: holds a space, a line end or another character that no"),
    ],
)
def test_unusable_keys_are_told_by_name_only(tmp_path, environment, says):
    with pytest.raises(ConfigError) as caught:
        find_or_make(NAMES, environment, tmp_path / ".env")
    assert says in str(caught.value)
    assert not any(key in str(caught.value).replace("the same key", "") for key in environment.values())


def test_a_file_of_keys_that_is_no_text_is_told(tmp_path):
    (tmp_path / ".env").write_bytes(b"CONSUMER_A_KEY=\xff\n")
    with pytest.raises(ConfigError, match=r"\.env: the keys .* cannot be used: it is not UTF-8"):
        find_or_make(NAMES, {}, tmp_path / ".env")


def test_a_place_that_cannot_hold_keys_is_told(tmp_path):
    with pytest.raises(
        ConfigError, match=r"nowhere/\.env: the keys LITELLM_MASTER_KEY, .* cannot be used: No such file"
    ):
        find_or_make(NAMES, {}, tmp_path / "nowhere" / ".env")
    with pytest.raises(ConfigError, match="Is a directory"):
        find_or_make(NAMES, {}, tmp_path)


def patterns(**consumers):
    """One pattern; a consumer is what differs from one that sends a single request."""
    burst = {"users": 1, "traffic": {"demo": {"kind": "burst", "requests": 1}}}
    pattern = {
        "title": "Quotas",
        "consumers": {name: burst | given for name, given in consumers.items()},
        "claims": [{"claim": "all_answered"}],
    }
    return Patterns.model_validate({"patterns": {"quotas": pattern}})


def test_a_key_is_limited_to_its_consumers_quotas_and_the_master_key_is_not():
    assert patterns(A={"key": "A_KEY", "quota_rpm": 3}, B={"key": "B_KEY", "quota_tpm": 900}, C={}).key_table() == {
        "A_KEY": Limits("A", 3, None),
        "B_KEY": Limits("B", None, 900),
    }


@pytest.mark.parametrize("order", ["ABC", "CBA", "BCA"])
def test_the_strictest_quotas_hold_for_a_key_that_is_shared_in_whatever_order(order):
    consumers = {
        "A": {"key": "A_KEY", "quota_rpm": 10, "quota_tpm": 500},
        "B": {"key": "A_KEY", "quota_rpm": 3},
        "C": {"key": "A_KEY", "quota_tpm": 900},
    }
    shared = patterns(**{name: consumers[name] for name in order})
    assert shared.key_table() == {"A_KEY": Limits(", ".join(order), 3, 500)}
