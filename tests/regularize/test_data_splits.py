from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regularize.data import Split, order, split
from regularize.data.data_config import DataConfig
from regularize.data.source import Facts
from regularize.errors import UserError

LABELS = torch.arange(1000) % 10


def equal(a: Split, b: Split) -> bool:
    return torch.equal(a.train, b.train) and torch.equal(a.validation, b.validation)


@settings(deadline=None)
@given(
    count=st.integers(20, 300),
    classes=st.integers(1, 5),
    validation=st.floats(0.05, 0.5),
    per_class=st.none() | st.integers(1, 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_split_is_disjoint_complete_and_repeatable(
    count: int, classes: int, validation: float, per_class: int | None, seed: int
) -> None:
    labels = torch.arange(count) % classes
    config = DataConfig(name="x", validation=validation, per_class=per_class)
    try:
        parts = split(labels, config, seed)
    except UserError:
        assert per_class is not None
        return
    both = torch.cat([parts.train, parts.validation])
    assert len(both.unique()) == len(both)
    assert len(parts.validation) == round(validation * count)
    if per_class is None:
        assert both.sort().values.tolist() == list(range(count))
    else:
        assert labels[parts.train].bincount().tolist() == [per_class] * classes
    assert equal(parts, split(labels, config, seed))


def test_seeds_differ() -> None:
    config = DataConfig(name="x")
    assert not equal(split(LABELS, config, 0), split(LABELS, config, 1))


def test_a_number_of_examples_is_held_out_as_it_is() -> None:
    parts = split(LABELS, DataConfig(name="x", validation=150, per_class=3), 0)
    assert (len(parts.validation), len(parts.train)) == (150, 30)
    with pytest.raises(UserError, match="holds out 1000 of 1000"):
        split(LABELS, DataConfig(name="x", validation=1000), 0)


@pytest.mark.parametrize(
    ("count", "per_class", "expected"),
    [
        (6000, 3, 100),  # at least
        (6000, 30, 300),  # as many as are trained on
        (6000, 80, 600),  # at most a tenth
        (900, 1, 90),
    ],
)
def test_as_many_are_held_out_as_few_are_trained_on(count: int, per_class: int, expected: int) -> None:
    config = DataConfig(name="x", validation="matched", per_class=per_class)
    facts = Facts(train=count, test=10, classes=10, side=28, channels=1)
    parts = split(torch.arange(count) % 10, config, 0)
    assert (len(parts.train), len(parts.validation)) == (10 * per_class, expected)
    assert facts.parts(config) == (count - expected, expected)
    assert facts.parts(replace(config, validation=None))[1] == count // 10  # what is stored so means this
    assert replace(facts, validation=7).parts(config) == (count, 7)


def test_what_is_matched_are_the_few_of_each_class() -> None:
    with pytest.raises(UserError, match="validation is 'matched', but must be left out where no `per_class`"):
        DataConfig(name="x", validation="matched")


def test_a_seed_of_its_own_splits_alike_for_every_run() -> None:
    config = DataConfig(name="x", per_class=5, split_seed=7)
    assert equal(split(LABELS, config, 0), split(LABELS, config, 1))
    assert equal(split(LABELS, config, 0), split(LABELS, DataConfig(name="x", per_class=5), 7))
    assert "split_seed" not in DataConfig(name="x").to_json()


def test_few_examples_leave_the_validation_part_alone_and_are_nested() -> None:
    everything = split(LABELS, DataConfig(name="x"), 3)
    few, more = (split(LABELS, DataConfig(name="x", per_class=n), 3) for n in (4, 20))
    assert torch.equal(few.validation, everything.validation)
    assert set(few.train.tolist()) < set(more.train.tolist()) < set(everything.train.tolist())


def test_unequal_classes_are_drawn_from_evenly() -> None:
    labels = torch.tensor([0] * 900 + [1] * 30 + [2] * 70)
    drawn = [split(labels, DataConfig(name="x", per_class=10), seed) for seed in range(20)]
    assert all(labels[parts.train].bincount().tolist() == [10, 10, 10] for parts in drawn)
    assert len(torch.cat([parts.train for parts in drawn]).unique()) > 200


def test_too_few_examples_of_a_class() -> None:
    labels = torch.tensor([0] * 95 + [1] * 5)
    with pytest.raises(UserError, match=r"per_class is 6, but class 1 has [0-5] examples"):
        split(labels, DataConfig(name="x", per_class=6), 0)


@pytest.mark.parametrize("validation", [0.01, 0.99])
def test_nothing_held_out_or_nothing_left(validation: float) -> None:
    with pytest.raises(UserError, match=f"validation is {validation}, which holds out"):
        split(torch.zeros(10, dtype=torch.int64), DataConfig(name="x", validation=validation), 0)


def test_the_order_is_a_permutation_that_depends_on_seed_and_epoch() -> None:
    orders = [order(50, seed, epoch).tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(one) == list(range(50)) for one in orders)
    assert len({tuple(one) for one in orders}) == 4
    assert order(50, 1, 1).tolist() == orders[-1]


def test_draws_stay_the_same_from_version_to_version() -> None:
    assert order(8, seed=0, epoch=0).tolist() == [6, 4, 1, 2, 3, 7, 5, 0]
    parts = split(torch.arange(20) % 2, DataConfig(name="x", validation=0.2, per_class=3), 0)
    assert parts.train.tolist() == [0, 3, 5, 16, 17, 18]
    assert parts.validation.tolist() == [2, 4, 7, 9]
