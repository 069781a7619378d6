"""Every technique keeps the contract of `regularize.testing`, table-driven."""

from __future__ import annotations

from pathlib import Path

import pytest

from regularize.regularizers import REGULARIZERS
from regularize.testing import CHECKS, Trial, train_by_ranks
from tests.regularize.technique_cases import ON_LENET, TABLE, TOGETHER

CASES = TABLE | TOGETHER


def test_every_technique_is_in_the_table():
    assert {name.partition("-")[0] for name in TABLE} | {"none"} == set(REGULARIZERS)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory) -> Path:
    """The folder of what two ranks trained of all cases: two processes in all."""
    folder = tmp_path_factory.mktemp("ranks") / "all"
    packs = {f"{name}/{kind}": runs for name, c in CASES.items() for kind, runs in c.packs_of_ranks().items()}
    train_by_ranks(packs, folder)
    return folder


@pytest.mark.parametrize("name", CASES)
def test_a_technique_keeps_the_contract(name, ranks, tmp_path):
    trial = Trial(CASES[name], tmp_path)
    trial.__dict__["ranks"] = ranks / name
    for check in CHECKS.values():
        check(trial)


@pytest.mark.parametrize("name", ON_LENET)
def test_so_it_does_on_lenet5(name, tmp_path):
    trial = Trial(ON_LENET[name], tmp_path)
    for check in ("packed_is_alone", "resumed_is_uninterrupted"):
        CHECKS[check](trial)
