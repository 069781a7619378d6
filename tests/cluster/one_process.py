"""`python -m tests.cluster.one_process STORE PACKS DATA_ROOT`: packs of a store, trained by this process."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from jobs.worker.local_task import work

if __name__ == "__main__":
    work(Path(sys.argv[1]), json.loads(sys.argv[2]), data_root=Path(sys.argv[3]))
