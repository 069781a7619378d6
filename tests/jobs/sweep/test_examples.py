"""The sweeps that come with the project."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from jobs.commands.cli import main

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def _signals() -> Iterator[None]:
    """`regularize train` listens to signals for as long as the process lives."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_can_be_planned(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(path), "--store", str(tmp_path), "--data-root", str(tmp_path)]) == 0
    assert "to do" in capsys.readouterr().out


@pytest.mark.usefixtures("_signals")
def test_a_module_of_ones_own_is_planned_unseen_and_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "small_resnet", raising=False)
    sweep = str(EXAMPLES / "small_resnet.yaml")
    assert main(["plan", sweep, "--store", str(tmp_path), "--data-root", str(tmp_path), "--json"]) == 0
    assert '"packs": 12,' in capsys.readouterr().out, "12 runs, each by itself"
    assert "small_resnet" not in sys.modules

    short = ["--set", "training={steps: 3, batch_size: 16}", "--data-root", str(tmp_path)]
    command = ["train", sweep, "--regularizer", "dropout", *short]
    assert main(command) == 2
    assert "put its folder on PYTHONPATH" in capsys.readouterr().err
    monkeypatch.syspath_prepend(EXAMPLES)
    assert main(command) == 0
    assert "done: test accuracy" in capsys.readouterr().out


def test_the_toy_problem_is_trained_and_filmed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every entry of it, on both networks, for a twentieth of its epochs."""
    toy, store = str(EXAMPLES / "toy.yaml"), ["--store", str(tmp_path)]
    short = ["training.epochs=2", "evaluation={every: 2, snapshots: 2}"]
    settings = [word for setting in short for word in ("--set", setting)]
    assert main(["submit", toy, *store, *settings, "--max-tasks", "1", "--data-root", str(tmp_path)]) == 0
    assert "done: 18 runs" in capsys.readouterr().out
    assert main(["animate", toy, *store]) == 0
    films = [Path(line) for line in capsys.readouterr().out.splitlines()]
    names = [
        f"{film}-clusters-{model}" for model in ("toy_plane", "toy_rnn") for film in ("regions", "stretching")
    ]
    assert [film.stem for film in films] == names
    for film in films:
        assert film.stat().st_size > 10_000
        with Image.open(film.with_suffix(".png")) as last:
            assert len(last.getcolors(last.width * last.height)) > 1000, "regions are tinted, not one colour"
