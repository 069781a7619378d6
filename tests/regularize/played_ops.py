"""A graph of a step, emulated on any device: every operation is noted down once and done again, on the same
tensors, as a graph of CUDA would.

Whatever the host decides or looks at, and every number that it puts into an operation, is then what it was
when the step was noted down: a step that plays as it trains hangs on the device's tensors alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_ATEN = torch.ops.aten
# The host would wait for what they find, or for how much of it there is.
WAITS = {
    _ATEN._local_scalar_dense.default, _ATEN.item.default, _ATEN.nonzero.default, _ATEN.masked_select.default,
    _ATEN.equal.default, _ATEN.is_nonzero.default, _ATEN.unique_dim.default, _ATEN._unique2.default,
    _ATEN.masked_fill.Tensor, _ATEN.masked_fill_.Tensor,
}  # fmt: skip


class GraphError(RuntimeError):
    """What no graph can do."""


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


class Noted(TorchDispatchMode):
    """Inside, operations are noted down: they are done, too, so that there is something to look at.

    `places` are on the device, as is what is made there; a number within an operation is not, although torch
    has tensors for such in double backward passes.
    """

    def __init__(self, places: list[Tensor]) -> None:
        super().__init__()
        self.done: list[tuple[Callable[..., Any], Any, Any, list[Tensor]]] = []
        self.on_device = {_storage(place) for place in places}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        indices = args[1] if func is _ATEN.index.Tensor else ()
        there = {_storage(tensor) for tensor in given}
        waits = func in WAITS and not there.isdisjoint(self.on_device)
        if waits or any(each is not None and each.dtype == torch.bool for each in indices):
            raise GraphError(f"{func}: the host would wait for the device")
        found = func(*args, **(kwargs or {}))
        # Views of what there was, and what was written in place, are there again by themselves.
        made = [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]
        fresh = [tensor for tensor in made if _storage(tensor) not in there]
        assert not fresh or len(fresh) == len(made), func
        self.on_device |= {_storage(tensor) for tensor in fresh}
        self.done.append((func, args, kwargs or {}, fresh))
        return found

    def spoil(self) -> None:
        """What was made is nothing: it was never done, or its memory is another graph's by now."""
        with torch.no_grad():
            for _, _, _, fresh in self.done:
                for tensor in fresh:
                    if tensor.is_floating_point():
                        tensor.fill_(torch.nan)

    def play(self) -> None:
        """Everything again, in order; what was made then is made anew in its place.

        Afterwards it is nothing: other graphs share its memory.
        """
        with torch.no_grad():
            for func, args, kwargs, fresh in self.done:
                found = func(*args, **kwargs)
                made = [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]
                for place, tensor in zip(fresh, made, strict=False):
                    if place.numel():
                        place.copy_(tensor)
        self.spoil()


def note(act: Callable[[], None], tensors: Callable[[], list[Tensor]]) -> Callable[[], None]:
    """As `step_graph.ByCuda`: what `act` does is noted down and not done, so `tensors` are as they were."""
    places = tensors()
    before = [place.detach().clone() for place in places]
    noted = Noted(places)
    try:
        with noted:
            act()
    except GraphError:
        noted.spoil()
        raise
    finally:
        with torch.no_grad():
            for place, value in zip(places, before, strict=True):
                place.copy_(value)
    return noted.play
