"""Someone else's module tried before a sweep trains it: one step of one run of each entry, on two examples.

Of a network of the project it is the entries with techniques of somebody else's that are tried.

    python -m regularize.own_trial SECONDS < ASKED > FOUND

in a process of its own, which a module may end, hang or fill without harm to whoever asks
(`jobs/planning/own_models.py`). What is asked and found is JSON.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from regularize import models
from regularize.config import RunConfig
from regularize.errors import UserError
from regularize.models.foreign import Foreign
from regularize.named_objects import resolve
from regularize.own_state import forgotten
from regularize.own_step import take_step
from regularize.raised import told

_ABSENT = (ImportError, OSError, MemoryError)  # may be there where it trains
_TIMED_STEPS = 3
_NO_GPU = re.compile(r"\bCUDA\b|NVIDIA|\bHIP\b")


@dataclass(kw_only=True)
class Found:
    """What a trial comes to: why it fails, or what is to be said of the module.

    Attributes:
        error: in one line, `` where all entries can be trained.
        missing: whether the error is that something cannot be imported, or is not to be found, here.
        begins: whether runs can be trained despite the error, which only those that are resumed meet.
        alone: why its runs cannot train side by side; `` if they can, or if that was not asked.
        gain: how many times as fast so many runs train side by side as one by one, on batches as they are
            trained with; 0 if they cannot, or if that was not asked.
        said: what the techniques act on, in sentences.
    """

    error: str = ""
    missing: bool = False
    begins: bool = False
    alone: str = ""
    gain: float = 0.0
    said: list[str] = field(default_factory=list)


def tried(
    runs: Sequence[RunConfig], shape: models.Shape, classes: int, *, packs: bool, timed: int = 0
) -> Found:
    """Try the model of these runs, one for each entry; with `packs`, side by side with another seed, too.

    So many as `timed` are then timed side by side and one by one, of the first entry.
    """
    name = runs[0].model
    if models.packable(name):
        return _techniques_tried(runs, shape, classes)
    try:
        network = models.build(name, [0], shape=shape, classes=classes)
        assert isinstance(network, Foreign)
        said = list(_described(name, network))
        if other := _alike(name, shape, classes):
            said.append(other)
    except UserError as error:
        return Found(error=str(error), missing=_absent(error.__cause__))
    what = ""
    try:
        for run in runs:
            what = f"in a step of {run.regularizer}"
            take_step([run], shape, classes, network)
        what = "in a later step"
        lost = forgotten(runs[0], shape, classes)
    except UserError as error:
        return Found(error=str(error), missing=_absent(error.__cause__))
    except Exception as error:  # whatever someone else's code raises
        said_so = f"model {name} fails {what}: {told(error, resolve('model', name))}"
        return Found(error=said_so, missing=_absent(error))
    if lost.error:
        return Found(error=lost.error, begins=True)
    said += [lost.said] if lost.said else []
    alone = next(filter(None, (_not_together(run, shape, classes) for run in runs)), "") if packs else ""
    if not (packs and timed) or alone:
        return Found(said=said, alone=alone)
    try:
        return Found(said=said, gain=_gain(runs[0], shape, classes, timed))
    except Exception as error:  # such as of memory
        return Found(said=said, alone=f"{timed} side by side fail: {told(error, resolve('model', name))}")


def _techniques_tried(runs: Sequence[RunConfig], shape: models.Shape, classes: int) -> Found:
    """Techniques of one's own on a network of the project: two runs of each entry, side by side."""
    for run in runs:
        pair = [replace(run, seed=seed) for seed in (0, 1)]
        names = [term.technique for term in run.terms if ":" in term.technique]
        try:
            take_step(pair, shape, classes)
        except UserError as error:
            return Found(error=f"{run.regularizer}: {error}", missing=_absent(error.__cause__))
        except Exception as error:  # whatever someone else's code raises
            said = told(error, resolve("regularizer", names[0]))
            what = f"in a step of {run.regularizer} on model {run.model}"
            return Found(error=f"technique {' or '.join(names)} fails {what}: {said}", missing=_absent(error))
    return Found()


def _absent(error: BaseException | None) -> bool:
    return isinstance(error, _ABSENT) or _NO_GPU.search(str(error)) is not None


def _not_together(run: RunConfig, shape: models.Shape, classes: int) -> str:
    """Why two runs, side by side, are not what each is alone."""
    pair = [replace(run, seed=seed) for seed in (0, 1)]
    try:
        together = take_step(pair, shape, classes)
    except Exception as error:  # of vmap, mostly
        if isinstance(error, UserError) and error.__cause__ is None:
            return str(error)
        cause = error.__cause__ or error
        return f"torch.func.vmap cannot take it: {type(cause).__name__}: {_first(cause)}"
    alone = torch.cat([take_step([each], shape, classes) for each in pair])
    if not torch.allclose(together, alone, rtol=1e-3, atol=1e-4, equal_nan=True):
        return "by torch.func.vmap it computes something else"
    return ""


def _gain(run: RunConfig, shape: models.Shape, classes: int, count: int) -> float:
    """Of `count` runs side by side over one by one, in steps; the first step of each warms up."""

    def seconds(seeds: range) -> float:
        pack = [replace(run, seed=seed) for seed in seeds]
        network = models.build(run.model, seeds, shape=shape, classes=classes)
        took = []
        for step in range(_TIMED_STEPS + 1):
            began = time.perf_counter()
            take_step(pack, shape, classes, network, step, run.training.batch_size)
            took.append(time.perf_counter() - began)
        return min(took[1:])

    return count * seconds(range(1)) / seconds(range(count))


def _first(error: BaseException) -> str:
    return " ".join(str(error).split()).partition(". ")[0][:200]


def _described(name: str, network: Foreign) -> list[str]:
    layers = ", ".join(network.weight_layers)
    hidden = ", ".join(network.hidden_layers) or "none"
    said = [
        f"model {name}: penalised, decayed, projected and shown are the weights of {layers}; hidden "
        f"layers (dropout): {hidden}"
    ]
    if network.computed_weights:
        said.append(
            f"model {name} computes {', '.join(network.computed_weights)} from other parameters: techniques "
            "that change weights in place are refused"
        )
    left = [each for each in network.rule.left if not each.rpartition(".")[2].startswith("bias")]
    if left:
        said.append(f"model {name}: left alone, beside biases, are {', '.join(left)}")
    return said


def _alike(name: str, shape: models.Shape, classes: int) -> str:
    first, second = (models.build(name, [seed], shape=shape, classes=classes) for seed in (0, 1))
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    if all(torch.equal(one, other) for one, other in pairs):
        return (
            f"model {name} starts with the same weights whatever the seed; if they are random, and kept by "
            "its function, they are those of whichever run comes first"
        )
    return ""


def main() -> None:
    process, seconds = os.getpid(), int(sys.argv[1])
    signal.alarm(seconds + 5)  # whoever asks ends it before, unless that one has been ended
    asked: dict[str, Any] = json.load(sys.stdin)
    answer = os.dup(1)
    os.dup2(2, 1)  # what a module prints, by whatever means, is none of the answer
    torch.set_num_threads(1)
    runs = [RunConfig.from_json(each) for each in asked["runs"]]
    found = tried(runs, tuple(asked["shape"]), asked["classes"], packs=asked["packs"], timed=asked["timed"])
    if os.getpid() == process:  # and no fork of a module's
        with os.fdopen(answer, "w", encoding="utf-8") as file:
            json.dump(asdict(found), file)
    os._exit(0)  # without waiting for threads that a module has started


if __name__ == "__main__":
    main()
