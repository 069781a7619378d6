from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.statistics.sensitivity import SENSITIVITY, sensitivity
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables, to_frame
from analysis.text.across_problems_text import plateau_groups
from regularize.store import Store

MakeStore = Callable[..., Store]


def tables_with(store: Store, scores: dict[str, float], chosen: str, metric: str = "accuracy") -> Tables:
    """Tables whose selection has these mean scores of `l2` by strength; three seeds, which differ alike."""
    collect(store, ("runs", "results"))
    tables = Tables(store)
    tables.__dict__["results"] = pd.DataFrame(
        [
            {
                "dataset": "mnist",
                "per_class": pd.NA,
                "model": "lenet5",
                "regularizer": "l2",
                "strength": strength,
                "phase": "tune",
                "seed": seed,
                "state": "done",
                "classes": 10,
                f"validation_{metric}": score + (seed - 1) * (0.001 + OWN.get(strength, 0.0)),
            }
            for strength, score in scores.items()
            for seed in range(3)
        ]
    )
    tables.__dict__["selection"] = pd.DataFrame(
        {
            "dataset": "mnist",
            "per_class": pd.Series([None] * len(scores), dtype="Int64"),
            "model": "lenet5",
            "regularizer": "l2",
            "strength": list(scores),
            "chosen": [strength == chosen for strength in scores],
            "n": 3,
            "mean": list(scores.values()),
            "sd": 0.001,
            "n_diverged": 0,
            "metric": f"validation_{metric}",
            "rule": "the rule",
        }
    )
    return tables


OWN = {"0.0001": 1e-4, "0.01": 3e-4}  # by how much more than the others' a strength's scores differ by seed
SCORES = {"1e-05": 0.950, "0.0001": 0.9691, "0.001": 0.97, "0.01": 0.9685, "0.1": 0.9695}


def test_the_plateau_are_the_neighbours_within_tolerance(make_store: MakeStore) -> None:
    frame = sensitivity(tables_with(make_store(), SCORES, chosen="0.001"))
    assert frame["on_plateau"].tolist() == [False, True, True, True, True]
    assert frame["shortfall"].tolist() == pytest.approx([2.0, 0.09, 0.0, 0.15, 0.05])
    first = frame.iloc[0]
    assert (first["plateau_strengths"], first["strengths"]) == (4, 5)
    assert (first["plateau_low"], first["plateau_high"]) == (0.0001, 0.1)
    assert first["plateau_decades"] == pytest.approx(3.0)
    assert not first["at_edge"]
    assert frame["chosen"].tolist() == [False, False, True, False, False]


def test_how_many_strengths_a_plateau_has_is_uncertain(make_store: MakeStore) -> None:
    """Of five, .0001 is .09 ± .05 points worse, .01 by .15 ± .15, .1 by .05 on every seed."""
    frame = sensitivity(tables_with(make_store(), SCORES, chosen="0.001"))
    halves = stats.t.isf(0.025 / 4, 2) * np.array([0.0, 0.01, 0.0, 0.03, 0.0]) / np.sqrt(3)
    assert frame["shortfall_half"].tolist() == pytest.approx(halves.tolist(), abs=1e-9)
    assert 0.09 + halves[1] < 0.2 < 0.15 + halves[3]
    first = frame.iloc[0]
    # .0001 is shown to be within .2 of the best, .01 is not: the plateau may end before it.
    assert (first["plateau_at_least"], first["plateau_strengths"], first["plateau_at_most"]) == (2, 4, 4)


@pytest.mark.parametrize("chosen", ["0.1", "0.2", "0.3"])
def test_of_equal_strengths_the_one_chosen_is_shown_as_such(make_store: MakeStore, chosen: str) -> None:
    """Which way is weak, and so chosen, is each technique's own."""
    frame = sensitivity(tables_with(make_store(), dict.fromkeys(("0.1", "0.2", "0.3"), 0.9), chosen))
    (group,) = plateau_groups(frame)
    assert group.frame["strength"].tolist() == [chosen]


def test_a_plateau_ends_at_the_first_strength_that_is_worse(make_store: MakeStore) -> None:
    scores = SCORES | {"0.01": 0.9679}
    frame = sensitivity(tables_with(make_store(), scores, chosen="0.001"))
    assert frame["on_plateau"].tolist() == [False, True, True, False, False]


def test_exactly_the_tolerance_is_within(make_store: MakeStore) -> None:
    frame = sensitivity(tables_with(make_store(), {"0.1": 0.968, "0.2": 0.97}, chosen="0.2"))
    assert frame["on_plateau"].all()


