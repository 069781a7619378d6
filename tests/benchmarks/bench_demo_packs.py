"""The demo's sweep trained in packs of eight and in packs of three: every number has the same bits.

python -m tests.benchmarks.bench_demo_packs
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jobs.store.pack_status import read_packs
from jobs.verification.differences import difference
from regularize import fused
from regularize.config import pack_id
from regularize.cores import processor
from regularize.store import PackPaths, Store

ROOT = Path(__file__).parents[2]
MAIN = "import sys; from jobs.commands.cli import main; sys.exit(main())"


def trained(folder: Path, pack_runs: int) -> tuple[Store, float]:
    config = folder / f"packs-of-{pack_runs}.yaml"
    config.write_text(f"kind: local\npack_runs: {pack_runs}\n", encoding="utf-8")
    words = ["submit", str(ROOT / "examples" / "demo.yaml"), "--cluster", str(config), "--store", config.stem]
    began = time.monotonic()
    ours = {"PYTHONPATH": str(ROOT), "REGULARIZE_DATA": str(folder / "data")}
    subprocess.run([sys.executable, "-c", MAIN, *words], cwd=folder, env=os.environ | ours, check=True)
    (store,) = (
        Store(path) for path in (folder / config.stem).iterdir() if path.is_dir() and path.name[0] != "."
    )
    return store, time.monotonic() - began


def homes(store: Store) -> dict[str, PackPaths]:
    statuses = read_packs(store).statuses.values()
    return {run_id: store.pack(pack_id(status.runs)) for status in statuses for run_id in status.runs}


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        (one, seconds), (other, others) = (trained(Path(name), pack_runs) for pack_runs in (8, 3))
        before, after = homes(one), homes(other)
        assert before.keys() == after.keys()
        found = {run_id: difference(run_id, before[run_id], after[run_id]) for run_id in before}
    differing = {run_id: what for run_id, what in found.items() if what}
    print(
        f"{processor()}, {fused.expected()}: {len(found)} runs in packs of 8 ({seconds:.0f} s) and of 3 "
        f"({others:.0f} s), {len(differing)} of them with a number that differs"
    )
    for run_id, what in differing.items():
        print(f"  {run_id}: {what}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
