"""`tune`, `budget`, `widen` and `start`: what each technique is tried at, and what of it cannot be."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.sweep.run_grid import Candidate, candidates_of, report_count, tune_runs
from jobs.sweep.strength_values import Range
from jobs.sweep.sweep_file import Sweep, load_sweep, read
from jobs.sweep.yaml_checks import Node
from jobs.sweep.yaml_text import parse_file
from regularize.errors import UserError
from tests.jobs.sweeps import BASE, with_line

TUNE = """\
name: small
dataset: digits
model: lenet5
training: {epochs: 2}
tune: {lr: [0.01, 0.02, 0.05]}
regularizers: {none: , l2: {strength: [1e-3, 1e-2]}, dropout: {p: [0.1, 0.3, 0.5]}}
seeds: {tune: 2, report: 3}
"""
DRAWN = """\
name: small
dataset: digits
model: lenet5
training: {epochs: 2}
tune: {lr: {loguniform: [1e-3, 0.1]}}
regularizers:
  none:
  l2: {strength: {loguniform: [1e-4, 1]}}
  dropout: {p: {uniform: [0, 0.8]}}
  both: {compose: [l2, dropout], l2: {strength: {loguniform: [1e-4, 1]}}, dropout: {p: [0.1, 0.5]}}
seeds: {tune: 2, report: 3}
budget: 8
"""


def load(text: str, tmp_path: Path, *overrides: str) -> Sweep:
    path = tmp_path / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    return load_sweep(path, overrides)


def tried(sweep: Sweep) -> dict[str, list[Candidate]]:
    return {cell.regularizer: candidates for cell, candidates in candidates_of(sweep).items()}


def test_every_technique_is_tried_at_every_shared_setting(tmp_path: Path) -> None:
    found = tried(load(TUNE, tmp_path))
    assert [each.strength for each in found["none"]] == ["lr=0.01", "lr=0.02", "lr=0.05"]
    assert {name: len(candidates) for name, candidates in found.items()} == {"none": 3, "l2": 6, "dropout": 9}
    assert found["l2"][1].strength == "strength=0.001 lr=0.02"
    assert all(f"lr={config.training.lr:g}" in strength for config, strength in found["l2"])


def test_what_is_tuned_trains_in_one_pack(tmp_path: Path) -> None:
    runs = tune_runs(load(TUNE.replace("lr: [", "momentum: [0.5, 0.9], lr: ["), tmp_path))
    packs = Counter((run.config.regularizer, run.config.pack_key) for run in runs)
    assert sorted(packs.values()) == [12, 24, 36]


def test_a_tuned_run_is_the_run_of_a_sweep_that_gives_its_setting(tmp_path: Path) -> None:
    tuned = {run.config.run_id for run in tune_runs(load(TUNE, tmp_path))}
    given = TUNE.replace("tune: {lr: [0.01, 0.02, 0.05]}\n", "").replace("epochs: 2", "epochs: 2, lr: 0.05")
    assert {run.config.run_id for run in tune_runs(load(given, tmp_path))} < tuned


def test_one_is_reported_on_for_every_technique(tmp_path: Path) -> None:
    assert report_count(load(TUNE, tmp_path)) == 3 * 3


def test_a_dataset_may_tune_otherwise(tmp_path: Path) -> None:
    text = TUNE.replace("dataset: digits", "dataset: {digits: , clusters: {tune: {lr: [0.5]}}}")
    grids = load(text.replace("lenet5", "mlp"), tmp_path).datasets
    assert [[each.training.lr for each in grid.shared] for grid in grids] == [[0.01, 0.02, 0.05], [0.5]]


def test_a_budget_gives_every_technique_as_many_tries(tmp_path: Path) -> None:
    for budget in (1, 5, 8, 20):
        found = tried(load(DRAWN, tmp_path, f"budget={budget}"))
        assert {len({each.strength for each in candidates}) for candidates in found.values()} == {budget}


@st.composite
def drawn_sweeps(draw: st.DrawFn) -> tuple[str, int, dict[str, float]]:
    """A sweep with a budget, that, and how many settings of each entry there are: ∞ for a range."""

    def axis(values: list[float], low: float, high: float) -> tuple[str, float]:
        number = draw(st.integers(0, len(values)))
        return (f"{{uniform: [{low}, {high}]}}", math.inf) if number == 0 else (str(values[:number]), number)

    shared: dict[str, tuple[str, float]] = {}
    for name, values in (("lr", [0.01, 0.1, 0.2]), ("momentum", [0.5, 0.9]), ("width", [1, 2, 3])):
        if draw(st.booleans()):
            shared[name] = axis(values, values[0], values[-1])
    if draw(st.booleans()):
        shared["batch_size"] = ("[16, 32]", 2)
    common = math.prod(size for _, size in shared.values())
    rate, first, second, half = (
        axis([0.1, 0.2, 0.3, 0.4, 0.5][:most], 0.0, 0.9) for most in draw(st.permutations([1, 3, 4, 5]))
    )
    entries = {
        "none": ("", common),
        "l2": (f"strength: {first[0]}", first[1] * common),
        "elastic_net": (f"l1: {first[0]}, l2: {second[0]}", first[1] * second[1] * common),
        "hard_svb": (f"epsilon: {half[0]}, start: default", half[1] * common),
        "both": (
            f"compose: [l1, dropout], l1: {{strength: {second[0]}}}, dropout: {{p: {rate[0]}}}",
            second[1] * rate[1] * common,
        ),
    }
    budget = draw(st.integers(1, 20))
    text = DRAWN[: DRAWN.index("tune:")].replace("lenet5", "mlp")
    text += f"tune: {{{', '.join(f'{name}: {values}' for name, (values, _) in shared.items())}}}\n"
    text += "regularizers:\n" + "".join(f"  {name}: {{{own}}}\n" for name, (own, _) in entries.items())
    sizes = {name: size for name, (_, size) in entries.items()}
    return f"{text}seeds: {{tune: 2, report: 3}}\nbudget: {budget}\n", budget, sizes


@settings(max_examples=25, deadline=None)
@given(drawn_sweeps())
def test_no_entry_of_any_sweep_gets_more_tries(drawn: tuple[str, int, dict[str, float]]) -> None:
    text, budget, sizes = drawn
    sweep = read(parse_file(text, "sweep.yaml"), text)
    runs = Counter(run.config.regularizer for run in tune_runs(sweep))
    different = {name: {each.config.run_id for each in found} for name, found in tried(sweep).items()}
    for name, size in sizes.items():  # each as many; fewer only where there are no more, and then all
        assert len(different[name]) == min(budget, size), text
        assert runs[name] == 2 * min(budget, size), text
        assert runs[name] <= 2 * budget


def test_draws_are_spread_over_what_they_are_drawn_from(tmp_path: Path) -> None:
    found = tried(load(DRAWN, tmp_path))
    strengths = sorted(dict(each.config.terms[0].strengths)["strength"] for each in found["l2"])
    assert 1e-4 <= strengths[0] < 1e-3
    assert 1e-1 < strengths[-1] <= 1
    # Of 8 points of a Sobol sequence two lie in every quarter.
    assert [sum(10**-e <= s < 10 ** -(e - 1) for s in strengths) for e in (4, 3, 2, 1)] == [2, 2, 2, 2]
    assert {dict(term.strengths)["p"] for each in found["both"] for term in each.config.terms[1:]} == {
        0.1,
        0.5,
    }


def test_a_larger_budget_keeps_what_a_smaller_one_has_trained(tmp_path: Path) -> None:
    few, many = (
        {run.config.run_id for run in tune_runs(load(DRAWN, tmp_path, f"budget={n}"))} for n in (5, 11)
    )
    assert few < many


def test_other_entries_change_no_draw(tmp_path: Path) -> None:
    fewer = DRAWN.replace("  dropout: {p: {uniform: [0, 0.8]}}\n", "")
    one, other = (tried(load(text, tmp_path))["l2"] for text in (DRAWN, fewer))
    assert one == other


def test_a_grid_within_the_budget_is_tried_in_full_and_once(tmp_path: Path) -> None:
    text = DRAWN.replace("{loguniform: [1e-3, 0.1]}", "[0.01, 0.1]").replace(
        "{loguniform: [1e-4, 1]}", "[1, 2]"
    )
    found = tried(load(text, tmp_path))
    assert [each.strength for each in found["none"]] == ["lr=0.01", "lr=0.1"]
    assert len(found["l2"]) == 4
    assert len({each.strength for each in found["both"]}) == len(found["both"]) == 8
    assert len(found["dropout"]) == 8


def test_a_start_is_of_the_run_and_only_where_it_is_asked_for(tmp_path: Path) -> None:
    text = BASE.replace("  none:\n", "  none:\n  apart: {technique: none, start: orthogonal}\n")
    found = tried(load(text, tmp_path))
    (none,), (apart,) = found["none"], found["apart"]
    assert apart.config.training.start == "orthogonal"
    assert apart.config.run_id != none.config.run_id
    assert "start" not in none.config.to_json()["training"]
    again = type(apart.config).from_json(apart.config.to_json())
    assert again == apart.config
    with pytest.raises(UserError, match="'apart' is the same run as 'none'"):  # which start so, too
        load(text, tmp_path, "training.start=orthogonal")
    found = tried(load(text, tmp_path, "training.start=orthogonal", "regularizers.apart.start=default"))
    assert [found[name][0].config.training.start for name in ("none", "apart")] == ["orthogonal", "default"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("tune={lr: [0.1]}", "--set tune={lr: [0.1]}: lr is tuned here and given in sweep.yaml:4"),
        (
            "tune={rate: 1}",
            "unknown key 'rate'; one of: batch_size, epochs, lr, momentum, steps, weight_decay",
        ),
        ("tune={momentum: [0.5, 0.5]}", "momentum lists 0.5 twice"),
        ("tune={momentum: [0.5, 1.5]}", "momentum is 1.5, but must be in [0, 1)"),
        ("tune={momentum: {uniform: [0, 0.9]}}", "uniform is drawn from, so the sweep needs a `budget:`"),
        (
            "regularizers={l2: {strength: {loguniform: [1, 2]}}}",
            "loguniform is drawn from, so the sweep needs",
        ),
        ("budget=0", "budget is 0, but must be from 1 to 1000"),
        ("widen=21", "widen is 21, but must be from 1 to 20"),
        (
            "regularizers={l2: {strength: 1, start: fresh}}",
            "unknown start 'fresh'; one of: default, orthogonal",
        ),
        (
            "regularizers={none: , again: {technique: none, start: default}}",
            "'again' is the same run as 'none'",
        ),
    ],
)
def test_what_cannot_be_tuned_is_told_with_its_place(tmp_path: Path, change: str, message: str) -> None:
    text = with_line(4, "training: {epochs: 2, lr: 0.1}").replace("seeds: 2", "seeds: {tune: 2, report: 3}")
    with pytest.raises(UserError) as error:
        load(text, tmp_path, change)
    assert message in str(error.value).replace(str(tmp_path) + "/", "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("widen=2", "widen continues lists of values, but a budget draws"),
        (
            "regularizers.l2={strength: {loguniform: [0, 1]}}",
            "loguniform is [0, 1], but must be between ends above 0",
        ),
        (
            "regularizers.l2={strength: {uniform: [2, 1]}}",
            "uniform is [2, 1], but must be from a number to a larger",
        ),
        ("regularizers.dropout={p: {uniform: [0, 2]}}", "p is 2"),
        (
            "regularizers.both={compose: [l2], points: [{l2: 1}]}",
            "points are tried one and all, but a budget draws",
        ),
    ],
)
def test_what_cannot_be_drawn_is_told(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        load(DRAWN, tmp_path, change)
    assert message in str(error.value)


@pytest.mark.parametrize("key", ["tune: {lr: [0.1]}", "budget: 3", "widen: 2"])
def test_what_is_chosen_needs_tune_seeds(tmp_path: Path, key: str) -> None:
    text = TUNE.replace("tune: {lr: [0.01, 0.02, 0.05]}", key).replace("{tune: 2, report: 3}", "5")
    with pytest.raises(UserError) as error:
        load(text, tmp_path)
    assert "is about what is chosen on tune seeds, and this sweep has none" in str(error.value)


def test_what_acts_in_whole_numbers_is_drawn_in_these(tmp_path: Path) -> None:
    """No two tries differ by a fraction alone."""
    text = DRAWN.replace("{lr: {loguniform: [1e-3, 0.1]}}", "{epochs: {loguniform: [2, 40]}}")
    text = text.replace("training: {epochs: 2}", "training: {lr: 0.1}").replace(
        "  dropout:", "  early_stopping: {patience: {uniform: [1, 3]}}\n  dropout:"
    )
    found = tried(load(text, tmp_path))
    epochs = {config.training.epochs for config, _ in found["none"]}
    assert len(epochs) == 8
    assert all(isinstance(number, int) and 2 <= number <= 40 for number in epochs)
    patience = [dict(config.terms[0].strengths)["patience"] for config, _ in found["early_stopping"]]
    assert set(patience) == {1, 2, 3}
    assert len({strength for _, strength in found["early_stopping"]}) == 8


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ("lr: {uniform: [0, 0.1]}", r"lr is 0, but must be a number in \(0, inf\)"),
        ("momentum: {uniform: [0.5, 1]}", r"momentum is 1, but must be a number in \[0, 1\)"),
        ("batch_size: {uniform: [0, 64]}", r"batch_size is 0, but must be a number in \[1, inf\)"),
    ],
)
def test_a_range_ends_where_a_setting_is_valid(tmp_path: Path, axis: str, words: str) -> None:
    """Whether or not one is drawn there."""
    with pytest.raises(UserError, match=words):
        load(DRAWN.replace("lr: {loguniform: [1e-3, 0.1]}", axis), tmp_path)


@pytest.mark.parametrize("ends", ["[1.2, 1.8]", "[1, 3.5]", "[16.2, 20]"])
@pytest.mark.parametrize("kind", ["uniform", "loguniform"])
@pytest.mark.parametrize("name", ["batch_size", "epochs", "steps", "patience", "shift"])
def test_whole_numbers_are_drawn_between_whole_ends(tmp_path: Path, name: str, kind: str, ends: str) -> None:
    between = f"{{{name}: {{{kind}: {ends}}}}}"
    entry = {"patience": "early_stopping", "shift": "augment"}.get(name)
    changes = [f"regularizers.{entry}={between}"] if entry else [f"tune={between}"]
    if name in ("epochs", "steps"):
        changes.append("training={lr: 0.1}")
    with pytest.raises(UserError) as error:
        load(DRAWN, tmp_path, *changes)
    assert f"{kind} is {ends}, but must be between whole numbers, as {name} counts in these" in str(
        error.value
    )


@pytest.mark.parametrize(("low", "high"), [(1, 3), (0, 1), (2, 40), (16, 17), (1, 100_000)])
def test_each_whole_number_is_as_likely_as_it_is_wide(low: int, high: int) -> None:
    """On a logarithmic scale as likely as its width is there, up to the next whole number."""
    place, numbers = Node(where="", key="", value=None), range(low, high + 1)
    even = Range(place=place, low=low, high=high, logarithmic=False, whole=True)
    shares = [(i + 0.5) / 1000 / len(numbers) for i in range(1000 * len(numbers))] if high < 100 else ()
    assert not shares or set(Counter(map(even.at, shares)).values()) == {1000}
    last = math.nextafter(1, 0)
    assert (even.at(0), even.at(last)) == (low, high)
    assert isinstance(even.at(0.5), int)
    if low:
        log = replace(even, logarithmic=True)
        assert (log.at(0), log.at(last)) == (low, high)
        width = math.log((high + 1) / low)
        drawn = Counter(log.at((i + 0.5) / 20_000) for i in range(20_000))
        for number in (n for n in numbers if n < 100):
            share = drawn[number] / 20_000
            assert share == pytest.approx(math.log((number + 1) / number) / width, abs=2e-4)
