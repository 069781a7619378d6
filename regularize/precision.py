"""What `precision` in a training means for arithmetic."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.float32,
    "tf32": torch.float32,
}
"""By precision, of parameters and inputs."""


def set_products(precision: str, device: torch.device) -> None:
    """Let products on GPUs be as precise as asked for, and the same each time, in this process from now on.

    Unless told otherwise, cuDNN takes TF32 for convolutions in float32, and ways whose sums have no order. So
    do GPUs' kernels of attention, which draw its dropout inside, too, and cannot be differentiated twice:
    there it is computed by products.
    """
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    if device.type == "cuda":  # on a CPU this would choose other kernels than ever
        torch.backends.cuda.enable_flash_sdp(False)
        torch.backends.cuda.enable_mem_efficient_sdp(False)
        torch.backends.cuda.enable_cudnn_sdp(False)


def half(device: torch.device, wanted: bool) -> AbstractContextManager[object]:
    """Inside, layers compute in bfloat16 if that is `wanted`, and else in the type of what they are given."""
    if wanted:
        return torch.autocast(device.type, torch.bfloat16)
    if torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def is_half(tensor: Tensor) -> bool:
    """Whether layers compute in bfloat16 here, on the tensor's device."""
    device = tensor.device.type
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
