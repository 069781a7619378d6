"""What the machine is, and how much of it there is for this process."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """What this machine's processor is called, for the record of what was computed on it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def gpu_types(driver: Path = Path("/proc/driver/nvidia/gpus")) -> list[str]:
    """What this machine's GPUs are called, each type once; empty where no driver of NVIDIA's says it.

    Whatever `CUDA_VISIBLE_DEVICES` shows of them: CUDA numbers them otherwise than the driver does.
    """
    found = set[str]()
    for path in driver.glob("*/information"):
        with suppress(OSError):
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                name, _, value = line.partition(":")
                if name.strip() == "Model":
                    found.add(value.strip())
    return sorted(found)


@contextmanager
def one_thread(*, torch: bool) -> Iterator[None]:
    """Numerical libraries compute with one thread inside; `torch` too, which is not imported for its sake."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), _torch_of_one_thread() if torch else nullcontext():
        yield


@contextmanager
def _torch_of_one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
