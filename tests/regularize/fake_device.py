"""A device without numbers: whatever a step does that would make the host wait for a GPU raises here.

Tensors of `meta` have a shape and nothing in it: asking one for a number raises in torch itself. What torch
lets pass there and a GPU would not, or only by waiting, `Watched` refuses: tensors of two devices in one
operation, and copies between host and device.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = torch.device("meta")
_COPIES = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}


class DeviceError(Exception):
    """An operation that is none for a GPU, or one that waits for it."""


class Watched(TorchDispatchMode):
    """Inside, operations on tensors of the device that a GPU would refuse or wait for raise.

    With `copies`, those from the host to the device do not. `count` is how many operations there were on the
    device, `shapes` the shapes of what they made, in order.
    """

    def __init__(self, *, copies: bool) -> None:
        super().__init__()
        self.copies, self.count, self.shapes = copies, 0, list[tuple[str, torch.Size]]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        found = func(*args, **(kwargs or {}))
        made = [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]
        on_device = [tensor for tensor in (*given, *made) if tensor.device.type == DEVICE.type]
        # A number of the host's, without axes, goes along with an operation of the device.
        on_host = [each for each in given if each.device.type == "cpu" and (each.ndim or func in _COPIES)]
        if on_device and on_host and not (self.copies and func in _COPIES):
            raise DeviceError(f"{func}: {[(str(each.device), tuple(each.shape)) for each in given]}")
        if on_device:
            self.count += 1
            self.shapes += [(str(func), tensor.shape) for tensor in made]
        return found
