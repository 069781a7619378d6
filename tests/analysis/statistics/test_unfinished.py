"""What is open is said: an edge, a baseline that has not fitted, a penalty that did nothing, no baseline."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from analysis.statistics.comparison_table import compare
from analysis.statistics.open_ends import open_ends
from analysis.statistics.sensitivity import sensitivity
from analysis.statistics.strength_selection import SELECTION, select
from analysis.statistics.unfinished import unfinished
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from analysis.text.conclusions import conclude
from jobs.commands.cli import main
from regularize.store import Store, read_table, write_table

MakeStore = Callable[..., Store]


def ready(store: Store) -> Tables:
    collect(store)
    select(store)
    return Tables(store)


def said(tables: Tables) -> list[str]:
    (found,) = unfinished(tables, sensitivity(tables), compare(tables)).values()
    return found


def test_a_finished_study_has_nothing_open(make_store: MakeStore) -> None:
    tables = ready(make_store(report=range(1000, 1010)))
    tables.results["train_accuracy"] = 0.99
    assert [each for each in said(tables) if "at the edge of what was tried" not in each] == []


def test_a_choice_at_the_edge_asks_for_a_wider_grid(make_store: MakeStore) -> None:
    tables = ready(make_store(chosen={"l2": 2, "dropout": 0}))
    tables.results["train_accuracy"] = 0.99
    (edge,) = said(tables)
    assert "L2 (0.01, the largest)" in edge
    assert "Dropout (0.1, the smallest)" in edge
    assert edge.endswith("a better one may lie beyond, so widen the grid (`widen:` does)")


def test_the_comparison_says_what_the_status_says(make_store: MakeStore) -> None:
    """Of a choice on an edge that ties with one inside, and of one that does not."""
    strengths = {"none": [""], "l2": ["1e-05", "0.0005", "0.01"], "dropout": ["0.1", "0.3", "0.5"]}
    store = make_store(strengths=strengths, chosen={"l2": 0, "dropout": 0})
    ready(store)
    select(store, widen=2)
    rows = read_table(store.table("selection")).to_pylist()
    best = next(row["mean"] for row in rows if row["regularizer"] == "l2" and row["chosen"])
    rows = [row | ({"mean": best} if row["strength"] == "0.0005" else {}) for row in rows]
    write_table(store.table("selection"), rows, SELECTION)
    tables = Tables(store)
    tables.results["train_accuracy"] = 0.99
    (edge,) = [each for each in said(tables) if "edge of what was tried for" in each]
    assert "L2" not in edge
    assert "Dropout (0.1, the smallest): a better one may lie beyond, and `widen: 2` has ended there" in edge
    (status,) = [each for each in open_ends(store) if "edge of what was tried for" in each]
    assert status.replace("dropout", "Dropout").endswith(edge)
    at_edge = sensitivity(tables).set_index("regularizer")["at_edge"]
    assert not at_edge["l2"].any()
    assert at_edge["dropout"].all()


def test_a_choice_that_edges_are_not_shown_to_score_below_asks_for_more(make_store: MakeStore) -> None:
    """By luck the choice may fall beside an edge beyond which the best is; told of what is concluded on."""
    strengths = {"none": [""], "l2": ["0.1", "0.2", "0.3"], "dropout": ["0.1", "0.3", "0.5"]}
    store = make_store(strengths=strengths, chosen={"l2": 1, "dropout": 1}, report=range(1000, 1015))
    tables = ready(store)
    tables.results["train_accuracy"] = 0.99
    results, (l2, dropout) = (
        tables.results,
        (tables.results["regularizer"] == name for name in ("l2", "dropout")),
    )
    tune, strong = results["phase"] == "tune", results["strength"]
    # Dropout's edges are clearly worse; of L2's the larger is as good as the choice, and the other worse.
    noise = 0.001 * ((results["seed"] * 7) % 5)
    worse = dropout & (strong != "0.3") | l2 & (strong == "0.1")
    results.loc[tune, "validation_accuracy"] = 0.9 - (0.1 + noise) * worse - noise * (strong == "0.3") * l2
    results.loc[~tune, "test_accuracy"] = 0.8 + 0.1 * (l2 | dropout) + 1e-3 * (results["seed"] * 7 % 5)
    results.loc[~tune & l2, "test_accuracy"] += 1e-3 * (results["seed"] % 3)
    results.loc[~tune & dropout, "test_accuracy"] -= 1e-3 * (results["seed"] % 3)
    (found,) = said(tables)
    assert found.startswith(
        "Strengths at the edge of what was tried are not shown to score worse than the one"
    )
    assert found.endswith("chosen for L2 (0.3, the largest): a better one may lie beyond, so try some there")
    results.loc[~tune & l2, "test_accuracy"] -= 0.101  # where nothing is concluded, nothing is said
    assert said(tables) == []


def test_a_baseline_that_has_not_fitted_is_no_baseline_yet(make_store: MakeStore) -> None:
    """30 steps and 32 % training accuracy made hard SVB "51.7 points better"."""
    tables = ready(make_store())
    tables.results["train_accuracy"] = 0.32
    assert any(each.startswith("The baseline has not fitted its training data: its training accuracy is 32%")
               for each in said(tables))  # fmt: skip


def test_what_did_nothing_is_named(make_store: MakeStore) -> None:
    tables = ready(make_store())
    mine = (tables.results["regularizer"] == "dropout") & (tables.results["seed"] >= 1002)
    tables.results.loc[mine, "did_nothing"] = "jacobian_determinant"
    (found,) = [each for each in said(tables) if "did nothing" in each]
    assert found.startswith("jacobian_determinant did nothing in 3 of 5 runs of Dropout (0.3): the gradient")


def test_without_a_baseline_it_is_said_what_would_be_one(make_store: MakeStore) -> None:
    found = said(ready(make_store(strengths={"l2": ["0.1", "0.2", "0.3"]})))
    assert found[0].startswith(
        "There is no baseline: nothing is compared. An entry of the technique none is one"
    )


def test_it_stands_below_the_comparison(make_store: MakeStore, capsys: pytest.CaptureFixture[str]) -> None:
    store = make_store(chosen={"l2": 2})
    comparison, *_ = conclude(ready(store))
    assert any("at the edge of what was tried for" in note for note in comparison.groups[0].notes)
    assert main(["compare", str(store.folder)]) == 0
    assert "at the edge of what was tried for L2 (0.01," in " ".join(capsys.readouterr().out.split())
