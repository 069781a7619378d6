from __future__ import annotations

from collections.abc import Callable

import pytest

from analysis.statistics.contenders import Contender, comparisons
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.store_tables import Problem, Tables, digest
from regularize.errors import UserError
from regularize.store import Store

MakeStore = Callable[..., Store]


def tables_of(store: Store) -> Tables:
    collect(store)
    select(store)
    return Tables(store)


def test_one_comparison_a_problem_with_the_baseline_first(make_store: MakeStore) -> None:
    found = comparisons(tables_of(make_store(datasets=["mnist", "cifar10"])))
    assert [c.problem.dataset for c in found] == ["cifar10", "mnist"]
    assert found[0].baseline == Contender("none", "")
    assert [c.regularizer for c in found[0].contenders] == ["none", "l2", "elastic_net", "dropout"]


def test_only_report_runs_at_the_chosen_strength(make_store: MakeStore) -> None:
    store = make_store(tune=range(2), chosen={"dropout": 2})
    (found,) = comparisons(tables_of(store))
    assert Contender("dropout", "0.5") in found.contenders
    assert set(found.results["seed"]) == set(range(1000, 1005))


def test_report_runs_of_an_outdated_choice_are_not_shown(make_store: MakeStore) -> None:
    tables = tables_of(make_store())
    selection = tables.selection
    assert selection is not None
    other = selection["strength"] == "0.5"
    selection["chosen"] = other | (selection["chosen"] & (selection["regularizer"] != "dropout"))
    (found,) = comparisons(tables)
    assert "dropout" not in {contender.regularizer for contender in found.contenders}


def test_few_shot_problems_are_apart(make_store: MakeStore) -> None:
    tables = tables_of(make_store(per_class=10))
    assert tables.problems == [Problem("mnist", 10, "lenet5")]
    (found,) = comparisons(tables)
    assert found.problem.slug == "mnist-10-per-class-lenet5"
    assert len(found.metrics) == 4 * 5 * 5 * 3


def test_diverged_runs_are_counted_and_have_no_curve(make_store: MakeStore) -> None:
    (found,) = comparisons(tables_of(make_store(diverged=[("mnist", "dropout", "0.3", 1002)])))
    dropout = Contender("dropout", "0.3")
    assert found.n_diverged(dropout) == 1
    assert list(found.done(dropout).index) == [1000, 1001, 1003, 1004]
    curves = found.metrics[found.metrics["regularizer"] == "dropout"]
    assert set(curves["seed"]) == {1000, 1001, 1003, 1004}


def test_without_report_runs_there_is_nothing_to_compare(make_store: MakeStore) -> None:
    with pytest.raises(UserError, match="no finished report run yet"):
        comparisons(tables_of(make_store(report=())))


def test_without_the_selection_nothing_passes_for_untuned(make_store: MakeStore) -> None:
    tables = tables_of(make_store())
    tables.store.table("selection").unlink()
    with pytest.raises(UserError, match=r"selection\.parquet is not there, .* chooses them again"):
        comparisons(Tables(tables.store))


def test_digest_names_the_content(make_store: MakeStore) -> None:
    one, two = (comparisons(tables_of(make_store(name)))[0] for name in ("one", "two"))
    assert one.digest == two.digest
    changed = one.results.assign(test_accuracy=0.5)
    assert digest(changed) != digest(one.results)


def test_tables_must_have_been_collected(make_store: MakeStore) -> None:
    with pytest.raises(UserError, match="collect the sweep's tables first"):
        _ = Tables(make_store()).results
