from __future__ import annotations

import re
from typing import Any

import pytest

from docs.generated.techniques import docstring, parted
from jobs.planning.cost import Clock, Run, calibrated, disk, evaluation_guess, side_by_side, training_guess
from regularize import fused, models
from regularize.config import RunConfig, Term
from regularize.data.data_config import DataConfig
from regularize.data.official import OFFICIAL
from regularize.evaluation.settings import Evaluation, Robustness
from regularize.regularizers import REGULARIZERS
from regularize.training_config import Training
from tests.jobs.stores import status

FACTS = {name: official.facts for name, official in OFFICIAL.items()}
MNIST = FACTS["mnist"]
LONG = Training(steps=1_000_000)


def run(*terms: Term, **changes: Any) -> Run:
    values: dict[str, Any] = {"data": DataConfig(name="mnist"), "training": Training(steps=1000)}
    config = RunConfig(regularizer="any", terms=terms, **{"model": "lenet5"} | values | changes)
    return Run(config.run_id, config.pack_key, "tune", config)


def seconds(*terms: Term, **changes: Any) -> float:
    return Clock(FACTS).seconds(run(*terms, **changes))


def test_twice_the_steps_take_twice_as_long() -> None:
    long = training_guess(run(training=Training(steps=2000)).config, MNIST)
    assert long == pytest.approx(2 * training_guess(run().config, MNIST))


def test_where_fused_stages_are_switched_off_steps_take_what_they_take_by_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_torch = training_guess(run(training=Training(steps=1000, precision="float64")).config, MNIST)
    assert training_guess(run().config, MNIST) < by_torch / 2
    monkeypatch.setenv(fused.SETTING, "torch")
    assert training_guess(run().config, MNIST) == by_torch


@pytest.mark.parametrize(
    ("term", "least", "most"),
    [
        (Term.build("l2", {"strength": 0.1}), 1.1, 1.2),
        (Term.build("hard_svb", {"epsilon": 0.1, "every": 1}), 1.3, 1.5),
        (Term.build("jacobian", {"strength": 0.1}), 3.0, 4.5),
        (Term.build("jacobian", {"strength": 0.1, "projections": "exact"}), 15.0, 25.0),
    ],
)
def test_techniques_cost_what_was_measured(term: Term, least: float, most: float) -> None:
    by_torch = Training(steps=1000, precision="float64")  # as it was measured
    plain, with_term = (run(*terms, training=by_torch) for terms in ((), (term,)))
    ratio = training_guess(with_term.config, MNIST) / training_guess(plain.config, MNIST)
    assert least <= ratio <= most


def relative(*terms: Term) -> float:
    """Of a step of the usual LeNet, whose fused stages cards are measured with."""
    plain, guess = (
        training_guess(run(*each, training=Training(steps=1000, batch_size=10_000)).config, MNIST)
        for each in ((), terms)
    )
    return guess / plain


@pytest.mark.parametrize("technique", REGULARIZERS)
def test_a_plan_counts_what_a_technique_s_card_says(technique: str) -> None:
    """Within a twentieth: as options are by default."""
    number = re.match(r"[\d.]+( to \d+)?", parted(docstring(technique))["Cost"])
    least, _, most = number[0].partition(" to ") if number else ("1", "", "")
    found = relative(*([] if technique == "none" else [usual(technique)]))
    assert float(least) - 0.05 < found < float(most or least) + 0.05


def usual(technique: str) -> Term:
    return Term.build(
        technique, {name: min(1.0, each.high) for name, each in REGULARIZERS[technique].strengths.items()}
    )


@pytest.mark.parametrize(
    ("technique", "options", "said"),
    [
        ("spectral_penalty", {"convolutions": "operator"}, "1.5 with `convolutions: operator`"),
        ("spectral_norm", {"convolutions": "operator"}, "1.5 with `convolutions: operator`"),
        ("hard_svb", {"every": 10}, "1.17 with one every 10"),
        ("adversarial", {"steps": 2}, "another plain step for each further one"),
        ("augment", {"rotation": 15}, "1.70 with all three"),
    ],
)
def test_options_that_cost_more_are_counted(technique: str, options: dict[str, Any], said: str) -> None:
    card = parted(docstring(technique))["Cost"]
    assert said in card
    by_default = usual(technique)
    term = Term.build(technique, dict(by_default.strengths) | options)
    expected = float(said.split()[0]) if said[0].isdigit() else 1 + relative(by_default)
    assert relative(term) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(
    ("model", "milliseconds"),
    [
        ("lenet5", 2.2),
        ("lenet_prime", 2.4),
        ("lenet5 width=0.5", 1.4),
        ("lenet5 width=2", 6.3),
        ("lenet5 width=4", 18.3),
        ("lenet5_tanh", 3.0),
        ("resnet8", 79.0),
    ],
)
def test_the_first_guess_is_near_what_packs_of_four_took(model: str, milliseconds: float) -> None:
    """Of a step of one run on MNIST, as docs/performance has it."""
    guess = training_guess(run(model=model).config, MNIST) * side_by_side(4) / 4
    assert milliseconds / 1.4 < guess < milliseconds * 1.4


