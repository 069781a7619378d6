"""What `submit` makes of a module's trial; the trials themselves are in test_open_questions.py."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from jobs.cluster.cluster_config import Cluster
from jobs.commands.submit import settle_changes
from jobs.planning import own_models
from jobs.planning.own_models import Trial, refuse_failing, side_by_side
from jobs.planning.prepare_submission import Submission
from jobs.sweep.run_grid import report_runs
from regularize.data.registry import OFFICIAL
from regularize.errors import UserError
from regularize.own_trial import tried
from regularize.store import Store
from tests.jobs.stores import write_pack
from tests.jobs.sweeps import BASE, load

FACTS = {name: OFFICIAL[name].facts for name in ("mnist", "fashion_mnist", "cifar10")}
HERE, SLURM = Cluster(kind="local"), Cluster(kind="slurm")
ELSEWHERE = " (tried here, where it may not be as it is where it trains)"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The questions that are asked of modules, whose answers are named by their functions."""
    answers = {
        "fine": Trial("m:fine", said=("described",)),
        "raises": Trial("m:raises", error="m:raises raises"),
        "lacks": Trial("m:lacks", error="m:lacks lacks a package", missing=True),
        "keeps": Trial("m:keeps", error="m:keeps keeps something", begins=True),
    }
    questions: list[tuple[str, str]] = []

    def answer(name: str, asked: str) -> Trial:
        questions.append((name, asked))
        return answers[name.partition(":")[2]]

    monkeypatch.setattr(own_models, "_tried", answer)
    return questions


def notes(names: Sequence[str], cluster: Cluster, only: Sequence[str] | None = None) -> list[str]:
    """What is said of modules of these names on three data sets."""
    models = [f"m:{name}" for name in names]
    sweep = load(BASE, "dataset=[mnist, fashion_mnist, cifar10]", f"model={models}")
    said: list[str] = []
    refuse_failing(sweep, FACTS, cluster, models if only is None else only, said.append)
    return said


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("cluster", "names", "said"),
    [
        (HERE, ["fine", "keeps"], ["m:keeps keeps something"]),
        (SLURM, ["lacks", "fine"], ["m:lacks lacks a package" + ELSEWHERE]),
        (Cluster(kind="local", gpus=1), ["raises"], ["m:raises raises" + ELSEWHERE]),
        (Cluster(kind="slurm", gres="gpu:2"), ["raises"], ["m:raises raises" + ELSEWHERE]),
    ],
)
def test_where_this_machine_cannot_judge_it_is_a_note(
    cluster: Cluster, names: list[str], said: list[str]
) -> None:
    assert notes(names, cluster) == said


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("cluster", "names", "error"),
    [
        (HERE, ["lacks", "keeps"], "m:lacks lacks a package; nothing has been submitted"),
        (SLURM, ["lacks", "raises"], "m:raises raises; nothing has been submitted"),
        (HERE, ["raises", "lacks"], "m:raises raises\n  m:lacks lacks a package; nothing has been submitted"),
    ],
)
def test_where_it_can_nothing_is_begun(cluster: Cluster, names: list[str], error: str) -> None:
    with pytest.raises(UserError) as raised:
        notes(names, cluster)
    assert str(raised.value) == error


def test_only_modules_of_ones_own_of_which_runs_are_left_are_tried(asked: list[tuple[str, str]]) -> None:
    assert notes(["fine", "raises"], HERE, only=["m:fine", "lenet5"]) == []
    assert {name for name, _ in asked} == {"m:fine"}
    assert len(set(asked)) == 2, "data sets of one shape are one question"


