"""Whether torch sees the GPU that was asked for, and if not, why, as far as it knows."""

from __future__ import annotations

import os
import platform

import torch

from regularize.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"
ALL_THE_SAME = "`allow_cpu: true` in the cluster config trains on the CPU all the same"


def check_gpu(mend: str) -> None:
    """
    Raises:
        UserError: none is to be seen; `mend` says what is to be done, where it was asked for.
    """
    if not torch.cuda.is_available():
        raise UserError(f"a GPU was asked for, but torch sees none on {platform.node()}: {_why()}; {mend}")


def _why() -> str:
    built = torch.version.cuda or torch.version.hip
    if not built:
        return f"torch {torch.__version__} is one for CPUs"
    shown = f" among {VISIBLE}={os.environ[VISIBLE]}" if VISIBLE in os.environ else ""
    return f"torch {torch.__version__}, built for {built}, finds none{shown}; `nvidia-smi` says what there is"
