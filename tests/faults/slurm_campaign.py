"""`make faults-slurm N=…`: faults at sweeps on the throwaway cluster, several at each, one after the other.

After each the sweep has to come back to training, and at its end its tables have to be those of an
undisturbed one, bit by bit. Nothing may be trained twice: each pack comes to its end in one log alone, and by
Slurm's own accounts no two jobs had it in hand at a time. Goes on with what the record has not. The code is
not to be edited meanwhile: the sweeps would be of several.
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path

from jobs.store.journal import read_journal
from jobs.store.pack_status import read_packs
from regularize.store import Store
from tests.cluster.processes import wait_for
from tests.cluster.slurm import TestCluster
from tests.cluster.tables import assert_same
from tests.cluster.test_harm import tasks_of
from tests.cluster.trial import Trial
from tests.faults import loaded_python
from tests.faults.loaded_python import begin_to_serve
from tests.faults.loaded_server import MODULES
from tests.faults.record import Outcome, Record
from tests.faults.slurm_kinds import KINDS, Kind, at_last, lying, tell_the_truth

SWEEP = """\
name: slow
dataset: {digits: {per_class: 8}}
model: tests.cluster.slow_network:build
training: {steps: 400, batch_size: 16}
evaluation: {every: 100}
regularizers: {none: }
seeds: 2
"""
RUNS, ATTEMPTS = 2, 6
AT_A_SWEEP = 10
"""Faults; the last of them lasts to the sweep's end."""


def new_trial(folder: Path, data_root: Path, python: Sequence[str]) -> Trial:
    folder.mkdir(parents=True, exist_ok=True)
    return Trial(
        folder, data_root, SWEEP, pack_runs=2, memory="900M", **({"python": [*python]} if python else {})
    )


def reference(slurm: TestCluster, folder: Path, python: Sequence[str] = ()) -> Store:
    """What comes of it when nothing happens."""
    trial = new_trial(folder / "undisturbed", folder / "data", python)
    os.environ["LET_GO"] = os.devnull
    assert trial.submit().code == 0
    slurm.wait_until_idle()
    return trial.store


@contextmanager
def begun(slurm: TestCluster, folder: Path, data_root: Path, python: Sequence[str] = ()) -> Iterator[Trial]:
    """A sweep in training that nobody lets go; what runs meanwhile finds programs that may lie."""
    trial = new_trial(folder, data_root, python)
    os.environ["LET_GO"] = str(folder / "let_go")
    with lying(folder):
        to_work(slurm, trial)
        yield trial


def to_work(slurm: TestCluster, trial: Trial) -> None:
    """Wait until the sweep is in training, and submit it again where nothing is queued any more."""
    for _ in range(ATTEMPTS):
        slurm.tidy_nodes()
        trains = partial(_trains, trial, datetime.now(UTC).isoformat(timespec="seconds"))
        there = partial(_either, trains, lambda: not slurm.queued())
        wait_for("training, or an empty queue", there, 120, pause=0.3)
        if trains():
            return
        if trial.submit().code:  # left out, after attempts that came to nothing
            trial.regularize("retry")
    raise AssertionError(f"it is not trained: {trial.states()}\n{trial.regularize('status').out}")


def _either(*conditions: Callable[[], bool]) -> bool:
    return any(condition() for condition in conditions)


def _trains(trial: Trial, since: str) -> bool:
    statuses = read_packs(trial.store).statuses.values()
    return bool(tasks_of(trial.store)) and any(
        status.state == "running" and status.step and status.updated_at > since for status in statuses
    )


def befall(slurm: TestCluster, trial: Trial, kind: Kind, chance: random.Random) -> str:
    """One fault while a pack trains, which goes on to train after it; what it was.

    Raises:
        AssertionError: it does not, or something was wrong on the way.
    """
    what = kind(slurm, trial, chance)
    if not kind.__name__.endswith("follow_up"):
        to_work(slurm, trial)
    return what


def let_go(slurm: TestCluster, trial: Trial, whole: Store) -> None:
    """The sweep's end.

    Raises:
        AssertionError: it does not come to it, with other numbers, or a pack was trained twice.
    """
    (trial.sweep.parent / "let_go").touch()
    for _ in range(ATTEMPTS):
        slurm.tidy_nodes()
        slurm.wait_until_idle()
        tell_the_truth(trial)
        if trial.states() == {"done": RUNS}:
            break
        trial.submit()
    assert trial.states() == {"done": RUNS}, f"{trial.states()}\n{trial.regularize('status').out}"
    assert_same(trial.store, whole)
    logs = "\n".join(path.read_text(errors="replace") for path in trial.store.logs.glob("*_log.out"))
    ended = Counter(re.findall(r"\b(\w{16}): done after", logs))
    assert set(ended.values()) == {1}, f"trained twice: {ended}"
    assert "Traceback" not in logs, logs
    assert not (both := at_a_time(slurm, trial)), f"two jobs at a time: {both}"


