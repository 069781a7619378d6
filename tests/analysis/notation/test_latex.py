from __future__ import annotations

import pytest

from analysis.notation.latex import booktabs, escape, math


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("label_smoothing", r"label\_smoothing"),
        ("5% & $3 #1 {a}", r"5\% \& \$3 \#1 \{a\}"),
        ("\\input{x}", r"\textbackslash{}input\{x\}"),
        ("a~b^c", r"a\textasciitilde{}b\textasciicircum{}c"),
    ],
)
def test_escape(text: str, tex: str) -> None:
    assert escape(text) == tex


def test_math() -> None:
    assert math("−0.3 ± 0.1") == r"$-0.3 \pm 0.1$"
    assert math("97.9 ± 0.3", bold=True) == r"$\mathbf{97.9} \pm 0.3$"
    assert math("97.9") == "$97.9$"
    assert math("–") == "--"


def test_booktabs() -> None:
    text = booktabs("lr", ["a", "b"], [("MNIST", [["x", "1"], ["y", "2"]])])
    assert text.splitlines() == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"a & b \\",
        r"\midrule",
        r"\multicolumn{2}{l}{\emph{MNIST}} \\",
        r"x & 1 \\",
        r"y & 2 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
