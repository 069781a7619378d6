from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from analysis.export import FORMATS, export
from analysis.export import to_csv as csv_module
from analysis.export.finished_runs import finished_runs
from analysis.tables.collect import NAMES, collect
from analysis.tables.store_tables import Tables
from jobs.commands.cli import main
from regularize.errors import UserError
from regularize.store import Store

MakeStore = Callable[..., Store]
TRACKERS = [name for name, row in FORMATS.items() if row.package]
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def store(make_module_store: MakeStore) -> Store:
    store = make_module_store(
        strengths={"none": [""], "l2": ["0.1"]},
        tune=(),
        report=[1000],
        diverged=[("mnist", "l2", "0.1", 1000)],
    )
    collect(store)
    return store


def python(*arguments: str) -> str:
    """The output of a Python program that is run in the project's root."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", TRACKERS)
def test_trackers_read_back_every_number(store: Store, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "out"
    main_program = "import sys; from jobs.commands.cli import main; sys.exit(main(sys.argv[1:]))"
    python("-c", main_program, "export", str(store.folder), "--to", name, "--out", str(folder))
    lines = python("-m", "tests.analysis.export.readers", name, str(folder)).splitlines()
    found = json.loads(lines[-1])
    runs = list(finished_runs(Tables(store)))
    assert len(found) == len(runs) == 2
    for run in runs:
        values = found[f"{run.name}/{run.run_id}" if name == "tensorboard" else run.run_id]
        curves: dict[str, list[list[float]]] = {}
        for epoch, row in run.curves:
            for curve, value in row.items():
                curves.setdefault(curve, []).append([epoch, value])
        for curve, points in curves.items():
            assert [p[0] for p in values[curve]] == [p[0] for p in points]
            assert [p[1] for p in values[curve]] == pytest.approx([p[1] for p in points], rel=1e-6)
        for score, value in run.results.items():
            assert values[f"final/{score}"][-1][1] == pytest.approx(value, rel=1e-6)


def test_runs_as_trackers_see_them(store: Store) -> None:
    l2, none = finished_runs(Tables(store))
    assert none.name == "mnist/lenet5/none/seed-1000"
    assert none.parameters["regularizer"] == "none"
    assert "strength" not in none.parameters
    assert "per_class" not in none.parameters
    assert len(none.curves) == 5
    assert set(none.curves[-1][1]) == {
        "train/loss", "train/accuracy", "train/objective",
        "validation/loss", "validation/accuracy", "test/loss", "test/accuracy",
    }  # fmt: skip
    assert none.results["test_accuracy"] == none.curves[-1][1]["test/accuracy"]
    assert l2.name == "mnist/lenet5/l2/0.1/seed-1000"
    assert (l2.state, len(l2.curves)) == ("diverged", 2)
    assert "test_loss" not in l2.results, "not a number"


def test_csv_has_every_row_of_every_table(store: Store, tmp_path: Path) -> None:
    export(Tables(store), "csv", tmp_path / "out")
    for name in NAMES:
        table = pq.read_table(store.table(name))
        frame = pd.read_csv(tmp_path / "out" / f"{name}.csv", dtype={"strength": str}, keep_default_na=False)
        assert list(frame) == [column for column in table.column_names if column != "host"], (
            "see --with-places"
        )
        assert len(frame) == len(table)
    predictions = Tables(store).rows("predictions")["logits"].to_pylist()
    logits = [list(map(float, text.split())) for text in frame_of(tmp_path, "predictions")["logits"]]
    assert logits == predictions


def frame_of(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / "out" / f"{name}.csv")


def test_the_command_writes_into_the_store(make_store: MakeStore, capsys: pytest.CaptureFixture[str]) -> None:
    store = make_store(tune=(), strengths={"none": [""]})
    assert main(["export", str(store.folder), "--to", "csv"]) == 0
    assert capsys.readouterr().out.strip() == str(store.folder / "exports" / "csv")
    assert main(["export", str(store.folder), "--to", "csv"]) == 2
    assert "is not an empty folder: remove it, or name another with --out" in capsys.readouterr().err


@pytest.mark.parametrize("name", TRACKERS)
def test_a_missing_package_is_named_with_its_extra(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    package = FORMATS[name].package
    assert package is not None
    monkeypatch.setattr("analysis.export.find_spec", lambda asked: None if asked == package else asked)
    with pytest.raises(UserError, match=rf"package '{package}': pip install 'regularize-sweeps\[{name}\]'"):
        export(Tables(store), name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unknown_format(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown format 'tensorbord'; .*did you mean 'tensorboard'"):
        export(Tables(store), "tensorbord", tmp_path)


def test_a_failure_leaves_nothing_half_done(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(tables: Tables, folder: Path) -> None:
        (folder / "half").write_text("x")
        raise OSError("disk full")

    monkeypatch.setattr(csv_module, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        export(Tables(store), "csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()
