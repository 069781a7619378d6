"""Many faults, each healed and its tables compared bit by bit with those of a sweep that nothing befell."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.faults.kinds import RESTING, RUNNING, Fault
from tests.faults.trial import Trial, healed, tracebacks


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


def campaign(
    reference: Trial, folder: Path, number: int, seed: int, say: Callable[[str], None] = lambda _: None
) -> tuple[Counter[str], list[str]]:
    """So many faults, kinds in turn; how many of each were healed, and what went wrong.

    Of those that befall processes every other one finds a store without results, else a finished one of
    which a pack is gone.
    """
    done: Counter[str] = Counter()
    wrong: list[str] = []
    kinds = (*RUNNING, *RESTING)
    for turn in range(number):
        chance, fault = random.Random(f"{seed} {turn}"), kinds[turn % len(kinds)]
        place = folder / str(turn)
        trial = Trial(place, reference.data)
        if fault in RESTING or turn // len(kinds) % 2:
            trial = reference.copy(place)
            if fault in RUNNING:
                shutil.rmtree(chance.choice(sorted(trial.store.packs.iterdir())))
        outcome = "healed"
        try:
            done[befall(reference, trial, fault, chance)] += 1
        except AssertionError as error:
            outcome = "wrong"
            wrong.append(f"fault {turn} ({fault.__name__}): {error}")
        say(f"{turn + 1} of {number}: {fault.__name__}: {outcome}")
        shutil.rmtree(place, ignore_errors=True)
    return done, wrong