def at_a_time(slurm: TestCluster, trial: Trial) -> list[str]:
    """Jobs with the sweep's one pack that, by Slurm's accounts, ran while another one did."""
    names = ",".join(handed.name for handed in read_journal(trial.store.journal).arrays)
    rows = slurm.run("sacct", "-X", "-n", "-D", "-P", "-o", "Start,End,JobID", "--name", names).splitlines()
    spans = sorted(row.split("|") for row in rows if "Unknown" not in row and "None" not in row)
    return [f"{a} and {b}" for a, b in pairwise(spans) if b[0] < a[1]]


def campaign(
    slurm: TestCluster, folder: Path, turns: Iterable[int], seed: int, python: Sequence[str] = ()
) -> Iterator[Outcome]:
    """What became of these faults; `python` is what jobs are run by."""
    whole, wanted = reference(slurm, folder, python), sorted(turns)
    for number in sorted({turn // AT_A_SWEEP for turn in wanted}):
        place = folder / str(number)
        these = [turn for turn in wanted if turn // AT_A_SWEEP == number]
        yield from _at_a_sweep(slurm, place, whole, these, seed, python)
        shutil.rmtree(place, ignore_errors=True)
        slurm.tidy()


def _at_a_sweep(
    slurm: TestCluster, place: Path, whole: Store, turns: Sequence[int], seed: int, python: Sequence[str]
) -> list[Outcome]:
    """Faults at one sweep; where its end is wrong, all of them are."""
    found: list[Outcome] = []
    with (
        Outcome.of("slurm", seed, turns[0], "whole") as end,
        _cluster_errors(),
        begun(slurm, place, place.parent / "data", python) as trial,
    ):
        for turn in turns:
            kind, chance = _kind(turn, seed), random.Random(f"{seed} {turn}")
            with Outcome.of("slurm", seed, turn, kind.__name__) as outcome, _cluster_errors():
                outcome.what = befall(slurm, trial, kind, chance)
            if outcome.wrong:
                return [outcome]  # what came before it has not been seen to the end
            found.append(outcome)
            print(f"  {outcome.what}, {outcome.seconds:.0f} s", flush=True)
        let_go(slurm, trial, whole)
    if end.wrong and not found:
        found = [end]
    for outcome in found if end.wrong else ():
        whats = ", ".join(each.what for each in found)
        outcome.wrong = f"{end.wrong}: after {whats}"
    return found


def _kind(turn: int, seed: int) -> Kind:
    """The last of a sweep is one that lasts to its end; the others each in turn, in an order of their own."""
    number, place = divmod(turn, AT_A_SWEEP)
    if place == AT_A_SWEEP - 1:
        return at_last(number)
    turns, kind = divmod(number * (AT_A_SWEEP - 1) + place, len(KINDS))
    return random.Random(f"{seed} {turns}").sample(KINDS, len(KINDS))[kind]


@contextmanager
def _cluster_errors() -> Iterator[None]:
    """Of the cluster itself, and waits that were in vain, as what is wrong."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        raise AssertionError(error) from error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", type=int)
    parser.add_argument("--seed", type=int, default=19)
    parser.add_argument("--record", type=Path, default=Path("faults-slurm.jsonl"))
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    for module in MODULES:
        import_module(module)  # of which each job takes a fork
    record = Record(args.record)
    with tempfile.TemporaryDirectory() as name:
        begin_to_serve(place := Path(name) / "loaded")  # which would keep the line to a cluster begun before
        python = (sys.executable, "-I", "-S", loaded_python.__file__, str(place))
        slurm = TestCluster()
        os.environ.update(slurm.environment)
        try:
            turns = record.left("slurm", args.seed, args.faults)
            record.add(campaign(slurm, Path(name), turns, args.seed, python), args.faults)
        finally:
            slurm.stop()
    found = Record(args.record).outcomes("slurm")
    print("\n| fault | healed, nothing twice |\n|---|--:|")
    healed = Counter(outcome.what for outcome in found if not outcome.wrong)
    print("".join(f"| {what} | {count} |\n" for what, count in sorted(healed.items())))
    wrong = [outcome.wrong for outcome in found if outcome.wrong]
    print(*wrong, sep="\n", file=sys.stderr)
    seconds = sum(outcome.seconds for outcome in found) / max(1, len(found))
    print(f"{len(found)} faults, {len(wrong)} wrong, {seconds:.0f} s each")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
