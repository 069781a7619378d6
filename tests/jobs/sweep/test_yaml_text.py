"""YAML to trees and back: what scalars mean, what is refused, where things stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.sweep.yaml_checks import Node
from jobs.sweep.yaml_text import dump, parse_file, parse_option
from regularize.errors import UserError

# fmt: off
BROKEN = [
    ("name: a\ntraining: {epochs: 2\nseeds: 2",
     "a.yaml:3: not valid YAML: while parsing a flow mapping from line 2, expected ',' or "
     "'}', but got ':'"),
    ("name: a\n\ttraining: {epochs: 2}\nseeds: 2",
     "a.yaml:2: not valid YAML: while scanning for the next token, found character '\\t' "
     "that cannot start any token, indent with spaces, not tabs"),
    ("name: a\nmodel: *lenet\nseeds: 2", "a.yaml:2: not valid YAML: found undefined alias 'lenet'"),
    ("name: a\nmodel: !!python/name:os.system x\nseeds: 2",
     "a.yaml:2: the tag '!!python/name:os.system' is not supported"),
    ("name: a\nmodel: !!int five\nseeds: 2", "a.yaml:2: 'five' cannot be read as int"),
    ("name: a\nmodel: \x07\nseeds: 2", "a.yaml:2: not valid YAML: a character that cannot be printed"),
    ("name: a\nname: again\nseeds: 2", "a.yaml:2: key 'name' is given twice (first in a.yaml:1)"),
    ("name: a\n? [a]\n: 1\nseeds: 2", "a.yaml:2: a list or mapping cannot be a key"),
    ("name: a\nmodel: &a [*a]\nseeds: 2", "a.yaml:2: model contains itself"),
    ("name: a\nmodel: \"\\UFFFFFFFF\"\nseeds: 2",
     "a.yaml:2: not valid YAML: an escape that is no character"),
    ("seeds: 2\n---\nname: b",
     "a.yaml:2: not valid YAML: expected a single document in the stream from line 1, but "
     "found another document"),
    ("a:\n  " + "{b: " * 60 + "}" * 60, "a.yaml:2: nested too deeply"),
    ("a: " + "[" * 3000, "a.yaml:1: nested too deeply"),
    ("a: 99999999999999999999", "a.yaml:1: '99999999999999999999' cannot be read as int"),
    ("a: &a [" + "1, " * 99 + "]\nb: &b [" + "*a, " * 99 + "]\nc: [" + "*b, " * 99 + "]",
     "a.yaml:1: more than 100000 values, anchors written out"),
    ("a: {<<: 5}", "a.yaml:1: << is 5, but must be a mapping (key: value)"),
]
# fmt: on


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_text_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse_file(text, "a.yaml")
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1.E3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("010", 10),
        ("+3", 3),
        ("~", None),
        ("", None),
        ("True", True),
        ("no", "no"),
        ("on", "on"),
        ("1:30:00", "1:30:00"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("none", "none"),
        ("'1e-5'", "1e-5"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
        ("<<", "<<"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    parsed = parse_file(f"a: {text}", "a.yaml").plain()["a"]
    assert parsed == value
    assert type(parsed) is type(value)


def test_keys_are_text() -> None:
    assert parse_file("5: a\nnull: b\non: c\n1e-3: d", "a.yaml").plain() == {
        "5": "a",
        "null": "b",
        "on": "c",
        "1e-3": "d",
    }


def test_merged_keys_give_way_to_a_mappings_own_and_to_earlier_ones() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], a: 3}"
    assert parse_file(text, "a.yaml").plain()["z"] == {"a": 3, "b": 1, "c": 2}


def test_values_stand_where_their_key_does_and_elements_where_they_do() -> None:
    root = parse_file("a: &a\n- 1\n- b:\n    2\nc: *a", "a.yaml").mapping()
    assert root["a"].where == "a.yaml:1"
    assert [item.where for item in root["a"].items()] == ["a.yaml:2", "a.yaml:3"]
    assert root["a"].items()[1].mapping()["b"].where == "a.yaml:3"
    assert root["c"].where == "a.yaml:5"
    assert parse_option("[1]", "--set a=[1]", "a").items()[0].where == "--set a=[1]"


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False).map(lambda number: number + 0.0)  # -0.0 is read as 0.0, below
    | st.from_regex(r"[-+0-9a-z.:_~<=!&*#'\"{} ]{0,8}", fullmatch=True)
    | st.sampled_from(["no", "1e-5", "1:30", "2024-01-01", "null", "~", "True", "0x10", "<<", ".nan"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1-~:", max_size=4), inner, max_size=3)
    ),
    max_leaves=10,
)


def node(value: object) -> Node:
    if isinstance(value, dict):
        return Node(where="", key="", value={key: node(child) for key, child in value.items()})
    if isinstance(value, list):
        return Node(where="", key="", value=tuple(node(child) for child in value))
    assert value is None or isinstance(value, bool | int | float | str)
    return Node(where="", key="", value=value)


@given(TREES)
def test_dumped_text_reads_as_it_was(tree: object) -> None:
    assert repr(parse_file(dump(node(tree)), "a.yaml").plain()) == repr(tree)


@pytest.mark.parametrize("text", ["-0.0", "-.0", "-0e3", "[-0.0]", "{a: -0.0}"])
def test_a_negative_zero_is_zero_wherever_it_stands(text: str) -> None:
    read = parse_file(f"a: {text}", "a.yaml").plain()
    assert "-" not in repr(read)
    assert "0.0" in repr(read)
