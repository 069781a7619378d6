"""What is compared on one problem: the report runs of the regularizers and of the baseline."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.scores import Score
from analysis.tables.measured_alike import attacks_alike, corruptions_alike, curves_alike
from analysis.tables.store_tables import Problem, Tables, digest
from analysis.tables.strength_text import strength_order
from regularize.errors import UserError

MOST_DIVERGED = 0.2
"""The share of diverged runs up to which something is concluded; beyond, a mean says how often they did."""


_CELL = ["dataset", "per_class", "model", "regularizer"]


@dataclass(frozen=True)
class Contender:
    """A regularizer at one strength (`` where it has none)."""

    regularizer: str
    strength: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """The finished report runs of one problem. What is read of them is read once, and shared by all who ask.

    `results` holds them all; in a sweep with tune seeds only those at the chosen strengths. In a
    sweep without, every strength is a contender of its own. Where strengths are chosen again and again,
    a regularizer is one contender, whose strength is `` unless it was always the same. With `run_id`,
    that run is all there is. With `shown`, figures show these entries and the baseline alone; statistics
    are of all.
    """

    problem: Problem
    tables: Tables
    results: pd.DataFrame
    run_id: str | None = None
    shown: frozenset[str] | None = None

    @property
    def slug(self) -> str:
        """For file names: that of the problem, or of the run."""
        return self.problem.slug if self.run_id is None else f"run-{self.run_id}"

    @cached_property
    def contenders(self) -> list[Contender]:
        """The baseline first, then in the order of the sweep's file, strengths ascending."""
        wanted = [each for each in self._by_contender if self._is_shown(each)]
        return sorted(wanted, key=self._order)

    def _is_shown(self, contender: Contender) -> bool:
        return self.shown is None or contender.regularizer in self.shown or self.is_baseline(contender)

    def _order(self, contender: Contender) -> tuple[object, ...]:
        place = self.tables.place(contender.regularizer)
        return not self.is_baseline(contender), place, strength_order(contender.strength)

    @cached_property
    def baseline(self) -> Contender | None:
        """What the others are compared with: as a rule, runs without any technique; None if there is none."""
        found = [contender for contender in self._by_contender if self.is_baseline(contender)]
        return found[0] if len(found) == 1 else None

    def is_baseline(self, contender: Contender) -> bool:
        """Whether its runs are marked as such; where none is, in older stores, by the name of the entry."""
        return contender.regularizer == self.tables.baseline

    @cached_property
    def challengers(self) -> list[Contender]:
        """All but the baseline."""
        return [contender for contender in self.contenders if contender != self.baseline]

    def of(self, contender: Contender) -> pd.DataFrame:
        """The results of one contender, indexed by seed; diverged runs are among them."""
        return self._by_contender[contender][0]

    def done(self, contender: Contender) -> pd.DataFrame:
        """The results of one contender's runs that did not diverge, indexed by seed."""
        return self._by_contender[contender][1]

    @cached_property
    def _by_contender(self) -> dict[Contender, tuple[pd.DataFrame, pd.DataFrame]]:
        """What `of` and `done` say; figures ask for it hundreds of times."""
        found, by_seed = {}, self.results.set_index("seed")
        done = (by_seed["state"] == "done").to_numpy(bool)
        seeds = pd.Series(by_seed.index)
        keys = [by_seed[name].to_numpy() for name in ("regularizer", "strength")]
        for (regularizer, strength), mine in seeds.groupby(keys, sort=False):
            assert mine.is_unique
            places = mine.sort_values().index.to_numpy()
            rows, kept = by_seed.iloc[places], done[places]
            found[Contender(str(regularizer), str(strength))] = rows, rows if kept.all() else rows[kept]
        return found

    def n_diverged(self, contender: Contender) -> int:
        return int((self.of(contender)["state"] == "diverged").sum())

    def unstable(self, contender: Contender) -> bool:
        """Whether more of its runs diverged than something is concluded with."""
        return self.n_diverged(contender) > MOST_DIVERGED * len(self.of(contender))

    @property
    def rule(self) -> str:
        """How strengths were chosen, for captions and tables."""
        selection = self.tables.selection
        if selection is None:
            return "all of the sweep, none was selected"
        again = f", chosen anew in each of {self.tables.repetitions} repetitions"
        return str(selection["rule"].iloc[0]) + again * (self.tables.repetitions > 1)

    def rows(self, table: str, contender: Contender | None = None) -> pd.DataFrame:
        """The rows that `table` has of the runs that did not diverge, of one contender or of all.

        Raises:
            UserError: the table has not been collected.
        """
        results = self.results if contender is None else self.of(contender)
        done = results.loc[results["state"] == "done", "run_id"].tolist()
        mine = {"regularizer": contender.regularizer} if contender else {}
        found = self.tables.read(table, self.problem, **mine, run_id=done).reset_index(drop=True)
        if self.tables.repetitions > 1:
            found["strength"] = found["run_id"].map(results.set_index("run_id")["strength"])
        return found

    def values(self, score: Score) -> pd.Series:
        """A score of the runs in `results`; missing where it was not measured.

        A diverged run counts as a constant guess, if that has a score, else it is missing, too.

        Raises:
            UserError: it is the accuracy under an attack that no run was measured with.
        """
        classes = self.results["classes"].fillna(math.inf).astype(float)  # older stores do not say
        guesses = classes.map(score.of_a_guess)
        return self._of_done(score).where(self.results["state"] == "done", guesses)

    def _of_done(self, score: Score) -> pd.Series:
        if score.attack is None:
            return score.of(self.results)
        mine = self._under(*score.attack)
        return self.results["run_id"].map(mine.set_index("run_id")["accuracy"]) * score.factor

    def _under(self, attack: str, size: float) -> pd.DataFrame:
        rows = self.robustness
        rows = rows[(rows["attack"] == attack) & (rows["size"] > 0)]
        mine = rows[np.isclose(rows["size"], size, rtol=1e-3, atol=0)]
        if mine.empty:
            sizes = ", ".join(f"{each:.4g}" for each in sorted(set(rows["size"]))) or "none"
            raise UserError(
                f"no run was measured with {attack} of size {size:.4g}; sizes of {attack}: {sizes}"
            )
        return mine

    def by_example(self, score: Score) -> dict[str, NDArray[np.float64]]:
        """What a run scores on each example of the sample that all are measured on, by run id.

        Empty for scores of all examples, and where some run's are not known: intervals cover examples for
        all contenders or for none.
        """
        if not score.sampled:
            return {}
        measured = self.results.loc[
            self._of_done(score).notna() & (self.results["state"] == "done"), "run_id"
        ]
        found = self._right(score) if score.attack else self._of_examples(score, measured)
        return found if found.keys() >= set(measured) else {}

    def _right(self, score: Score) -> dict[str, NDArray[np.float64]]:
        """Which examples a run gets right under the score's attack: 1 or 0 each, times its factor."""
        assert score.attack is not None
        mine = self._under(*score.attack).dropna(subset="correct")
        pairs = zip(mine["run_id"], mine["correct"], strict=True)
        return {
            run_id: score.factor * (np.frombuffer(correct.encode(), np.uint8) - ord("0")).astype(float)
            for run_id, correct in pairs
        }

    def _of_examples(self, score: Score, measured: pd.Series) -> dict[str, NDArray[np.float64]]:
        """The column of `predictions` that is called like the score; null where it was not measured."""
        columns = ["run_id", "example", score.column]
        rows = self.tables.read("predictions", self.problem, columns, run_id=measured.tolist()).dropna()
        values = rows.pivot(index="run_id", columns="example", values=score.column).dropna()
        pairs = zip(values.index, values.to_numpy(float), strict=True)
        return {str(run_id): score.factor * each for run_id, each in pairs}

    @cached_property
    def robustness(self) -> pd.DataFrame:
        """The accuracies under attack of the runs in `results` that did not diverge, measured alike.

        Raises:
            UserError: none was measured as the sweep asks for.
        """
        return self._measured("robustness", "accuracy under attack", attacks_alike)

    @cached_property
    def corruptions(self) -> pd.DataFrame:
        """The accuracies on corrupted images of the runs in `results` that did not diverge, measured alike.

        Raises:
            UserError: none was measured as the sweep asks for.
        """
        return self._measured("corruptions", "accuracy on corrupted images", corruptions_alike)

    def _measured(
        self, table: str, what: str, alike: Callable[[pd.DataFrame, pd.DataFrame, pd.DataFrame], pd.DataFrame]
    ) -> pd.DataFrame:
        """The rows of a table that is there only where the sweep's `evaluation` asks for it."""
        there = self.tables.store.table(table).exists()
        rows = self.rows(table) if there else pd.DataFrame()
        if not rows.empty:
            rows = alike(rows, self.results, self.tables.runs).reset_index(drop=True)
        if rows.empty:
            raise UserError(
                f"{what} was not measured, or otherwise than the sweep asks for now; with "
                f"`evaluation: {{{table}: true}}` `regularize submit` measures it from the stored weights"
            )
        return rows

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """The learning curves of the runs in `results` that did not diverge, measured alike."""
        return curves_alike(self.rows("metrics")).reset_index(drop=True)

    @cached_property
    def digest(self) -> str:
        """Names the content of `results` and `metrics`."""
        return digest(self.results, self.metrics)


