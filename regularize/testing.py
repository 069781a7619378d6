"""The contract of a technique as a test of one line, for one's own and for all of the project's.

    from regularize.testing import check_technique

    def test_mine():
        strengths = {"weak": {"strength": 0.01}, "strong": {"strength": 0.1}, "zero": {"strength": 0}}
        check_technique("my_module:MINE", **strengths)

It trains small networks for a few steps and holds what they are at the end, and what is written of them on
the way, against each other: a pack against its runs alone, a repeated and an interrupted one, two processes
against one, the strength at which the technique does nothing against none, the gradient against finite
differences. On a CPU all but the last but one are equal bit for bit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from regularize.config import RunConfig, Term
from regularize.data.data_config import DataConfig
from regularize.distributed import Ranks
from regularize.evaluation.settings import Evaluation
from regularize.store import PackPaths, read_table
from regularize.train_pack import train_pack
from regularize.trainer import Trainer
from regularize.training_config import Training

Terms = tuple[Term, ...]
Parameters = Mapping[str, Any]

_SETTINGS: Parameters = {"steps": 20, "batch_size": 7, "lr": 0.05}
_MEASURED = Evaluation(every=1, train_examples=13, curve_examples=11, jacobian_examples=0)
_TABLES = ("metrics", "results", "predictions", "spectra")
_OF_THE_PACK = {
    "seconds",
    "core_seconds",
    "evaluation_seconds",
    "pack_id",
    "pack_runs",
    "finished_at",
    "world_size",
    "ranks",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a technique, or several at once, is tried on.

    Attributes:
        weak, strong: the terms at two strengths.
        zero: the terms at which they do nothing; None where there is no such strength.
        model, data: what is trained; the toy problem trains fastest, and has no images.
        smooth: the model whose gradient is compared with finite differences, without kinks; None where the
            gradient is not that of the loss, as where something random or signed counts as a constant.
        per_class: examples of each class: few, so that there are many epochs in few steps.
        resize: images are scaled to so many pixels a side, so that large networks train in no time.
        training: further settings of `regularize.training_config.Training`.
    """

    weak: Terms
    strong: Terms
    zero: Terms | None = None
    model: str = "toy_mlp"
    data: str = "clusters"
    smooth: str | None = "toy_mlp"
    per_class: int = 6
    resize: int | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    def run(self, terms: Terms, seed: int, **training: Any) -> RunConfig:
        return RunConfig(
            data=DataConfig(name=self.data, per_class=self.per_class, resize=self.resize),
            model=self.model,
            regularizer="case",
            terms=terms,
            training=Training(**{**_SETTINGS, **self.training, **training}),
            evaluation=_MEASURED,
            seed=seed,
        )

    def pack(self, **training: Any) -> list[RunConfig]:
        """Two strengths with one seed, and another seed."""
        return [
            self.run(terms, seed, **training)
            for terms, seed in ((self.weak, 0), (self.strong, 0), (self.strong, 1))
        ]

    def packs_of_ranks(self) -> dict[str, list[RunConfig]]:
        """What several ranks train: the usual pack, and one whose epochs end in a batch of one example."""
        even = self.pack(precision="float64")
        left_over = {"batch_size": 3, "steps": 6, "precision": "float64"}
        return {
            "even": even,
            "uneven": [replace(self, per_class=1).run(r.terms, r.seed, **left_over) for r in even],
        }


@dataclass(frozen=True)
class Trial:
    """A case and a folder, with what was trained in it so far."""

    case: Case
    folder: Path

    @cached_property
    def whole(self) -> dict[str, Left]:
        return trained(self.case.pack(), self.folder / "whole")

    @cached_property
    def ranks(self) -> Path:
        """The folder of what two ranks trained."""
        folder = self.folder / "ranks"
        train_by_ranks(self.case.packs_of_ranks(), folder)
        return folder


Left = dict[str, Any]
"""What a run's training left: rows by table, weights by name."""


def trained(runs: Sequence[RunConfig], folder: Path) -> dict[str, Left]:
    """By run_id what training these as one pack leaves, but for times and what hangs on the pack's size."""
    status = train_pack(runs, PackPaths(folder))
    assert status.state == "done", status.state
    return left_in(folder)


