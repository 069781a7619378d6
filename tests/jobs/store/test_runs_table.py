from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.store import runs_table
from jobs.store.runs_table import read_runs, write_runs
from jobs.sweep.run_grid import PlannedRun, report_runs, tune_runs
from jobs.sweep.sweep_file import load_sweep
from regularize.errors import UserError
from regularize.store import Store
from tests.jobs.sweeps import BASE


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, list[PlannedRun]]:
    """The phases of a sweep, its strengths taken for chosen."""
    path = tmp_path / "sweep.yaml"
    path.write_text(BASE, encoding="utf-8")
    tune = tune_runs(load_sweep(path))
    path.write_text(BASE.replace("{tune: 2, report: 3}", "[1000, 1001]"), encoding="utf-8")
    return {"tune": tune, "report": report_runs(load_sweep(path))}


def planned(store: Store) -> dict[str, bool]:
    table = read_runs(store)
    return dict(zip(table["run_id"].to_pylist(), table["planned"].to_pylist(), strict=True))


def ids(runs: list[PlannedRun]) -> set[str]:
    return {run.config.run_id for run in runs}


def test_runs_of_an_earlier_sweep_stay_but_are_no_longer_planned(
    store: Store, runs: dict[str, list[PlannedRun]]
) -> None:
    write_runs(store, runs["tune"], complete=True)
    write_runs(store, runs["tune"][:2], complete=True)
    assert planned(store) == {i: i in ids(runs["tune"][:2]) for i in ids(runs["tune"])}
    write_runs(store, runs["tune"], complete=True)
    assert all(planned(store).values())


def test_report_runs_stay_planned_until_strengths_are_chosen_again(
    store: Store, runs: dict[str, list[PlannedRun]]
) -> None:
    write_runs(store, runs["tune"] + runs["report"], complete=True)
    write_runs(store, runs["tune"][1:], complete=False)
    assert {i for i, wanted in planned(store).items() if not wanted} == ids(runs["tune"][:1])
    write_runs(store, runs["tune"], complete=True)
    assert {i for i, wanted in planned(store).items() if not wanted} == ids(runs["report"])


def test_what_has_not_changed_is_not_written(store: Store, runs: dict[str, list[PlannedRun]]) -> None:
    write_runs(store, runs["tune"] + runs["report"], complete=True)
    before = store.runs.stat().st_ino
    write_runs(store, runs["tune"], complete=False)
    write_runs(store, runs["tune"] + runs["report"], complete=True)
    assert store.runs.stat().st_ino == before


@pytest.mark.parametrize("place", [None, 100, -100])
def test_a_damaged_file_is_named_with_what_to_do_and_written_anew(
    store: Store,
    runs: dict[str, list[PlannedRun]],
    place: int | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_runs(store, runs["tune"], complete=True)
    whole = bytearray(store.runs.read_bytes())
    harmed = bytearray(whole) if place else whole[:-20]
    harmed[place or 0] ^= 1
    store.runs.write_bytes(harmed)
    with pytest.raises(UserError, match=r"runs\.parquet is damaged .*`regularize submit` writes it anew"):
        read_runs(store)
    write_runs(store, runs["tune"], complete=True)
    assert store.runs.read_bytes() == whole
    assert "runs.parquet was damaged" in capsys.readouterr().err
    assert store.runs.with_name("runs.parquet.damaged").read_bytes() == harmed


def test_of_a_large_table_those_row_groups_are_read_that_have_the_wanted_runs(
    store: Store, runs: dict[str, list[PlannedRun]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_table, "_ROWS_A_PART", 2)
    write_runs(store, runs["tune"], complete=True)
    whole, wanted = read_runs(store), {runs["tune"][0].config.run_id, runs["tune"][5].config.run_id}
    read: list[int] = []
    read_row_group = pq.ParquetFile.read_row_group

    def counted(self: pq.ParquetFile, group: int, columns: list[str]) -> object:
        if "config" in columns:
            read.append(group)
        return read_row_group(self, group, columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    found = read_runs(store, run_ids=wanted)
    assert read == [0, 2]
    assert found.equals(whole.filter([run_id in wanted for run_id in whole["run_id"].to_pylist()]))
    assert read_runs(store, run_ids={"of another sweep"}).num_rows == 0
    assert read_runs(store, ["run_id", "phase"]).equals(whole.select(["run_id", "phase"]))
