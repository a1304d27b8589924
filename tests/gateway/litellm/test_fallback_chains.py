"""Who takes over is looked up under the name that is asked for: LiteLLM's own lookup is asked the same."""

import pytest

from gateway.litellm.fallback_chains import direct, following, reached

CASES = [
    ([{"a": ["b"]}], None, "a", ("b",)),
    ([{"a": ["b"]}], None, "b", ()),
    ([{"a": ["b"]}, {"a": ["c"]}], None, "a", ("b",)),
    ([{"*": ["b"]}, {"*": ["c"]}], None, "a", ("c",)),
    ([{"a": [{"model": "b", "temperature": 0}]}], None, "a", ("b",)),
    ([{"a": "bc"}], None, "a", ("b", "c")),  # letter by letter
    ([{"a": ["b"]}], None, "openai/a", ("b",)),
    ([{"a": ["b"]}], None, "team/a", ()),
    ([{"openai/gpt-4o": ["b"]}], None, "gpt-4o", ("b",)),
    ([{"azure/gpt-4o": ["b"]}], None, "gpt-4o", ()),
    ([{"w/*": ["b"]}], None, "w/1", ()),
    ([{"a": ["b"]}], ["c"], "a", ("b",)),
    ([{"a": ["b"]}], ["c"], "x", ("c",)),
    ([{"*": ["b"]}], [], "x", ()),
    (None, ["c"], "x", ("c",)),
    (None, None, "x", ()),
]


@pytest.mark.parametrize(("fallbacks", "defaults", "name", "names"), CASES)
def test_looked_up_as_litellm_looks_it_up(monkeypatch, fallbacks, defaults, name, names):
    assert following(direct({"fallbacks": fallbacks, "default_fallbacks": defaults}, {}), name) == names
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm
    from litellm.router_utils.fallback_event_handlers import get_fallback_model_group

    router = litellm.Router(model_list=[], fallbacks=fallbacks, default_fallbacks=defaults)
    found, _ = get_fallback_model_group(router.fallbacks or [], name)
    assert tuple(one["model"] if isinstance(one, dict) else one for one in found or ()) == names


def group_of(name):
    return {"alias": "b", "w/1": "w/*", "w/2": "w/*"}.get(name, name)


@pytest.mark.parametrize(
    ("written", "groups"),
    [
        ({"a": ("alias",)}, {"a": ("b",)}),
        ({"a": ("alias",), "b": ("c",)}, {"a": ("b",), "b": ("c",)}),  # what answers is asked as alias, which has none
        ({"a": ("alias",), "alias": ("c",)}, {"a": ("b", "c")}),
        ({"a": ("w/1",), "w/1": ("c",)}, {"a": ("w/*", "c"), "w/*": ("c",)}),
        ({"w/*": ("c",)}, {}),
        ({"*": ("c",)}, {"a": ("c",), "b": ("c",), "w/*": ("c",)}),
        ({"a": ("a", "b")}, {"a": ("b",)}),
        ({"a": ("alias", "b")}, {"a": ("b",)}),
    ],
)
def test_the_groups_that_may_answer(written, groups):
    assert reached(written, ["a", "b", "c", "w/*"], group_of) == groups