def left_in(folder: Path) -> dict[str, Left]:
    """The same of a pack that is done."""
    paths = PackPaths(folder)
    kept = torch.load(paths.weights, weights_only=True)
    found: dict[str, Left] = {run_id: {} for run_id in kept["runs"]}
    for position, run_id in enumerate(kept["runs"]):
        found[run_id] |= {name: tensor[position] for name, tensor in kept["model"].items()}
    for table in _TABLES:
        for row in read_table(getattr(paths, table)).to_pylist():
            values = {name: value for name, value in row.items() if name not in _OF_THE_PACK}
            found[row["run_id"]].setdefault(table, []).append(values)
    return found


def differing(one: Left, other: Left) -> list[str]:
    """The names of tables and weights whose bits differ."""
    assert one.keys() == other.keys()
    return [name for name, value in one.items() if _bits(value) != _bits(other[name])]


def _bits(value: Any) -> object:
    return value.numpy().tobytes() if isinstance(value, Tensor) else repr(value)


def repeated_is_the_same(trial: Trial) -> None:
    _equal(trained(trial.case.pack(), trial.folder / "again"), trial.whole)


def packed_is_alone(trial: Trial) -> None:
    for position, config in enumerate(trial.case.pack()):
        _equal(trained([config], trial.folder / f"alone {position}"), trial.whole)


def resumed_is_uninterrupted(trial: Trial) -> None:
    """Interrupted in its middle, twice."""
    runs, paths = trial.case.pack(), PackPaths(trial.folder / "parts")
    for length in (7, 2):
        steps = count(1)
        status = train_pack(runs, paths, stop=lambda s=steps, n=length: next(s) == n)  # type: ignore[misc]
        assert status.state == "interrupted", status.state
    _equal(trained(runs, paths.folder), trial.whole)


def two_ranks_are_one(trial: Trial) -> None:
    """In float64, to 1e-9; also where a batch has no example for the other rank."""
    for name, runs in trial.case.packs_of_ranks().items():
        one = trained(runs, trial.folder / f"one rank {name}")
        for run_id, of_two in left_in(trial.ranks / name).items():
            for key, value in of_two.items():
                if isinstance(value, Tensor):
                    torch.testing.assert_close(
                        value, one[run_id][key], rtol=0, atol=1e-9, msg=f"{key}, {name}"
                    )


def zero_is_none(trial: Trial) -> None:
    if trial.case.zero is not None:
        settings = [(trial.case.zero, "zero"), ((), "none")]
        zero, none = (
            trained([trial.case.run(terms, seed) for seed in (0, 1)], trial.folder / name)
            for terms, name in settings
        )
        for at_zero, plain in zip(zero.values(), none.values(), strict=True):
            # Other kernels round otherwise: LeNets have some that not every technique can use.
            kernels = {left["results"][0]["kernels"] for left in (at_zero, plain)}
            far = 0.0 if len(kernels) == 1 else 1e-4
            weights = [name for name, value in plain.items() if isinstance(value, Tensor)]
            differ = [n for n in weights if not torch.allclose(plain[n], at_zero[n], rtol=0, atol=far)]
            assert not differ, f"{differ} differ from no technique at a strength of 0"


def strengths_act(trial: Trial) -> None:
    weak, strong, _ = (trial.whole[config.run_id] for config in trial.case.pack())
    (plain,) = trained([trial.case.run((), 0)], trial.folder / "plain").values()
    weights = [name for name, value in plain.items() if isinstance(value, Tensor)]
    for one, other, what in ((weak, plain, "the technique"), (weak, strong, "the strength")):
        same = all(torch.allclose(one[n], other[n], rtol=0, atol=1e-7) for n in weights)
        assert not same, f"{what} has no effect"


