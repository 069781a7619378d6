"""A step of a pack noted down once, as a graph of the GPU's work, and played again from then on.

A step of a small network is bound by launching its kernels, a hundred and more however many runs there are;
a graph launches them at once. What changes from step to step (examples, rates, the step's number, on which
draws and schedules depend) then lies in tensors of the device, which are filled before each step. A step of
which the host decides something, as every so many of hard SVB, is computed as it comes, on the same tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from regularize import graph_setting, models
from regularize.config import RunConfig
from regularize.distributed import Ranks
from regularize.draw_setting import generator_on
from regularize.named_objects import is_named

WARM = 3
"""Steps with as many examples that are computed as they come, before one is noted down: what a first step
copies and makes is there then."""

FAILED: list[torch.cuda.CUDAGraph] = []
"""Kept, as torch goes on asking them which memory is theirs."""
Play = Callable[[], None]
Note = Callable[[Callable[[], None]], Play]
"""Notes down what a function does on a device, without doing it; what it returns does it."""


@dataclass(frozen=True, kw_only=True)
class Now:
    """A step, counted from 0, as numbers of the host, or as tensors that are filled anew for every step.

    Attributes:
        step: a number, or [] int64.
        progress: the share of all steps that lies before it; or [] float64.
        rates: the learning rates, of R runs; or [R] float64.
        rows: the examples, [R, B].
    """

    step: int | Tensor
    progress: float | Tensor
    rates: Sequence[float] | Tensor
    rows: Tensor

    @property
    def number(self) -> int | Tensor:
        """Counted from 1; a tensor is [] float64."""
        return self.step.double() + 1 if isinstance(self.step, Tensor) else self.step + 1


class ByCuda:
    """Notes down the graphs of one pack, which share their memory and live as long as each other.

    What a graph makes on its way is nobody's once it has been played, so that another may lie there, too.
    What stays from step to step was there before the first was noted down: see `WARM`.
    """

    def __init__(self) -> None:
        self._pool: Any = None  # a handle

    def __call__(self, act: Callable[[], None]) -> Play:
        """
        Raises:
            RuntimeError: it does what no graph can, as to wait for the device.
        """
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        return _noted(act, self._pool)


def _noted(act: Callable[[], None], pool: Any) -> Play:
    graph = torch.cuda.CUDAGraph()
    here, device = torch.cuda.current_stream(), torch.cuda.current_device()
    try:
        # In the stream of the steps before: autograd comes back to where it first met a parameter.
        with torch.cuda.graph(graph, pool=pool, stream=here, capture_error_mode="thread_local"):
            act()
    except RuntimeError:
        # Where the device refused it, torch takes it that it still goes on, and gives no memory back.
        with suppress(RuntimeError):
            torch._C._cuda_endAllocateToPool(device, pool)
            torch._C._cuda_releasePool(device, pool)
            FAILED.append(graph)
        raise
    replay: Play = graph.replay
    return replay


def note_on(device: torch.device) -> Note | None:
    """How the steps of one pack are noted down there; None where they cannot be."""
    return ByCuda() if device.type == "cuda" else None


def why_not(run: RunConfig, ranks: Ranks) -> str:
    """Why steps of such runs are computed as they come although their device has graphs; `` if they are not.

    Raises:
        UserError: the setting is none.
    """
    own = [term.technique for term in run.terms if is_named(term.technique)]
    reasons = {
        f"{graph_setting.SETTING} is off": graph_setting.off(),
        "several ranks": ranks.world > 1,
        "a module of one's own": not models.packable(run.model),
        "a technique of one's own": bool(own),
        "draws of the host": generator_on(ranks.device.type) != "philox",
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


class StepGraphs:
    """The graphs of a pack's steps, one for each number of examples: an epoch's last step may have fewer."""

    def __init__(self, runs: int, device: torch.device, note: Note) -> None:
        self.note = note
        self.problem = ""  # why none could be noted down
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._progress = torch.zeros((), dtype=torch.float64, device=device)
        self._rates = torch.zeros(runs, dtype=torch.float64, device=device)
        self._rows: dict[int, Tensor] = {}
        self._made: dict[int, int] = {}
        self._played: dict[int, Play] = {}

    def now(self, step: int, steps: int, rates: Tensor, rows: Tensor) -> Now:
        """This step of so many, in the tensors that all steps are in."""
        self._step.fill_(step)
        self._progress.fill_(step / steps)
        self._rates.copy_(rates)
        there = self._rows.setdefault(rows.shape[1], torch.empty_like(rows))
        there.copy_(rows)
        return Now(step=self._step, progress=self._progress, rates=self._rates, rows=there)

    def advance(self, act: Callable[[], None], examples: int) -> None:
        """Make a step that is like all others with as many examples."""
        if play := self._played.get(examples):
            play()
            return
        made = self._made[examples] = self._made.get(examples, 0) + 1
        if made > WARM and not self.problem:
            try:
                self._played[examples] = self.note(act)
            except RuntimeError as error:
                self.problem = str(error).strip().partition("\n")[0]
            else:
                self._played[examples]()
                return
        act()
