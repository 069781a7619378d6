"""A GPU that has its numbers on the CPU: packs train, are measured and written there as on a real one.

Tensors say that they are on `cuda:0`; torch itself takes them for such of `meta`. An operation that mixes
them with the host's raises, as it does there; in a graph, so does what waits or copies. `fake_device` has no
numbers, so it shows that nothing waits, and ends where somebody asks for one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

from regularize import batches

DEVICE, NAME = torch.device("cuda", 0), "a GPU that is none"
_HOST = torch.device("cpu")
_ATEN = torch.ops.aten
_COPIES = {_ATEN._to_copy.default, _ATEN.copy_.default, _ATEN.to.dtype_layout, _ATEN.to.device}
_WAITS = {
    _ATEN._local_scalar_dense.default, _ATEN.nonzero.default, _ATEN.masked_select.default,
    _ATEN.equal.default, _ATEN.unique_dim.default, _ATEN._linalg_svd.default,
}  # fmt: skip


class DeviceError(RuntimeError):
    """What CUDA refuses."""


class OnGpu(Tensor):
    """`numbers` are those that it has."""

    numbers: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, numbers: Tensor) -> OnGpu:
        made: OnGpu = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            numbers.size(),
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            device="meta",
        )
        made.numbers = numbers
        return made

    device = property(lambda _: DEVICE)  # type: ignore[assignment]
    is_cuda = property(lambda _: True)  # type: ignore[assignment]

    def tolist(self) -> Any:
        _wait("tolist")
        return self.numbers.tolist()

    def new_tensor(self, data: Any, **form: Any) -> Tensor:
        return torch.tensor(data, **{"dtype": self.dtype, "device": DEVICE} | form)

    def __reduce_ex__(self, protocol: Any) -> Any:
        _wait("to be written")
        return self.numbers.detach().__reduce_ex__(protocol)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _made(func, args, kwargs or {})


class Graph:
    """A graph of CUDA: what is done while it is noted down is undone, and done again when it is played."""

    noting: Graph | None = None

    def __init__(self) -> None:
        self.done: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self._before: dict[int, tuple[Any, Any]] = {}
        self._own = set[int]()

    def note(self, func: Any, args: Any, kwargs: Any) -> Any:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there = {_storage(tensor) for tensor in given}
        for tensor in given if func._schema.is_mutable else ():
            place = tensor.untyped_storage()
            if _storage(tensor) not in self._own | self._before.keys():
                self._before[_storage(tensor)] = place, place.clone()
        found = func(*args, **kwargs)
        fresh = [t for t in tree_leaves(found) if isinstance(t, Tensor) and _storage(t) not in there]
        self._own |= {_storage(tensor) for tensor in fresh}
        self.done.append((func, args, kwargs, fresh))
        return found

    def end(self) -> None:
        for place, before in self._before.values():
            place.copy_(before)
        self._spoil()

    def replay(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, fresh in self.done:
                found = func(*args, **kwargs)
                made = [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]
                for place, tensor in zip(fresh, made, strict=False):
                    place.copy_(tensor)
            self._spoil()

    def _spoil(self) -> None:
        """What was made on the way is nobody's: another graph has its memory by now."""
        for tensor in (each for *_, fresh in self.done for each in fresh):
            if tensor.is_floating_point():
                tensor.detach().fill_(torch.nan)


@contextmanager
def _noting(graph: Graph, **_: Any) -> Iterator[None]:
    Graph.noting = graph
    try:
        yield
    finally:
        Graph.noting = None
        with _disable_current_modes(), torch.no_grad():
            graph.end()


