"""What a plan says of a sweep that would conclude nothing."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.cluster.cluster_config import Cluster
from jobs.planning import own_models
from jobs.planning.open_questions import open_questions
from jobs.planning.own_models import side_by_side
from jobs.store.submit_lock import alive
from jobs.sweep.run_grid import report_runs, runs_table, tune_runs
from jobs.sweep.sweep_file import Sweep
from regularize.data.registry import OFFICIAL
from regularize.errors import UserError
from tests.cluster.processes import wait_for
from tests.jobs.sweeps import BASE, load


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(sweep: Sweep) -> list[str]:
    return list(open_questions(sweep, {"digits": OFFICIAL["digits"].facts}))


def test_a_sweep_with_seeds_enough_and_a_baseline_leaves_nothing_open() -> None:
    assert said(load(BASE, "seeds=10")) == []


def test_too_few_report_seeds_are_known_before_training() -> None:
    """Of `pairs_needed`: two strengths of L2 are two comparisons, which ask for seven seeds."""
    (found,) = said(load(BASE, "seeds=3", "regularizers.l2.strength=[1e-4, 1e-3]"))
    assert found == "no conclusion can be drawn from 3 report seeds: with 2 comparisons 7 are needed"


def test_without_a_baseline_nothing_is_compared() -> None:
    (found,) = said(load(BASE, "seeds=10", "regularizers={l2: {strength: 1e-4}}"))
    assert found.startswith("nothing will be compared, as there is no entry of the technique none")


def test_a_baseline_is_known_by_its_technique_or_named() -> None:
    renamed = "regularizers={plain: {technique: none}, l2: {strength: [1e-4, 1e-3]}}"
    assert load(BASE, renamed).baseline == "plain"
    rows = runs_table(tune_runs(load(BASE, renamed, "seeds={tune: 2, report: 3}"))).to_pylist()
    assert {row["regularizer"] for row in rows if row["baseline"]} == {"plain"}
    both = "{started: {technique: none, start: orthogonal}, plain: {technique: none}, l2: {strength: 1}}"
    assert load(BASE, f"regularizers={both}").baseline == "plain", "whatever comes first"
    usual = "{fast: {technique: none, lr: 0.5}, plain: {technique: none, start: default}}"
    assert load(BASE, f"regularizers={usual}").baseline == "plain", "weights start so anyway"
    said = load(BASE, f"regularizers={usual}", "training.start=orthogonal")
    assert said.baseline == "fast", "none trains as all do"
    named = load(BASE, renamed, "seeds={tune: 1, report: 3}", "baseline=l2")
    assert named.baseline == "l2"
    single = load(BASE, "regularizers={none: , l2: {strength: 1e-4}}", "seeds=2", "baseline=l2")
    assert {row["regularizer"] for row in runs_table(report_runs(single)).to_pylist() if row["baseline"]} == {
        "l2"
    }


def test_a_baseline_is_that_of_every_data_set() -> None:
    both = "regularizers={fast: {technique: none, lr: 0.5}, plain: {technique: none}, l2: {strength: 1}}"
    slow = "dataset={digits: {regularizers: {plain: {lr: 0.02}}}, clusters: {}}"
    model = "model=mlp"
    assert load(BASE, both, slow, model).baseline == "plain", "as on clusters, where one trains as all do"
    turned = "dataset={clusters: {}, digits: {regularizers: {plain: {lr: 0.02}, fast: {lr: 0.01}}}}"
    with pytest.raises(UserError) as error:
        load(BASE, both, turned, model)
    assert str(error.value) == (
        f"--set {both}: of the entries of technique none another one trains as all do on each data set: "
        "plain on clusters, fast on digits; say by `baseline:` with which all are compared"
    )
    assert load(BASE, both, turned, model, "baseline=fast").baseline == "fast"


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ("l3", "unknown baseline 'l3'; one of: l2, none; did you mean 'l2'?"),
        ("l2", "baseline is 'l2', which has 2 strengths; without tune seeds it must have one"),
    ],
)
def test_what_is_no_baseline(baseline: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        load(BASE, "seeds=2", "regularizers.l2.strength=[1e-4, 1e-3]", f"baseline={baseline}")
    assert message in str(error.value)


def test_more_examples_to_choose_on_than_to_train_on_are_told_of() -> None:
    """Of 1,437 training images of digits a tenth is held out, of 60,000 of mnist too."""
    tuned = ("seeds={tune: 2, report: 10}", "regularizers={none: , l2: {strength: [1e-4, 1e-3]}}")
    few = load(
        BASE, *tuned, "dataset={mnist: {per_class: [30, 600], validation: 0.1}, digits: {per_class: 20}}"
    )
    facts = {name: OFFICIAL[name].facts for name in ("mnist", "digits")}
    assert list(open_questions(few, facts)) == [
        "mnist (30 per class): strengths are chosen on 6,000 examples, where 300 are trained on; who has so "
        "few to train on has fewer to choose on, such as `validation: 100`"
    ]
    assert list(open_questions(few, {})) == []  # nothing is known of the data
    asked = "dataset={mnist: {per_class: 30, validation: 0.1}}"
    fewer = ("dataset={mnist: {per_class: 30, validation: 100}}", "dataset={mnist: {per_class: [3, 30]}}")
    for other in (*fewer, "dataset=mnist", "seeds=10"):
        assert list(open_questions(load(BASE, *tuned, asked, other), facts)) == []
    published = {"mnist": replace(facts["mnist"], validation=5_000)}  # no sweep can have less of these
    assert list(open_questions(load(BASE, *tuned, "dataset={mnist: {per_class: 30}}"), published)) == []


def test_entries_that_a_budget_finds_fewer_settings_for_are_told_of() -> None:
    entries = "regularizers={none: , l2: {strength: [1e-4, 1e-3, 1e-2, 1e-1]}, dropout: {p: 0.5}}"
    tuned = ("seeds={tune: 2, report: 10}", entries, "budget=8")
    (found,) = said(load(BASE, *tuned, "tune={lr: [0.01, 0.1]}"))
    assert found == (
        "not all get as many tries: of a budget's 8 none has 2, dropout has 2, others 8, as their lists give "
        "no more; a range of `lr` under `tune`, such as `lr: {loguniform: [0.01, 0.1]}`, gives all as many"
    )
    assert said(load(BASE, *tuned, "tune={lr: {loguniform: [0.01, 0.1]}}")) == []
    assert said(load(BASE, *tuned, "tune={lr: [0.01, 0.1]}", "budget=2")) == []


def test_batches_of_all_examples_are_one_training_and_told_of() -> None:
    """30 or 300 are trained on; 200 and 400 are both all of 30, and 400 alone is all of 300."""
    few = "dataset={digits: {per_class: [3, 30]}}"
    told = "digits (3 per class): batch sizes 200, 400 are one training under 2 names, as 30 examples are "
    told += "trained on; keep one of them"
    tuned = ("seeds={tune: 2, report: 10}", "tune={batch_size: [20, 200, 400]}")
    assert said(load(BASE, few, *tuned)) == [told]
    listed = "training={epochs: 2, batch_size: [20, 200, 400]}"
    assert said(load(BASE, few, listed, "seeds=10")) == [told]
    drawn = ("tune={batch_size: {uniform: [500, 900]}}", "budget=3", "seeds={tune: 2, report: 10}")
    assert len(said(load(BASE, few, *drawn, "regularizers={none: , dropout: {p: 0.5}}"))) == 2
    others = ("training.lr=[0.01, 0.1]", "training.batch_size=[20, 200, 400]", "seeds=10")
    assert said(load(BASE, few, *others)) == [told]
    rates = "tune={batch_size: {uniform: [500, 900]}, lr: {loguniform: [0.01, 0.1]}}"
    assert said(load(BASE, few, rates, *drawn[1:], "regularizers={none: , dropout: {p: 0.5}}")) == []
    assert said(load(BASE, *tuned)) == []


THEIRS = """
import torch
from torch import nn

