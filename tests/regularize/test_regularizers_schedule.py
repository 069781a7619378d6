"""Strengths over the course of a training."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from regularize.config import Term
from regularize.objective import bind
from regularize.regularizers.parameters import strength_factor
from tests.regularize.cases import run, trained

WARMUP = {"warmup": 0.2, "schedule": "constant"}
COSINE = {"warmup": 0.0, "schedule": "cosine"}
BOTH = {"warmup": 0.2, "schedule": "cosine"}
ALL_ALONG = {"warmup": 1.0, "schedule": "cosine"}


@pytest.mark.parametrize(
    ("options", "progress", "expected"),
    [
        ({"warmup": 0.0, "schedule": "constant"}, 0.0, 1),
        (WARMUP, 0.0, 0),
        (WARMUP, 0.05, 0.25),
        (WARMUP, 0.2, 1),
        (WARMUP, 0.99, 1),
        (COSINE, 0.0, 1),
        (COSINE, 0.5, 0.5),
        (COSINE, 0.75, (1 - math.sqrt(0.5)) / 2),
        (BOTH, 0.1, 0.5),
        (BOTH, 0.2, 1),
        (BOTH, 0.6, 0.5),
        (ALL_ALONG, 0.3, 0.3),
    ],
)
def test_factors(options, progress, expected):
    assert strength_factor(options, progress) == pytest.approx(expected, abs=1e-12)


@given(
    warmup=st.floats(0, 1),
    schedule=st.sampled_from(["constant", "cosine"]),
    progress=st.floats(0, 1, exclude_max=True),
)
def test_a_factor_is_between_0_and_1(warmup, schedule, progress):
    assert 0 <= strength_factor({"warmup": warmup, "schedule": schedule}, progress) <= 1


def test_every_strength_of_a_technique_follows_its_schedule():
    terms = (Term.build("elastic_net", {"l1": 2, "l2": 4, "warmup": 0.5}),)
    (term,) = bind([run(terms, 0, steps=1)], "cpu")
    strengths = term.given.at(0.25).strengths
    assert (strengths["l1"].item(), strengths["l2"].item()) == (1, 2)
    assert term.given.at(0.5) is term.given


def test_a_scheduled_training_is_the_plain_one_until_the_strength_rises(tmp_path):
    """The first of two steps is at strength 0, bitwise; at the second the penalty counts."""
    warming = (Term.build("l2", {"strength": 0.5, "warmup": 0.75}),)
    for steps, same in ((1, True), (2, False)):
        plain = trained([run((), 0, steps=steps)], tmp_path / f"plain{steps}")
        ours = trained([run(warming, 0, steps=steps)], tmp_path / f"ours{steps}")
        assert all(torch.equal(ours[name], weight) for name, weight in plain.items()) == same


def test_a_cosine_narrows_the_band_of_hard_svb_to_its_last_width(tmp_path):
    """ε itself is scheduled: after 9 of 10 steps it is ε·(1 + cos 0.9π)/2, and the last step projects."""
    closing = {"epsilon": 0.5, "every": 4, "schedule": "cosine"}
    runs = [run((Term.build("hard_svb", closing),), 0, steps=10, precision="float64", lr=0.1)]
    last = 0.5 * (1 + math.cos(0.9 * math.pi)) / 2
    for name, weight in trained(runs, tmp_path).items():
        if name.endswith("weight"):
            values = torch.linalg.svdvals(weight[0].flatten(1))
            assert values.max() <= 1 + last + 1e-12
            assert values.min() >= 1 / (1 + last) - 1e-12
