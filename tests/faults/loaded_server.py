"""A process that has loaded all and forks for whoever asks: `python -m tests.faults.loaded_server SOCKET`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from tests.faults.loaded_python import listening, serve

MODULES = ("submitit.core.submission", "jobs.submission.follow_up_job", "tests.faults.loaded")
"""What jobs load, and commands."""

if __name__ == "__main__":
    for module in MODULES:
        import_module(module)
    serve(listening(Path(sys.argv[1])))