@pytest.mark.parametrize(("chosen", "edge"), [("1e-05", True), ("0.001", False), ("0.1", True)])
def test_a_choice_at_the_edge_is_told(make_store: MakeStore, chosen: str, edge: bool) -> None:
    assert (sensitivity(tables_with(make_store(), SCORES, chosen))["at_edge"] == edge).all()


def test_rows_of_the_selection_may_come_in_any_order(make_store: MakeStore) -> None:
    expected = sensitivity(tables_with(make_store("one"), SCORES, chosen="0.001"))
    turned = dict(reversed(SCORES.items()))
    pd.testing.assert_frame_equal(
        sensitivity(tables_with(make_store("two"), turned, chosen="0.001")), expected
    )


def test_combinations_have_a_number_of_good_ones_but_no_width(make_store: MakeStore) -> None:
    scores = {"l1=1e-05 l2=0.1": 0.9695, "l1=0.001 l2=0.1": 0.95, "l1=0.001 l2=0.2": 0.97}
    frame = sensitivity(tables_with(make_store(), scores, chosen="l1=0.001 l2=0.2"))
    first = frame.iloc[0]
    assert first["plateau_strengths"] == 2
    assert first[["strength_value", "plateau_low", "plateau_decades"]].isna().all()
    assert first["at_edge"], "both numbers are the largest that were tried"


def test_a_combination_inside_its_grid_is_at_no_edge(make_store: MakeStore) -> None:
    tried = [f"strength={s} lr={lr}" for s in (1, 2, 3) for lr in (0.1, 0.2, 0.3)]
    for chosen, edge in (("strength=2 lr=0.2", False), ("strength=2 lr=0.3", True)):
        scores = {each: 0.97 if each == chosen else 0.9 for each in tried}
        frame = sensitivity(tables_with(make_store(chosen), scores, chosen))
        assert (frame["at_edge"] == edge).all()


def test_strength_zero_has_no_decades(make_store: MakeStore) -> None:
    first = sensitivity(tables_with(make_store(), {"0": 0.97, "0.1": 0.97}, chosen="0")).iloc[0]
    assert first["plateau_low"] == 0
    assert math.isnan(first["plateau_decades"])


def test_a_loss_has_no_tolerance_and_no_plateau(make_store: MakeStore) -> None:
    frame = sensitivity(tables_with(make_store(), {"0.1": 0.3, "0.2": 0.25}, chosen="0.2", metric="loss"))
    assert frame["shortfall"].tolist() == pytest.approx([0.05, 0.0])
    assert frame[["tolerance", "on_plateau", "plateau_strengths", "plateau_decades"]].isna().all(axis=None)


def test_it_is_the_selection_of_a_real_store(make_store: MakeStore) -> None:
    store = make_store(diverged=[("mnist", "l2", "1e-05", 1)])
    collect(store, ("runs", "results"))
    chosen = select(store)
    frame = sensitivity(Tables(store))
    assert frame[["regularizer", "strength"]].value_counts().eq(1).all()
    assert len(frame) == 9
    marked = frame[frame["chosen"]].set_index("regularizer")["strength"].to_dict()
    assert marked == {cell.regularizer: strength for cell, strength in chosen.items()}
    diverged = frame[(frame["regularizer"] == "l2") & (frame["strength"] == "1e-05")].iloc[0]
    assert (diverged["n"], diverged["n_diverged"]) == (3, 1)
    assert frame["rule"].str.startswith("highest mean validation accuracy over the tune seeds").all()


def test_without_tuning_nothing_is_marked_as_chosen(make_store: MakeStore) -> None:
    store = make_store(tune=())
    collect(store, ("runs", "results"))
    frame = sensitivity(Tables(store))
    assert not frame["chosen"].any()
    assert frame["n"].eq(5).all()
    assert frame.groupby("regularizer")["shortfall"].min().eq(0).all()


def test_before_any_run_it_is_empty(make_store: MakeStore) -> None:
    store = make_store(tune=(), report=())
    collect(store, ("runs", "results"))
    pd.testing.assert_frame_equal(sensitivity(Tables(store)), to_frame([], SENSITIVITY))


def test_settings_that_differ_in_one_number_alone_say_in_which(make_store: MakeStore) -> None:
    scores = {f"l1={a:g} l2={b:g} lr={c:g}": 0.9 for a in (0.1, 0.2) for b in (1, 2) for c in (0.01, 0.02)}
    chosen = "l1=0.1 l2=2 lr=0.01"
    frame = sensitivity(tables_with(make_store(), scores | {chosen: 0.97}, chosen))
    found = frame.dropna(subset="along").set_index("along")["strength"].to_dict()
    assert found == {"l1": "l1=0.2 l2=2 lr=0.01", "l2": "l1=0.1 l2=1 lr=0.01", "lr": "l1=0.1 l2=2 lr=0.02"}
