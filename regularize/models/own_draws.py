"""Random numbers that someone else's module draws in training, from the streams of its run.

A module draws from torch's global generator, for the examples that it is given: on several ranks each would
draw for its own part, from wherever its generator stands. Here each draw of a forward pass has a stream of
its own, by the run's seed, the step and its number in the step, and is made for the global batch; a rank
takes its examples' part. So the number of ranks changes nothing, and nothing has to be saved. What draws is
the generator of all noise of a step: on a GPU `philox`, there.

Draws are caught where torch computes (`TorchDispatchMode`): those of `nn.Dropout` as those of an LSTM between
its layers. Where a generator is given, it is somebody's own, and left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from regularize.draws import Draws
from regularize.errors import UserError
from regularize.models.fills import METHODS, filled
from regularize.philox import Keys
from regularize.rng import generator

_LIKE = ("rand_like", "randn_like", "randint_like")
_MADE = ("rand", "randn", "randint")
_FILLS = {"rand": "uniform_", "randn": "normal_", "randint": "random_", "bernoulli": "bernoulli_"}

Axis = tuple[int, int] | None
"""The axis of a draw that has the examples, and how many entries for each; None where none has."""


@dataclass
class Seen:
    """The draws of one forward pass: their shapes, and the operations whose part for a rank is unknown."""

    shapes: list[tuple[int, ...]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


class OwnDraws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside, random numbers come from the streams of `draws`, the `passed`th time in its step.

    `axes` are where the examples of each draw are, in the order of the draws. Without them, or where a draw
    is not as they say, it is made for what is there: that is the same where one rank has all examples.
    """

    def __init__(self, draws: Draws, passed: int = 0, axes: Sequence[Axis] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.draws, self.passed, self.axes = draws, passed, axes
        self.rows = range(draws.global_batch)[draws.local] if isinstance(draws.local, slice) else range(0)
        self.seen = Seen()

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        _refuse_checkpoints()
        if torch.Tag.nondeterministic_seeded not in func.tags or kwargs.get("generator") is not None:
            return func(*args, **kwargs)
        found = self._drawn(func, args, kwargs)
        if found is None:
            name = str(func.overloadpacket).removeprefix("aten.")
            if len(self.draws.seeds) > 1:  # torch's generator is one for all runs
                raise UserError(
                    f"the module draws random numbers by {name}: runs side by side would share them"
                )
            self.seen.unknown.append(name)
            return func(*args, **kwargs)
        return found

    def _drawn(self, func: Any, args: Any, kwargs: Any) -> Any:
        """What the operation gives; None where its draws have no rule."""
        name, overload = func.overloadpacket.__name__, func._overloadname
        if name in METHODS and overload != "Tensor":
            tensor = args[0]
            return tensor.copy_(self._of(tensor, tensor.dtype, name, *args[1:]))
        if name in _LIKE or (name in _MADE and overload in ("default", "low")) or overload == "p":
            form = {key: kwargs[key] for key in ("dtype", "device") if key in kwargs}
            if name in _MADE:
                *rest, size = args
                integer = {"dtype": torch.int64} if name == "randint" else {}
                made = torch.empty(size, **{**integer, **{k: v for k, v in form.items() if v is not None}})
            else:
                made, rest = torch.empty_like(args[0], **form), args[1:]
            method = _FILLS[name.removesuffix("_like")]
            bounds = (0, *rest) if method == "random_" and len(rest) == 1 else rest
            return made.copy_(self._of(made, made.dtype, method, *bounds))
        if name in ("bernoulli", "bernoulli_"):  # of a probability for each
            chance = args[-1]
            drawn = self._of(args[0], torch.float64, "uniform_").to(chance.device) < chance
            return args[0].copy_(drawn) if name == "bernoulli_" else drawn.to(chance.dtype)
        if name == "normal":
            mean, deviation = (*args, 1.0)[:2] if args else (0.0, 1.0)
            of = mean if isinstance(mean, Tensor) else deviation
            if isinstance(of, Tensor):
                return mean + deviation * self._of(of, of.dtype, "normal_")
        if name == "native_dropout":
            x, chance, training = args
            if training is False:
                return None
            keep = self._of(x, torch.float32, "bernoulli_", 1 - chance)
            return x * keep.to(x.dtype) / (1 - chance if chance < 1 else 1), keep.bool()
        return None

    def _of(self, like: Tensor, dtype: torch.dtype, method: str, *given: Any) -> Tensor:
        """What an in-place method writes to a tensor that is like another, [R, …] of several runs.

        It is made for the global batch, of which this is the rank's part.
        """
        number, seeds, shape = len(self.seen.shapes), self.draws.seeds, list(like.shape)
        self.seen.shapes.append(tuple(shape))
        if len(seeds) > 1:
            assert shape.pop(0) == len(seeds), "vmap has the runs on the first axis"
        purpose = f"module/{self.passed}"
        known = self.axes is not None and number < len(self.axes)
        axis, each = (self.axes[number] if self.axes and known else None) or (0, 0)
        whole = bool(each) and shape[axis] == each * len(self.rows)
        if whole:
            shape[axis] = each * self.draws.global_batch
        elif self.rows.start and (each or not known):
            purpose += f"/{self.rows.start}"  # other numbers for the examples of each rank
        drawn = self._runs(f"{purpose}/{number}", shape, dtype, like.device, method, given)
        if whole:
            drawn = drawn.narrow(1 + axis, each * self.rows.start, each * len(self.rows))
        return drawn if len(seeds) > 1 else drawn.squeeze(0)

    def _runs(
        self,
        purpose: str,
        shape: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
        method: str,
        given: Sequence[Any],
    ) -> Tensor:
        """[R, *shape], each run's from its own stream, by the generator that draws all noise of the step."""
        if keys := self.draws.keys:
            here = keys if keys.device == device else Keys(keys.seeds, device)
            return filled(here, purpose, self.draws.step, shape, method, given, dtype)
        return torch.stack(
            [self._by_torch(seed, purpose, shape, dtype, method, given) for seed in self.draws.seeds]
        ).to(device)

    def _by_torch(
        self,
        seed: int,
        purpose: str,
        shape: Sequence[int],
        dtype: torch.dtype,
        method: str,
        given: Sequence[Any],
    ) -> Tensor:
        drawn = torch.empty(shape, dtype=dtype)
        state = torch.get_rng_state()
        seed = generator(seed, purpose, self.draws.host_step).initial_seed()
        torch.default_generator.manual_seed(seed)
        getattr(drawn, method)(*given)
        torch.set_rng_state(state)
        return drawn


def _refuse_checkpoints() -> None:
    """`torch.utils.checkpoint` calls layers again in the backward pass, when they no longer have the run's
    parameters, only those that the module was made with, nor its draws: the gradient would be another.

    Raises:
        UserError: this is inside of one.
    """
    hooks = torch._C._autograd._top_saved_tensors_default_hooks(True)
    if hooks and getattr(hooks[0], "__module__", "") == "torch.utils.checkpoint":
        raise UserError(
            "the module computes layers again in the backward pass (torch.utils.checkpoint), where they have "
            "other weights than the run's: leave checkpoints out"
        )
