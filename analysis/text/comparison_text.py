"""The comparison as text: for the terminal, and for LaTeX."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from analysis.notation.intervals import Interval
from analysis.notation.number_text import number, p_value, ratio
from analysis.notation.text_table import Cells, Column, Rows, TextTable, by_problem, highest, measured
from analysis.statistics.contenders import Contender
from analysis.statistics.scores import Score
from analysis.text.captions import name, not_alike
from analysis.text.results_text import REGULARIZER, STRENGTH

_CAPTION = (
    "n: seeds that did not diverge (of all, where some did); mean ± half the 95% t-interval; Δ to none, "
    "paired by seed; p after Holm, † where p ≤ 0.05; d_z: Δ over its standard deviation; P(+): share "
    "of seeds that improve"
)
_RATIO_CAPTION = "; Δ is that of logarithms, and the ratio their geometric mean, with its 95% t-interval"
_ROPE_CAPTION = "; verdict: by where the interval of Δ lies, inside or outside ±{rope:g} {unit}"


def table(score: Score) -> TextTable:
    """The columns of a comparison by that score."""
    unit = score.difference_unit
    shown = f" ({unit})" if unit else ""
    columns = [
        REGULARIZER,
        STRENGTH,
        Column(header="n", tex="$n$", cells=_seeds),
        Column(
            header=score.title,
            tex=score.title.replace("%", r"\%"),
            cells=measured("mean", "half"),
            best=highest("mean", "half", score.sign),
        ),
        Column(header="Ratio", tex="Ratio to none", cells=_ratios)
        if score.is_ratio
        else Column(header=f"Δ{shown}", tex=rf"$\Delta$ none{shown}", cells=_differences),
        Column(header="p", tex="$p$", cells=lambda rows: list(map(p_value, rows["p_holm"]))),
        Column(header="d_z", tex="$d_z$", cells=lambda rows: _numbers(rows["d_z"])),
        Column(header="P(+)", tex="$P(+)$", cells=lambda rows: _numbers(rows["p_improvement"])),
    ]
    caption = _CAPTION + _RATIO_CAPTION * score.is_ratio
    if score.rope is not None:
        columns.append(Column(header="Verdict", tex="Verdict", words=True, cells=_verdicts))
        caption += _ROPE_CAPTION.format(rope=score.rope, unit=unit)
    return TextTable(columns=columns, caption=caption)


def groups(frame: pd.DataFrame) -> list[Rows]:
    """Each problem's rows, and below them what a reader must know."""
    return [replace(rows, notes=[*_notes(rows.frame)]) for rows in by_problem(frame)]


def _seeds(rows: pd.DataFrame) -> Cells:
    """Seeds that did not diverge, of all where some did."""
    return [f"{n}/{n + bad}" if bad else str(n) for n, bad in zip(rows["n"], rows["n_diverged"], strict=True)]


def _differences(rows: pd.DataFrame) -> Cells:
    return _marked(rows, measured("difference", "difference_half", signed=True)(rows))


def _ratios(rows: pd.DataFrame) -> Cells:
    halves = zip(rows["difference"], rows["difference_half"], strict=True)
    return _marked(rows, [ratio(Interval(0, mean, half)) for mean, half in halves])


def _marked(rows: pd.DataFrame, cells: Cells) -> Cells:
    marks = ["†" if found is True else " " for found in rows["significant"]]
    return [cell + mark * ("†" in marks) for cell, mark in zip(cells, marks, strict=True)]


def _numbers(values: pd.Series) -> Cells:
    return [number(value, 2) for value in values]


def _verdicts(rows: pd.DataFrame) -> Cells:
    refused = rows["refused"].notna()
    words = rows["verdict"].where(~refused, "refused").fillna("")
    return [str(word) for word in words]


def _notes(rows: pd.DataFrame) -> Iterator[str]:
    first = rows.iloc[0]
    yield f"{first['test'].capitalize()}. {first['correction']}. Strengths: {first['rule']}."
    for reason, refused in rows.groupby("refused", sort=False):
        yield f"Nothing is concluded on {_names(refused)}: {reason}."
    if len(doubtful := rows[rows["confirmed"] == False]):  # noqa: E712, missing where nothing was tested
        yield f"The sign-flip check disagrees with the t-test on {_names(doubtful)}."
    if pd.notna(first["added"]):
        yield f"{first['added']}."
    if len(unmeasured := rows[rows["n_unmeasured"] > 0]):
        yield f"{not_alike(int(unmeasured['n_unmeasured'].sum()))} (of {_names(unmeasured)})."
    if len(diverged := rows[rows["n_diverged"] > 0]):
        yield f"Means and differences leave out the diverged runs of {_names(diverged)}."


def _names(rows: pd.DataFrame) -> str:
    pairs = zip(rows["regularizer"], rows["strength"], strict=True)
    return ", ".join(name(Contender(*pair)) for pair in pairs)
