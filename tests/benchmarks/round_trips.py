"""A command as a whole process: its seconds, memory, and what it asks of a file server.

`round_trips.c` is loaded before the C library, counts opens, looks, listings and changes of names below a
folder, and can let each wait for a round trip, in the thread that asks. `strace -f -e trace=file`, which it
agrees with but for what the C library asks itself, would make everything slower.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KINDS = ("open", "stat", "list", "rename")
_PAGE = 4096
# A small process between, as a child's peak memory is at least that of the process it is a fork of.
_LAUNCH = """\
import json, os, sys, time
began = time.monotonic()
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
seconds, processor = time.monotonic() - began, used.ru_utime + used.ru_stime
with open(sys.argv[1], "w") as file:
    json.dump([seconds, processor, used.ru_maxrss / 1024], file)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Used:
    """What a command took, with those that it began: `megabytes` are the most of one of them, `asked` counts
    round trips by `KINDS`; and what it said.
    """

    seconds: float
    processor: float
    megabytes: float
    asked: Mapping[str, int]
    said: str

    @property
    def round_trips(self) -> int:
        return sum(self.asked.values())


def compiled(folder: Path) -> Path:
    """The counter, built in `folder`.

    Raises:
        RuntimeError: there is no C compiler.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise RuntimeError("there is no C compiler, so that round trips cannot be counted")
    library, source = folder / "round_trips.so", Path(__file__).with_suffix(".c")
    options = ["-std=c11", "-O2", "-fno-builtin", "-shared", "-fPIC"]
    subprocess.run([compiler, *options, "-o", library, source, "-ldl"], check=True)
    return library


@dataclass(frozen=True)
class Meter:
    """Measures commands that are begun in `folder`; round trips are those to what is below `under`."""

    library: Path
    folder: Path
    under: Path
    environment: Mapping[str, str]

    def measure(self, command: Sequence[str], given: str = "", *, wait: float = 0.0) -> Used:
        """Run a command with the text `given` as its standard input; each round trip takes `wait` seconds.

        Raises:
            RuntimeError: it failed; with what it said.
        """
        counts, told = self.folder / "round_trips", self.folder / "used.json"
        counts.write_bytes(bytes(_PAGE))
        preloaded = {
            "LD_PRELOAD": str(self.library),
            "ROUND_TRIP_UNDER": str(self.under),
            "ROUND_TRIP_COUNTS": str(counts),
            "ROUND_TRIP_MICROSECONDS": str(round(1e6 * wait)),
        }
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _LAUNCH, str(told), *command],
            cwd=self.folder,
            env={**self.environment, **preloaded},
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[-4:])}: {done.stdout}{done.stderr}")
        numbers = struct.unpack_from(f"{len(KINDS)}q", counts.read_bytes())
        used: list[float] = json.loads(told.read_text())
        return Used(*used, dict(zip(KINDS, numbers, strict=True)), done.stdout + done.stderr)
