"""The comparison as text: for the terminal, and for LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from analysis.notation.intervals import Interval
from analysis.notation.methods import method
from analysis.notation.number_text import count, number, p_value, plus_minus, ratios
from analysis.notation.text_table import Cells, Column, Rows, TextTable, by_problem, highest, measured
from analysis.statistics.contenders import Contender
from analysis.statistics.paired_differences import REPETITIONS
from analysis.statistics.scores import Score
from analysis.tables.store_tables import Problem, problem_of, records
from analysis.text.caption_phrases import name, not_alike
from analysis.text.results_text import REGULARIZER, STRENGTH

_CAPTION = (
    "n: seeds; mean ± half its 95% t-interval, the best in bold where something is concluded; Δ to the "
    "baseline, paired by seed, ± half an interval that with 95% covers for all techniques of the problem at "
    "once (Bonferroni); p after Holm, † where p ≤ 0.05 and the sign-flip check confirms it, so † may stand "
    "beside an interval that just holds 0; d_z: Δ over its standard deviation; P(+): share of seeds that "
    "improve, with its exact 95% interval"
)
_RATIO_CAPTION = "; Δ is that of logarithms, and the ratio their geometric mean"
_VERDICT_CAPTION = (
    "; verdict, on the size of Δ: better or worse where it lies beyond the region of practical equivalence, "
    "equivalent where within, each by tests of its own with Holm's correction"
)
_DIVERGED_CAPTION = "; in brackets how many diverged: each counts as a constant guess, if that has a score"
_SURVIVORS = Column(
    header="Survivors", tex="Survivors", wide=True, cells=measured("survivors_mean", "survivors_half")
)
CONDITION = (
    "Intervals are over seeds (initial weights, order, training examples), for this test set and the "
    "strengths that were chosen"
)
"""What intervals are conditional on."""
REPEATED = "repetitions of the whole chain: the choice of strengths, and the training that is reported"


def table(score: Score, frame: pd.DataFrame) -> TextTable:
    """The columns of a comparison by that score; of survivors where runs diverged."""
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
            best=_best(score),
        ),
        *[_SURVIVORS] * bool(frame["n_diverged"].any()),
        Column(header="Ratio", tex="Ratio", cells=_ratios)
        if score.is_ratio
        else Column(header=f"Δ{shown}", tex=rf"$\Delta${shown}", cells=_differences),
        Column(header="p", tex="$p$", cells=lambda rows: list(map(p_value, rows["p_holm"]))),
        Column(header="d_z", tex="$d_z$", wide=True, cells=lambda rows: _numbers(rows["d_z"])),
        Column(header="P(+)", tex="$P(+)$", cells=lambda rows: _numbers(rows["p_improvement"])),
        Column(header="95% of P(+)", tex=r"95\% of $P(+)$", cells=_ends, words=True, wide=True),
    ]
    caption = _CAPTION + _RATIO_CAPTION * score.is_ratio
    if frame["n_diverged"].any():
        caption += _DIVERGED_CAPTION
    if score.region is not None:
        columns.append(Column(header="Verdict", tex="Verdict", words=True, cells=_verdicts))
        caption += _VERDICT_CAPTION
    return TextTable(columns=columns, caption=caption)


def groups(frame: pd.DataFrame, unfinished: Mapping[Problem, Sequence[str]]) -> list[Rows]:
    """Each problem's rows, and below them what a reader must know."""
    return [
        replace(
            rows, notes=[*_notes(rows.frame), *(f"{each}." for each in unfinished[problem_of(rows.frame)])]
        )
        for rows in by_problem(frame)
    ]


def _seeds(rows: pd.DataFrame) -> Cells:
    """Seeds, and how many of them diverged."""
    return [f"{n} ({bad})" if bad else str(n) for n, bad in zip(rows["n"], rows["n_diverged"], strict=True)]


