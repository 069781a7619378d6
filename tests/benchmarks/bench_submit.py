"""Submitting and watching 10,000 runs on a real Slurm: seconds, calls of Slurm's programs, files.

The jobs are held, so nothing trains; for the second status every pack is written as done.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from jobs.store.journal import read_journal
from regularize.store import Store
from tests.benchmarks.processes import timed
from tests.cluster.machines import what_lacks
from tests.cluster.slurm import TestCluster
from tests.cluster.test_many import SWEEP
from tests.jobs.stores import write_pack

RUNS = 10_000
SUBMIT_SECONDS, STATUS_SECONDS = 30.0, 2.0
PROGRAMS = ("sbatch", "squeue", "sacct", "scancel", "scontrol")
CLUSTER = """\
kind: slurm
partition: main
time: 60
memory: 1G
sbatch: {hold: true}
"""
# Writes its name to a file and runs the program itself.
WRAPPER = """\
#!/bin/sh
echo {name} >> "{calls}"
exec "{program}" "$@"
"""


def main() -> int:
    if lack := what_lacks():
        print(f"not measured: {lack}")
        return 0
    cluster = TestCluster()
    folder = Path(tempfile.mkdtemp())
    try:
        return _measure(folder, counting(folder, cluster.environment))
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def _measure(folder: Path, environment: dict[str, str]) -> int:
    (folder / "sweep.yaml").write_text(SWEEP, encoding="utf-8")
    (folder / "held.yaml").write_text(CLUSTER, encoding="utf-8")
    store = Store(folder / "results" / "held")
    submit = _timed(folder, environment, "submit", "sweep.yaml", "--cluster", "held.yaml")
    asked = calls(folder)
    arrays = read_journal(store.journal).arrays
    print(f"submit: {submit:.1f} s (at most {SUBMIT_SECONDS:.0f}), {asked['sbatch']} sbatch")
    queued = _status(folder, environment, "queued")
    packs = [pack for array in arrays for element in array.elements for slice_ in element for pack in slice_]
    for pack in packs:
        paths = write_pack(store, pack, "done")
        paths.spectra.touch()
        paths.weights.touch()
    done = _status(folder, environment, "done")
    files = sum(len(names) for _, _, names in os.walk(store.folder))
    elements = sum(array.jobs for array in arrays)
    print(f"{len(packs)} packs, {elements} elements, {files / RUNS * 1000:.0f} files a thousand runs")
    missed = (
        submit > SUBMIT_SECONDS or max(queued, done) > STATUS_SECONDS or asked["sbatch"] != len(arrays) + 1
    )
    return int(missed)


def _status(folder: Path, environment: dict[str, str], state: str) -> float:
    """Seconds of a status, which asks squeue and sacct once at most."""
    before = calls(folder)
    seconds = _timed(folder, environment, "status", "sweep.yaml")
    asked = calls(folder) - before
    print(f"status, all {state}: {seconds:.1f} s (at most {STATUS_SECONDS:.0f}), {dict(asked)}")
    assert max(asked.values()) == 1, "a program was asked more than once"
    return seconds


def _timed(folder: Path, environment: dict[str, str], *arguments: str) -> float:
    return timed(folder, environment, *arguments, "--store", "results")[0]


def counting(folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """The environment in which calls of Slurm's programs are counted."""
    wrappers = folder / "bin"
    wrappers.mkdir()
    for name in PROGRAMS:
        program = shutil.which(name, path=environment["PATH"])
        text = WRAPPER.format(name=name, calls=folder / "calls", program=program)
        (wrappers / name).write_text(text, encoding="utf-8")
        (wrappers / name).chmod(0o755)
    root = str(Path(__file__).parents[2])
    return environment | {"PATH": f"{wrappers}:{environment['PATH']}", "PYTHONPATH": root}


def calls(folder: Path) -> Counter[str]:
    path = folder / "calls"
    return Counter(path.read_text(encoding="utf-8").split() if path.exists() else ())


if __name__ == "__main__":
    sys.exit(main())
