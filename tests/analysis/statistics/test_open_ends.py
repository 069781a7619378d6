"""What a status says of a finished sweep: strengths at the edge, a baseline that has not fitted."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from analysis.statistics.open_ends import open_ends
from analysis.statistics.strength_selection import SELECTION, select, with_ends
from analysis.statistics.unfinished import near_edges
from analysis.tables.collect import collect
from regularize.store import RESULTS, RUNS, Store, read_table, write_table
from regularize.technique_words import Words


def tuned(store: Store, train_accuracy: float | None = None) -> Store:
    runs = [run | {"baseline": run["regularizer"] == "none"} for run in read_table(store.runs).to_pylist()]
    write_table(store.runs, runs, RUNS)
    for folder in store.packs.iterdir():
        path = store.pack(folder.name).results
        rows = read_table(path).to_pylist()
        if train_accuracy is not None:
            rows = [row | {"train_accuracy": train_accuracy} for row in rows]
        write_table(path, rows, RESULTS)
    collect(store, ("runs", "results"))
    select(store)
    return store


@pytest.mark.parametrize(("accuracy", "said"), [(0.32, True), (0.95, False)])
def test_a_baseline_that_has_not_fitted_is_told(
    make_store: Callable[..., Store], accuracy: float, said: bool
) -> None:
    found = " ".join(open_ends(tuned(make_store(strengths={"none": [""], "l2": ["0.1"]}), accuracy)))
    sentence = f"The baseline has not fitted its training data: its training accuracy is {accuracy:.0%}"
    assert (sentence in found) == said


def test_a_strength_at_the_edge_is_told(make_store: Callable[..., Store]) -> None:
    strengths = {"none": [""], "l2": ["0.1", "0.2", "0.3"], "dropout": ["0.1", "0.3", "0.5"]}
    store = tuned(make_store(strengths=strengths, chosen={"l2": 2, "dropout": 1}), 0.95)
    (sentence,) = open_ends(store)
    assert sentence.startswith(
        "mnist lenet5: The strength chosen is at the edge of what was tried for l2 (0.3, the largest): a"
    )


def test_each_number_of_a_combination_has_its_edge(make_store: Callable[..., Store]) -> None:
    strengths = {
        "none": [""],
        "elastic_net": ["l1=0.1 l2=0.1", "l1=0.1 l2=0.2", "l1=0.2 l2=0.1", "l1=0.2 l2=0.2"],
    }
    store = tuned(make_store(strengths=strengths, chosen={"elastic_net": 1}), 0.95)
    (sentence,) = open_ends(store)
    assert "for elastic_net (l1 = 0.1, the smallest; l2 = 0.2, the largest): a" in sentence


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "so widen the grid (`widen:` does)"),
        ({"widen": 3}, "and `widen: 3` has ended there: list values beyond, or let it go on more often"),
        ({"budget": 8}, "though of 8 drawn settings the best is often an outer one by chance; where it is "
         "close to the end of its range or list, let that go further"),
    ],
)  # fmt: skip
def test_what_to_do_depends_on_how_the_sweep_chose(
    make_store: Callable[..., Store], asked: dict[str, int], said: str
) -> None:
    store = tuned(make_store(strengths={"none": [""], "l2": ["0.1", "0.2", "0.3"]}, chosen={"l2": 2}), 0.95)
    select(store, **asked)
    (sentence,) = open_ends(store)
    assert sentence.endswith(f"for l2 (0.3, the largest): a better one may lie beyond, {said}")


def test_a_table_from_before_is_still_read(make_store: Callable[..., Store]) -> None:
    store = tuned(make_store(strengths={"none": [""], "l2": ["0.1", "0.2", "0.3"]}, chosen={"l2": 2}), 0.95)
    old = read_table(store.table("selection")).drop_columns(["widen", "budget", "ended"])
    write_table(store.table("selection"), old, old.schema)
    (sentence,) = open_ends(store)
    assert sentence.endswith("so widen the grid (`widen:` does)")


def test_a_choice_that_ties_with_one_inside_leaves_nothing_open(make_store: Callable[..., Store]) -> None:
    """With its like on the other edge alone it does."""
    store = tuned(make_store(strengths={"none": [""], "l2": ["0.1", "0.2", "0.3"]}, chosen={"l2": 0}), 0.95)
    rows = read_table(store.table("selection")).to_pylist()
    for equal, told in (("0.2", 0), ("0.3", 1)):
        tied = [row | {"mean": 0.9 if row["strength"] in ("0.1", equal) else 0.1} for row in rows]
        write_table(store.table("selection"), tied, SELECTION)
        assert len(open_ends(store)) == told


def test_nothing_is_said_of_what_has_not_begun(make_store: Callable[..., Store]) -> None:
    assert open_ends(make_store()) == []


OWN = "mine:OWN"


@pytest.mark.parametrize(
    ("technique", "words", "ended"),
    [
        ("dropout", {}, "0.999"),
        (OWN, {OWN: Words("Own", "other", "b", (), {"p": (0.5, 0.999)})}, "0.999"),
        (OWN, {OWN: Words("Own", "other", "b")}, ""),  # kept before its ends were
        (OWN, {}, ""),
    ],
)
def test_which_numbers_are_the_last_valid_ones_is_of_the_technique(
    technique: str, words: dict[str, Words], ended: str
) -> None:
    cell = {"dataset": "digits", "per_class": None, "model": "lenet5", "regularizer": "mine"}
    rows = [{**cell, "strength": strength} for strength in ("0.9", "0.999")]
    runs = [
        {**row, "config": json.dumps({"terms": [{"technique": technique, "strengths": [["p", 1]]}]})}
        for row in rows
    ]
    assert [row["ended"] for row in with_ends(rows, runs, words)] == ["", ended]


def test_near_edges_are_told_but_for_those_where_a_number_ends() -> None:
    """The last of them is not shown to be worse, either."""
    rows = [
        {"strength": strength, "ended": ended, "chosen": chosen, "p_worse": p, "n_diverged": 0}
        | {"mean": 90.0 + chosen, "metric": "validation_accuracy"}
        for strength, ended, chosen, p in (("0", "0", 0, 0.5), ("0.5", "", 1, None), ("1", "", 0, 0.5))
    ]
    assert near_edges(rows) == ["1, the largest"]
