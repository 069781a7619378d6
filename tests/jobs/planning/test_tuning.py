"""The tune phase: what is tried, and grids that go on where the choice fell on their edge."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from analysis.statistics.open_ends import chosen_edges
from analysis.tables.strength_text import strength_numbers
from jobs.planning.last_choice import last_choice
from jobs.planning.tuning import Choose, tuning, wanted_runs
from jobs.planning.widening import beyond
from jobs.store.pack_status import Packs
from jobs.store.runs_table import write_runs
from jobs.sweep.dialects import FIRST, NOW
from jobs.sweep.run_grid import Candidate, Cell, PlannedRun, candidates_of, tune_runs
from jobs.sweep.sweep_file import Sweep, load_sweep
from regularize.config import RunConfig, pack_id
from regularize.data.official import OFFICIAL
from regularize.data.source import Facts
from regularize.store import Store, write_table
from tests.jobs.stores import status

TEXT = """\
name: small
dataset: digits
model: lenet5
training: {{epochs: 2}}
tune: {tune}
widen: {widen}
regularizers:
  none:
  l2: {{strength: {strength}}}
seeds: {{tune: 2, report: 3}}
"""
NONE, L2 = (Cell("digits", None, "lenet5", name) for name in ("none", "l2"))
Score = Callable[[RunConfig], float]
NOTHING: Mapping[str, Facts] = {}


def sweep(
    folder: Path, *, tune: str = "{lr: [0.01, 0.02]}", strength: str = "[0.1, 1]", widen: int = 3
) -> Sweep:
    path = folder / "sweep.yaml"
    path.write_text(TEXT.format(tune=tune, strength=strength, widen=widen), encoding="utf-8")
    return load_sweep(path)


def done(runs: Collection[PlannedRun]) -> Packs:
    ids = [run.config.run_id for run in runs]
    return Packs({pack_id(ids): status(ids, "done")})


def best(score: Score, known: Mapping[str, PlannedRun]) -> Choose:
    """Chooses the highest score; `known` are all runs that were ever planned."""

    def choose(ids: Mapping[str, str]) -> dict[Cell, list[str]]:
        cells: dict[Cell, list[PlannedRun]] = {}
        for run in map(known.__getitem__, ids):
            name = run.config.regularizer
            few = {"per_class": run.config.data.per_class}
            cells.setdefault((NONE if name == "none" else L2)._replace(**few), []).append(run)
        found = {}
        for cell, runs in cells.items():
            highest = max(score(run.config) for run in runs)
            found[cell] = list(dict.fromkeys(r.strength for r in runs if score(r.config) == highest))
        return found

    return choose


def played(
    sweep: Sweep, score: Score, facts: Mapping[str, Facts] = NOTHING
) -> tuple[list[set[str]], Mapping[Cell, str]]:
    """The strengths of l2 that each round adds, and what is chosen in the end."""
    known: dict[str, PlannedRun] = {}
    rounds, trained = [], []
    while True:
        found = tuning(sweep, done(trained) if trained else Packs(), best(score, known), facts)
        if found.chosen is not None:
            return rounds, found.chosen
        new = [run for run in found.runs if run.config.run_id not in known]
        assert new, "nothing is added, and nothing chosen"
        known |= {run.config.run_id: run for run in new}
        rounds.append({run.strength for run in new if run.config.regularizer == "l2"})
        trained = list(known.values())


def lam(config: RunConfig) -> float:
    return dict(config.terms[0].strengths)["strength"] if config.terms else 0.0


def test_a_choice_inside_its_grid_is_the_end(tmp_path: Path) -> None:
    grid = sweep(tmp_path, tune="{lr: [0.01, 0.02, 0.04]}", strength="[0.1, 1, 10]")
    rounds, chosen = played(grid, lambda c: -abs(c.training.lr - 0.02) - abs(lam(c) - 1))
    assert len(rounds) == 1
    assert chosen == {NONE: "lr=0.02", L2: "strength=1 lr=0.02"}


def test_a_choice_at_the_edge_widens_the_whole_grid_by_its_own_step(tmp_path: Path) -> None:
    rounds, chosen = played(
        sweep(tmp_path), lambda c: -abs(c.training.lr - 0.04) - abs(lam(c) - (1000 if c.terms else 0))
    )
    first, second, third, *_ = rounds
    assert first == {f"strength={s} lr={lr}" for s in ("0.1", "1") for lr in ("0.01", "0.02")}
    assert second == {
        *(f"strength=10 lr={lr}" for lr in ("0.01", "0.02", "0.04")),
        *(f"strength={s} lr=0.04" for s in ("0.1", "1")),
    }
    assert third == {
        *(f"strength=100 lr={lr}" for lr in ("0.01", "0.02", "0.04", "0.08")),
        *(f"strength={s} lr=0.08" for s in ("0.1", "1", "10")),
    }
    assert chosen[NONE] == "lr=0.04"
    assert len(rounds) == 4  # the file's, and as often as `widen` allows
    assert chosen[L2] == "strength=1000 lr=0.04"


def test_it_is_widened_at_most_so_many_times(tmp_path: Path) -> None:
    rounds, chosen = played(sweep(tmp_path, widen=1), lambda c: c.training.lr + lam(c))
    assert len(rounds) == 2
    assert chosen == {NONE: "lr=0.04", L2: "strength=10 lr=0.04"}


@pytest.mark.parametrize(
    ("strength", "low", "expected"),
    [
        ("[1, 2, 3]", False, {"strength=4 lr=0.01", "strength=4 lr=0.02"}),  # even steps go on evenly
        ("[1, 3]", False, {"strength=9 lr=0.01", "strength=9 lr=0.02"}),
        ("[0, 0.5]", False, {"strength=1 lr=0.01", "strength=1 lr=0.02"}),  # a factor from 0 there is none
        ("[0.01, 0.1, 1]", True, {"strength=0.001 lr=0.01", "strength=0.001 lr=0.02"}),
        ("[0, 1]", True, set()),  # below 0 there is nothing
        ("2", False, set()),  # one value has no step
    ],
)
def test_what_follows_an_edge(tmp_path: Path, strength: str, low: bool, expected: set[str]) -> None:
    grid = sweep(tmp_path, strength=strength, widen=1)
    rounds, _ = played(grid, lambda c: -lam(c) if low else lam(c))
    added = rounds[1] if len(rounds) > 1 else set()
    assert {each for each in added if each.endswith(("lr=0.01", "lr=0.02"))} == expected


@pytest.mark.parametrize(
    ("strength", "expected"),
    [
        ("[0.1, 1, 10]", set()),  # as good inside: the choice on the edge leaves nothing open
        ("[0.1, 1]", {"strength=0.01"}),  # as good on the other edge alone: it goes on where it was chosen
    ],
)
def test_an_edge_is_open_where_nothing_as_good_lies_inside(
    tmp_path: Path, strength: str, expected: set[str]
) -> None:
    rounds, chosen = played(sweep(tmp_path, strength=strength, widen=1), lambda c: c.training.lr)
    _, further = rounds
    assert {each.partition(" ")[0] for each in further if each.endswith("lr=0.02")} == expected
    assert chosen[L2] == "strength=0.1 lr=0.04"


@pytest.mark.parametrize(
    ("tune", "low", "expected"),
    [
        ("{epochs: [1, 2, 4]}", False, {"epochs=8"}),
        ("{epochs: [2, 3]}", False, {"epochs=5"}),  # 4.5, to the next whole one
        ("{epochs: [2, 3]}", True, {"epochs=1"}),
        ("{epochs: [1, 2, 4]}", True, set()),  # less than one there is not
        ("{batch_size: [32, 64]}", False, {"batch_size=128"}),
        ("{epochs: [3, 40]}", True, {"epochs=2"}),
        ("{batch_size: [16, 32, 48]}", True, {"batch_size=8"}),  # 0 is none: half the way to 1
        ("{batch_size: [2, 8]}", True, {"batch_size=1"}),
        ("{momentum: [0.8, 0.9]}", False, {"momentum=0.95"}),  # 1.0125 is none: half the way
        ("{lr: [0.01, 0.02, 0.03]}", True, {"lr=0.005"}),  # nor is 0
        ("{width: [1, 2]}", False, {"width=4"}),
        ("{width: [50, 100]}", False, set()),
        ("{width: [0.02, 0.04]}", True, {"width=0.015"}),
    ],
)
def test_whatever_is_tuned_goes_on_as_far_as_it_is_valid(
    tmp_path: Path, tune: str, low: bool, expected: set[str]
) -> None:
    training = "{momentum: 0.9}" if "epochs" in tune else "{epochs: 2}"
    text = TEXT.format(tune=tune, strength="1", widen=1).replace("{epochs: 2}", training)
    (tmp_path / "sweep.yaml").write_text(text, encoding="utf-8")
    grid = load_sweep(tmp_path / "sweep.yaml")
    (name,) = grid.datasets[0].tuned
    sign = -1 if low else 1
    rounds, _ = played(grid, lambda c: sign * c.setting(name))
    further = rounds[1] if len(rounds) > 1 else set()
    assert further == {f"strength=1 {each}" for each in expected}


@pytest.mark.parametrize(
    ("tune", "low", "before", "now"),
    [
        ("{batch_size: [32, 35]}", False, "batch_size=38", "batch_size=39"),
        ("{batch_size: [4, 16]}", True, "batch_size=1", "batch_size=2"),
        ("{batch_size: [2, 8]}", True, None, "batch_size=1"),  # 0, which is none
        ("{width: [0.02, 0.04]}", True, "width=0.01", "width=0.015"),
    ],
)
def test_a_store_of_before_goes_on_to_what_it_has_tried(
    tmp_path: Path, tune: str, low: bool, before: str | None, now: str
) -> None:
    text = TEXT.format(tune=tune, strength="1", widen=1)
    (tmp_path / "sweep.yaml").write_text(text, encoding="utf-8")
    name, sign = now.partition("=")[0], -1 if low else 1
    for dialect, expected in ((FIRST, before), (NOW, now)):
        grid = load_sweep(tmp_path / "sweep.yaml", dialect_of=lambda _, meant=dialect: meant)
        rounds, _ = played(grid, lambda c: sign * c.setting(name))
        assert set().union(*rounds[1:]) == ({f"strength=1 {expected}"} if expected else set())


def candidates(folder: Path, technique: str, options: str) -> list[Candidate]:
    """What a technique is tried with, at two learning rates."""
    text = TEXT.format(tune="{lr: [0.01, 0.02]}", strength="1", widen=1)
    text = text.replace("l2: {strength: 1}", f"{technique}: {options}")
    (folder / "sweep.yaml").write_text(text, encoding="utf-8")
    found = candidates_of(load_sweep(folder / "sweep.yaml"))
    return next(tried for cell, tried in found.items() if cell.regularizer == technique)


def test_a_strength_goes_on_as_far_as_it_is_valid(tmp_path: Path) -> None:
    further = beyond(candidates(tmp_path, "dropout", "{p: [0.5, 0.9]}"), ["p=0.9 lr=0.02"], ["lr"])
    assert {each.strength.partition(" ")[0] for each in further} == {"p=0.5", "p=0.9", "p=0.9495"}


def test_what_ends_where_its_values_do_is_not_planned_twice(tmp_path: Path) -> None:
    tried = candidates(tmp_path, "label_smoothing", "{epsilon: [0.5, 1]}")
    further = beyond(tried, ["epsilon=1 lr=0.02"], ["lr"])
    assert sorted(each.strength for each in further) == ["epsilon=0.5 lr=0.04", "epsilon=1 lr=0.04"]


def test_a_grid_goes_on_exactly_where_a_reader_is_told_of_an_edge(tmp_path: Path) -> None:
    """Every choice and every set of its equals, of a grid of two numbers."""
    grid = sweep(tmp_path, tune="{lr: [0.01, 0.02]}", strength="[0, 1, 10]")
    tried = candidates_of(grid)[L2]
    strengths = [strength for _, strength in tried]
    told_of = 0
    for chosen, size in itertools.product(strengths, range(3)):
        for equals in itertools.combinations([each for each in strengths if each != chosen], size):
            rows = [
                {"strength": each, "mean": float(each == chosen or each in equals), "n_diverged": 0}
                | {"metric": "validation_accuracy"}
                for each in strengths
            ]
            told = chosen_edges(rows[strengths.index(chosen)], rows)
            further = beyond(tried, [chosen, *equals], ["lr"])
            before = {
                name: {strength_numbers(each)[name] for each in strengths} for name in ("strength", "lr")
            }
            gone_on = {
                name
                for name, values in before.items()
                if {strength_numbers(each.strength)[name] for each in further} - values
            }
            assert gone_on == {each.partition(" =")[0] for each in told}, (chosen, equals)
            told_of += len(told)
    assert told_of


def test_batches_go_on_to_all_examples_that_a_cell_trains_on(tmp_path: Path) -> None:
    facts = {"digits": OFFICIAL["digits"].facts}
    few = "dataset: {digits: {per_class: 30}}"
    for text, batches in (("dataset: digits", "[512, 1024]"), (few, "[128, 256]")):
        path = tmp_path / "sweep.yaml"
        sweep(tmp_path, tune=f"{{batch_size: {batches}}}", strength="1")
        path.write_text(path.read_text(encoding="utf-8").replace("dataset: digits", text))
        grid = load_sweep(path)
        examples = facts["digits"].trained_on(grid.datasets[0].sizes[0])
        rounds, chosen = played(grid, lambda c: c.training.batch_size, facts)
        assert rounds[1:] == [{f"strength=1 batch_size={examples}"}]
        assert {strength.rpartition("=")[2] for strength in chosen.values()} == {str(examples)}
    before = load_sweep(path, dialect_of=lambda _: FIRST)
    assert "strength=1 batch_size=512" in played(before, lambda c: c.training.batch_size, facts)[0][1]


def test_without_widen_an_edge_is_an_edge(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    text = TEXT.format(tune="{lr: [0.01, 0.02]}", strength="[0.1, 1]", widen=1).replace("widen: 1\n", "")
    path.write_text(text, encoding="utf-8")
    rounds, chosen = played(load_sweep(path), lambda c: c.training.lr + lam(c))
    assert len(rounds) == 1
    assert chosen == {NONE: "lr=0.02", L2: "strength=1 lr=0.02"}


def test_what_was_chosen_beyond_the_file_is_reported_on(tmp_path: Path) -> None:
    grid = sweep(tmp_path, widen=1)
    known = {run.config.run_id: run for run in tune_runs(grid)}
    score = best(lambda c: c.training.lr + lam(c), known)
    more, _ = wanted_runs(grid, done(known.values()), score, NOTHING)
    known |= {run.config.run_id: run for run in more}
    wanted, ahead = wanted_runs(grid, done(known.values()), score, NOTHING)
    report = [run for run in wanted if run.phase == "report"]
    assert not ahead
    assert [run.strength for run in report] == ["lr=0.04"] * 3 + ["strength=10 lr=0.04"] * 3
    assert {run.config.training.lr for run in report} == {0.04}


def results(runs: Collection[PlannedRun], metric: str = "validation_accuracy") -> list[dict[str, object]]:
    return [
        {
            **{"run_id": run.config.run_id, "dataset": "digits", "per_class": None, "model": "lenet5"},
            **{"regularizer": run.config.regularizer, "strength": run.strength, "state": "done"},
            **{"classes": 10, metric: run.config.training.lr + lam(run.config)},
        }
        for run in runs
    ]


def written(store: Store, rows: list[dict[str, object]]) -> None:
    write_table(store.table("results"), rows, pa.Table.from_pylist(rows).schema)


def test_a_plan_reads_the_choice_from_the_tables(tmp_path: Path) -> None:
    grid, store = sweep(tmp_path, widen=1), Store(tmp_path / "store")
    runs = tune_runs(grid)
    ids = {run.config.run_id: run.config.regularizer for run in runs}
    assert last_choice(store, grid)(ids) is None
    write_runs(store, runs, complete=False)
    written(store, results(runs[1:]))
    assert last_choice(store, grid)(ids) is None
    written(store, results(runs))
    assert last_choice(store, grid)(ids) == {NONE: ["lr=0.02"], L2: ["strength=1 lr=0.02"]}
    wanted, ahead = wanted_runs(grid, done(runs), last_choice(store, grid), NOTHING)
    assert {run.strength for run in wanted} > {run.strength for run in runs}
    assert ahead


def test_a_plan_of_an_entry_that_was_renamed_knows_its_choice(tmp_path: Path) -> None:
    grid, store = sweep(tmp_path, widen=1), Store(tmp_path / "store")
    runs = tune_runs(grid)
    write_runs(store, runs, complete=False)
    written(store, results(runs))
    path = tmp_path / "sweep.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("  none:", "  base: {technique: none}"))
    renamed = load_sweep(path)
    assert {run.config.run_id for run in tune_runs(renamed)} == {run.config.run_id for run in runs}
    wide, ahead = wanted_runs(renamed, done(runs), last_choice(store, renamed), NOTHING)
    assert {run.config.regularizer for run in wide} == {"base", "l2"}
    assert len(wide) == len(wanted_runs(grid, done(runs), last_choice(store, grid), NOTHING)[0])
    assert "base" in {run.config.regularizer for run in ahead}


def test_a_damaged_table_tells_no_choice(tmp_path: Path) -> None:
    grid, store = sweep(tmp_path), Store(tmp_path / "store")
    store.table("results").parent.mkdir(parents=True)
    store.table("results").write_text("not parquet", encoding="utf-8")
    assert last_choice(store, grid)({run.config.run_id: "l2" for run in tune_runs(grid)}) is None
