"""Steps per second and memory against R, beside a plain loop on the same device, in turns.

Packs take the form of convolutions and the graphs that they take by themselves; beside them, without a
technique, steps that are computed as they come, and every form.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from types import MappingProxyType
from typing import Any, Protocol
from unittest import mock

import torch

from regularize import convolution_forms, convolution_setting, graph_setting, step_graph
from regularize.data.data_config import DataConfig
from regularize.distributed import Ranks
from regularize.pack_rates import best_size, rates
from regularize.trainer import Trainer
from regularize.training_config import Training
from tests.benchmarks.packs import pack
from tests.benchmarks.rivals import BATCH
from tests.gpu.rivals import Graph, Loop, Mapped

_NOTHING: Mapping[str, str] = MappingProxyType({})
TECHNIQUES: dict[str, dict[str, dict[str, float]]] = {
    "none": {},
    "dropout": {"dropout": {"p": 0.5}},
    "input noise": {"input_noise": {"sigma": 0.1}},
    "Jacobian": {"jacobian": {"strength": 0.01}},
}
LIMITS = {"dropout": 1.1, "input noise": 1.2, "Jacobian": 2.5}
"""The most that a step may take, in plain packed ones."""
GOAL = 20.0
"""Times the runs per hour of the plain loop, at the least."""
WAYS = {"as they come": {graph_setting.SETTING: "off"}} | {
    f"convolutions {form}": {convolution_setting.SETTING: form} for form in convolution_forms.FORMS
}
"""Further ways of a plain packed step, and the environment that asks for them."""
WARM = step_graph.WARM + 2

Row = dict[str, Any]


class Contender(Protocol):
    def advance(self) -> None: ...


def packed(
    data: str, techniques: dict[str, dict[str, float]], runs: int, asked: Mapping[str, str] = _NOTHING
) -> Trainer:
    """A pack in training, made with so much of the environment changed."""
    with mock.patch.dict(os.environ, asked):
        return pack(DataConfig(name=data), techniques, Training(steps=10**6, batch_size=BATCH), range(runs))


def auto(data: str, sizes: Sequence[int]) -> int:
    """How many plain runs `pack_runs: auto` takes here, of these sizes, where all fit."""
    (run,) = packed(data, {}, 1).runs
    return best_size(rates(run, sizes))


def rows(data: str, sizes: Sequence[int], steps: int, in_time: Callable[[], bool]) -> Iterator[Row]:
    """A row for each way to train and each R, as long as there is time; with what goes wrong, if it does.

    The first R is measured in any case.
    """
    device = Ranks.here().device
    for place, runs in enumerate(sizes):
        if place and not in_time():
            yield {"what": "all", "runs": runs, "problem": "no time was left"}
            continue
        makers: dict[str, Callable[[], Contender]] = {
            "plain loop": lambda: Loop(data, device),
            "plain loop, graph": lambda: Graph(data, device),
            "vmap": lambda runs=runs: Mapped(data, device, runs),  # type: ignore[misc]
        }
        for name, techniques in TECHNIQUES.items():
            makers[name] = lambda t=techniques, runs=runs: packed(data, t, runs)  # type: ignore[misc]
        for name, asked in WAYS.items():
            makers[name] = lambda a=asked, runs=runs: packed(data, {}, runs, a)  # type: ignore[misc]
        yield from _side_by_side(makers, runs, steps, device)


def _side_by_side(
    makers: dict[str, Callable[[], Contender]], runs: int, steps: int, device: torch.device
) -> Iterator[Row]:
    there: dict[str, Contender] = {}
    memory: dict[str, int] = {}
    for name, make in makers.items():
        try:
            before = _used(device)
            there[name] = make()
            for _ in range(WARM):
                there[name].advance()
            memory[name] = _used(device, peak=True) - before
        except RuntimeError as error:  # of memory, as a rule
            there.pop(name, None)
            yield {"what": name, "runs": runs, "problem": str(error).partition("\n")[0]}
    took: dict[str, list[float]] = {name: [] for name in there}
    for _ in range(3):
        for name, contender in there.items():
            _wait(device)
            began = time.perf_counter()
            for _ in range(steps):
                contender.advance()
            _wait(device)
            took[name].append((time.perf_counter() - began) / steps)
    for name, seconds in took.items():
        step, trained = median(seconds), 1 if name.startswith("plain") else runs
        yield {
            "what": name,
            "runs": trained,
            "beside": runs,
            "milliseconds": 1000 * step,
            "run_steps_per_second": trained / step,
            "examples_per_second": trained * BATCH / step,
            "mebibytes": memory[name] / 2**20,
            "kernels": "+".join(getattr(there[name], "kernels", ())),
        }


def judged(found: Sequence[Row], size: int) -> Row:
    """What it comes to at the R that `auto` takes, and which limits it misses; `fastest` is the rows' own."""
    whole = [row for row in found if "problem" not in row]
    plain = {row["runs"]: row for row in whole if row["what"] == "none"}
    result: Row = {
        "auto": size,
        "fastest": best_size({runs: row["run_steps_per_second"] for runs, row in plain.items()})
        if plain
        else None,
        "times_the_plain_loop": None,
        "of_a_plain_step": {},
        "other_ways": {},
    }
    beside = {row["what"]: row for row in whole if row["beside"] == size}
    if not {"none", "plain loop"} <= beside.keys():
        return result | {"missed": [f"R = {size}, auto's, was not measured"]}
    chosen = beside["none"]
    ratios = {name: row["milliseconds"] / chosen["milliseconds"] for name, row in beside.items()}
    gain = chosen["run_steps_per_second"] / beside["plain loop"]["run_steps_per_second"]
    missed = [f"{gain:.1f} times the plain loop are less than {GOAL:g}"] if gain < GOAL else []
    for name, limit in LIMITS.items():
        if name not in ratios:
            missed.append(f"{name} was not measured at R = {size}")
        elif ratios[name] > limit:
            missed.append(f"{name} takes {ratios[name]:.2f} plain steps, more than {limit:g}")
    return result | {
        "kernels": chosen.get("kernels", ""),
        "times_the_plain_loop": gain,
        "of_a_plain_step": {name: ratios[name] for name in LIMITS if name in ratios},
        "other_ways": {name: ratios[name] for name in WAYS if name in ratios},
        "missed": missed,
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _used(device: torch.device, *, peak: bool = False) -> int:
    """Bytes of the device's memory, now or at most since the last question; 0 on a CPU."""
    if device.type != "cuda":
        return 0
    if peak:
        return torch.cuda.max_memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()