def _best(score: Score) -> Callable[[pd.DataFrame], list[bool]]:
    """The best mean in bold, if something is concluded on the problem, and not of what often diverged."""

    def best(rows: pd.DataFrame) -> list[bool]:
        stable = ~rows["unstable"].astype(bool)
        if not stable.any() or rows["significant"].isna().all():
            return [False] * len(rows)
        bold = iter(highest("mean", "half", score.sign)(rows[stable]))
        return [next(bold) if each else False for each in stable]

    return best


def _ends(rows: pd.DataFrame) -> Cells:
    ends = zip(rows["p_improvement_low"], rows["p_improvement_high"], strict=True)
    return ["–" if pd.isna(low) else f"{number(low, 2)} to {number(high, 2)}" for low, high in ends]


def _differences(rows: pd.DataFrame) -> Cells:
    return _marked(rows, measured("difference", "difference_family_half", signed=True)(rows))


def _ratios(rows: pd.DataFrame) -> Cells:
    halves = zip(rows["difference"], rows["difference_family_half"], strict=True)
    found = [Interval(0, mean, half) for mean, half in halves]
    return _marked(rows, ratios(found))


def _marked(rows: pd.DataFrame, cells: Cells) -> Cells:
    marks = ["†" if found is True else " " for found in rows["confirmed"]]
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
    yield from _tried(rows)
    yield f"{_covered(str(first['over']))}."
    if pd.notna(rope := rows["rope"].dropna().max()):
        unit = f" {first['difference_unit']}" * bool(first["difference_unit"])
        yield f"Region of practical equivalence: ±{rope:.2g}{unit}."
    for reason, refused in rows.groupby("refused", sort=False):
        yield f"Refused, that is, nothing is concluded on {_names(refused)}: {reason}."
    if len(doubtful := rows[rows["confirmed"] == False]):  # noqa: E712, missing where there is nothing to confirm
        yield f"The sign-flip check does not confirm the t-test on {_names(doubtful)}."
    if pd.notna(first["added"]):
        yield f"{first['added']}."
    if len(unmeasured := rows[rows["n_unmeasured"] > 0]):
        yield f"{not_alike(int(unmeasured['n_unmeasured'].sum()))} (of {_names(unmeasured)})."
    if len(diverged := rows[(rows["n_diverged"] > 0) & rows["survivors_mean"].notna()]):
        each = [_alone(row) for _, row in diverged.groupby(["regularizer", "strength"], sort=False)]
        yield f"Without their diverged runs: {', '.join(each)}."
    if len(left_out := rows[(rows["n_diverged"] > 0) & ~rows["counted"].astype(bool)]):
        yield f"Means leave out the diverged runs of {_names(left_out)}."


def _tried(rows: pd.DataFrame) -> Iterator[str]:
    """What each was given to be chosen from: fair is what gives nobody more."""
    given: dict[tuple[int, int], list[str]] = {}
    for row in records(rows[rows["tune_runs"] > 0].drop_duplicates("regularizer")):
        given.setdefault((row["strengths"], row["tune_runs"]), []).append(method(row["regularizer"]).label)
    parts = [
        f"{count(tried, 'setting')} × {count(runs // tried, 'seed')} for {', '.join(names)}"
        for (tried, runs), names in sorted(given.items())
    ]
    if parts:
        yield f"Tried to choose from: {'; '.join(parts)}."


def _covered(over: str) -> str:
    if over.startswith(REPETITIONS):
        return f"Intervals are over {over.replace(REPETITIONS, REPEATED)}, for this test set"
    return CONDITION if over == "seeds" else f"{CONDITION}; and over {over}"


def _names(rows: pd.DataFrame) -> str:
    pairs = zip(rows["regularizer"], rows["strength"], strict=True)
    return ", ".join(name(Contender(*pair)) for pair in pairs)


def _alone(row: pd.DataFrame) -> str:
    """The mean without diverged runs, of a table of one row."""
    mean, half = row["survivors_mean"].item(), row["survivors_half"].item()
    return f"{_names(row)} {plus_minus(Interval(0, mean, half))}"
