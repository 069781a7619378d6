"""What a figure is drawn of: one problem's contenders, one run alone, or all problems of a sweep."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from analysis.statistics.contenders import Comparison, comparisons, one_run
from analysis.statistics.scores import DEFAULT, suffix
from analysis.tables.store_tables import Tables
from regularize.errors import UserError, unknown

Scope = Literal["problem", "sweep"]


class CannotDrawError(UserError):
    """Why a figure cannot be drawn of a subject, for people; other figures are drawn nevertheless."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """The comparisons that a figure shows: one, or in figures of a whole sweep one for each problem.

    A single run is a comparison with one contender, and `slug` then names the run. `data_root` is
    where images are, for figures that show some; `layer` is the one whose activations are shown, `score`
    (see `analysis.statistics.scores`) the one by which figures compare that show any.
    """

    comparisons: Sequence[Comparison]
    slug: str = ""
    data_root: Path | None = None
    layer: str = "penultimate"
    score: str = DEFAULT

    @property
    def comparison(self) -> Comparison:
        """The only one."""
        (comparison,) = self.comparisons
        return comparison

    def name(self, figure: str) -> str:
        """The name of a figure's files, e.g. `loss_curves-mnist-lenet5`; of a sweep `forest-test_loss`."""
        return (f"{figure}-{self.slug}" if self.slug else figure) + suffix(self.score)


def subjects(
    tables: Tables,
    run_id: str | None = None,
    data_root: Path | None = None,
    layer: str = "penultimate",
    *,
    techniques: Sequence[str] = (),
    datasets: Sequence[str] = (),
) -> list[Subject]:
    """One subject for each problem, or one for the run `run_id`.

    With `datasets` those on these alone; with `techniques`, entries of the sweep, these and the baseline are
    shown, while statistics stay those of all.

    Raises:
        UserError: no finished report run, no such run, data set or entry.
    """
    found = comparisons(tables) if run_id is None else [one_run(tables, run_id)]
    _check("entry", techniques, list(tables.entries))
    _check("data set", datasets, dict.fromkeys(each.problem.dataset for each in found))
    found = [each for each in found if not datasets or each.problem.dataset in datasets]
    if techniques:
        found = [replace(each, shown=frozenset(techniques)) for each in found]
    return [Subject(comparisons=[each], slug=each.slug, data_root=data_root, layer=layer) for each in found]


def _check(what: str, names: Sequence[str], known: Collection[str]) -> None:
    for each in names:
        if each not in known:
            raise UserError(unknown(what, each, known))


def together(parts: Sequence[Subject]) -> Subject:
    """The whole sweep as one subject."""
    found = [part.comparison for part in parts]
    return Subject(comparisons=found, data_root=parts[0].data_root)
