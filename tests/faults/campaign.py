"""Many faults, each healed and its tables compared bit by bit with those of a sweep that nothing befell."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.faults.kinds import RESTING, RUNNING, TOO_LATE, Fault
from tests.faults.record import Outcome
from tests.faults.trial import Trial, healed, tracebacks

EMPTY = 1 / 3
"""Of faults at something left to train, the share that finds no results at all; others lack a pack."""
OWN = 1 / 3
"""Of them, the share whose processes are started as a person does it; the others begin loaded."""


def befall(reference: Trial, trial: Trial, fault: Fault, chance: random.Random) -> str:
    """One fault and its healing; what it was.

    Raises:
        AssertionError: a traceback, a store that does not heal, or other tables than the reference's.
    """
    what = fault(trial, chance)
    healed(trial)
    told = "\n".join(map(str, trial.said))
    assert not any(map(tracebacks, trial.said)), f"{what}: a traceback\n{told}"
    found, wanted = trial.tables(), reference.tables()
    wrong = [name for name in wanted if not found[name].equals(wanted[name])]
    assert not wrong, f"{what}: {wrong} differ\n{told}"
    return what


def begun(reference: Trial, place: Path, fault: Fault, chance: random.Random) -> Trial:
    """What a fault befalls: a finished store, or one of which something is left to train."""
    if fault in RESTING:
        return reference.copy(place)
    own, empty = chance.random() < OWN, chance.random() < EMPTY
    if empty:
        return Trial(place, reference.data, own, reference.seconds)
    trial = reference.copy(place)
    shutil.rmtree(chance.choice(sorted(trial.store.packs.iterdir())))
    trial.own, trial.seconds = own, {of: seconds / 2 for of, seconds in reference.seconds.items()}
    return trial


def campaign(reference: Trial, folder: Path, turns: Iterable[int], seed: int) -> Iterator[Outcome]:
    """What became of these faults, kinds in turn; the same for the same seed but for times."""
    kinds = (*RUNNING, *RESTING)
    for turn in turns:
        chance, fault = random.Random(f"{seed} {turn}"), kinds[turn % len(kinds)]
        place = folder / str(turn)
        with Outcome.of("fault", seed, turn, fault.__name__) as outcome:
            outcome.what = befall(reference, begun(reference, place, fault, chance), fault, chance)
        if outcome.what == TOO_LATE:  # the machine has become faster since the reference was made
            reference.seconds = {own: 0.9 * seconds for own, seconds in reference.seconds.items()}
        shutil.rmtree(place, ignore_errors=True)
        yield outcome