class _OfFactories(TorchDispatchMode):
    """What is made on the GPU without anything that is there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _made(func, args, kwargs or {})


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _wait(what: str) -> None:
    if Graph.noting is not None:
        raise DeviceError(f"operation not permitted when stream is capturing: {what}")


def _made(func: Any, args: Any, kwargs: Any) -> Any:
    given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = [each for each in given if isinstance(each, OnGpu)]
    asked = torch.device(kwargs["device"]) if kwargs.get("device") is not None else None
    kwargs = {name: value for name, value in kwargs.items() if name != "pin_memory"}
    if not there and (asked is None or asked == _HOST):
        return func(*args, **kwargs)
    axes = [each for each in given if not isinstance(each, OnGpu) and each.ndim]
    to_host = asked == _HOST if asked else func is _ATEN.copy_.default and not isinstance(args[0], OnGpu)
    copies = func in _COPIES and (to_host or axes or not there)
    if axes and not copies and not _indexes(func, args, axes):
        raise DeviceError(f"{func} of tensors on {[(str(each.device), tuple(each.shape)) for each in given]}")
    if copies or axes or func in _WAITS or _indexes(func, args, []):
        _wait(str(func))
    known = {id(each.numbers): each for each in there}
    kwargs = {**kwargs, "device": _HOST} if asked else kwargs
    args, kwargs = tree_map(lambda leaf: leaf.numbers if isinstance(leaf, OnGpu) else leaf, (args, kwargs))
    found = Graph.noting.note(func, args, kwargs) if Graph.noting else func(*args, **kwargs)
    if to_host:
        return found

    def there_again(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        return known[id(leaf)] if id(leaf) in known else OnGpu(leaf)

    return tree_map(there_again, found)


def _indexes(func: Any, args: Any, axes: list[Tensor]) -> bool:
    """Whether tensors of the host, or of yes and no, say which entries of one on the GPU are meant."""
    if func not in (_ATEN.index.Tensor, _ATEN.index_put_.default) or not isinstance(args[0], OnGpu):
        return False
    indices = [each for each in args[1] if each is not None]
    if axes:
        return all(any(each is index for index in indices) for each in axes)
    return any(each.dtype == torch.bool for each in indices)


class _Stream:
    def wait_stream(self, _other: Any) -> None: ...


class _Event:
    def record(self) -> None: ...

    def synchronize(self) -> None: ...

    def query(self) -> bool:
        return True


@contextmanager
def gpu() -> Iterator[None]:
    """Inside, this machine has one."""
    # What asks tensors for their device within torch finds `meta`.
    tensor, as_tensor, where, to, of_it = torch.tensor, torch.as_tensor, torch.where, Tensor.to, Tensor.where

    def on(device: Any) -> bool:
        return device is not None and torch.device(device).type == "cuda"

    def new(data: Any, *, device: Any = None, **form: Any) -> Tensor:
        made = tensor(data, **form)
        return made.to(DEVICE) if on(device) else made

    def as_new(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
        made = as_tensor(data, dtype=dtype)
        return made.to(DEVICE) if on(device) else made

    def moved(self: Tensor, *given: Any, **form: Any) -> Tensor:
        if given and isinstance(given[0], OnGpu):
            given = (DEVICE, given[0].dtype, *given[1:])
        return to(self, *given, **form)

    def chosen(condition: Tensor, *either: Any) -> Any:
        like = next((each for each in either if isinstance(each, Tensor)), None)
        dtype = None if like is None else like.dtype
        return where(condition, *(e if isinstance(e, Tensor) else tensor(e, dtype=dtype) for e in either))

    def kept(self: Tensor, condition: Tensor, other: Any) -> Tensor:
        return of_it(self, condition, other if isinstance(other, Tensor) else tensor(other, dtype=self.dtype))

    one_hot, streams = F.one_hot, [_Stream()]

    def hot(labels: Tensor, classes: int) -> Tensor:
        if not isinstance(labels, OnGpu):
            return one_hot(labels, classes)
        return (labels.unsqueeze(-1) == torch.arange(classes, device=DEVICE)).long()

    patches: list[tuple[Any, dict[str, Any]]] = [
        (torch, {"tensor": new, "as_tensor": as_new, "where": chosen}),
        (Tensor, {"to": moved, "where": kept}),
        (F, {"one_hot": hot}),
        (
            torch.cuda,
            {
                "_lazy_init": lambda: None, "is_available": lambda: True, "device_count": lambda: 1,
                "set_device": lambda _: None, "current_device": lambda: 0, "get_device_name": lambda *_: NAME,
                "get_device_properties": lambda _: SimpleNamespace(name=NAME, total_memory=1 << 30),
                "synchronize": lambda: None, "empty_cache": lambda: None, "manual_seed": lambda _: None,
                "get_rng_state": lambda *_: None, "set_rng_state": lambda *_: None,
                "Stream": _Stream, "Event": _Event, "default_stream": lambda: streams[0],
                "current_stream": lambda: streams[-1], "set_stream": streams.append,
                "stream": lambda _: nullcontext(), "reset_peak_memory_stats": lambda: None,
                "memory_allocated": lambda: 0, "max_memory_allocated": lambda: 0,
                "is_current_stream_capturing": lambda: Graph.noting is not None,
                "CUDAGraph": Graph, "graph": _noting, "graph_pool_handle": lambda: (0, 1),
            },
        ),
    ]  # fmt: skip
    with ExitStack() as stack:
        for where_, values in patches:
            for name, value in values.items():
                stack.enter_context(mock.patch.object(where_, name, value))
        for kernels in ("flash", "mem_efficient", "cudnn"):  # of attention: a pack on a GPU is done without
            enabled = getattr(torch.backends.cuda, f"{kernels}_sdp_enabled")()
            stack.callback(getattr(torch.backends.cuda, f"enable_{kernels}_sdp"), enabled)
        batches._copied.cache_clear()  # of another GPU's data set
        stack.callback(batches._copied.cache_clear)
        stack.enter_context(_OfFactories())
        yield