def test_where_nothing_is_left_to_train_nothing_is_tried(
    asked: list[tuple[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "m.py").write_text("def raises(shape, classes):\n    raise ValueError\n", encoding="utf-8")
    sweep, store = (
        load(BASE, "seeds=2", "regularizers={none: }", "model='m:raises'"),
        Store(tmp_path / "store"),
    )
    submission = Submission(
        sweep=sweep,
        store=store,
        cluster=HERE,
        data_root=tmp_path,
        overrides=(),
        console=Console(file=io.StringIO()),
    )
    with pytest.raises(UserError, match="m:raises raises"):
        settle_changes(submission)
    assert asked
    assert not store.folder.exists()
    asked.clear()
    write_pack(store, [run.config.run_id for run in report_runs(sweep)], "done")
    settle_changes(submission)
    assert not asked


FAULTS = """
def package(shape, classes):
    import none_such


def file(shape, classes):
    open("none such")


def gpu(shape, classes):
    raise AssertionError("Torch not compiled with CUDA enabled")


def mistake(shape, classes):
    raise ValueError("none")
"""


@pytest.mark.parametrize("name", ["package", "file", "gpu", "mistake", "none_such"])
def test_what_may_be_on_the_nodes_is_told_from_mistakes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faults.py").write_text(FAULTS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    (first, *_) = report_runs(load(BASE, "seeds=2", "regularizers={none: }", f"model=faults:{name}"))
    found = tried([first.config], (1, 28, 28), 10, packs=False)
    assert found.error
    assert found.missing == (name in ("package", "file", "gpu"))


TECHNIQUES = """
from regularize.regularizers import Strength, Technique
from regularize.regularizers.hooks import Hooks

STRENGTHS = {"strength": Strength(meaning="λ")}


def penalty(state, given):
    return given.strengths["strength"] * state.logitz.sum()


def scalar(state, given):
    return (given.strengths["strength"] * state.logits.square().mean((1, 2))).sum()


def project(weights, given, end):
    for name in weights:
        weights[name + "?"].zero_()


def fine(state, given):
    return given.strengths["strength"] * state.logits.square().mean((1, 2))


PENALTY = Technique("Penalty", strengths=STRENGTHS, hooks=Hooks(penalty=penalty))
SCALAR = Technique("Scalar", strengths=STRENGTHS, hooks=Hooks(penalty=scalar))
PROJECT = Technique("Project", strengths=STRENGTHS, hooks=Hooks(after_step=project))
FINE = Technique("Fine", strengths=STRENGTHS, hooks=Hooks(penalty=fine, project=lambda *_: None))
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PENALTY", "fails in a step of own on model mlp: AttributeError: .*logitz.* \\(FILE:9\\)"),
        ("SCALAR", r"own: the penalty scalar returned a tensor of \[\], .* of the 2 runs, \[2\] \(FILE:12\)"),
        ("PROJECT", "fails in a step of own on model mlp: KeyError: .* \\(FILE:18\\)"),
        ("FINE", ""),
    ],
)
def test_a_technique_of_ones_own_is_tried_on_networks_of_the_project(
    tmp_path: Path, name: str, said: str
) -> None:
    path = tmp_path / f"techniques_{name.lower()}.py"
    path.write_text(TECHNIQUES, encoding="utf-8")
    entry = f"own={{technique: '{path.stem}:{name}', strength: [0.1, 1]}}"
    sweep = load(BASE, "dataset=mnist", "model=mlp", f"regularizers.{entry}")
    planned = "\n".join(own_models.said_of(sweep, FACTS, HERE))
    if not said:
        assert not planned
        refuse_failing(sweep, FACTS, HERE, ["mlp"], print)
        return
    message = said.replace("FILE", re.escape(str(path)))
    assert re.search(message, planned), planned
    with pytest.raises(UserError, match=f"{message}; nothing has been submitted"):
        refuse_failing(sweep, FACTS, HERE, ["mlp"], print)


def test_techniques_of_the_project_are_not_tried_there(asked: list[tuple[str, str]]) -> None:
    assert not own_models.has_own(load(BASE, "model=mlp"))
    assert not list(own_models.said_of(load(BASE, "dataset=mnist", "model=mlp"), FACTS, HERE))
    assert not asked


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(("gain", "packs"), [(3.4, True), (1.05, False), (0.5, False)])
def test_auto_packs_what_a_try_found_faster(
    monkeypatch: pytest.MonkeyPatch, gain: float, packs: bool
) -> None:
    sweep, auto = load(BASE, "dataset=mnist", "model='m:fine'"), replace(HERE, pack_own_models=None)
    monkeypatch.setattr(own_models, "_tried", lambda name, _asked: Trial(name, gain=gain))
    assert side_by_side(sweep, FACTS, auto) == ({"m:fine"} if packs else set())
    (said,) = own_models.said_of(sweep, FACTS, auto)
    words = "8 side by side, 3.4 times" if packs else "one by one, as 8 side by side are"
    assert words in said
    assert not side_by_side(sweep, FACTS, replace(auto, gpus=1)), "which a CPU does not tell"
    assert side_by_side(sweep, FACTS, replace(HERE, pack_own_models=True)) == {"m:fine"}


def test_a_try_times_runs_side_by_side_on_the_sweeps_batches(tmp_path: Path) -> None:
    (tmp_path / "sized.py").write_text(
        "from torch import nn\n\n\nclass Sized(nn.Linear):\n    def forward(self, x):\n"
        "        print('batch', len(x), file=open('batches', 'a'))\n"
        "        return super().forward(x.flatten(1))\n"
        "\n\ndef build(shape, classes):\n    return Sized(784, classes)\n",
        encoding="utf-8",
    )
    sweep = load(BASE, "dataset=mnist", "model='sized:build'", "training.batch_size=37")
    (trial,) = own_models.trials(sweep, FACTS, replace(HERE, pack_own_models=None))
    assert (trial.error, trial.alone) == ("", "")
    assert trial.gain > 0
    batches = (tmp_path / "batches").read_text(encoding="utf-8").splitlines()
    assert batches.count("batch 37") == 8, "four steps of one run, and four of all of them"
    (trial,) = own_models.trials(sweep, FACTS, replace(HERE, pack_own_models=True))
    assert not trial.gain, "nothing is timed that decides nothing"
