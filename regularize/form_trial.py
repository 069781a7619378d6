"""Which form of convolutions is the fastest on a type of GPU, for a model and its examples: by a try.

It is remembered, and the first answer stays: so the runs of a sweep have one form on one type of GPU,
whatever packs they are in and whoever tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median

import torch
from torch import Tensor

from regularize import remembered
from regularize.convolution_forms import FORMS, GROUPED
from regularize.models.network import Network
from regularize.precision import half

_RUNS, _BATCH = 32, 128  # of a try, whatever packs there are: a run's form is the same in all of them
_WARM, _STEPS, _ROUNDS = 3, 5, 3
_KNOWN: dict[str, str] = {}
"""To this process, whose packs have one form also where nothing can be kept, as without a home folder."""


def chosen(name: str, build: Callable[[int], Network], precision: str, shape: tuple[int, ...]) -> str:
    """The name of the form for a model on the GPU that it is built on; tried unless it is remembered.

    `build` makes so many networks of that model, for examples of this shape.
    """
    device = torch.cuda.get_device_name()
    question = {
        "gpu": device, "torch": torch.__version__, "model": name, "precision": precision, "shape": list(shape)
    }  # fmt: skip
    here = f"{remembered.folder()}: {question}"
    found = remembered.recall("convolutions", question) or _KNOWN.get(here)
    if found not in FORMS:
        found = remembered.remember("convolutions", question, fastest(build(_RUNS), shape, precision))
    _KNOWN[here] = str(found)
    return str(found)


def fastest(model: Network, shape: tuple[int, ...], precision: str = "float32", batch: int = _BATCH) -> str:
    """The form in which a pass forward and backward takes the least time, the forms taking turns."""
    like = next(model.parameters())
    x = torch.randn(len(like), batch, *shape, dtype=like.dtype, device=like.device)
    took: dict[str, list[float]] = {}
    for _ in range(_ROUNDS):
        with half(x.device, precision == "bfloat16"):
            for name, seconds in _round(model, x):
                took.setdefault(name, []).append(seconds)
    whole = {name: median(each) for name, each in took.items() if len(each) == _ROUNDS}
    return min(whole, key=whole.__getitem__, default=GROUPED.name)


def _round(model: Network, x: Tensor) -> Iterator[tuple[str, float]]:
    for name, form in FORMS.items():
        model.convolve_by(form)
        try:
            for steps in (_WARM, _STEPS):
                began = time.perf_counter()
                for _ in range(steps):
                    torch.autograd.backward(model(x).sum(), inputs=list(model.parameters()))
                if x.device.type == "cuda":
                    torch.cuda.synchronize()
            yield name, (time.perf_counter() - began) / _STEPS
        except (
            RuntimeError
        ):  # of memory, as patches take 25 times that of images; or it has no such kernel here
            torch.cuda.empty_cache()
        for parameter in model.parameters():
            parameter.grad = None
