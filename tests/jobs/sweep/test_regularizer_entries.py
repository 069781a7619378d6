"""What the sweep's `regularizers` stand for, and the exact words for what is wrong with them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from jobs.sweep.run_grid import tune_runs
from regularize.errors import UserError, one_of
from regularize.regularizers import REGULARIZERS, Strength, Technique
from regularize.regularizers.hooks import Hooks
from tests.jobs.sweeps import load, strengths, with_entries

STARTED = [("x", ""), ("y", ", start: default"), ("z", ", start: orthogonal")]
COMPOSABLE = [name for name in REGULARIZERS if name != "none"]

# The regularizers, the first in line 6, and the message after "sweep.yaml:".
# fmt: off
BROKEN = [
    ("  {}", "5: regularizers is empty; name at least one, such as none"),
    ("  none:\n  l3: {strength: 1}", f"7: unknown regularizer 'l3'; {one_of('l3', REGULARIZERS)}"),
    ("  l2: {strength: 1}\n  L2: {technique: l2, strength: 2}",
     "7: the entries l2 and L2 differ in capital letters alone; rename one, with `technique:` in it, "
     "such as l2_strong: {technique: l2}"),
    ("  l1:", "6: l1 needs 'strength': λ of λ Σ|w|"),
    ("  l1: 3", "6: l1 is 3, but must be a mapping (key: value)"),
    ("  none: {strength: 1}", "6: none has no parameters, so not 'strength' either"),
    ("  hard_svb:\n    epsilon: 0.1\n    evry: 6",
     "8: unknown parameter 'evry'; one of: epsilon, every, schedule, warmup; did you mean 'every'?"),
    ("  hard_svb:\n    epsilon: 0.1\n    every: [1, 2]",
     "8: every is [1, 2], but must be a positive integer"),
    ("  dropout:\n    p:\n    - 0.5\n    - 1.0", "9: p is 1.0, but must be a number in [0, 0.999]"),
    ("  dropout: {strength: 0.1, p: 0.1}", "6: 'p' is given twice, once as 'strength'"),
    ("  l1: {strength: []}", "6: strength is [], but must be at least one value"),
    ("  l1: {strength: [a]}", "6: strength is 'a', but must be a finite number"),
    ("  l1:\n    strength:\n    - 1e-3\n    - 1.0\n    - 0.001",
     "10: strength lists 0.001 twice (first in sweep.yaml:8)"),
    ("  l1: {strength: {linspace: [0, 1]}}", "6: linspace is [0, 1], but must be [from, to, count]"),
    ("  l1: {strength: {linspace: [0, 1, 1]}}",
     "6: the count of linspace is 1, but must be from 2 to 1000"),
    ("  l1: {strength: {logspace: [0, 1, 5]}}",
     "6: logspace is [0, 1, 5], but must be between ends above 0 (the numbers themselves, "
     "not their exponents)"),
    ("  l1: {strength: {geomspace: [1, 2, 3]}}",
     "6: unknown key 'geomspace'; one of: linspace, logspace, loguniform, uniform; did you mean 'logspace'?"),
    ("  l1: {strength: {}}", "6: strength needs either linspace or logspace"),
    ("  l1: {strength: {linspace: [1, 1, 2]}}",
     "6: 'l1' at strength=1 is the same run as 'l1' in sweep.yaml:6"),
    ("  l1: {strength: [0.1, 0.2]}\n  small: {technique: l1, strength: 0.2}",
     "7: 'small' at strength=0.2 is the same run as 'l1' in sweep.yaml:6"),
    ("  none:\n  plain: {technique: none}", "7: 'plain' is the same run as 'none' in sweep.yaml:6"),
    ("  l2: {strength: 1}\n  plain: {technique: l2, strength: 1, start: default}",
     "7: 'plain' at strength=1 is the same run as 'l2' in sweep.yaml:6"),
    ("  own: {technique: hard_svb, epsilon: 1, start: orthogonal}\n  hard_svb: {epsilon: [1, 2]}",
     "7: 'hard_svb' at epsilon=1 is the same run as 'own' in sweep.yaml:6"),
    ("  a: &a\n    compose: [l2, hard_svb]\n    l2: {strength: 1}\n    hard_svb: {epsilon: 2}\n"
     "  b:\n    <<: *a\n    start: orthogonal",
     "10: 'b' at strength=1 epsilon=2 is the same run as 'a' in sweep.yaml:6"),
    ("  l2: {technique: l1, strength: 1}", "6: 'l2' is a technique; give this entry another name"),
    ("  a/b: {technique: l1, strength: 1}",
     "6: 'a/b' cannot name an entry; use up to 64 letters, digits, _, + and -"),
    ("  x:\n    technique: l3", f"7: unknown regularizer 'l3'; {one_of('l3', REGULARIZERS)}"),
    ("  x:\n    compose: [l1, l1]", "7: compose lists 'l1' twice (first in sweep.yaml:7)"),
    ("  x:\n    compose: [l1, none]", f"7: unknown regularizer 'none'; {one_of('none', COMPOSABLE)}"),
    ("  x:\n    compose: [l1, l2]\n    l1: {strength: 1}", "7: l2 needs 'strength': λ of (λ/2) Σ w²"),
    ("  x:\n    compose: [l1]\n    l1: {strength: 1}\n    l2: {strength: 1}",
     "9: unknown key 'l2'; one of: compose, l1, points; did you mean 'l1'?"),
    ("  x:\n    compose:\n    - l1\n    - dropout\n    l1: {strength: 1}\n    dropout: {p: 3}",
     "11: p is 3.0, but must be a number in [0, 0.999]"),
    ("  l1:\n    strength: 1\n    points:\n    - strength: 2",
     "9: strength is given here and beside points, in sweep.yaml:7"),
    ("  hard_svb:\n    points:\n    - epsilon: 2\n      every: 3",
     "9: every is an option, not a strength; give it once, beside points"),
    ("  l1:\n    points:\n    - strength: 2\n    - {strength: [1, 2]}",
     "9: 'l1' at strength=2 is the same run as 'l1' in sweep.yaml:8"),
    ("  early_stopping: {patience: {linspace: [1, 4, 3]}}",
     "6: patience of early_stopping is 2.5, but must be a whole number, as it acts as one"),
    ("  x:\n    compose: [l2, augment]\n    points:\n    - {l2: {strength: 1}, augment: {shift: 1}}\n"
     "    - {l2: {strength: 1}, augment: {shift: 1.5}}",
     "10: shift of x is 1.5, but must be a whole number, as it acts as one"),
    ((
            "  x:\n    compose: [l1, l2]\n    l1: {strength: {linspace: [0, 1, 200]}}\n    l2: "
            "{strength: {linspace: [0, 1, 200]}}"
        ), "6: 40000 combinations of strengths, but at most 10000 are allowed"),
]
# fmt: on


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{technique: l2, strength: 1e-5}", [(1e-5,)]),
        ("{technique: none}", [()]),
        (
            "{technique: label_smoothing, strength: {linspace: [0.05, 0.3, 6]}}",
            [(0.05,), (0.1,), (0.15,), (0.2,), (0.25,), (0.3,)],
        ),
        (
            "{technique: l1, strength: {logspace: [1e-5, 1e-1, 5]}}",
            [(1e-5,), (1e-4,), (1e-3,), (1e-2,), (1e-1,)],
        ),
        (
            "{compose: [l2, dropout], l2: {strength: [1, 2]}, dropout: {p: [0.1, 0.2]}}",
            [(1, 0.1), (1, 0.2), (2, 0.1), (2, 0.2)],
        ),
        ("{compose: [dropout, l2], l2: {strength: 1}, dropout: {p: 0.1}}", [(0.1, 1)]),
        (
            "{technique: hard_svb, every: 6, points: [{epsilon: 0.1}, {epsilon: [0.2, 0.3]}]}",
            [(0.1,), (0.2,), (0.3,)],
        ),
        (
            "{compose: [l1, l2], l1: {strength: 3}, points: [{l2: {strength: 1}}, {l2: {strength: 2}}]}",
            [(3, 1), (3, 2)],
        ),
    ],
)
def test_an_entry_stands_for_these_strengths(entry: str, expected: list[tuple[float, ...]]) -> None:
    assert strengths(load(with_entries(f"  x: {entry}")), "x") == expected


def test_options_are_shared_by_all_strengths_of_an_entry() -> None:
    sweep = load(with_entries("  x: {technique: jacobian, projections: exact, strength: [1, 2]}"))
    options = [dict(term.options) for terms in sweep.datasets[0].entries[0].candidates for term in terms]
    assert [each["projections"] for each in options] == ["exact"] * 2


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_what_is_wrong_with_an_entry_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        load(with_entries(text))
    assert str(error.value) == f"sweep.yaml:{message}"


@pytest.mark.parametrize(
    ("said", "apart"),
    [
        ("", ("orthogonal", "default")),
        ("null", ("orthogonal", "default")),
        ("default", ("orthogonal", "orthogonal")),
    ],
)
def test_another_start_is_another_run(said: str, apart: tuple[str, str]) -> None:
    """Than the technique's own where `training` says none, else than that."""
    entries = "  l2: {strength: 1}\n  a: {technique: l2, strength: 1, start: %s}\n"
    entries += "  hard_svb: {epsilon: 1}\n  b: {technique: hard_svb, epsilon: 1, start: %s}"
    training = f"epochs: 2, start: {said}" if said else "epochs: 2"
    text = with_entries(entries).replace("epochs: 2", training)
    found = {entry.name: dict(entry.own) for entry in load(text % apart).datasets[0].entries}
    assert found == {"l2": {}, "a": {"start": apart[0]}, "hard_svb": {}, "b": {"start": apart[1]}}
    other = {"orthogonal": "default", "default": "orthogonal"}
    for position, name in enumerate(("l2", "hard_svb")):
        starts = [other[start] if place == position else start for place, start in enumerate(apart)]
        with pytest.raises(UserError, match=f"is the same run as '{name}'"):
            load(text % tuple(starts))


def test_to_say_what_is_so_anyway_keeps_the_runs() -> None:
    plain = with_entries("  l2: {strength: 1}\n  hard_svb: {epsilon: 1}")
    said = plain.replace("strength: 1", "strength: 1, start: default")
    said = said.replace("epsilon: 1", "epsilon: 1, start: orthogonal")
    ids = [[run.config.run_id for run in tune_runs(load(text))] for text in (plain, said)]
    assert ids[0] == ids[1]


def test_a_technique_of_ones_own_that_starts_weights_has_a_start_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = ModuleType("someones")
    strengths = {"by": Strength(meaning="how much")}
    module.X = Technique("X", strengths=strengths, hooks=Hooks(start=lambda *_: None))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "someones", module)
    entries = [f"  {name}: {{technique: 'someones:X', by: 1{start}}}" for name, start in STARTED]
    assert len(load(with_entries("\n".join(entries))).datasets[0].entries) == len(STARTED)
