"""The sweeps that come with the project."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from jobs.commands.cli import main
from regularize.store import Store, read_json, read_table

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def _signals() -> Iterator[None]:
    """`regularize train` listens to signals for as long as the process lives."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_can_be_planned(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
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


def test_techniques_data_and_a_figure_of_ones_own_from_submit_to_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a line of the project changed; each is called as its own file says."""
    sweep, store = str(EXAMPLES / "own_techniques.yaml"), Store(tmp_path / "own-techniques")
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES))  # of the workers
    short = ["--set", "training.epochs=2", "--max-tasks", "1", "--data-root", str(tmp_path / "data")]
    assert main(["submit", sweep, "--store", str(tmp_path), *short]) == 0
    assert "done: 34 runs" in capsys.readouterr().out
    own = "own_techniques:GRADIENT_NORM"
    assert read_json(store.techniques)[own] == {
        "label": "Gradient norm", "family": "Jacobian", "symbol": "λ", "weaker_larger": [],
        "ends": {"strength": [0.0]},
    }  # fmt: skip
    rows = {
        row["run_id"]: row["code"] for path in store.packs.glob("*/results.parquet") for row in read(path)
    }
    named = {row["run_id"]: "own_techniques:" in row["config"] for row in read(store.runs)}
    assert {code for run_id, code in rows.items() if named[run_id]}.isdisjoint(
        code for run_id, code in rows.items() if not named[run_id]
    ), "its source is part of the code"

    figures = ["loss_curves", "own_figure:strengths"]
    assert main(["figures", sweep, "--store", str(tmp_path), *figures]) == 0
    assert "Test accuracy of every report run against" in capsys.readouterr().out
    assert (store.figures / "own-own_figure.strengths.pdf").exists()
    (curves,) = store.figures.glob("loss_curves-*.json")
    assert "Gradient norm (λ = " in read_json(curves)["alt"]


def read(path: Path) -> list[dict[str, Any]]:
    return read_table(path).to_pylist()


BROKEN = [
    ("X = 3", "technique mine:X is 3, but must be a Technique with hooks"),
    ("Y = 3", "technique mine:X cannot be imported: module 'mine' has no attribute 'X'; install its package"),
    (
        "import nothing_such",
        "technique mine:X cannot be imported: No module named 'nothing_such' (FILE:1); inst",
    ),
    ("a = 1\nb = a / 0", "technique mine:X cannot be imported: ZeroDivisionError: division by zero (FILE:2)"),
    ("a = 1\nraise SystemExit(a)", "technique mine:X cannot be imported: SystemExit: 1 (FILE:2)"),
    ("a = 1\nb = (", "technique mine:X cannot be imported: SyntaxError: '(' was never closed (FILE:2)"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_what_is_wrong_in_a_file_of_ones_own_is_one_line_at_planning(
    text: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    Path("mine.py").write_text(text, encoding="utf-8")
    lines = ["name: s", "dataset: clusters", "model: toy_mlp", "training: {steps: 1}", "seeds: 1"]
    lines += ["regularizers:", "  mine: {technique: 'mine:X'}"]
    Path("s.yaml").write_text("\n".join(lines), encoding="utf-8")
    assert main(["plan", "s.yaml"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: s.yaml:7: {message.replace('FILE', str(tmp_path / 'mine.py'))}")
    assert said.count("\n") == 1


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
