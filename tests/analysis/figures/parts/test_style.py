from __future__ import annotations

import matplotlib as mpl
import pytest

from analysis.figures.parts.style import paper, plain
from analysis.notation.methods import METHODS, method, strength_label
from regularize.regularizers import REGULARIZERS


def test_every_technique_has_a_look() -> None:
    assert list(REGULARIZERS) == list(METHODS)


def test_no_two_methods_look_alike() -> None:
    assert len({(m.colour, m.linestyle) for m in METHODS.values()}) == len(METHODS)
    assert len({(m.colour, m.marker) for m in METHODS.values()}) == len(METHODS)
    assert len({m.label for m in METHODS.values()}) == len(METHODS)


def test_a_family_is_a_colour() -> None:
    families = {m.family for m in METHODS.values()}
    assert len({(m.family, m.colour) for m in METHODS.values()}) == len(families)
    assert len({m.colour for m in METHODS.values()}) == len(families)


def test_other_names_have_a_look_of_their_own() -> None:
    assert method("l2_dropout") == method("l2_dropout")
    assert method("l2_dropout").label == "l2_dropout"
    assert method("l2_dropout").colour not in {m.colour for m in METHODS.values()}


@pytest.mark.parametrize(
    ("regularizer", "strength", "label"),
    [
        ("none", "", ""),
        ("l2", "0.0005", "λ = 5×10⁻⁴"),
        ("l2", "1e-05", "λ = 10⁻⁵"),
        ("dropout", "0.25", "p = 0.25"),
        ("jacobian", "20000", "λ = 2×10⁴"),
        ("input_noise", "0", "σ = 0"),
        ("elastic_net", "l1=1e-05 l2=0.1", "l1 = 10⁻⁵, l2 = 0.1"),
        ("mixture", "l2.strength=0.1 dropout.p=0.5", "l2 = 0.1, dropout.p = 0.5"),
        ("mixture", "0.5", "0.5"),
    ],
)
def test_strength_label(regularizer: str, strength: str, label: str) -> None:
    assert strength_label(regularizer, strength) == label


def test_plain_text_is_not_mathematics() -> None:
    assert plain("a$b$") == r"a\$b\$"


def test_style_is_left_behind_as_it_was() -> None:
    before = dict(mpl.rcParams)
    with mpl.rc_context({"font.size": 20}):
        with paper():
            assert mpl.rcParams["font.size"] == 8
            assert mpl.rcParams["pdf.fonttype"] == 42
        assert mpl.rcParams["font.size"] == 20
    assert dict(mpl.rcParams) == before
