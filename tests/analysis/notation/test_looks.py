"""Entries of a sweep look different from each other, whatever they are called and however many there are."""

from __future__ import annotations

from analysis.notation.methods import METHODS, looks, method, strength_label, telling_apart


def test_forty_entries_of_one_technique_have_forty_markers_of_their_own() -> None:
    entries = {f"l2 on layer {number}": ("l2",) for number in range(40)} | {"none": (), "l2": ("l2",)}
    found = looks(entries)
    assert len({(each.colour, each.marker, each.linestyle) for each in found.values()}) == 40
    few = looks({f"l2 {number}": ("l2",) for number in range(8)})
    markers = {each.marker for each in few.values()}
    assert len(markers) == 8
    assert METHODS["l2"].marker not in markers


def test_an_entry_under_another_name_has_its_techniques_colour_and_symbol() -> None:
    assert method("bounded").symbol == ""
    with telling_apart({"bounded": ("l2",), "both": ("l2", "dropout")}):
        assert method("bounded").colour == METHODS["l2"].colour
        assert method("bounded").label == "bounded"
        assert strength_label("bounded", "1") == "λ = 1"
        assert method("both").symbol == ""
    assert method("bounded").symbol == "", "as before afterwards"


def test_the_baseline_is_grey_whatever_it_is_and_nothing_else_is() -> None:
    grey = METHODS["none"].colour
    entries = {"none": (), "l2": ("l2",), "orthogonal": (), "strong": ("l2",)}
    with telling_apart(entries):
        assert [name for name in entries if method(name).colour == grey] == ["none"]
    for baseline in ("l2", "orthogonal", "strong"):
        with telling_apart(entries, baseline=baseline):
            assert [name for name in entries if method(name).colour == grey] == [baseline]
            assert method("strong").symbol == method("l2").symbol == "λ"
            assert method(baseline).label == {"l2": "L2"}.get(baseline, baseline)


def test_markers_differ_while_there_are_any() -> None:
    entries = {
        "hard_svb": ("hard_svb",),
        "weak": ("dropout",),
        "strong": ("dropout",),
        "jacobian": ("jacobian",),
    }
    with telling_apart(entries):
        assert len({method(name).marker for name in entries}) == 4


def test_looks_do_not_depend_on_the_order_of_the_sweep() -> None:
    entries = {"weak": ("l2",), "strong": ("l2",), "x": ("dropout",)}
    assert looks(entries) == looks(dict(reversed(entries.items())))
