"""A change of `evaluation:` on this machine, from the file to the comparison: real processes and training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from jobs.commands.cli import main
from jobs.store.pack_status import read_packs
from regularize.store import PackStatus, Store

FIRST = """\
name: small
dataset: digits
model: mlp
training: {steps: 6, batch_size: 16}
evaluation: {predictions: false, jacobian_examples: 5, every: 1}
regularizers:
  none:
  l2: {strength: 1e-4}
seeds: 2
"""
THEN = FIRST.replace(
    "{predictions: false, jacobian_examples: 5, every: 1}",
    "{jacobian_examples: 40, every: 2, robustness: {noise: [0.1], fgsm: [], pgd: [0.1], examples: 20}}",
)
TRAINED = ("train_loss", "test_loss", "seconds", "steps")


class Machine:
    """The commands, in a folder of their own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.store, self.sweep = Store(folder / "results" / "small"), folder / "sweep.yaml"
        self._capsys, self._root = capsys, str(folder / "data")

    def __call__(self, *words: str) -> str:
        self._capsys.readouterr()
        code = main([words[0], str(self.sweep), *words[1:], "--data-root", self._root])
        said = self._capsys.readouterr()
        assert code == 0, said
        return said.out + said.err

    def plan(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("plan", "--json"))
        return found

    def rows(self, name: str) -> pd.DataFrame:
        paths = (getattr(self.store.pack(i), name) for i in read_packs(self.store).statuses)
        return pd.concat([pq.read_table(path).to_pandas() for path in paths]).set_index("run_id").sort_index()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Machine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return Machine(tmp_path, capsys)


def test_evaluation_changed_and_measured_again(here: Machine) -> None:
    here.sweep.write_text(FIRST)
    here("submit", "--max-tasks", "1")
    before, weights = here.rows("results"), {p: p.read_bytes() for p in here.store.packs.glob("*/weights.pt")}
    assert here.plan()["to_measure"] == 0

    here.sweep.write_text(THEN)
    told = here.plan()
    assert (told["to_do"], told["to_measure"], told["curves_stay"]) == (0, 4, 4)
    words = here("plan")
    assert "measure 4 runs again" in words
    assert "curves or snapshots of 4 runs are not as `evaluation:` asks for and stay so" in words
    here("submit", "--max-tasks", "1")
    after = here.rows("results")
    pd.testing.assert_frame_equal(after[[*TRAINED]], before[[*TRAINED]])
    assert set(before["jacobian_examples"]) == {5}
    assert set(after["jacobian_examples"]) == {40}
    assert {json.loads(text)["every"] for text in after["evaluation"]} == {1}
    assert len(here.rows("predictions")) == 4 * 360
    assert set(here.rows("robustness")["examples"]) == {20}
    assert {p: p.read_bytes() for p in weights} == weights
    assert here.plan()["to_measure"] == 0
    assert "nothing to do" in here("submit", "--max-tasks", "1")
    assert main(["verify", str(here.sweep), "-n", "1"]) == 0, "curves and numbers are of two measurements"

    weightless, *others = here.store.packs.glob("*/weights.pt")
    weightless.unlink()
    here.sweep.write_text(THEN.replace("40", "30"))
    here("submit", "--max-tasks", "1")
    assert weightless.read_bytes() == weights[weightless], "without its weights a pack is trained again"
    assert {p: p.read_bytes() for p in others} == {p: weights[p] for p in others}
    assert set(here.rows("results")["jacobian_examples"]) == {30}
    assert here.plan()["to_measure"] == 0


def test_a_measurement_that_fails_leaves_the_pack_done_and_says_why(
    here: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    here.sweep.write_text(FIRST.replace("  l2: {strength: 1e-4}\n", ""))
    here("submit", "--max-tasks", "1")
    (weights,) = here.store.packs.glob("*/weights.pt")
    whole = weights.read_bytes()
    in_the_way = weights.with_name("robustness.parquet")
    in_the_way.mkdir()
    here.sweep.write_text(THEN.replace("  l2: {strength: 1e-4}\n", ""))
    capsys.readouterr()
    submit = ["submit", str(here.sweep), "--data-root", here._root, "--max-tasks", "1"]
    assert main(submit) == 1
    assert "2 runs of pack" in capsys.readouterr().err
    status = PackStatus.read(weights.with_name("status.json"))
    assert (status.state, status.measuring_failed) == ("done", True)
    in_the_way.rmdir()
    assert main(submit) == 0
    assert weights.read_bytes() == whole
    status = PackStatus.read(weights.with_name("status.json"))
    assert (status.state, status.measuring_failed) == ("done", False)
    assert set(here.rows("results")["jacobian_examples"]) == {40}
