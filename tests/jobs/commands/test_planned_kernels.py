"""What `plan` says of kernels is what the records of the trained runs say; wrong settings are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.commands.cli import main
from regularize import fused
from regularize.fused import build

REPOSITORY = Path(__file__).parents[3]
PROGRAM = "import sys; from jobs.commands.cli import main; sys.exit(main())"
SWEEP = """\
name: words
dataset: digits
model: [lenet5, mlp]
training: {steps: 1, batch_size: 4, precision: [float32, float64]}
regularizers:
  none:
  gradient_norm: {technique: "own_techniques:GRADIENT_NORM", strength: 0.1}
seeds: 1
"""
SHORT = """\
name: words
dataset: digits
model: lenet5
training: {steps: 1, batch_size: 4}
regularizers: {none: , dropout: {p: 0.2}}
seeds: 2
"""
CLUSTER = "kind: local\ntasks: 2\nthreads: 1\npack_own_models: true\n"
ON = ("sweep.yaml", "--cluster", "mine.yaml")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGULARIZE_STORE", raising=False)
    monkeypatch.setenv("REGULARIZE_DATA", str(tmp_path / "data"))
    Path("mine.yaml").write_text(CLUSTER, encoding="utf-8")


def done(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A command as a user gives it."""
    places = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "examples")])
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env=os.environ | {"PYTHONPATH": places} | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def planned(text: str, **settings: str) -> Counter[str]:
    """Runs by what computes them, as `plan` has it."""
    Path("sweep.yaml").write_text(text, encoding="utf-8")
    said = done("plan", *ON, "--json", **settings)
    assert said.returncode == 0, said.stderr
    found: dict[str, Any] = json.loads(said.stdout)
    parts = [part.rpartition(" (") for part in found["kernels"].split("; ")]
    if len(parts) == 1:
        return Counter({found["kernels"]: found["runs"]})
    return Counter({name: int(number.split()[0]) for name, _, number in parts})


def recorded(**settings: str) -> Counter[str]:
    """The same of what is then trained."""
    said = done("submit", *ON, **settings)
    assert said.returncode == 0, said.stderr
    files = Path("results/words/packs").glob("*/results.parquet")
    return Counter(name for file in files for name in pq.read_table(file)["kernels"].to_pylist())


def test_of_models_precisions_and_techniques() -> None:
    found = planned(SWEEP)
    assert len(found) == 4, found
    assert recorded() == found


def test_of_modules_of_ones_own_that_train_side_by_side() -> None:
    found = planned(SHORT.replace("lenet5", '"small_resnet:group_norm"'), REGULARIZE_DRAWS="philox")
    assert recorded(REGULARIZE_DRAWS="philox") == found
    (words,) = found
    assert words.endswith(", side by side by torch.func.vmap, draws by philox")


@pytest.mark.parametrize(
    "settings",
    [
        {"REGULARIZE_CONVOLUTIONS": "products", "REGULARIZE_DRAWS": "philox"},
        {"REGULARIZE_KERNELS": "torch", "REGULARIZE_DRAWS": "mt19937"},
    ],
)
def test_of_what_the_environment_chooses(settings: dict[str, str]) -> None:
    found = planned(SHORT, **settings)
    assert recorded(**settings) == found


@pytest.mark.parametrize("damaged", [False, True])
def test_of_a_library_that_was_kept_where_there_is_no_compiler(
    damaged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(build.CACHE, str(tmp_path / "cache"))
    target = build.targets()[0]
    library = build.library(target, lambda _: None)
    if damaged:
        library.write_bytes(library.read_bytes()[:5000])
    without = {"PATH": str(tmp_path), "CXX": ""}
    found = planned(SHORT, **without)
    assert set(found) == {"torch: no compiler found" if damaged else f"fused {target.name}"}
    assert recorded(**without) == found


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("echo 'stages.cpp:1: fatal error:  no such header' >&2; exit 1", "fatal error: no such header"),
        ('while [ "$1" != -o ]; do shift; done; echo rubbish > "$2"', "the library cannot be loaded"),
    ],
)
def test_of_a_compiler_that_makes_nothing(
    lines: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(build.CACHE, str(tmp_path / "cache"))
    compiler = tmp_path / "c++"
    compiler.write_text(f"#!/bin/sh\n{lines}\n", encoding="utf-8")
    compiler.chmod(0o755)
    broken = {"PATH": str(tmp_path), "CXX": ""}
    (found,) = planned(SHORT, **broken)
    assert found.startswith("torch: c++: ")
    assert words in found
    assert {*recorded(**broken)} == {found}


def test_what_plan_compiles_is_said_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(build.CACHE, str(tmp_path / "cache"))
    Path("sweep.yaml").write_text(SHORT.replace("lenet5", "{lenet5: {width: [1, 0.5]}}"), encoding="utf-8")
    said = done("plan", *ON)
    assert said.stderr.startswith(f"note: {fused.COMPILING}, once for each"), said.stderr
    assert len(said.stderr.splitlines()) == 1, "once, whatever widths there are"
    assert "torch: " not in said.stdout
    kinds = len(list((tmp_path / "cache").glob("*.untested.so")))
    assert kinds == 1, "for this processor alone"
    assert f"kernels: fused {build.targets()[0].name}\n" in said.stdout
    said = done("plan", *ON, "--set=model=lenet5")
    assert (said.stderr, said.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("settings", "change", "words"),
    [
        ({"REGULARIZE_CONVOLUTIONS": "product"}, {}, "REGULARIZE_CONVOLUTIONS is 'product'"),
        ({"REGULARIZE_DRAWS": "mt"}, {}, "REGULARIZE_DRAWS is 'mt'"),
        ({"REGULARIZE_KERNELS": "sse"}, {}, "REGULARIZE_KERNELS is 'sse'"),
        ({"REGULARIZE_GRAPHS": "on"}, {}, "REGULARIZE_GRAPHS is 'on'"),
        ({"CXX": 'g++ "'}, {}, "CXX is 'g++ \"'"),
        ({}, {"steps: 1": "steps: 1, precision: tf32"}, "precision is tf32, which only GPUs have"),
        ({}, {"steps: 1": "steps: 1, precision: [float32, tf32]"}, "precision is tf32"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "submit"])
def test_what_training_would_refuse_is_refused_before(
    command: str,
    settings: dict[str, str],
    change: dict[str, str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = SHORT
    for before, after in change.items():
        text = text.replace(before, after)
    Path("sweep.yaml").write_text(text, encoding="utf-8")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert main([command, *ON]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {words}")
    assert not Path("results").exists()


def test_gpus_have_a_precision_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    Path("sweep.yaml").write_text(SHORT.replace("steps: 1", "steps: 1, precision: tf32"), encoding="utf-8")
    Path("mine.yaml").write_text("kind: slurm\ngpus_per_task: 1\ntime: 10\nmemory: 2G\n", encoding="utf-8")
    assert main(["plan", *ON]) == 0, capsys.readouterr().err
