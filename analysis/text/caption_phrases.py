"""Phrases of figures' captions, alt texts and summaries; a caption itself is in its figure's file."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from analysis.notation.intervals import Interval, interval
from analysis.notation.methods import method, model_label, problem_label, strength_label
from analysis.notation.number_text import count, plus_minus
from analysis.statistics.contenders import Comparison, Contender
from analysis.statistics.scores import Score
from analysis.tables.store_tables import Problem


def name(contender: Contender) -> str:
    """E.g. `Dropout (p = 0.3)`, or `no regularizer`."""
    if contender.regularizer == "none":
        return "no regularizer"
    label = method(contender.regularizer).label
    strength = strength_label(contender.regularizer, contender.strength)
    return f"{label} ({strength})" if strength else label


def reference(comparison: Comparison) -> str:
    """What the others are compared with, in grey in most figures; as a rule `no regularizer`."""
    return name(comparison.baseline) if comparison.baseline else "the baseline"


def in_order(contenders: Iterable[Contender]) -> list[Contender]:
    """Each once, in the order in which they come."""
    return list(dict.fromkeys(contenders))


def where(problem: Problem) -> str:
    """E.g. `MNIST, 100 per class (lenet5)`."""
    return f"{problem_label(problem.dataset, problem.per_class)} ({model_label(problem.model)})"


def of(comparison: Comparison) -> str:
    """What is shown, e.g. `MNIST (lenet5)`, or `MNIST (lenet5), run 1f0c… (seed 3)`."""
    if comparison.run_id is None:
        return where(comparison.problem)
    seed = comparison.results["seed"].iloc[0]
    return f"{where(comparison.problem)}, run {comparison.run_id} (seed {seed})"


def summary(comparison: Comparison, score: Score) -> str:
    """One plain sentence: the best contender's score beside the baseline's."""
    found = {contender: _interval(comparison, contender, score) for contender in comparison.contenders}
    rivals = [each for each in comparison.challengers if found[each].n and not comparison.unstable(each)]
    best = (max if score.higher_is_better else min)(rivals, key=lambda c: found[c].mean, default=None)
    shown = [contender for contender in (best, comparison.baseline) if contender and found[contender].n]
    parts = [f"{name(contender)} {plus_minus(found[contender])}{score.unit}" for contender in shown]
    if len(rivals) > 1:
        parts[0] += f" (best of {len(rivals)})"
    counts = " and ".join(dict.fromkeys(str(found[contender].n) for contender in shown))
    return f"{of(comparison)}, {score.what}: {' vs '.join(parts)}, n = {counts}"


def scores(comparison: Comparison, score: Score) -> str:
    """Every contender's score at the end, for alt texts."""
    return "; ".join(
        f"{name(c)} {_value(_interval(comparison, c, score), score)}" for c in comparison.contenders
    )


def _interval(comparison: Comparison, contender: Contender, score: Score) -> Interval:
    """Over the seeds that did not diverge."""
    return interval(score.of(comparison.done(contender)))


def _value(found: Interval, score: Score) -> str:
    return f"{plus_minus(found)}{score.unit}, n = {found.n}" if found.n else "no run that did not diverge"


def intervals(comparison: Comparison, rows: pd.DataFrame, column: str) -> str:
    """Every contender's mean and interval of a column that has one row a run."""
    found = _intervals(comparison, rows, column)
    return "; ".join(f"{name(each)} {plus_minus(of_each)}" for each, of_each in found.items())


def leader(comparison: Comparison, rows: pd.DataFrame, column: str, higher_is_better: bool) -> str:
    """The best contender's mean and interval of such a column beside the baseline's."""
    found = _intervals(comparison, rows, column)
    rivals = [each for each in comparison.challengers if each in found and not comparison.unstable(each)]
    best = (max if higher_is_better else min)(rivals, key=lambda each: found[each].mean, default=None)
    shown = [each for each in (best, comparison.baseline) if each in found]
    parts = [f"{name(each)} {plus_minus(found[each])}" for each in shown]
    if len(rivals) > 1:
        parts[0] += f" (best of {len(rivals)})"
    return " vs ".join(parts)


def _intervals(comparison: Comparison, rows: pd.DataFrame, column: str) -> dict[Contender, Interval]:
    found = {}
    for each in comparison.contenders:
        mine = (rows["regularizer"] == each.regularizer) & (rows["strength"] == each.strength)
        found[each] = interval(rows.loc[mine, column])
    return {each: of_each for each, of_each in found.items() if of_each.n}


def counts(comparison: Comparison, rows: pd.DataFrame | None = None) -> dict[str, int]:
    """The number of runs that did not diverge, by contender; of a table only those that have rows in it."""
    if rows is None:
        return {name(contender): len(comparison.done(contender)) for contender in comparison.contenders}
    found = rows.groupby(["regularizer", "strength"])["seed"].nunique().to_dict() if len(rows) else {}
    return {
        name(each): int(found.get((each.regularizer, each.strength), 0)) for each in comparison.contenders
    }


def band(comparison: Comparison, rows: pd.DataFrame | None = None, over: str = "seeds") -> str:
    """What the shaded bands are, and what they cover."""
    if comparison.run_id is not None:
        return "none: a single run"
    single = "; a single seed has no band" if 1 in counts(comparison, rows).values() else ""
    return f"95% t-interval of the mean over {over} ({seeds(comparison, rows=rows)}{single})"


def seeds(comparison: Comparison, most: int | None = None, rows: pd.DataFrame | None = None) -> str:
    """How many runs a contender has (no more than `most` are shown), e.g. `n = 8` or `n = 6 to 8`."""
    return span(min(n, most or n) for n in counts(comparison, rows).values())


def not_alike(runs: int) -> str:
    """That runs are left out because of how they were measured, as the beginning of a sentence."""
    verb = "were" if runs != 1 else "was"
    return (
        f"{count(runs, 'run')} {verb} not measured, or otherwise than the sweep asks for now, and left out; "
        "`regularize plan` says what can be measured again"
    )


def left_out(comparison: Comparison, rows: pd.DataFrame) -> str:
    """A sentence on the runs that did not diverge and have no rows in a table; empty if all have some."""
    missing = sum(counts(comparison).values()) - sum(counts(comparison, rows).values())
    return f" {not_alike(missing)}." if missing else ""


def span(counts: Iterable[int]) -> str:
    """E.g. `n = 8` or `n = 6 to 8`."""
    found = sorted(counts)
    return f"n = {found[0]}" + f" to {found[-1]}" * (found[0] != found[-1])


def notes(comparison: Comparison, rows: pd.DataFrame | None = None, over: str = "seeds") -> str:
    """What a reader must know of any figure of report runs: strengths, bands, runs left out."""
    if comparison.run_id is not None:
        return "A single run."
    said = [f"Lines are means, bands: {band(comparison, rows, over)}. Strengths: {comparison.rule}."]
    if diverged := sum(map(comparison.n_diverged, comparison.contenders)):
        said.append(
            f"Diverged runs are counted in the titles and left out of the curves ({diverged} in all)."
        )
    return " ".join(said) + (left_out(comparison, rows) if rows is not None else "")
