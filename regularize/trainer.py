"""A pack in training: its state, and the step that moves it on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from regularize import effects, models, optimizer
from regularize.batches import Batches
from regularize.code_identity import code_of
from regularize.config import RunConfig
from regularize.data import load, split
from regularize.distributed import Ranks
from regularize.draws import Draws
from regularize.errors import UserError
from regularize.evaluated_weights import EvaluatedWeights
from regularize.fused.wanted import wanting
from regularize.objective import BoundTerm, Objective, Take, bind
from regularize.pack_network import check_jacobians, network_of, with_twins
from regularize.regularizers.hooks import Given, StepEnd
from regularize.rng import generator
from regularize.run_by_run import orthogonal
from regularize.schedule import Timeline, learning_rate
from regularize.step_batches import StepBatches
from regularize.stops import Watch
from regularize.store import PackPaths

Act = Callable[[Tensor, Tensor, Draws, float, float, Take], Tensor]
"""The objective, or what is called as it is."""

_DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.float32}


class Trainer:
    """R runs in training: the state that a checkpoint holds, and the step that moves it on."""

    def __init__(
        self, runs: Sequence[RunConfig], paths: PackPaths, ranks: Ranks, data_root: Path | None
    ) -> None:
        config = runs[0]
        self.runs, self.paths, self.ranks = runs, paths, ranks
        self.training = config.training  # what all runs share of it, see `RunConfig.pack_key`
        dtype = _DTYPES[config.training.precision]
        dataset = load(config.data.name, data_root, config.data.form)
        self.batches = Batches(dataset, dtype, ranks.device)
        self.model, kernels = network_of(runs, self.batches, dataset.classes, ranks.device)
        beside = runs
        if len(runs) == 1 and models.packable(config.model) and not kernels.startswith("fused"):
            # Libraries compute one network by other kernels than several: it has an idle twin beside it.
            beside = [*runs, *runs]
            self.model, kernels = network_of(beside, self.batches, dataset.classes, ranks.device)
        self.kernels = (kernels,)  # that brought it here, the latest last
        self.seeds = [run.seed for run in beside]
        self.trainings = [run.training for run in beside]
        self.batches.examples_first = not kernels.startswith("fused")
        labels, own = dataset.train_labels, dataset.validation
        splits = {seed: split(labels, config.data, seed, own) for seed in set(self.seeds)}
        self.train_rows = torch.stack([splits[seed].train for seed in self.seeds])
        self.validation_rows = torch.stack([splits[seed].validation for seed in self.seeds])
        self.classes = dataset.classes
        self.data = dataset.content_hash
        self.codes = (code_of(*config.sources).name,)  # that brought it here, the latest last
        self.timeline = Timeline.of(config.training, self.train_rows.shape[1])

        self.parameters = list(self.model.parameters())
        self.terms = bind(beside, ranks.device)
        check_jacobians(config, self.model, self.terms)
        for term in config.terms:
            term.check_fit(self.model.outline(self.batches.shape, dataset.classes))
        self.optimizer = optimizer.build(self.trainings, self.model)
        self.objective = ranks.wrap(
            Objective(self.model, self.terms, self.batches.pixel, self.batches.bounds)
        )
        names = [term.technique for term in config.terms]
        self.evaluated = EvaluatedWeights(self.model, self.terms, names)
        self.watch = Watch(self.model, self.terms, self.batches, ranks, self.validation_rows, dataset.classes)
        self.step_batches = StepBatches(
            self.batches, ranks, self.seeds, self.train_rows, config.training.batch_size
        )

        self.step = 0
        self.diverged_step = torch.zeros(len(beside), dtype=torch.int64)  # 0: has not
        self.stopped_step = torch.zeros(len(beside), dtype=torch.int64)  # 0: has not; by a technique
        self.objective_sum = torch.zeros(len(beside), dtype=torch.float64, device=ranks.device)
        self._penalties = any(term.hooks.penalty or term.hooks.proximal for term in self.terms)
        self.effects = effects.Effects(len(beside), names, ranks.device)

    @property
    def epoch(self) -> int:
        """Epochs begun so far."""
        return math.ceil(self.step / self.timeline.per_epoch)

    @property
    def epochs_completed(self) -> float:
        return self.step / self.timeline.per_epoch

    @property
    def finished(self) -> bool:
        """After the last step, or where no run goes on."""
        stopped = self.stopped_step[: len(self.runs)] > 0
        ended = stopped | (self.diverged_step[: len(self.runs)] > 0)
        return self.step == self.timeline.steps or bool(stopped.any() and ended.all())

    @property
    def last_steps(self) -> list[int]:
        """Of each run."""
        steps = self.stopped_step[: len(self.runs)].tolist()
        return [step or self.timeline.steps for step in steps]

    def start(self) -> None:
        """What techniques do to fresh weights, or the training asks for; a checkpoint then replaces them."""
        with torch.no_grad():
            if self.training.start == "orthogonal":
                orthogonal(self.model.weights())
            for term in self.terms if self.training.start is None else ():
                if term.hooks.start:
                    term.hooks.start(self.model.weights(), term.given)
            for term in self.terms:
                if term.hooks.remember:
                    term.hooks.remember(self.model.weights(), term.given)
        self._settle()

    def _settle(self) -> None:
        """One pass for nothing: DDP lays out its buckets by the order of the first pass's gradients.

        More than two ranks add numbers up in an order that depends on where in a bucket they lie. So
        a resumed training would differ from an uninterrupted one if its steps began with that pass.
        """
        if self.ranks.world > 1:
            with self._statistics_kept():
                torch.autograd.backward(self._on_batch(self.objective).sum(), inputs=self.parameters)

    @contextmanager
    def _statistics_kept(self) -> Iterator[None]:
        """What a pass inside writes to buffers, as batch normalisation does, is undone."""
        before = [buffer.clone() for buffer in self.model.buffers()]
        yield
        for buffer, value in zip(self.model.buffers(), before, strict=True):
            if not torch.equal(buffer, value):
                buffer.copy_(value)

    def state(self) -> dict[str, Any]:
        """All that changes from step to step; all ranks ask together."""
        return {
            "step": self.step,
            "data": self.data,
            "codes": list(self.codes),
            "kernels": list(self.kernels),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "diverged_step": self.diverged_step,
            "stopped_step": self.stopped_step,
            "kept": self.evaluated.kept,
            "memories": [term.given.memory for term in self.terms],
            "penalty_ratios": self.effects.largest,
            "objective_sums": self.ranks.gather(self.objective_sum),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`.

        Raises:
            UserError: it was begun on other data.
        """
        self._check_data(state.get("data", ""))
        self.codes = tuple(dict.fromkeys([*state.get("codes", ()), *self.codes]))
        self.kernels = tuple(dict.fromkeys([*state.get("kernels", ()), *self.kernels]))
        if len(self.runs) == 1 and models.packable(self.runs[0].model):
            state = with_twins(state, len(self.seeds))
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.diverged_step = state["diverged_step"].cpu()
        self.stopped_step = state.get("stopped_step", self.stopped_step).cpu()
        self.evaluated.kept = state.get("kept", {})
        for term, memory in zip(self.terms, state.get("memories", ()), strict=False):
            term.given.memory.update(memory)
        self.effects.largest = state.get("penalty_ratios", self.effects.largest)  # earlier versions had none
        sums = state["objective_sums"]
        same = len(sums) == self.ranks.world
        self.objective_sum = sums[self.ranks.rank].clone() if same else sums.mean(0)

    def load_trained(self, weights: dict[str, Tensor], data: str) -> None:
        """Take the networks that a training on `data` has left, to measure them.

        Raises:
            UserError: it was on other data.
        """
        self._check_data(data)
        alone = len(self.runs) == 1 and models.packable(self.runs[0].model)
        self.model.load_state_dict(with_twins(weights, len(self.seeds)) if alone else weights)
        self.step = self.timeline.steps
        self.evaluated.trained_already = True

    def _check_data(self, before: str) -> None:
        if before and before != self.data:
            raise UserError(
                f"{self.runs[0].data.name} is not what this pack was begun on: its content is {self.data}, "
                f"was {before}; put the data back, or `regularize submit --data retrain`"
            )

    def advance(self) -> None:
        """One optimizer step of all runs."""
        rates = [learning_rate(each, self.step, self.timeline.steps) for each in self.trainings]
        optimizer.set_rates(self.optimizer, rates)
        self.optimizer.zero_grad()
        if self._penalties and effects.due(self.step + 1):
            self._measure_penalties()
        losses = self._differentiate()
        self._climb()
        self._mark_diverged()
        gradients, draws = self._gradients(), self.step_batches.draws(self.step)
        with torch.no_grad():
            for term in self.terms:
                if term.hooks.gradients:
                    term.hooks.gradients(gradients, self._given(term), draws)
        self.step += 1
        end = self._end(rates)
        ended = (self.diverged_step + self.stopped_step).nonzero().flatten()
        with optimizer.frozen(self.parameters, ended.to(self.ranks.device)), torch.no_grad():
            for term in self.terms:
                if term.hooks.before_step:
                    term.hooks.before_step(self.model.weights(), term.given.at(end.progress), end)
            self.optimizer.step()
            self._after_step(end)
            self.evaluated.after_step(end)
        self.objective_sum += losses.detach()
        for verdict in self.watch.after_step(end):
            going = (self.diverged_step + self.stopped_step) == 0
            self.evaluated.take(verdict.best & going)
            self.stopped_step[verdict.stop & going] = self.step

    def _differentiate(self) -> Tensor:
        """One pass forward and backward: the losses [R], and in the parameters their gradients."""
        losses = self._on_batch(self.objective)
        with wanting(images=False):
            torch.autograd.backward(losses.sum(), inputs=self.parameters)
        return losses

    def _climb(self) -> None:
        """Where techniques ask for it, the gradient of a second pass from where they move parameters to."""
        acts = [(term.hooks.ascend, self._given(term)) for term in self.terms if term.hooks.ascend]
        if rises := [act(self._gradients(), given) for act, given in acts]:
            with optimizer.moved(self.model, rises), self._statistics_kept():
                self.optimizer.zero_grad()
                self._differentiate()

    def _gradients(self) -> dict[str, Tensor]:
        return {n: p.grad for n, p in self.model.named_parameters() if p.grad is not None}

    def _given(self, term: BoundTerm) -> Given:
        return term.given.at(self.step / self.timeline.steps)

    def _end(self, rates: Sequence[float]) -> StepEnd:
        return StepEnd(
            step=self.step,
            steps=self.timeline.steps,
            reach=self._reach,
            rates=torch.tensor(rates, dtype=torch.float64, device=self.ranks.device),
            per_epoch=self.timeline.per_epoch,
        )

    def with_evaluated(self, *, last: bool) -> AbstractContextManager[None]:
        """Inside, the networks have the weights that are evaluated, at the `last` or for the curves."""
        end = replace(self._end([]), step=self.timeline.steps)
        return self.evaluated.inside(end if last else None)

    def losses(self) -> Tensor:
        """What the next step minimises, [R], as a function of the parameters; nothing is moved."""
        with self._statistics_kept():
            return self._on_batch(self.objective)

    def _measure_penalties(self) -> None:
        """See `effects`."""

        def measure(
            x: Tensor, labels: Tensor, draws: Draws, share: float, _progress: float, take: Take
        ) -> Tensor:
            bare = self.objective.module if self.ranks.world > 1 else self.objective
            assert isinstance(bare, Objective)
            return effects.ratios(bare, x, labels, draws, share, self.ranks, take)

        with self._statistics_kept():
            found = self._on_batch(measure)
        self.effects.take(found, (self.diverged_step + self.stopped_step) == 0)

    def _on_batch(self, act: Act) -> Tensor:
        """What `act` makes of this step's batch: the losses, if it is the objective."""
        batch = self.step_batches.at(self.step)
        if self.model.has_modes:
            torch.manual_seed(generator(self.seeds[0], f"module/{self.ranks.rank}", self.step).initial_seed())
            self.model.train()
        half = self.training.precision == "bfloat16"
        with torch.autocast(self.ranks.device.type, torch.bfloat16, enabled=half):
            progress = self.step / self.timeline.steps
            found = act(batch.x, batch.labels, batch.draws, batch.share, progress, batch.take)
        if self.model.has_modes:
            self.model.eval()
        return found

    def _mark_diverged(self) -> None:
        finite = optimizer.finite_runs(self.parameters).cpu()
        self.diverged_step[~finite & (self.diverged_step == 0)] = self.step + 1

    def _reach(self, name: str) -> Tensor | float:
        found = optimizer.reach(self.optimizer, self.trainings, self.model.get_parameter(name))
        return found.flatten(2) if isinstance(found, Tensor) else found

    def mark_blown_up(self, losses: Tensor) -> None:
        """After the last step, which no gradient looks back on: what is not finite has diverged in it.

        `losses` [splits, R] are those of the final networks.
        """
        finite = torch.stack([p.detach().flatten(1).isfinite().all(1) for p in self.parameters]).all(0)
        finite &= losses.isfinite().all(0)
        self.diverged_step[~finite.cpu() & (self.diverged_step == 0)] = self.step

    def _after_step(self, end: StepEnd) -> None:
        acts = [(term.hooks.after_step, term.given.at(end.progress)) for term in self.terms]
        acts += [(term.hooks.project, term.given.at(end.progress)) for term in self.terms]
        with torch.no_grad():
            for act, given in acts:
                if act:
                    act(self.model.weights(), given, end)

    def sample_rows(self, count: int) -> Tensor:
        """The fixed sample of the training examples that training accuracy is measured on, [R, n]."""
        total = self.train_rows.shape[1]
        picks = [torch.randperm(total, generator=generator(seed, "sample"))[:count] for seed in self.seeds]
        return self.train_rows.gather(1, torch.stack(picks))