KEPT = nn.Linear(784, 10)


def build(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, classes))


def wrong_size(shape, classes):
    return nn.Linear(3, classes)


def softmax(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, classes))


class WithArguments(nn.Module):
    def __init__(self, shape, classes, depth):
        super().__init__()


class InTraining(nn.Linear):
    def __init__(self, shape, classes):
        super().__init__(784, classes)

    def forward(self, x):
        if self.training:
            raise ArithmeticError("in training")
        return super().forward(x.flatten(1))


class Recurrent(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        self.lstm, self.middle, self.head = nn.LSTM(28, 8), nn.Linear(8, 8), nn.Linear(8, classes)

    def forward(self, x):
        return self.head(self.middle(self.lstm(x[:, 0].transpose(0, 1))[0][-1]))
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "wrong_size",
            "fails on examples: RuntimeError: mat1 and mat2 shapes cannot be multiplied (56x28 and "
            "3x10) (THEIRS:12)",
        ),
        ("WithArguments", "missing 1 required positional argument: 'depth' (THEIRS:20)"),
        ("InTraining", "fails in a step of none: ArithmeticError: in training (THEIRS:31)"),
        ("softmax", "dropout acts on hidden fully connected layers, and the model has none"),
        ("no_such", "model theirs:no_such cannot be imported"),
    ],
)
def test_a_module_of_ones_own_that_fails_is_told_in_one_line(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(THEIRS)
    entries = "regularizers={none: , dropout: {p: 0.5}}"
    sweep = load(BASE, "seeds=10", f"model=theirs:{name}", entries)
    (found,) = said(sweep)
    assert message.replace("THEIRS", str(tmp_path / "theirs.py")) in found
    assert found.endswith("(tried here, where it may not be as it is where it trains)")


def test_a_module_of_ones_own_is_described_and_tried_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(THEIRS)
    facts = {"digits": OFFICIAL["digits"].facts}
    two = "model=[theirs:build, theirs:Recurrent]"
    sweep = load(BASE, "seeds=10", two, "regularizers={none: , dropout: {p: 0.5}, l2: {strength: 1e-3}}")
    assert side_by_side(sweep, facts, Cluster(kind="local")) == ()
    assert side_by_side(sweep, facts, Cluster(kind="slurm", mode="ddp", pack_own_models=True)) == ()
    asks = Cluster(kind="local", pack_own_models=True)
    assert side_by_side(sweep, facts, asks) == {"theirs:build"}
    found = list(open_questions(sweep, facts, asks))
    assert found[:2] == [
        "model theirs:build: penalised, decayed, projected and shown are the weights of 1, 4; hidden layers "
        "(dropout): 4",
        "model theirs:build: left alone, beside biases, are 2.weight",
    ]
    assert (
        "lstm.weight_ih_l0, lstm.weight_hh_l0, middle, head; hidden layers (dropout): middle, head"
        in found[2]
    )
    assert found[3].startswith(
        "model theirs:Recurrent: its runs train one by one, as torch.func.vmap cannot take it: RuntimeError: "
        "Batching rule not implemented for aten::lstm"
    )
    assert len(found) == 4


ENDS = """
import os, sys


def build(shape, classes):
    {}(0)
"""

LOUD = """
import atexit, os, subprocess, sys, threading, time
from pathlib import Path
from torch import nn

begun = [subprocess.Popen(["sleep", "600"], start_new_session=own).pid for own in (False, True)]
Path("began").write_text(" ".join(map(str, begun)))
os.write(1, b"a line of C\\n" * 100_000)
os.write(2, b"\\xff\\xfe" * 100_000)
atexit.register(print, "bye")
threading.Thread(target=time.sleep, args=(600,)).start()
os.fork()
os.chdir("/")
assert not sys.stdin.read()


def build(shape, classes):
    print("built")
    return nn.Sequential(nn.Flatten(), nn.Linear(784, classes))
"""


@pytest.mark.parametrize(
    ("end", "words"),
    [("sys.exit", "built: SystemExit: 0 (FILE:6)"), ("os._exit", "tried: the process ended with 0")],
)
def test_a_module_that_ends_its_process_is_told(tmp_path: Path, end: str, words: str) -> None:
    path = tmp_path / f"by_{end.replace('.', '_')}.py"
    path.write_text(ENDS.format(end), encoding="utf-8")
    found = said(load(BASE, "seeds=10", f"model='{path.stem}:build'"))
    told = f"model {path.stem}:build cannot be {words.replace('FILE', str(path))}"
    assert any(told in line for line in found), found


def test_a_module_that_prints_forks_and_starts_processes_is_tried_and_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD, encoding="utf-8")
    began = time.monotonic()
    found = said(load(BASE, "seeds=10", "model='loud:build'"))
    assert any(line.startswith("model loud:build: penalised") for line in found)
    assert time.monotonic() - began < own_models.TRIAL_SECONDS
    began_by_it = (tmp_path / "began").read_text(encoding="utf-8").split()
    # They have been killed; on a busy machine that takes a moment.
    wait_for("their end", lambda: not any(alive(int(pid)) for pid in began_by_it), 20)
