"""The whole chain again and again: what its intervals cover, and how its tables say it.

`select` and `compare` themselves, on a store of many problems. A technique has four strengths, which differ
in merit by less than tuning on few seeds can tell: what it is worth is the mean merit of what is chosen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.figures.catalogue import draw
from analysis.figures.parts.subject import subjects
from analysis.statistics.comparison_table import compare
from analysis.statistics.sensitivity import sensitivity
from analysis.statistics.strength_selection import select
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables
from analysis.text.comparison_text import groups
from regularize.store import METRICS, RESULTS, RUNS, Store, write_table

PROBLEMS, TUNE, REPORT = 120, 2, 10
MERITS = {"0.1": 0.0, "0.2": 0.006, "0.3": 0.0, "0.4": -0.01}
NOISE = 0.006


def rows(phase: str, dataset: int, strength: str, seed: int, repetition: int) -> Iterator[tuple[Any, Any]]:
    technique = "l2" if strength else "none"
    draws = np.random.default_rng([dataset, ["", *MERITS].index(strength), seed])
    level = 0.9 + MERITS.get(strength, 0.0) + draws.normal(0, NOISE)
    run_id = f"{phase}-{dataset}-{strength}-{seed}"
    run = {
        "dataset": f"p{dataset}",
        "model": "m",
        "regularizer": technique,
        "strength": strength,
        "config": "{}",
    }
    run |= {"run_id": run_id, "phase": phase, "seed": seed, "planned": True, "repetition": repetition}
    scores = {"validation_accuracy": level, "test_accuracy": level, "classes": 10, "seconds": 1.0}
    yield run, {"run_id": run_id, "state": "done", **scores}


def study(folder: Path, repetitions: int) -> Tables:
    """`repetitions` of tuning on `TUNE` seeds, each with as many of the `REPORT` seeds."""
    store, pairs = Store(folder), []
    for dataset in range(PROBLEMS):
        for strength in ["", *MERITS]:
            for seed in range(TUNE * repetitions):
                pairs += rows("tune", dataset, strength, seed, seed // TUNE)
    write(store, pairs)
    for cell, strength in select(store).items():
        share = REPORT // repetitions
        for seed in range(share):
            number = 1000 + cell.repetition * share + seed
            pairs += rows("report", int(cell.dataset[1:]), strength, number, cell.repetition)
    write(store, pairs)
    collect(store)
    return Tables(store)


def write(store: Store, pairs: list[tuple[Any, Any]]) -> None:
    write_table(store.runs, [run for run, _ in pairs], RUNS)
    write_table(store.pack("all").results, [result for _, result in pairs], RESULTS)
    write_table(store.pack("all").metrics, [], METRICS)


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return study(tmp_path_factory.mktemp("repeated"), REPORT)


def covered(tables: Tables, worth: float) -> float:
    """In what share of the problems the interval of the technique holds what it is worth."""
    frame = compare(tables)
    mine = frame[frame["regularizer"] == "l2"]
    assert mine["n_pairs"].eq(REPORT).all()
    return float(((mine["difference"] - worth).abs() <= mine["difference_half"]).mean())


def test_intervals_cover_the_choice_where_it_is_repeated(
    repeated: Tables, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One standard error of 120 problems is 2.0 points; intervals after one choice say nothing of another."""
    draws = np.random.default_rng(1).normal(
        list(MERITS.values()), NOISE / np.sqrt(TUNE), (100_000, len(MERITS))
    )
    worth = 100 * np.array(list(MERITS.values()))[draws.argmax(1)].mean()
    once = study(tmp_path_factory.mktemp("once"), 1)
    assert covered(repeated, worth) == pytest.approx(0.95, abs=0.04)
    assert covered(once, worth) < 0.9


def test_tables_say_that_strengths_were_chosen_anew(repeated: Tables) -> None:
    frame = compare(repeated)
    mine = frame[frame["regularizer"] == "l2"]
    assert set(mine["strength"]) > {""}, "none that all repetitions chose"
    assert (mine["over"] == "repetitions of choice and report").all()
    assert mine["tune_runs"].eq(TUNE * REPORT * len(MERITS)).all()
    assert mine["strengths"].eq(len(MERITS)).all()
    assert mine["rule"].str.endswith(f"chosen anew in each of {REPORT} repetitions").all()
    assert mine["p_improvement_low"].le(mine["p_improvement"]).all()
    (group,) = groups(frame[frame["dataset"] == "p0"], defaultdict(list))
    assert "repetitions of the whole chain" in " ".join(group.notes)
    strengths = sensitivity(repeated, repeated.problems[0])
    assert strengths.loc[strengths["regularizer"] == "l2", "n"].eq(TUNE * REPORT).all()


def test_the_figure_of_tuning_scores_what_others_chose(repeated: Tables) -> None:
    (drawing,) = draw("best_of_k", subjects(repeated)[0])
    mine = drawing.data[drawing.data["regularizer"] == "l2"]
    assert mine["n"].eq(REPORT).all()
    assert mine["runs"].tolist() == [TUNE * k for k in range(1, len(MERITS) + 1)]
    assert "every repetition scores what the one before it chose" in drawing.caption
    assert isinstance(drawing.data, pd.DataFrame)