def test_few_examples_cost_no_more_than_there_are() -> None:
    few = run(data=DataConfig(name="mnist", per_class=1))
    assert training_guess(few.config, MNIST) < training_guess(run().config, MNIST) / 2
    same = run(data=DataConfig(name="mnist", per_class=1), training=Training(steps=1000, batch_size=10))
    assert training_guess(few.config, MNIST) == pytest.approx(training_guess(same.config, MNIST))


def test_attacks_take_their_time() -> None:
    plain, attacked = (
        evaluation_guess(run(evaluation=Evaluation(robustness=attacks)).config, MNIST)
        for attacks in (None, Robustness(noise=(), fgsm=(), pgd=(0.1,), pgd_steps=30, examples=1000))
    )
    # 30 gradients of 1,000 examples cost about as much as 30,000 examples in training.
    steps = training_guess(run(training=Training(steps=30, batch_size=1000)).config, MNIST)
    assert attacked - plain == pytest.approx(steps, rel=0.1)


def test_own_times_replace_guesses_by_pack_key_and_teach_the_others() -> None:
    plain, jacobian = run(training=LONG), run(Term.build("jacobian", {"strength": 0.1}))
    alone = training_guess(plain.config, MNIST)
    half = status([plain.run_id], "interrupted", step=500, steps=1000, seconds=3 * alone / 2)
    clock = calibrated(FACTS, {r.run_id: r for r in (plain, jacobian)}, [half])
    for each in (plain, jacobian):
        assert clock.seconds(each) == pytest.approx(3 * Clock(FACTS).seconds(each), rel=0.01)


def test_a_short_measurement_says_little() -> None:
    warming_up = status([run().run_id], "done", step=1000, steps=1000, seconds=5.0)
    few = run(training=Training(steps=3))
    clock = calibrated(FACTS, {run().run_id: few}, [warming_up])
    assert clock.seconds(few) < 1.5 * Clock(FACTS).seconds(few)


def test_packs_without_steps_and_of_other_sweeps_teach_nothing() -> None:
    begun, other = status([run().run_id], "running", step=0), status(["other"], "done")
    clock = calibrated(FACTS, {run().run_id: run()}, [begun, other])
    assert clock.seconds(run()) == seconds()


def test_side_by_side_is_cheaper_than_one_after_the_other() -> None:
    assert side_by_side(1) == pytest.approx(1)
    assert side_by_side(8) < 6


def test_predictions_take_most_of_the_disk_and_can_be_left_out() -> None:
    without = run(evaluation=Evaluation(predictions=False))
    assert disk(run().config, MNIST) - disk(without.config, MNIST) >= 10_000 * 10 * 4


def test_ranks_share_out_examples_and_not_what_a_step_takes_beside_them() -> None:
    one, two = (Clock(FACTS, ranks=ranks).seconds(run()) for ranks in (1, 2))
    assert 0.5 * one < two < one
    small = run(training=Training(steps=1000, batch_size=2))
    on_one, on_two = (training_guess(small.config, MNIST, ranks) for ranks in (1, 2))
    assert on_one < on_two, "of two examples a step: more ranks are no gain"


def test_what_one_rank_took_says_what_two_will_take() -> None:
    plain = run(training=LONG)
    for ranks in (1, 2):
        took = 3 * training_guess(plain.config, MNIST, ranks)
        half = status([plain.run_id], "running", step=500, steps=1000, seconds=took / 2, ranks=ranks)
        for wanted in (1, 2):
            clock = calibrated(FACTS, {plain.run_id: plain}, [half], wanted)
            assert clock.seconds(plain) == pytest.approx(
                3 * Clock(FACTS, ranks=wanted).seconds(plain), rel=0.01
            )


@pytest.mark.parametrize("model", ["lenet5", "mlp", "mlp hidden=64-32-16 width=1.5", "lenet5 width=2"])
def test_weights_on_disk_are_those_of_the_network(model: str) -> None:
    network = models.build(model, [0], shape=MNIST.shape, classes=MNIST.classes)
    numbers = sum(parameter.numel() for parameter in network.parameters())
    kept = disk(run(model=model, evaluation=Evaluation(predictions=False)).config, MNIST)
    assert kept == pytest.approx(4 * numbers, rel=0.06 if model.startswith("lenet") else 0)
