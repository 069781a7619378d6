"""The short form of `make faults`: some of each kind."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.faults import flipped_bits, kinds
from tests.faults.campaign import befall
from tests.faults.trial import Trial, reference

SEED = 15


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    folder = tmp_path_factory.mktemp("faults")
    return reference(folder / "reference", folder / "data")


def test_single_flipped_bits_are_noticed_or_harmless(whole: Trial, tmp_path: Path) -> None:
    outcomes, wrong = flipped_bits.campaign(whole, tmp_path, 42, SEED, heal=False)
    assert wrong == []
    noticed = sum(count for (_, outcome), count in outcomes.items() if outcome == "noticed")
    assert noticed > 20, "few files of a store may change without a word"


@pytest.mark.parametrize("fault", [kinds.kill_all, kinds.full_disk, kinds.read_only, kinds.remove_a_file])
def test_a_store_heals_to_the_tables_of_an_undisturbed_one(
    whole: Trial, tmp_path: Path, fault: kinds.Fault
) -> None:
    trial, chance = whole.copy(tmp_path / "trial"), random.Random(SEED)
    shutil.rmtree(min(trial.store.packs.iterdir()))
    befall(whole, trial, fault, chance)
