"""The results table as text: for the terminal, and for LaTeX."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.notation.methods import method
from analysis.notation.text_table import Column, Rows, TextTable, by_problem, measured, noted, plain

if TYPE_CHECKING:
    from rich.console import Group

REGULARIZER = Column(
    header="Regularizer",
    tex="Regularizer",
    words=True,
    cells=lambda rows: [method(name).label for name in rows["regularizer"]],
)
STRENGTH = Column(header="Strength", tex="Strength", words=True, cells=plain("strength"))
N = Column(header="n", tex="$n$", cells=plain("n"))
DIVERGED = Column(header="Div.", tex="Diverged", cells=plain("n_diverged"))

TABLE = TextTable(
    columns=(
        REGULARIZER,
        STRENGTH,
        N,
        Column(
            header="Acc. (%)",
            tex=r"Accuracy (\%)",
            cells=measured("test_accuracy", "test_accuracy_half"),
        ),
        Column(
            header="Δ (pp)",
            tex=r"$\Delta$ none (pp)",
            cells=measured("difference", "difference_half", signed=True),
        ),
        Column(header="Test loss", tex="Test loss", cells=measured("test_loss", "test_loss_half")),
        Column(header="Gap", tex="Gap", cells=measured("gap", "gap_half")),
        DIVERGED,
    ),
    caption=(
        "description, nothing is concluded: mean over n seeds ± half its 95% t-interval; Δ to the baseline, "
        "paired by seed; Div.: how many diverged, which count as constant guesses (in the gap, not at all)"
    ),
)


def groups(frame: pd.DataFrame) -> list[Rows]:
    """The rows by problem, with what `results_table` has to say of all."""
    found, note = list(by_problem(frame)), frame.attrs.get("pooled")
    return noted(found, note) if note else found


def to_terminal(frame: pd.DataFrame) -> Group:
    """One table a problem, for `rich.print`."""
    return TABLE.to_terminal(groups(frame))


def to_latex(frame: pd.DataFrame) -> str:
    """A booktabs tabular."""
    return TABLE.to_latex(groups(frame))