def gradient_is_that_of_the_loss(trial: Trial) -> None:
    """Against finite differences in a random direction, in float64; a proximal part has none."""
    case = trial.case
    if case.smooth is None:
        return
    runs = replace(case, model=case.smooth).pack(precision="float64")
    trainer = Trainer(runs, PackPaths(trial.folder / "gradient"), Ranks.here(), None)
    trainer.start()
    for term in trainer.terms:
        object.__setattr__(term, "hooks", replace(term.hooks, proximal=None))
    trainer.step = 12  # schedules are on their way

    def loss() -> Tensor:
        return trainer.losses()

    source = torch.Generator().manual_seed(2)
    ways = [torch.randn(p.shape, generator=source, dtype=p.dtype) for p in trainer.parameters]
    found = torch.autograd.grad(loss().sum(), trainer.parameters)
    expected = torch.stack([(g * w).flatten(1).sum(1) for g, w in zip(found, ways, strict=True)]).sum(0)

    def moved(distance: float) -> Tensor:
        with torch.no_grad():
            for parameter, way in zip(trainer.parameters, ways, strict=True):
                parameter.add_(way, alpha=distance)
        value = loss().detach()
        with torch.no_grad():
            for parameter, way in zip(trainer.parameters, ways, strict=True):
                parameter.sub_(way, alpha=distance)
        return value

    measured = (moved(1e-6) - moved(-1e-6)) / 2e-6
    torch.testing.assert_close(measured, expected, rtol=1e-5, atol=1e-6)


CHECKS: dict[str, Callable[[Trial], None]] = {
    check.__name__: check
    for check in (
        repeated_is_the_same,
        packed_is_alone,
        resumed_is_uninterrupted,
        two_ranks_are_one,
        zero_is_none,
        strengths_act,
        gradient_is_that_of_the_loss,
    )
}


def check_technique(
    technique: str,
    *,
    weak: Parameters,
    strong: Parameters,
    zero: Parameters | None = None,
    model: str = "toy_mlp",
    data: str = "clusters",
    smooth: str | None = "toy_mlp",
    resize: int | None = None,
    **training: Any,
) -> None:
    """Hold a technique to its contract, in about ten seconds (two processes are started).

    Args:
        technique: as a sweep names it.
        weak, strong: its parameters at two strengths; options are the same in both.
        zero: those at which it does nothing; None if there are none.
        model, data: such as `mlp` on `digits`, for what acts on images.
        smooth, resize: see `Case`.

    Raises:
        AssertionError: names what does not hold, and the technique.
        UserError: there is no such technique, or it does not take these parameters.
    """
    case = Case(
        weak=(Term.build(technique, weak),),
        strong=(Term.build(technique, strong),),
        zero=None if zero is None else (Term.build(technique, zero),),
        model=model,
        data=data,
        smooth=smooth,
        resize=resize,
        training=training,
    )
    with TemporaryDirectory() as folder:
        trial = Trial(case, Path(folder))
        for name, check in CHECKS.items():
            try:
                check(trial)
            except AssertionError as error:
                raise AssertionError(
                    f"{technique}: {name.replace('_', ' ')}, but not here: {error}"
                ) from error


def train_by_ranks(packs: Mapping[str, Sequence[RunConfig]], folder: Path, world: int = 2) -> None:
    """Train packs by a group of processes of one thread, each pack in the folder of its name."""
    folder.mkdir(parents=True)
    configs = {name: [run.to_json() for run in runs] for name, runs in packs.items()}
    (folder / "packs.json").write_text(json.dumps(configs), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "regularize.testing", str(folder), str(world)]
    ranks = [
        subprocess.Popen([*command, str(index)], env=environment, stderr=subprocess.PIPE, text=True)
        for index in range(world)
    ]
    try:
        said = [rank.communicate(timeout=600)[1] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert not any(rank.returncode for rank in ranks), "\n".join(said)


def _rank(folder: Path, world: int, index: int) -> None:
    """What one of them does."""
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "rendezvous"), world)  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=index, world_size=world)
    for name, runs in json.loads((folder / "packs.json").read_text(encoding="utf-8")).items():
        train_pack([RunConfig.from_json(run) for run in runs], PackPaths(folder / name))
    dist.destroy_process_group()


def _equal(found: Mapping[str, Left], expected: Mapping[str, Left]) -> None:
    for run_id, left in found.items():
        differ = differing(left, expected[run_id])
        assert not differ, f"{', '.join(differ)} of run {run_id} differ"


if __name__ == "__main__":
    _rank(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    os._exit(0)  # not by winding up, in which torch's threads abort a process now and then
