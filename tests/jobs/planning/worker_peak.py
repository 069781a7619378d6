"""The memory that a worker has taken at most for a pack of these runs: `python -m … FILE`, in bytes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from jobs.worker.one_pack import training
from regularize.config import RunConfig
from regularize.store import PackPaths


def main(file: str) -> None:
    runs = [RunConfig.from_json(each) for each in json.loads(Path(file).read_text(encoding="utf-8"))]
    with TemporaryDirectory() as folder:
        training(1, 30)(runs, PackPaths(Path(folder)), data_root=None, stop=lambda: False)
    # `ru_maxrss` would have been handed on by the process that started this one.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    print(1024 * int(peak))


if __name__ == "__main__":
    main(sys.argv[1])
