"""`make faults-slurm N=…`: faults at a sweep on the throwaway cluster, each healed and compared bit by bit.

Nothing may be trained twice: each pack comes to its end in one log alone. Goes on with what the record
has not.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from jobs.store.pack_status import read_packs
from regularize.store import Store
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster
from tests.cluster.tables import assert_same
from tests.cluster.trial import Trial
from tests.faults.record import Outcome, Record
from tests.faults.slurm_kinds import KINDS, Kind, lying

SWEEP = """\
name: slow
dataset: {digits: {per_class: 8}}
model: tests.cluster.slow_network:build
training: {steps: 100, batch_size: 16}
evaluation: {every: 10}
regularizers: {none: }
seeds: 2
"""
RUNS, ATTEMPTS = 2, 4


def new_trial(folder: Path, data_root: Path) -> Trial:
    folder.mkdir(parents=True, exist_ok=True)
    return Trial(folder, data_root, SWEEP, pack_runs=2, memory="900M")


def reference(slurm: TestCluster, folder: Path) -> Store:
    """What comes of it when nothing happens."""
    trial = new_trial(folder / "undisturbed", folder / "data")
    os.environ["LET_GO"] = os.devnull
    assert trial.submit().code == 0
    slurm.wait_until_idle()
    return trial.store


def befall(slurm: TestCluster, folder: Path, whole: Store, kind: Kind, chance: random.Random) -> str:
    """One fault while a pack trains, and its healing; what it was.

    Raises:
        AssertionError: it does not heal, other numbers, or a pack that was trained twice.
    """
    trial, let_go = new_trial(folder, folder.parent / "data"), folder / "let_go"
    os.environ["LET_GO"] = str(let_go)
    with lying(folder):  # jobs find them, too, once there are some
        assert trial.submit().code == 0
    wait_for("training", lambda: any(s.step for s in read_packs(trial.store).statuses.values()), 120)
    what = kind(slurm, trial, chance)
    let_go.touch()
    for _ in range(ATTEMPTS):
        slurm.tidy_nodes()
        slurm.wait_until_idle()
        (folder / "lying").unlink(missing_ok=True)
        if trial.states() == {"done": RUNS}:
            break
        trial.submit()
    assert trial.states() == {"done": RUNS}, f"{what}: {trial.states()}\n{trial.regularize('status').out}"
    assert_same(trial.store, whole)
    logs = "\n".join(path.read_text(errors="replace") for path in trial.store.logs.glob("*_log.out"))
    ended = Counter(re.findall(r"\b(\w{16}): done after", logs))
    assert set(ended.values()) == {1}, f"{what}: trained twice: {ended}"
    assert "Traceback" not in logs, f"{what}: {logs}"
    return what


def campaign(slurm: TestCluster, folder: Path, turns: Iterable[int], seed: int) -> Iterator[Outcome]:
    """What became of these faults, kinds in turn."""
    whole = reference(slurm, folder)
    for turn in turns:
        kind, chance = KINDS[turn % len(KINDS)], random.Random(f"{seed} {turn}")
        place = folder / str(turn)
        with Outcome.of("slurm", seed, turn, kind.__name__) as outcome:
            try:
                outcome.what = befall(slurm, place, whole, kind, chance)
            except (RuntimeError, OSError) as error:  # of the cluster; a wait that was in vain
                raise AssertionError(error) from error
        shutil.rmtree(place, ignore_errors=True)
        slurm.tidy()
        yield outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", type=int)
    parser.add_argument("--seed", type=int, default=19)
    parser.add_argument("--record", type=Path, default=Path("faults-slurm.jsonl"))
    args = parser.parse_args()
    record, slurm = Record(args.record), TestCluster()
    os.environ.update(slurm.environment)
    try:
        with tempfile.TemporaryDirectory() as name:
            turns = record.left("slurm", args.seed, args.faults)
            record.add(campaign(slurm, Path(name), turns, args.seed), args.faults)
    finally:
        slurm.stop()
    found = Record(args.record).outcomes("slurm")
    print("\n| fault | healed, nothing twice |\n|---|--:|")
    healed = Counter(outcome.what for outcome in found if not outcome.wrong)
    print("".join(f"| {what} | {count} |\n" for what, count in sorted(healed.items())))
    wrong = [outcome.wrong for outcome in found if outcome.wrong]
    print(*wrong, sep="\n", file=sys.stderr)
    print(f"{len(found)} faults, {len(wrong)} wrong")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
