"""A sweep's results in Python: the runs that it wants now, as data frames, statistics and figures."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from analysis.statistics import across_datasets, comparison_table, looks, sensitivity
from analysis.statistics.contenders import Comparison, comparisons
from analysis.statistics.scores import DEFAULT
from analysis.tables.collect import collect
from analysis.tables.region import read_region
from analysis.tables.store_tables import Problem, Tables, problem_of
from analysis.text import results_table
from regularize.errors import UserError, one_of, unknown
from regularize.own_code import EVERYTHING, only_trusted
from regularize.own_stores import submitted
from regularize.store import Store
from regularize.store_links import checked_store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analysis.figures.parts.save import Drawing

Phase = Literal["report", "tune"]
_PHASES = ("report", "tune")
_PROBLEM = ["dataset", "per_class", "model"]


def open_sweep(folder: Path, region: str | None, data_root: Path | None, *, trust_model: bool) -> OpenedSweep:
    """See `analysis.open`."""
    if not folder.is_dir():
        there = "is a file" if folder.exists() else "is not there"
        raise UserError(f"{folder} {there}: name the sweep's folder, such as results/my-sweep")
    store = checked_store(Store(folder))
    found = collect(store)
    for path in (*found.damaged, *found.gone):
        state = "is damaged" if path in found.damaged else "is gone"
        warnings.warn(f"{path} {state}: `regularize submit` trains its runs again", stacklevel=3)
    tables = Tables(store, None if region is None else read_region(region))
    try:
        looks.record(tables)
    except OSError as error:
        warnings.warn(f"{store.looks}: {error.strerror}; this look is not noted", stacklevel=3)
    return OpenedSweep(tables, data_root, (EVERYTHING,) if trust_model else tuple(submitted(store)))


@dataclass(frozen=True, eq=False)
class OpenedSweep:
    """What `analysis.open` gives. Frames are copies: what is done to them changes nothing here.

    Of report runs those at the strengths that were chosen; values that were measured otherwise than the
    sweep asks for now are missing (NaN). Accuracies are shares in [0, 1] in the frames of runs, percent in
    those of statistics; losses are in nats. `docs/tables.md` says what every column is. Of code of
    their author's own what is `trusted` is imported.
    """

    tables: Tables
    data_root: Path | None = None
    trusted: Sequence[str] = ()

    def __repr__(self) -> str:
        done = len(self.tables.results)
        return f"<sweep {self.tables.store.folder.name}: {done} of {len(self.tables.runs)} runs finished>"

    @property
    def problems(self) -> list[Problem]:
        """Data set, examples per class and model of each problem, in the order of the tables."""
        return self.tables.problems

    @property
    def baseline(self) -> str:
        """The entry that the others are compared with."""
        return self.tables.baseline

    @property
    def runs(self) -> pd.DataFrame:
        """One row a run that the sweep wants now; `state` is done, diverged, or missing until then."""
        states = self.tables.results.set_index("run_id")["state"]
        return self.tables.runs.assign(state=self.tables.runs["run_id"].map(states))

    def results(self, phase: Phase = "report") -> pd.DataFrame:
        """One row a finished run of a phase: what it ended with. Diverged runs are among them.

        Raises:
            UserError: no run of that phase is finished.
        """
        return pd.concat([part.results for part in self._parts(phase)], ignore_index=True)

    def metrics(self, phase: Phase = "report", *, final: bool = False) -> pd.DataFrame:
        """Learning curves: one row a run, epoch and split; with `final` the last row of each run and split.

        Of runs that did not diverge, measured on as many examples as most of their problem, at the epochs
        that all of these have. The last row alone is of all validation and test examples.

        Raises:
            UserError: no run of that phase is finished.
        """
        rows = pd.concat([part.metrics for part in self._parts(phase)], ignore_index=True)
        if not final:
            return rows
        last = rows.groupby(["run_id", "split"])["step"].idxmax()
        return rows.loc[sorted(last)].reset_index(drop=True)

    def predictions(self, phase: Phase = "report") -> pd.DataFrame:
        """One row a run and test example: its true `label`, and `logits`, one per class.

        Raises:
            UserError: no run of that phase is finished.
        """
        return self._rows("predictions", phase)

    def spectra(self, phase: Phase = "report") -> pd.DataFrame:
        """One row a run, layer and singular value. Raises `UserError` as `predictions`."""
        return self._rows("spectra", phase)

    def robustness(self, phase: Phase = "report") -> pd.DataFrame:
        """One row a run, attack and size, measured alike.

        Raises:
            UserError: no run of that phase is finished, or none was measured under attack.
        """
        return pd.concat([part.robustness for part in self._parts(phase)], ignore_index=True)

    def corruptions(self, phase: Phase = "report") -> pd.DataFrame:
        """One row a run, corruption and severity, measured alike. Raises `UserError` as `robustness`."""
        return pd.concat([part.corruptions for part in self._parts(phase)], ignore_index=True)

    def comparison(self, metric: str = DEFAULT) -> pd.DataFrame:
        """What `regularize compare` concludes: one row a problem and contender, the baseline's first.

        `metric` is a score of its `--metric`, such as `test_loss`, or an attack such as `pgd:8/255`.

        Raises:
            UserError: unknown metric, or no report run is finished.
        """
        return comparison_table.compare(self.tables, metric)

    def across(self, metric: str = DEFAULT) -> pd.DataFrame:
        """Ranks, wins and the interquartile mean over all problems; empty where there is only one."""
        return across_datasets.across(self.tables, self.comparison(metric))

    def sensitivity(self) -> pd.DataFrame:
        """The score by strength, with the strength chosen and its plateau: one row a strength."""
        return sensitivity.sensitivity(self.tables)

    def selection(self) -> pd.DataFrame | None:
        """How every strength did on the tune seeds, and which was chosen; None where nothing chooses."""
        found = self.tables.selection
        return None if found is None else found.copy()

    def results_table(self) -> pd.DataFrame:
        """The table that `regularize figures` prints: accuracy, difference, loss and gap with intervals."""
        return results_table.results_table(self.tables)

    def figure(
        self,
        name: str,
        *,
        dataset: str | None = None,
        per_class: int | None = None,
        model: str | None = None,
        run_id: str | None = None,
        techniques: str | Sequence[str] = (),
        datasets: str | Sequence[str] = (),
        width: str | float | None = None,
        layer: str = "penultimate",
        score: str = DEFAULT,
    ) -> Figure:
        """A figure of `regularize figures` as matplotlib's; one's own lines can be drawn into its axes.

        `dataset`, `per_class` and `model` say of which problem, where the sweep has several; `run_id` asks
        for that run alone. The rest is as on the command line: `techniques`, entries of the sweep, are shown
        alone beside the baseline, and `datasets` alone; `width` is that of the page's text, in inches or by
        a name such as `"neurips"`; `layer` is whose activations are shown, `score` what a forest compares.

        Raises:
            UserError: no such figure, several problems or pages, or it cannot be drawn.
        """
        found = self.drawings(
            name,
            dataset=dataset,
            per_class=per_class,
            model=model,
            run_id=run_id,
            techniques=techniques,
            datasets=datasets,
            width=width,
            layer=layer,
            score=score,
        )
        if len(found) > 1:
            names = ", ".join(each.name for each in found)
            raise UserError(f"{name} takes {len(found)} figures here ({names}); see `drawings`")
        return found[0].figure

    def drawings(
        self,
        name: str,
        *,
        dataset: str | None = None,
        per_class: int | None = None,
        model: str | None = None,
        run_id: str | None = None,
        techniques: str | Sequence[str] = (),
        datasets: str | Sequence[str] = (),
        width: str | float | None = None,
        layer: str = "penultimate",
        score: str = DEFAULT,
    ) -> list[Drawing]:
        """The same, of all problems that are asked for and with all pages.

        Each has its `figure`, its numbers (`data`), `caption` and `alt` text.
        """
        from analysis.figures.catalogue import FIGURES, draw
        from analysis.figures.parts.style import read_width
        from analysis.figures.parts.subject import subjects, together
        from analysis.notation.methods import telling_apart
        from analysis.statistics.scores import score as known
        from regularize.cores import one_thread

        if name not in FIGURES:
            raise UserError(unknown("figure", name, FIGURES))
        known(score)
        inches = None if width is None else read_width(str(width))
        found = subjects(
            self.tables,
            run_id,
            self.data_root,
            layer,
            techniques=_names(techniques),
            datasets=_names(datasets),
        )
        wanted = {"dataset": dataset, "per_class": per_class, "model": model}
        given = {key: value for key, value in wanted.items() if value is not None}
        mine = [each for each in found if given.items() <= vars(each.comparison.problem).items()]
        if not mine:
            have = [each.comparison.problem.slug for each in found]
            raise UserError(f"no report run of {given} is finished; {one_of('', have)}")
        parts = [together(mine)] if FIGURES[name].scope == "sweep" else mine
        with (
            only_trusted(self.trusted),
            one_thread(torch=FIGURES[name].needs == "networks"),
            telling_apart(self.tables.entries, self.tables.words, self.tables.baseline),
        ):
            return [each for part in parts for each in draw(name, replace(part, score=score), inches)]

    def _rows(self, table: str, phase: Phase) -> pd.DataFrame:
        return pd.concat([part.rows(table) for part in self._parts(phase)], ignore_index=True)

    def _parts(self, phase: Phase) -> list[Comparison]:
        """The finished runs of a phase, problem by problem."""
        if phase not in _PHASES:
            raise UserError(unknown("phase", phase, _PHASES))
        if phase == "report":
            return comparisons(self.tables)
        found = list(self._tuned())
        if not found:
            raise UserError(f"{self.tables.store.folder} has no finished tune run")
        return found

    def _tuned(self) -> Iterator[Comparison]:
        rows = self.tables.results[self.tables.results["phase"] == "tune"]
        for _, mine in rows.groupby(_PROBLEM, dropna=False, sort=False):
            yield Comparison(problem_of(mine), self.tables, mine.reset_index(drop=True))


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    """Several, or a single one."""
    return (given,) if isinstance(given, str) else tuple(given)
