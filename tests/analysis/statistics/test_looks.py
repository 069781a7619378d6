"""What is added to a sweep after its report results were compared is said to be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import pyarrow.parquet as pq
import pytest

from analysis.report.sentences import conclusions
from analysis.statistics import looks
from analysis.statistics.comparison_table import compare
from analysis.statistics.scores import SCORES
from analysis.tables.collect import collect
from analysis.tables.store_tables import Tables, records
from analysis.text import comparison_text
from regularize.store import RUNS, Store, read_json, write_json, write_table

MakeStore = Callable[..., Store]
STRENGTHS = {"none": [""], "l2": ["0.001", "0.01"], "dropout": ["0.3"]}


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    return make_store(strengths=STRENGTHS, tune=(), report=range(1000, 1006))


def plan(store: Store, *, seeds: Iterable[int] = range(1000, 1006), without: Iterable[str] = ()) -> Tables:
    """The sweep wants report runs of these seeds only, and none of those strengths and regularizers."""
    without = set(without)
    rows = pq.ParquetFile(store.runs).read().to_pylist()
    for row in rows:
        row["planned"] = row["seed"] in seeds and not without & {row["regularizer"], row["strength"]}
    write_table(store.runs, rows, RUNS)
    collect(store)
    return Tables(store)


def said(tables: Tables) -> str | None:
    """What the table says of its problem, and that text and report say the same."""
    frame = compare(tables)
    (sentence,) = frame["added"].dropna().unique() if frame["added"].notna().any() else (None,)
    (group,) = comparison_text.groups(frame, defaultdict(list))
    findings = conclusions(records(frame), SCORES["test_accuracy"]).findings
    assert [note for note in group.notes if note == f"{sentence}."] == [f"{sentence}."] * bool(sentence)
    assert [note for note in findings if note == f"{sentence}."] == [f"{sentence}."] * bool(sentence)
    return sentence


def test_seeds_strengths_and_techniques_added_after_a_look(store: Store) -> None:
    before = plan(store, seeds=range(1000, 1004), without=["dropout", "0.001"])
    assert said(before) is None
    looks.record(before)
    assert said(before) is None
    (look,) = looks.read(store)
    day = look["time"][:10]

    more_seeds = plan(store, without=["dropout", "0.001"])
    start = f"Added after report results had been compared, first on {day} with n = 4"
    assert said(more_seeds) == f"{start} (now 6): 6 seeds instead of 4"
    looks.record(more_seeds)
    assert said(plan(store)) == f"{start} (now 6): 6 seeds instead of 4; L2 (λ = 10⁻³), Dropout"
    assert said(plan(store, seeds=range(1000, 1004))) == f"{start} (now 4): L2 (λ = 10⁻³), Dropout"
    assert said(plan(store, seeds=range(1000, 1003), without=["dropout", "0.001"])) is None


def rewrite(store: Store, change: Callable[[dict[str, object]], dict[str, object]]) -> Tables:
    write_table(
        store.runs, [row | change(row) for row in pq.ParquetFile(store.runs).read().to_pylist()], RUNS
    )
    collect(store)
    return Tables(store)


def test_another_name_adds_nothing_and_another_run_of_an_old_name_does(store: Store) -> None:
    looks.record(plan(store))
    renamed = rewrite(store, lambda row: {"regularizer": f"my {row['regularizer']}"})
    assert said(renamed) is None
    other = rewrite(
        store, lambda row: {"run_id": row["run_id"][::-1]} if row["regularizer"] == "my dropout" else {}
    )
    assert looks.added(other, other.problems[0]).endswith("with n = 6 (now 6): my dropout")


def test_looks_of_earlier_versions_are_taken_by_names(store: Store) -> None:
    looks.record(plan(store, without=["dropout"]))
    (look,) = read_json(store.looks)
    for entry in look["problems"]["mnist-lenet5"].values():
        del entry["runs"]
    write_json(store.looks, [look])
    assert said(plan(store)).endswith("(now 6): Dropout")


def test_a_look_is_recorded_once_for_the_same_plan_and_never_before_there_is_a_result(store: Store) -> None:
    tables = plan(store)
    looks.record(tables)
    looks.record(Tables(store))
    assert len(looks.read(store)) == 1
    looks.record(plan(store, without=["dropout"]))
    assert [len(each["problems"]["mnist-lenet5"]) for each in read_json(store.looks)] == [3, 2]
    store.looks.rename(store.looks_there)  # as `sync` brings those of a cluster
    looks.record(plan(store, without=["dropout"]))
    assert not store.looks.exists()
    looks.record(plan(store))
    assert [len(each["problems"]["mnist-lenet5"]) for each in read_json(store.looks)] == [3]
    assert len(looks.read(store)) == 3
    store.looks_there.unlink()
    store.looks.write_text("[{")
    assert looks.read(store) == []
    store.looks.unlink()
    for folder in store.packs.iterdir():
        (folder / "results.parquet").unlink()
    looks.record(plan(store))
    assert not store.looks.exists()


def test_damaged_looks_are_set_aside_and_what_they_said_stays_unknown(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    looks.record(plan(store, seeds=range(1000, 1004)))
    harmed = store.looks.read_bytes().replace(b'"seeds": 4', b'"seeds": 6', 1)
    store.looks.write_bytes(harmed)
    tables = plan(store)
    unknown = said(tables)
    assert unknown is not None
    assert unknown.endswith("is not known: looks.json, which said so, is damaged")
    assert store.looks.read_bytes() == harmed, "reading changes nothing"

    looks.record(tables)
    assert f"{store.looks} was damaged: it is set aside" in capsys.readouterr().err
    assert store.looks.with_name("looks.json.damaged").read_bytes() == harmed
    assert len(looks.read(store)) == 1
    assert said(tables) == unknown, "a new file does not know it either"
