"""`regularize data list` and `show`, and what plan and submit say of data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.commands.cli import main
from tests.jobs.planning.test_sweep_data import write
from tests.jobs.sweeps import BASE


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGULARIZE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    write(tmp_path / "data")
    return tmp_path / "data"


def test_the_list_has_official_and_own_sets_with_what_is_wrong(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "torn.npz").write_bytes(b"PK")
    assert main(["data", "list"]) == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert lines["mine"][1:] == ["120", "30", "50", "5", "28×28×1", "there"]
    assert lines["digits"][1:] == ["1,437", "360", "10", "28×28×1", "included"]
    assert lines["svhn"][-1] == "missing"
    assert lines["in"][1] == f"{root};"
    assert "damaged" in lines["torn"]
    assert {"kmnist", "qmnist", "usps", "emnist_letters"} <= lines.keys()


def test_show_draws_what_the_network_sees_and_says_the_rest(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "show", "mine", "--resize", "32", "--channels", "3"]) == 0
    said = capsys.readouterr().out
    assert "120 training, 30 validation, 50 test" in said
    assert "3×32×32" in said
    assert "images were scaled to 32 × 32 pixels and given three channels" in said
    assert "mine,resize=32,channels=3.png" in said
    with Image.open(tmp_path / "mine,resize=32,channels=3.png") as sheet, np.load(root / "mine.npz") as file:
        first = (
            Image.fromarray(file["train_images"][0])
            .convert("RGB")
            .resize((32, 32), Image.Resampling.BILINEAR)
        )
        expected = np.asarray(first.resize((64, 64), Image.Resampling.NEAREST))
        drawn = np.asarray(sheet.convert("RGB"))
    assert any(
        np.array_equal(drawn[top : top + 64, left : left + 64], expected)
        for top in range(20, 40)
        for left in range(10, 40)
    )


def test_show_says_where_it_cannot_write(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").touch()
    assert main(["data", "show", "mine", "--out", "file/sheet.png"]) == 2
    assert "error: file/sheet.png cannot be written" in capsys.readouterr().err


def test_points_have_no_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "show", "clusters"]) == 0
    assert "512 training, 512 test" in capsys.readouterr().out
    assert not (tmp_path / "clusters.png").exists()


def test_plan_refuses_what_submit_would(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, train_labels=np.zeros((120, 14), np.uint8))
    Path("sweep.yaml").write_text(BASE.replace("digits", "mine"))
    said = []
    for command in ("plan", "submit"):
        assert main([command, "sweep.yaml"]) == 2
        said.append(capsys.readouterr().err.splitlines()[-1])
    assert said[0] == said[1]
    assert "14 labels an image" in said[0]


def test_a_name_that_nothing_has_is_told_where_own_data_belong(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("sweep.yaml").write_text(BASE.replace("digits", "hf"))
    assert main(["plan", "sweep.yaml"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: sweep.yaml:2: unknown data set 'hf'; one of: ")
    assert f"{root} has mine. " in said
    assert "folder hf/ (train|test/<class>/<image>" in said
