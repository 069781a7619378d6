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
    outcomes = list(flipped_bits.campaign(whole, tmp_path, range(42), 42, SEED, heal=False))
    assert [outcome.wrong for outcome in outcomes if outcome.wrong] == []
    noticed = sum(outcome.what == "noticed" for outcome in outcomes)
    assert noticed > 20, "few files of a store may change without a word"


@pytest.mark.parametrize(
    "fault",
    [
        kinds.kill_all,
        kinds.kill_unreaped,
        kinds.submit_twice,
        kinds.full_disk,
        kinds.no_inodes,
        kinds.read_only,
        kinds.not_ours,
        kinds.no_links,
        kinds.remove_a_file,
    ],
)
def test_a_store_heals_to_the_tables_of_an_undisturbed_one(
    whole: Trial, tmp_path: Path, fault: kinds.Fault
) -> None:
    trial, chance = whole.copy(tmp_path / "trial"), random.Random(SEED)
    shutil.rmtree(min(trial.store.packs.iterdir()))
    befall(whole, trial, fault, chance)
