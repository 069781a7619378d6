"""Numbers of a device for a host that does not wait for it."""

from __future__ import annotations

import torch
from torch import Tensor


class LateCopy:
    """What a tensor of whole numbers, [N], holds once its device has made all that it was given until now."""

    def __init__(self, tensor: Tensor) -> None:
        self._made: torch.cuda.Event | None = None
        if tensor.device.type == "cpu":
            self._copy = tensor.clone()
            return
        # From memory that may be paged out a copy is waited for.
        self._copy = torch.empty_like(tensor, device="cpu", pin_memory=True)
        self._copy.copy_(tensor, non_blocking=True)
        self._made = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._made.record()

    @property
    def there(self) -> bool:
        """Whether it is; does not wait."""
        return self._made is None or bool(self._made.query())  # type: ignore[no-untyped-call]

    def wait(self) -> None:
        """Until it is."""
        if self._made is not None:
            self._made.synchronize()

    def numbers(self) -> list[int]:
        """To be asked for once they are there."""
        assert self.there
        found: list[int] = self._copy.tolist()
        return found
