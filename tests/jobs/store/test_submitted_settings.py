"""What a store remembers of its submission means what it did, whatever sweeps mean by then."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.cluster.load_config import load_cluster
from jobs.store import submitted_settings
from jobs.store.runs_table import write_runs
from jobs.store.submitted_settings import DIALECT, Saved
from jobs.sweep.dialects import FIRST, NOW
from jobs.sweep.older_meaning import older_meaning
from jobs.sweep.run_grid import tune_runs
from jobs.sweep.sweep_file import Sweep, load_sweep
from regularize.errors import UserError
from regularize.store import Store, read_json, write_json
from tests.jobs.sweeps import BASE

FEW = BASE.replace("dataset: digits", "dataset: {digits: {per_class: [5, null]}, mnist: {per_class: 30}}")
DRAWN = BASE.replace(
    "  l2: {strength: [1e-5, 1e-4]}", "  early_stopping: {patience: {uniform: [1.5, 9]}}"
) + ("tune: {lr: {uniform: [0, 0.1]}}\nbudget: 4\n")

STARTS = BASE.replace("  none:", "  started: {technique: none, start: orthogonal}\n  none:")
LISTED = BASE.replace("  l2: {strength: [1e-5, 1e-4]}", "  early_stopping: {patience: [1.5, 2]}")
SAID = BASE.replace("1e-4]", "1e-4], start: default")
NETWORKS = BASE.replace("model: lenet5", "model: {mlp: {hidden: [[20], [40]], width: [1, 2]}}")
TWICE = BASE.replace("seeds:", "  again: {technique: l2, strength: 1e-5, start: default}\nseeds:")


def save(store: Store, sweep: Sweep) -> None:
    submitted_settings.save(store, sweep, Saved(cluster=load_cluster("local"), data_root=None))


def of_before(store: Store, path: Path, **fields: object) -> None:
    """What a version submitted that had no dialects."""
    save(store, load_sweep(path, dialect_of=lambda _: FIRST))
    settings = read_json(store.submission)
    del settings[DIALECT]
    write_json(store.submission, settings | fields)


def ids(sweep: Sweep) -> list[str]:
    return [run.config.run_id for run in tune_runs(sweep)]


def test_a_tenth_validates_in_what_was_submitted_when_it_did(tmp_path: Path) -> None:
    path, store = tmp_path / "sweep.yaml", Store(tmp_path / "store")
    path.write_text(FEW, encoding="utf-8")
    sweep = load_sweep(path)
    save(store, sweep)
    assert submitted_settings.load_saved_sweep(store) == sweep
    of_before(store, path)
    before = submitted_settings.load_saved_sweep(store)
    assert {size.validation for grid in before.datasets for size in grid.sizes} == {None}
    path.write_text(FEW.replace("null]", "null], validation: 0.1").replace("30}", "30, validation: 0.1}"))
    assert ids(before) == ids(load_sweep(path))


@pytest.mark.parametrize("text", [FEW, DRAWN, LISTED, SAID, NETWORKS, TWICE])
def test_what_goes_on_with_a_store_keeps_its_meaning_for_whatever_comes_after(
    tmp_path: Path, text: str
) -> None:
    """As a retry does, and the follow-ups after it, and who submits the file again."""
    path, store = tmp_path / "sweep.yaml", Store(tmp_path / "store")
    path.write_text(text, encoding="utf-8")
    of_before(store, path)
    before = submitted_settings.load_saved_sweep(store)
    for _ in range(2):
        save(store, submitted_settings.load_saved_sweep(store))
        assert submitted_settings.load_saved_sweep(store) == before
        again = load_sweep(path, dialect_of=lambda _: submitted_settings.dialect(store))
        assert ids(again) == ids(before)
        save(store, again)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (FEW, "a tenth validates beside `per_class`, too, unless something is asked for"),
        (DRAWN.replace("[0, ", "[0.01, ").replace("1.5", "1"), "a budget draws from ranges as it did"),
        (
            DRAWN,
            "what its file alone is refused for now stands (small:9: lr is 0, but must be a number in "
            "(0, inf))",
        ),
        (
            LISTED,
            "what its file alone is refused for now stands (small:7: patience of early_stopping is 1.5, but "
            "must be a whole number, as it acts as one)",
        ),
        (
            TWICE,
            "what its file alone is refused for now stands (small:8: 'again' at strength=1e-05 is the same "
            "run as 'l2' in small:7)",
        ),
        (SAID, "an entry that says how its weights start is a run of its own, even if they start so anyway"),
        (STARTS, "started is the baseline, as the first entry of technique none"),
    ],
)
def test_what_it_means_otherwise_is_said_and_nothing_else(tmp_path: Path, text: str, meant: str) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    said = older_meaning(load_sweep(path, dialect_of=lambda _: FIRST))
    assert said == (
        "small was first submitted by an earlier version and goes on as it was meant then: "
        f"{meant} (under another name it means what it does now)"
    )


def test_what_few_validated_in_before_dialects_is_todays(tmp_path: Path) -> None:
    path, store = tmp_path / "sweep.yaml", Store(tmp_path / "store")
    path.write_text(FEW, encoding="utf-8")
    of_before(store, path, few_validate=True)
    assert submitted_settings.load_saved_sweep(store) == load_sweep(path)


def test_where_nothing_was_submitted_or_can_be_read_words_mean_what_they_do(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert submitted_settings.dialect(store) == NOW
    store.folder.mkdir()
    for text in ("[1]", "{", '{"dialect": "x"}'):
        store.submission.write_text(text, encoding="utf-8")
        assert submitted_settings.dialect(store) == NOW


def test_what_a_later_version_submitted_is_left_to_that(tmp_path: Path) -> None:
    path, store = tmp_path / "sweep.yaml", Store(tmp_path / "store")
    path.write_text(FEW, encoding="utf-8")
    of_before(store, path, dialect=NOW + 1)
    for read in (submitted_settings.load_saved_sweep, submitted_settings.dialect):
        with pytest.raises(UserError, match="was submitted by a later version"):
            read(store)


@pytest.mark.parametrize("harm", ["cut", "missing"])
def test_a_store_whose_settings_are_lost_means_what_its_runs_do(tmp_path: Path, harm: str) -> None:
    path, store = tmp_path / "sweep.yaml", Store(tmp_path / "store")
    path.write_text(FEW, encoding="utf-8")
    for dialect in (NOW, FIRST):
        sweep = load_sweep(path, dialect_of=lambda _, dialect=dialect: dialect)
        save(store, sweep)
        write_runs(store, tune_runs(sweep), complete=True)
        if harm == "cut":
            store.submission.write_bytes(store.submission.read_bytes()[:60])
        else:
            store.submission.unlink()
        assert submitted_settings.dialect(store) == dialect