def comparisons(tables: Tables) -> list[Comparison]:
    """One for each problem that has a finished report run.

    Raises:
        UserError: there is none.
    """
    report = tables.results[tables.results["phase"] == "report"]
    report = report[_chosen(tables, report)]
    if tables.repetitions > 1:
        report = report.assign(strength=_if_always_the_same(report))
    places: dict[Problem, list[int]] = {problem: [] for problem in tables.problems}
    columns = [report[name].tolist() for name in ("dataset", "per_class", "model")]
    for place, (dataset, few, model) in enumerate(zip(*columns, strict=True)):
        places[Problem(dataset, None if pd.isna(few) else int(few), model)].append(place)
    found = [
        Comparison(problem, tables, report.iloc[rows].reset_index(drop=True))
        for problem, rows in places.items()
        if rows
    ]
    if not found:
        raise UserError(
            f"{tables.store.folder} has no finished report run yet, so there is nothing to compare: "
            f"{len(tables.results)} of {len(tables.runs)} planned runs are finished"
        )
    return found


def one_run(tables: Tables, run_id: str) -> Comparison:
    """A finished run by itself, whatever it was trained for.

    Raises:
        UserError: there is none of that id.
    """
    rows = tables.results[tables.results["run_id"] == run_id]
    if rows.empty:
        raise UserError(
            f"run {run_id!r} has no result in {tables.store.folder}; the ids are the column run_id of "
            f"{tables.store.table('results')}"
        )
    first = rows.iloc[0]
    few = None if pd.isna(first["per_class"]) else int(first["per_class"])
    problem = Problem(first["dataset"], few, first["model"])
    return Comparison(problem, tables, rows.reset_index(drop=True), run_id)


