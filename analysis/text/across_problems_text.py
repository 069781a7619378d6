"""Problems together, and the plateaus of strengths, as text: for the terminal, and for LaTeX."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from analysis.notation.number_text import number
from analysis.notation.text_table import Cells, Column, Rows, TextTable, by_problem, plain
from analysis.statistics.scores import Score
from analysis.statistics.sensitivity import is_best
from analysis.tables.strength_text import strength_numbers
from analysis.text.results_text import DIVERGED, REGULARIZER, STRENGTH, N


def across_table(score: Score, with_strengths: bool) -> TextTable:
    """The columns of `analysis.statistics.across_datasets`."""
    unit = f" ({score.difference_unit})" if score.difference_unit else ""
    return TextTable(
        columns=(
            REGULARIZER,
            *[STRENGTH] * with_strengths,
            Column(header="Problems", tex="Problems", cells=plain("problems")),
            Column(
                header="Mean rank",
                tex="Mean rank",
                cells=lambda rows: [number(x, 2) for x in rows["mean_rank"]],
            ),
            Column(
                header="+ / = / −", tex="$+$ / $=$ / $-$", words=True, cells=_counts("wins", "ties", "losses")
            ),
            Column(
                header="+† / −†",
                tex=r"$+^\dagger$ / $-^\dagger$",
                words=True,
                cells=_counts("significant_wins", "significant_losses"),
            ),
            Column(
                header="IQM ratio" if score.is_ratio else f"IQM Δ{unit}",
                tex="IQM ratio" if score.is_ratio else rf"IQM $\Delta${unit}",
                cells=lambda rows: [
                    number(math.exp(x), 2) if score.is_ratio else number(x, 2, signed=True)
                    for x in rows["iqm_difference"]
                ],
            ),
            N,
            DIVERGED,
        ),
        caption=(
            "Description of these problems, no inference to others. + = −: problems in which it is better, "
            "equal, worse than the baseline; †: of these significant within the problem; IQM: mean of the "
            "middle half of the n differences"
        ),
    )


def across_groups(frame: pd.DataFrame) -> list[Rows]:
    """All rows as one group; none where there is nothing across."""
    if frame.empty:
        return []
    return [Rows(title=f"{frame['problems'].max()} problems together", frame=frame)]


PLATEAUS = TextTable(
    columns=(
        REGULARIZER,
        Column(header="Chosen", tex="Chosen", words=True, cells=plain("strength")),
        Column(header="Tried", tex="Tried", words=True, cells=plain("tried")),
        Column(header="Plateau", tex="Plateau", words=True, cells=plain("plateau")),
        Column(header="95%", tex=r"95\%", words=True, cells=plain("certain")),
        Column(header="Decades", tex="Decades", cells=lambda rows: [number(x, 1) for x in rows["decades"]]),
        Column(header="", tex="", words=True, cells=plain("edge")),
    ),
    caption=(
        "Plateau: the neighbouring strengths that score within the tolerance of the one chosen, or best, "
        "and how many; 95%: how many these are at least and at most; at the edge: that one is the smallest "
        "or largest tried and none inside is as good, so a better one may lie beyond"
    ),
)


def plateau_groups(frame: pd.DataFrame) -> list[Rows]:
    """One row a problem and regularizer that has several strengths."""
    cells = frame[frame["strengths"] > 1].groupby(
        ["dataset", "per_class", "model", "regularizer"], dropna=False, sort=False
    )
    found = pd.DataFrame([_plateau(cell) for _, cell in cells])
    return list(by_problem(found)) if len(found) else []


def _plateau(cell: pd.DataFrame) -> dict[str, object]:
    best = cell[is_best(cell)].iloc[0]
    values = cell["strength_value"]
    ordered = values.notna().all()
    count = f"{best['plateau_strengths']:.0f}" if pd.notna(best["plateau_strengths"]) else "–"
    ends = " to ".join(dict.fromkeys(f"{best[end]:g}" for end in ("plateau_low", "plateau_high")))
    return {
        **{name: best[name] for name in ("dataset", "per_class", "model", "regularizer", "strength")},
        "tried": f"{values.min():g} to {values.max():g} ({len(cell)})" if ordered else _tried(cell),
        "plateau": f"{ends} ({count})" if pd.notna(best["plateau_low"]) else count,
        "certain": "–"
        if pd.isna(best["plateau_at_least"])
        else f"{best['plateau_at_least']:.0f} to {best['plateau_at_most']:.0f}",
        "decades": best["plateau_decades"],
        "edge": "at the edge" if pd.notna(best["at_edge"]) and best["at_edge"] else "",
    }


def _tried(cell: pd.DataFrame) -> str:
    """How many settings, and of each of their numbers from where to where."""
    every = [strength_numbers(strength) for strength in cell["strength"]]
    values = {name: sorted({numbers[name] for numbers in every}) for name in every[0]}
    ranges = [f"{name} {v[0]:g} to {v[-1]:g}" for name, v in values.items() if len(v) > 1]
    return f"{len(cell)}: {', '.join(ranges)}" if ranges else str(len(cell))


def _counts(*columns: str) -> Callable[[pd.DataFrame], Cells]:
    return lambda rows: [" / ".join(map(str, row)) for row in rows[list(columns)].itertuples(index=False)]
