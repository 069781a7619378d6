"""The data sets of a sweep: looked at before anything is planned, made ready before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from jobs.sweep.sweep_file import DatasetGrid, Sweep
from regularize.config import check_fit
from regularize.data import Facts, Form, MissingDataError, data_root, look, prepared
from regularize.data.corrupted import check as check_corrupted
from regularize.data.data_config import DataConfig
from regularize.data.official import OFFICIAL
from regularize.errors import UserError

Say = Callable[[str], object]  # shows a person one line
Seen = tuple[Facts, Sequence[str]]  # a data set in numbers, and sentences on it


def look_at_data(sweep: Sweep, root: Path | None, say: Say) -> dict[str, Facts]:
    """What can be seen without decoding an image: where files are at hand they are opened.

    Official files may be missing, since a plan needs none; that they are is said.

    Raises:
        UserError: what `prepare_data` would say, as far as headers and labels tell.
    """

    def seen(name: str, form: Form) -> Seen:
        try:
            return look(name, root, form)
        except MissingDataError as missing:
            if name not in OFFICIAL:
                raise
            return OFFICIAL[name].facts.formed(form), [f"nothing can be trained yet: {missing}"]

    return _facts(sweep, root, seen, say)


def prepare_data(sweep: Sweep, root: Path | None, say: Say) -> dict[str, Facts]:
    """Find, check and decode the sweep's data sets, once for all tasks, and say what is to be said of them.

    Raises:
        UserError: one is missing, damaged, smaller than the sweep asks, or not for its models and techniques.
    """

    def made(name: str, form: Form) -> Seen:
        ready = prepared(name, root, form)
        return ready.facts, ready.notes

    facts = _facts(sweep, root, made, say)
    for grid, _ in _sets(sweep):
        for size in grid.sizes:
            _check_drawn(size, facts[size.name], {*sweep.tune_seeds, *sweep.report_seeds}, root)
    return facts


def _facts(sweep: Sweep, root: Path | None, see: Callable[[str, Form], Seen], say: Say) -> dict[str, Facts]:
    facts = {}
    for grid, first in _sets(sweep):
        if first.name in facts:  # with other settings under `training`
            continue
        found, notes = see(first.name, first.form)
        for note in notes:
            say(f"{first.name}: {note}")
        for size in grid.sizes:
            _check_size(size, found)
        for model in sweep.models:
            for terms in (entry.candidates[0] for entry in grid.entries):  # which differ in strengths alone
                check_fit(model, terms, found.shape, found.classes)
        if sweep.evaluation.corruptions and found.side > 1:
            check_corrupted(first.name, data_root(root), found, first.form)
        facts[first.name] = found
    return facts


def _sets(sweep: Sweep) -> Iterator[tuple[DatasetGrid, DataConfig]]:
    """Each with one of its sizes, which differ in `per_class` alone."""
    return ((grid, grid.sizes[0]) for grid in sweep.datasets)


def _check_size(size: DataConfig, found: Facts) -> None:
    try:
        if not found.validation:
            size.check_held_out(found.train, found.classes)
        train, _ = found.parts(size)
    except UserError as error:
        raise UserError(f"{size.name}: {error}") from None
    most = min(train // found.classes, train if found.smallest is None else found.smallest)
    if size.per_class is not None and size.per_class > most:
        raise UserError(
            f"per_class is {size.per_class}, but {size.name} has at most {most} examples of every "
            f"class left to train on"
        )


def _check_drawn(size: DataConfig, found: Facts, seeds: Iterable[int], root: Path | None) -> None:
    """Draw as training will where the held-out examples, which are drawn regardless of class, may leave one
    of them too few."""
    _, held = found.parts(size)
    few, held = size.per_class, 0 if found.validation else held
    if few is None or (found.smallest is not None and few + held <= found.smallest):
        return
    from regularize.data.dataset import load
    from regularize.data.splits import split

    labels = load(size.name, root, size.form).train_labels
    for seed in sorted(seeds):
        try:
            split(labels, size, seed, found.validation)
        except UserError as error:
            raise UserError(f"{size.name}, seed {seed}: {error}") from None