def _chosen(tables: Tables, report: pd.DataFrame) -> pd.Series:
    """Which report runs are at the strength that was chosen; all where none was."""
    if tables.selection is None:
        return pd.Series(True, index=report.index)
    cell = [*_CELL]
    chosen = tables.selection[tables.selection["chosen"]]
    if tables.repetitions > 1:
        cell.append("repetition")
        report = report.assign(repetition=report["run_id"].map(tables.runs.set_index("run_id")["repetition"]))
    merged = report[[*cell, "strength"]].merge(
        chosen[[*cell, "strength"]], on=cell, how="left", suffixes=("", "_")
    )
    kept = merged["strength_"].isna() | (merged["strength_"] == merged["strength"])
    return pd.Series(kept.to_numpy(dtype=bool), index=report.index)


def _if_always_the_same(report: pd.DataFrame) -> pd.Series:
    """The strength that all repetitions chose in a cell, `` where they differ."""
    chosen = report.groupby(_CELL, dropna=False)["strength"]
    return report["strength"].where(chosen.transform("nunique") == 1, "")


def of_problem(frame: pd.DataFrame, problem: Problem) -> pd.Series:
    """Which rows of a table are of one problem."""
    few = frame["per_class"]
    few = few.isna() if problem.per_class is None else few == problem.per_class
    return (frame["dataset"] == problem.dataset) & few & (frame["model"] == problem.model)
