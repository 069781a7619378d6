"""Predictions are read from the packs: there is no second copy of them."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.tables.collect import collect
from analysis.tables.kept_predictions import SCHEMA
from analysis.tables.store_tables import Tables
from regularize.store import PREDICTIONS, RESULTS, Store, write_table

MakeStore = Callable[..., Store]


def test_every_prediction_of_every_pack_is_there_once_in_the_order_of_the_runs(make_store: MakeStore) -> None:
    store = make_store(datasets=["mnist", "cifar10"])
    store.table("predictions").parent.mkdir()
    store.table("predictions").write_bytes(b"the copy of an earlier version")
    collect(store)
    assert not store.table("predictions").exists()
    found = Tables(store).rows("predictions")
    assert found.schema.remove_metadata().equals(SCHEMA)
    packed = [
        row
        for pack in store.packs.iterdir()
        for row in pq.read_table(pack / "predictions.parquet").to_pylist()
    ]
    assert sorted(map(repr, packed)) == sorted(map(repr, found.select(PREDICTIONS.names).to_pylist()))
    runs = pq.read_table(store.table("results"))["run_id"].to_pylist()
    assert list(dict.fromkeys(found["run_id"].to_pylist())) == runs
    assert found["example"].to_pylist()[:6] == list(range(6))


def test_some_runs_examples_and_columns(make_store: MakeStore) -> None:
    store = make_store(datasets=["mnist", "cifar10"])
    collect(store)
    tables = Tables(store)
    found = tables.read("predictions", tables.problems[1], ["seed", "label"], regularizer="l2", example=[2])
    assert list(found) == ["seed", "label"]
    assert len(found) == len(tables.read("results", tables.problems[1], regularizer="l2"))
    assert set(found["label"]) == {2}
    assert tables.read("predictions", run_id=[]).empty


@pytest.mark.parametrize("noted", [True, False], ids=["packs-noted", "of-before"])
def test_a_damaged_file_is_named_and_set_aside_and_the_rest_is_read(
    make_store: MakeStore, capsys: pytest.CaptureFixture[str], noted: bool
) -> None:
    store = make_store()
    collect(store)
    whole = Tables(store).read("predictions")
    broken, gone, *_ = sorted(store.packs.glob("*/predictions.parquet"))
    lost = {*pq.read_table(broken)["run_id"].to_pylist(), *pq.read_table(gone)["run_id"].to_pylist()}
    if not noted:
        _forget_packs(store)
        collect(store)
    broken.write_bytes(broken.read_bytes()[:-100])
    gone.unlink()
    rest = Tables(store).read("predictions")
    assert rest.equals(whole[~whole["run_id"].isin(lost)].reset_index(drop=True))
    assert f"{broken} is damaged" in capsys.readouterr().err
    assert broken.with_name("predictions.parquet.damaged").exists()
    assert broken.with_name("predictions.parquet.damaged") in collect(store).damaged


def test_results_that_do_not_say_their_pack(make_store: MakeStore) -> None:
    store = make_store()
    collect(store)
    whole = Tables(store).read("predictions")
    _forget_packs(store)
    collect(store)
    assert Tables(store).read("predictions").equals(whole)


def test_runs_in_two_packs_have_the_predictions_of_the_training_that_their_results_are_of(
    make_store: MakeStore,
) -> None:
    store = make_store()
    first, second, *_ = sorted(path.parent for path in store.packs.glob("*/results.parquet"))
    kept = pq.read_table(first / "predictions.parquet").to_pylist()
    again = [{**row, "logits": [-logit for logit in row["logits"]]} for row in kept]
    (store.packs / "0").mkdir()  # of it the results are lost
    write_table(store.packs / "0" / "predictions.parquet", again, PREDICTIONS)
    rows = pq.read_table(second / "results.parquet").to_pylist()
    write_table(second / "results.parquet", [{**row, "pack_id": None} for row in rows], RESULTS)
    collect(store)
    found = Tables(store).read("predictions", columns=PREDICTIONS.names)
    mine = found[found["run_id"].isin({row["run_id"] for row in kept})]
    logits = {(row["run_id"], row["example"]): row["logits"] for row in kept}
    assert len(mine) == len(kept)
    assert all(
        logits[run, at] == list(each)
        for run, at, each in zip(mine["run_id"], mine["example"], mine["logits"], strict=True)
    )


@pytest.mark.parametrize("column", ["label", "logits", "as text"])
def test_a_file_without_what_it_is_about_is_damaged(
    make_store: MakeStore, capsys: pytest.CaptureFixture[str], column: str
) -> None:
    store = make_store()
    collect(store)
    whole = Tables(store).read("predictions")
    path = min(store.packs.glob("*/predictions.parquet"))
    rows = pq.read_table(path)
    lost = rows["run_id"].to_pylist()
    if column == "as text":
        place, texts = rows.column_names.index("logits"), pa.array(["1"] * len(rows))
        pq.write_table(rows.set_column(place, "logits", texts).replace_schema_metadata(), path)
    else:
        pq.write_table(rows.drop_columns([column]).replace_schema_metadata(), path)
    rest = Tables(store).read("predictions")
    assert rest.equals(whole[~whole["run_id"].isin(lost)].reset_index(drop=True))
    assert f"{path} is damaged" in capsys.readouterr().err


def _forget_packs(store: Store) -> None:
    for path in store.packs.glob("*/results.parquet"):
        rows = pq.read_table(path)
        nowhere = pa.nulls(len(rows), pa.string())
        write_table(path, rows.set_column(rows.column_names.index("pack_id"), "pack_id", nowhere), RESULTS)
