"""The code and data of a sweep today, against those of its store, and what becomes of results of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

from jobs.store.changed_inputs import Changed, changed_inputs
from jobs.store.changed_ways import WAYS, WORDS
from jobs.store.kept_inputs import KEPT, accept, keep_code, keep_data
from jobs.store.pack_status import Packs
from jobs.sweep.run_grid import every_run
from jobs.sweep.sweep_file import Sweep
from regularize.code_identity import code_of
from regularize.config import sources
from regularize.data import Facts, content
from regularize.errors import UserError
from regularize.named_objects import is_named
from regularize.store import Store
from regularize.technique_words import keep_words


def changed_in(
    sweep: Sweep, store: Store, packs: Packs, root: Path | None, facts: Mapping[str, Facts]
) -> list[Changed]:
    """`changed_inputs` for all that a sweep may want, whatever strengths are chosen."""
    if not any(status.code or status.data for status in packs.statuses.values()):
        return []
    contents = {size: content(size.name, root, size.form) for grid in sweep.datasets for size in grid.sizes}
    wanted = ((run.run_id, run.sources, contents[run.data]) for run in every_run(sweep))
    numbers = {name: _numbers(size.name, facts) for size, name in contents.items()}
    return changed_inputs(store, packs, wanted, numbers)


def keep_inputs(sweep: Sweep, store: Store, root: Path | None, facts: Mapping[str, Facts]) -> None:
    """Keep in the store what says later how today's code and data differ from those of then."""
    entries = [entry.techniques for grid in sweep.datasets for entry in grid.entries]
    for names in {sources(model, entry) for model in sweep.models for entry in entries}:
        keep_code(store, code_of(*names))
    keep_words(store, {name for entry in entries for name in entry if is_named(name)})
    for size in (grid.sizes[0] for grid in sweep.datasets):
        if name := content(size.name, root, size.form):
            keep_data(store, name, _numbers(size.name, facts))


def _numbers(name: str, facts: Mapping[str, Facts]) -> dict[str, object]:
    found = facts[name]
    return {"name": name, "train": found.train, "test": found.test, "classes": found.classes}


def refuse(changed: Sequence[Changed]) -> None:
    """
    Raises:
        UserError: something has changed; it names what, and the ways on.
    """
    if changed:
        kinds = dict.fromkeys(change.kind for change in changed)
        ways = [f"`--{kind} {way}` {WORDS[way]}" for kind in kinds for way in WAYS[kind]]
        lines = [*(change.said for change in changed), "nothing has been submitted", *ways]
        raise UserError("\n  ".join(lines))


def keep(store: Store, changed: Sequence[Changed]) -> None:
    """Accept both, which tables and reports then say."""
    for change in changed:
        accept(store, change.kind, [change.name], change.today, KEPT, len(change.runs))


def put_aside(store: Store, changed: Sequence[Changed]) -> None:
    """Move the packs to `replaced/`: nothing of them is lost, and their runs are to be trained again.

    To be called by the holder of the store's lock, and while nobody trains them.
    """
    for pack_id in sorted({pack_id for change in changed for pack_id in change.packs}):
        store.replaced.mkdir(exist_ok=True)
        places = (store.replaced / f"{pack_id}-{number}" for number in count(1))
        store.pack(pack_id).folder.rename(next(place for place in places if not place.exists()))
