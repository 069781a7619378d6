"""Broken sweep files and overrides, each with the exact words that its author is told."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.commands.cli import main
from jobs.sweep.sweep_file import Sweep, load_sweep
from regularize.errors import UserError, one_of
from regularize.models import MODELS
from regularize.regularizers import REGULARIZERS
from regularize.training_config import Training
from tests.jobs.sweeps import BASE, load, with_line

TRAINING = [field.name for field in fields(Training)]

# Line of the file to replace, its new text, and the message after "sweep.yaml:".
# fmt: off
TOP = [
    (3, "modle: lenet5",
     "3: unknown key 'modle'; one of: baseline, budget, dataset, evaluation, model, name, "
     "regularizers, seeds, select, training, tune, widen; did you mean 'model'?"),
    (8, "", "1: 'seeds' is missing from the file"),
    (1, "name: ../escape",
     "1: name is '../escape', but must be up to 64 letters, digits, '.', '_' and '-', and "
     "begin with a letter or digit"),
    (1, "name: 'a\n\n  '",
     "1: name is 'a\\n', but must be up to 64 letters, digits, '.', '_' and '-', and "
     "begin with a letter or digit"),
    (1, "name: 2024", "1: name is 2024, but must be text (write it in quotes)"),
    (1, "name: [a]", "1: name is ['a'], but must be text"),
    (3, "model: lenet", f"3: unknown model 'lenet'; {one_of('lenet', MODELS)}; "
     "or your own as module:function"),
    (3, "model:\n- lenet5\n- lenet5", "5: model lists 'lenet5' twice (first in sweep.yaml:4)"),
    (2, "dataset: [digits, ../mnist]",
     "2: '../mnist' cannot name a data set: up to 64 lower-case letters, digits, - and _ do"),
    (2, "dataset: []", "2: dataset is [], but must be at least one value"),
    (2, "dataset: {}", "2: dataset is {}, but must be at least one dataset"),
    (2, "dataset:\n  digits: {per_clas: 3}",
     "3: unknown key 'per_clas'; one of: channels, per_class, regularizers, resize, split_seed, training, "
     "tune, validation; "
     "did you mean 'per_class'?"),
    (2, "dataset:\n  digits:\n    per_class:\n    - 3\n    - 0",
     "6: per_class is 0, but must be at least 1"),
    (2, "dataset:\n  digits: {per_class: 1.5}", "3: per_class is 1.5, but must be an integer"),
    (2, "dataset:\n  digits: {validation: 1}",
     "3: validation is 1.0, but must be between 0 and 1, a number from 2 on, or matched"),
    (2, "dataset:\n  digits: {per_class: 1, validation: half}",
     "3: validation is 'half', but must be a finite number, or matched"),
    (2, "dataset:\n  digits:\n    training: {epoch: 1}",
     f"4: unknown key 'epoch'; {one_of('epoch', TRAINING)}"),
    (2, "dataset:\n  digits: {regularizers: {l1: {strength: 1}}}",
     "3: unknown key 'l1'; one of: l2, none; did you mean 'l2'?"),
    (2, "dataset:\n  digits: {regularizers: {l2: {technique: l1}}}",
     "3: technique cannot differ between datasets; make another entry"),
    (2, "dataset:\n  digits: {regularizers: {l2: {strength: -1}}}",
     "3: strength is -1.0, but must be a number in [0, inf)"),
]
SETTINGS = [
    (4, "training:\n  epochs: 2\n  learning_rate: 0.1",
     f"6: unknown key 'learning_rate'; {one_of('learning_rate', TRAINING)}"),
    (4, "training:\n  epochs: 2\n  lr: -1", "6: lr is -1.0, but must be above 0"),
    (4, "training:\n  epochs: 2\n  weight_decay: 5e-4",
     "6: weight_decay is 0.0005, but must be 0 with sgd: take the regularizer l2"),
    (4, "training:\n  epochs: 2\n  optimizer: adam\n  momentum: 0.9",
     "7: momentum is 0.9, but must be left out with adam: it is SGD's"),
    (4, "training: {epochs: 2, optimizer: adamw,\n  momentum: 0}",
     "5: momentum is 0.0, but must be left out with adamw: it is SGD's"),
    (4, "training: {epochs: 2, schedule: cosine,\n  gamma: 0.1}",
     "5: gamma is 0.1, but must be left out with schedule cosine: it is of `schedule: step`"),
    (4, "training: {epochs: 2,\n  milestones: [1/2]}",
     "5: milestones is [0.5], but must be left out with schedule constant: it is of `schedule: step`"),
    (4, "training:\n  epochs: 2\n  weight_decay: -1", "6: weight_decay is -1.0, but must be at least 0"),
    (4, "training:\n  epochs: 2\n  lr: 1e400", "6: lr is inf, but must be a finite number"),
    (4, "training:\n  epochs: 2.5", "5: epochs is 2.5, but must be an integer"),
    (4, "training:\n  lr: 1", "4: epochs is None, but must be given, or else steps, not both"),
    (4, "training: {steps: 5,\n  epochs: 2}", "5: epochs is 2, but must be given, or else steps, not both"),
    (4, "training: {epochs: 2, milestones: [0.5,\n  high]}",
     "5: milestones is 'high', but must be a finite number"),
    (4, "training: {epochs: 99999999999999999999}", "4: '99999999999999999999' cannot be read as int"),
    (4, "evaluation: {predictions: no}\ntraining: {epochs: 2}",
     "4: predictions is 'no', but must be true or false"),
    (8, "seeds: {tune: 2, report: [1, 5]}",
     "8: seed 1 is also in tune; strengths must not be judged on the seeds that chose them"),
    (8, "seeds: {tune: 2}", "8: 'report' is missing from seeds"),
    (8, "seeds: 0", "8: seeds is 0, but must be a number of seeds from 1 to 1000, or a list of seeds"),
    (8, "seeds: many",
     "8: seeds is 'many', but must be a number of seeds from 1 to 1000, or a list of seeds"),
    (8, "seeds: [1,\n  -2]", "9: seed is -2, but must be in [0, 2**32)"),
    (8, "seeds: [1, 1]", "8: seeds lists 1 twice (first in sweep.yaml:8)"),
    (8, "seeds: 2\nselect: {metric: test_accuracy}",
     "9: unknown metric 'test_accuracy'; one of: val_accuracy, val_loss, "
     "validation_accuracy, validation_loss; did you mean 'val_accuracy'?"),
]
# fmt: on


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGULARIZE_STORE", raising=False)
    monkeypatch.setenv("REGULARIZE_DATA", str(tmp_path / "data"))


@pytest.mark.parametrize(("number", "text", "message"), TOP + SETTINGS)
@pytest.mark.parametrize("command", ["plan", "submit"])
def test_what_is_wrong_in_a_file_is_told_with_its_line_alone_and_nothing_is_written(
    command: str, number: int, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("sweep.yaml").write_text(with_line(number, text), encoding="utf-8")
    assert main([command, "sweep.yaml"]) == 2
    assert capsys.readouterr() == ("", f"error: sweep.yaml:{message}\n")
    assert [path.name for path in Path().iterdir()] == ["sweep.yaml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: 'name' is missing from the file"),
        ("- a\n- b\n", "1: the file is ['a', 'b'], but must be a mapping (key: value)"),
        (
            "\n{name: a",
            "2: not valid YAML: while parsing a flow mapping, expected ',' or '}', but got '<stream end>'",
        ),
    ],
)
def test_a_file_that_is_no_mapping(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        load(text)
    assert str(error.value) == f"sweep.yaml:{message}"


def test_a_sweep_may_not_be_endless() -> None:
    sizes = ", ".join(map(str, range(1, 401)))
    with pytest.raises(UserError) as error:
        load(with_line(2, f"dataset: {{digits: {{per_class: [{sizes}]}}}}"), "seeds=1000")
    assert (
        str(error.value)
        == "sweep.yaml:1: the sweep has 1200000 runs or more, but at most 1000000 are allowed"
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoch=5", f"unknown key 'epoch'; {one_of('epoch', TRAINING)}"),
        (
            "trainnig.epochs=5",
            "unknown key 'trainnig'; one of: baseline, budget, dataset, evaluation, model, name, "
            "regularizers, seeds, select, training, tune, widen; did you mean 'training'?",
        ),
        ("training.epochs=five", "epochs is 'five', but must be an integer"),
        ("training.lr=-1", "lr is -1.0, but must be above 0"),
        ("regularizers.l2.strength=[1, -1]", "strength is -1.0, but must be a number in [0, inf)"),
        ("regularizers.l3.strength=1", f"unknown regularizer 'l3'; {one_of('l3', REGULARIZERS)}"),
        ("name.first=a", "name is 'small' and has no 'first' inside"),
        (
            "dataset=[digits",
            "not valid YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'",
        ),
        ("training.epochs", "must be PATH=VALUE, such as training.epochs=5"),
        ("=5", "must be PATH=VALUE, such as training.epochs=5"),
        ("training..epochs=5", "must be PATH=VALUE, such as training.epochs=5"),
    ],
)
def test_what_is_wrong_in_an_override_is_told_with_the_override(override: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        load(BASE, override)
    assert str(error.value) == f"--set {override}: {message}"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: a\nmodel: \xe9\n")
    for name, message in [
        ("absent.yaml", "absent.yaml: No such file or directory"),
        (".", ".: it is a folder"),
        ("latin.yaml", "latin.yaml:2: not UTF-8 text"),
    ]:
        with pytest.raises(UserError) as error:
            load_sweep(Path(name))
        assert str(error.value) == message


PATHS = [
    "name",
    "dataset",
    "dataset.digits",
    "dataset.digits.per_class",
    "dataset.digits.training.lr",
    "dataset.digits.regularizers.l2",
    "model",
    "training",
    "training.milestones",
    "evaluation.every",
    "regularizers",
    "regularizers.l2",
    "regularizers.l2.strength",
    "regularizers.l2.points",
    "regularizers.x.compose",
    "regularizers.x.technique",
    "seeds",
    "seeds.tune",
    "select.metric",
]
WORDS = st.sampled_from(
    ["strength", "linspace", "logspace", "compose", "technique", "points", "l1", "none", "digits", "tune"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text()
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
SLIPS = st.text("{}[]:,-&*!<#'\"\\\t\n |>%@?~1e", max_size=6) | st.text(max_size=3)


def attempt(text: str, *overrides: str) -> Sweep | UserError:
    """The sweep, or what is wrong with it; no other error."""
    try:
        return load(text, *overrides)
    except UserError as error:
        return error


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(PATHS), JUNK, min_size=1, max_size=3))
def test_junk_is_refused_or_survives_a_round_trip(junk: dict[str, object]) -> None:
    result = attempt(BASE, *(f"{path}={json.dumps(value)}" for path, value in junk.items()))
    if isinstance(result, UserError):
        assert str(result).startswith(("--set ", "sweep.yaml:"))
    else:
        assert load(result.text) == result


@settings(deadline=None)
@given(st.integers(0, len(BASE)), SLIPS)
def test_a_typing_slip_never_ends_in_another_error(position: int, slip: str) -> None:
    result = attempt(BASE[:position] + slip.encode("utf-8", "replace").decode() + BASE[position:])
    if isinstance(result, UserError):
        assert str(result).startswith("sweep.yaml:")
