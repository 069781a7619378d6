"""What a newcomer meets: no sweep named, a sweep file to begin with, Tab."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.cluster.load_config import CONFIGS, load_cluster
from jobs.commands.cli import main
from jobs.commands.init import EXAMPLES
from jobs.store.runs_table import write_runs
from jobs.sweep.run_grid import tune_runs
from jobs.sweep.sweep_file import load_sweep
from regularize.store import Store
from tests.jobs.sweeps import BASE


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGULARIZE_STORE", raising=False)
    monkeypatch.setenv("REGULARIZE_DATA", str(tmp_path / "data"))


@pytest.fixture
def _submitted() -> None:
    """Two sweeps of which nothing has trained yet."""
    Path("sweep.yaml").write_text(BASE, encoding="utf-8")
    for name in ("first", "second"):
        write_runs(Store(Path("results") / name), tune_runs(load_sweep(Path("sweep.yaml"))), complete=False)
    os.utime("results/first/runs.parquet", (1, 1))


def said(*arguments: str, capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    assert main(list(arguments)) == code
    out, err = capsys.readouterr()
    return (err if code else out).strip()


@pytest.mark.usefixtures("_submitted")
@pytest.mark.parametrize("command", ["status", "logs", "compare", "figures", "report", "watch", "cancel"])
def test_a_command_without_its_sweep_says_which_there_are(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    there = f"in results there are: second, first; for example: regularize {command} results/second"
    assert said(command, capsys=capsys) == f"error: which sweep? {there}"
    assert said(command, "secnd", capsys=capsys) == f"error: secnd is not there; {there}"


def test_where_nothing_was_submitted_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert said("status", capsys=capsys) == (
        "error: which sweep? nothing has been submitted to results (--store names another store)"
    )
    assert said("plan", capsys=capsys) == "error: which sweep? `regularize init NAME` writes a sweep file"
    Path("sweeps").mkdir()
    Path("sweeps/one.yaml").write_text(BASE, encoding="utf-8")
    Path("cluster.yaml").write_text("kind: local\n", encoding="utf-8")
    assert said("submit", capsys=capsys) == "error: which sweep? sweep files here: sweeps/one.yaml"


@pytest.mark.usefixtures("_submitted")
def test_a_sweep_is_found_by_its_name_in_the_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert "0 of 6 runs done" in said("status", "second", capsys=capsys, code=0)
    assert main(["status", "results/second"]) == 0


def test_init_writes_a_sweep_that_can_be_planned(capsys: pytest.CaptureFixture[str]) -> None:
    assert said("init", "few-shot", capsys=capsys, code=0) == (
        "wrote few-shot.yaml\nnext: regularize plan few-shot.yaml, then: regularize submit few-shot.yaml"
    )
    sweep = load_sweep(Path("few-shot.yaml"))
    assert sweep.name == "few-shot"
    assert sweep.two_phase
    assert "to do" in said("plan", "few-shot.yaml", capsys=capsys, code=0)
    before = Path("few-shot.yaml").read_bytes()
    assert "few-shot.yaml is there already" in said("init", "few-shot", capsys=capsys)
    assert Path("few-shot.yaml").read_bytes() == before
    assert "NAME is 'a b', but must be" in said("init", "a b", capsys=capsys)
    assert said("init", capsys=capsys, code=0).startswith("wrote my-sweep.yaml")
    assert said("init", "away/mine", capsys=capsys) == "error: away: No such file or directory"


@pytest.mark.parametrize("like", EXAMPLES)
def test_init_writes_each_cluster_config(
    like: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "me")
    assert said("init", "mine", "--cluster", "--like", like, capsys=capsys, code=0) == (
        "wrote mine.yaml\nput your names in it, then: regularize cluster check mine.yaml"
    )
    assert Path("mine.yaml").read_text() == (CONFIGS / f"{like}.yaml").read_text()
    assert load_cluster("mine.yaml").kind == ("local" if like == "local" else "slurm")


def test_an_unknown_example_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "unknown example 'gpu'; one of: " in said("init", "--cluster", "--like", "gpu", capsys=capsys)
    assert not Path("my-cluster.yaml").exists()


BASH = """
source <(regularize completion bash)
for line in "$@"; do
  read -ra COMP_WORDS <<< "$line"; [[ $line == *" " ]] && COMP_WORDS+=("")
  COMP_LINE=$line COMP_POINT=${#line} COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_TYPE=63 COMPREPLY=()
  _python_argcomplete regularize "${COMP_WORDS[COMP_CWORD]}"
  echo "${COMPREPLY[@]}"
done
"""
LINES = {
    "regularize st": "status",
    "regularize status ": "sweep.yaml results/second results/first",
    "regularize figures results/second for": "forest",
    "regularize status results/second --regularizer l": "l2",
    "regularize train --regularizer label": "label_smoothing",
    "regularize retry results/second --state fa": "failed",
    "regularize plan sweep.yaml --cluster whole": "whole-node-cluster",
    "regularize compare results/second --metric test_b": "test_brier",
    "regularize figures results/second --techniques l": "l2",
    "regularize figures results/second --techniques l2,n": "l2,none",
    "regularize figures results/second forest --datasets ": "digits",
    "regularize figures --width neu": "neurips",
    "regularize figures results/second --width neurips loss_c": "loss_curves",
}


@pytest.mark.usefixtures("_submitted")
def test_bash_completes_sweeps_figures_techniques_and_states() -> None:
    folder = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", *LINES],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PATH": folder},
    )
    found = dict(zip(LINES, done.stdout.splitlines(), strict=True))
    assert {line: set(words.split()) for line, words in found.items()} == {
        line: set(words.split()) for line, words in LINES.items()
    }


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_something_to_evaluate(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "regularize" in said("completion", shell, capsys=capsys, code=0)
