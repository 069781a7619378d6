"""`make cluster`: a shell on a cluster of its own. The cluster ends with the shell."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.cluster.machines import what_lacks
from tests.cluster.slurm import TestCluster

GREETING = """
four nodes, partitions main, low, high, short; all state in {folder}, started in {seconds:.0f} s
  sinfo · srun -N4 hostname · regularize submit SWEEP --cluster test-cluster
  ssh -F {folder}/ssh/config test-login (or test-behind-jump)
exit ends the cluster
"""


def main() -> int:
    if lack := what_lacks():
        print(f"error: {lack}", file=sys.stderr)
        return 2
    began = time.monotonic()
    cluster = TestCluster()
    try:
        print(GREETING.format(folder=cluster.folder, seconds=time.monotonic() - began), flush=True)
        command = sys.argv[1:] or [os.environ.get("SHELL", "bash")]
        return subprocess.run(command, env=cluster.environment, check=False).returncode
    finally:
        cluster.stop()


if __name__ == "__main__":
    sys.exit(main())
