"""Keys as they are written in messages, and read again."""

from hypothesis import given
from hypothesis import strategies as st

from common.yaml_file import dotted, keys_of

NAMES = st.text(st.characters(exclude_characters=".[]", exclude_categories=["Cs"]), min_size=1)


@given(NAMES, st.lists(st.one_of(NAMES, st.integers(0, 10**6))))
def test_keys_are_read_as_they_were_written(first, rest):
    keys = [first, *rest]
    assert keys_of(dotted(keys)) == keys
