"""Memory: freed blocks are kept, and what a job has taken of its node is known.

Keeping freed memory in the process is a third of the time of packed training on a CPU:

glibc hands every block above 128 KiB back to the system when it is freed, and the system hands
it out again page by page, zeroed. A pack's activations are megabytes each and are freed and asked
for again at every step: on the test machine a step took 47 ms with the default and 33 ms
with the blocks kept (LeNet-5, 4 runs, batch 128, one thread). In huge pages it takes 4 to 7 % less still.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

TUNABLES, HUGE_PAGES = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"
"""What glibc's malloc reads when a process begins, and then asks the kernel for."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
_LARGEST_KEPT = 32 << 20  # glibc's own upper bound for the threshold
_TRIM_ABOVE = (2 << 30) - 1
_PEAKS = ("memory.peak", "memory.max_usage_in_bytes")


def keep_large_blocks() -> None:
    """Tell glibc's malloc not to return large blocks to the system; elsewhere do nothing."""
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        libc.mallopt(_M_TRIM_THRESHOLD, _TRIM_ABOVE)


def in_huge_pages(tunables: str) -> str:
    """The same tunables of glibc, with huge pages unless they say something about them themselves.

    >>> in_huge_pages(""), in_huge_pages("glibc.malloc.check=1"), in_huge_pages("glibc.malloc.hugetlb=0")
    ('glibc.malloc.hugetlb=1', 'glibc.malloc.check=1:glibc.malloc.hugetlb=1', 'glibc.malloc.hugetlb=0')
    """
    if "glibc.malloc.hugetlb" in tunables:
        return tunables
    return f"{tunables}:{HUGE_PAGES}" if tunables else HUGE_PAGES


@cache
def set_imports_aside() -> None:
    """Let the garbage collector pass over what is there now, once in a process: mostly torch's modules.

    It else walks through them every few steps, which takes a tenth of the time of a small pack.
    """
    gc.collect()
    gc.freeze()


def job_peak() -> int:
    """Bytes that this process's Slurm job has taken on this node at most, as the kernel counts them.

    Pages that its processes share are in it once; of what is kept of files, only what is in use. 0 where the
    job has no control group for memory.
    """
    group = _job_group(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))
    return _peak(group) if group else 0


def _peak(group: Path) -> int:
    with suppress(OSError, ValueError, StopIteration):
        peak = next(group / name for name in _PEAKS if (group / name).exists())
        lines = (group / "memory.stat").read_text().splitlines()
        stat = dict(line.split(maxsplit=1) for line in lines)
        files = int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
        return max(0, int(peak.read_text()) - files)
    return 0


def _job_group(listed: Path, root: Path) -> Path | None:
    """The control group of the job, or of its step where memory is counted for steps alone.

    `listed` has lines `4:memory:/slurm/uid_0/job_7/step_0/task_0`, or `0::/…` with version 2.
    """
    with suppress(OSError):
        for line in listed.read_text().splitlines():
            _, kinds, path = line.split(":", maxsplit=2)
            folder = root / "memory" if "memory" in kinds.split(",") else root
            if kinds and folder == root:
                continue
            parts = Path(path).parts[1:]
            for end, part in enumerate(parts, 1):
                if part.startswith("job_"):  # within a container the groups above are not to be seen
                    inside = (folder.joinpath(*parts[start:end]) for start in range(end))
                    return next((group for group in inside if group.is_dir()), None)
    return None
