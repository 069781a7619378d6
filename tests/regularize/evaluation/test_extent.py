"""How much is measured, and that it costs less than training."""

from __future__ import annotations

import math
from itertools import product

import pytest

from regularize.evaluation.extent import FORWARD, Extent, Sizes
from regularize.evaluation.settings import Evaluation, Robustness
from regularize.schedule import Timeline
from regularize.training_config import Training

MNIST = Sizes(train=54_000, validation=6_000, test=10_000, classes=10)
FEW = Sizes(train=300, validation=2_000, test=10_000, classes=10)  # MNIST, 30 of each class
CIFAR100 = Sizes(train=45_000, validation=5_000, test=10_000, classes=100)


def planned(epochs: int, sizes: Sizes, evaluation: Evaluation | None = None) -> tuple[Extent, list[int]]:
    """What is measured, and the steps that have a row."""
    timeline = Timeline.of(Training(epochs=epochs, batch_size=50), sizes.train)
    extent = Extent.of(evaluation or Evaluation(), timeline, sizes)
    return extent, [step for step in range(1, timeline.steps + 1) if extent.has_row(timeline, step)]


@pytest.mark.parametrize(
    ("epochs", "sizes", "rows", "examples"),
    [
        (10, MNIST, 20, 2842),  # twice an epoch: 8,526 a row
        (40, MNIST, 40, 5_807),
        (400, MNIST, 50, 10_000),
        (3, MNIST, 20, 852),
        (40, FEW, 40, 80),  # the fewest examples
        (250, FEW, 50, 153),
        (1000, FEW, 50, 768),
    ],
)
def test_rows_have_what_a_tenth_of_training_pays_for(
    epochs: int, sizes: Sizes, rows: int, examples: int
) -> None:
    extent, measured = planned(epochs, sizes)
    assert len(measured) == rows
    assert measured[-1] == epochs * math.ceil(sizes.train / 50)
    assert extent.curve_examples == examples


ROBUST = Evaluation(robustness=Robustness())


@pytest.mark.parametrize(
    ("epochs", "sizes", "evaluation"),
    [
        *product((1, 3, 10, 50), (MNIST, CIFAR100), (Evaluation(), ROBUST)),
        *product((25, 40, 250, 1000), (FEW,), (Evaluation(),)),
        *product((40, 50, 250, 1000), (FEW,), (ROBUST,)),
    ],
)
def test_measuring_takes_less_time_than_training(epochs: int, sizes: Sizes, evaluation: Evaluation) -> None:
    extent, _ = planned(epochs, sizes, evaluation)
    trained = epochs * sizes.train
    assert extent.cost < trained
    whole = FORWARD * (min(sizes.train, 5000) + sizes.validation + sizes.test)
    if epochs >= 3 and sizes is not FEW:
        assert extent.cost - whole <= 0.45 * trained


def test_long_trainings_are_measured_no_further_than_tells_something_new() -> None:
    extent, _ = planned(100, MNIST, ROBUST)
    assert (extent.curve_examples, extent.jacobian_examples, extent.attacked_examples) == (10_000, 1000, 500)


def test_the_shortest_training_is_measured_well_enough_to_say_something() -> None:
    extent, _ = planned(1, FEW, ROBUST)
    assert (extent.curve_examples, extent.jacobian_examples, extent.attacked_examples) == (80, 100, 80)


def test_what_is_asked_for_is_measured_whatever_it_costs() -> None:
    asked = Evaluation(
        every=1, curve_examples=700, jacobian_examples=3, robustness=Robustness(examples=10_000)
    )
    extent, measured = planned(40, FEW, asked)
    assert len(measured) == 40
    assert (extent.curve_examples, extent.jacobian_examples, extent.attacked_examples) == (700, 3, 10_000)
    assert extent.cost > 40 * FEW.train
    assert planned(40, FEW, Evaluation(jacobian_examples=0))[0].jacobian_examples == 0


def test_more_than_there_is_means_all() -> None:
    small = Sizes(train=100, validation=50, test=80, classes=10)
    asked = Evaluation(curve_examples=10_000, jacobian_examples=200, robustness=Robustness(examples=200))
    extent, _ = planned(40, small, asked)
    assert (extent.curve_examples, extent.jacobian_examples, extent.attacked_examples) == (100, 80, 80)


def test_many_rows_are_measured_on_fewer_examples() -> None:
    often, seldom = (planned(10, MNIST, Evaluation(every=every))[0] for every in (1, 2))
    assert seldom.curve_examples == 10_000
    assert (
        often.curve_examples == 7_000
    )  # 162,000 in nine rows: each all 5,000 and 6,000, and the rest of test
