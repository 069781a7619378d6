"""A pack in training: what it is made of, and the step that moves it on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch
from torch import Tensor

from regularize import effects, models, optimizer, step_graph
from regularize.batches import Batches
from regularize.code_identity import code_of
from regularize.config import RunConfig
from regularize.convolutions import convolutions
from regularize.cores import processor
from regularize.data import load, split
from regularize.distributed import Ranks
from regularize.draw_setting import named
from regularize.draws import Draws
from regularize.ended import Ended
from regularize.epoch_rates import EpochRates
from regularize.evaluated_weights import EvaluatedWeights
from regularize.fused.wanted import wanting
from regularize.objective import BoundTerm, Objective, Take, bind
from regularize.pack_network import check_jacobians, check_ranks, check_weights, network_of
from regularize.precision import DTYPES, half, set_products
from regularize.regularizers.hooks import StepEnd
from regularize.rng import generator
from regularize.run_by_run import orthogonal
from regularize.schedule import Timeline
from regularize.step_batches import StepBatches
from regularize.step_graph import Now, StepGraphs
from regularize.stops import Watch
from regularize.store import PackPaths

Act = Callable[[Tensor, Tensor, Draws, float, float | Tensor, Take], Tensor]
"""The objective, or what is called as it is."""

LOOK = 32
"""Steps after which it is looked, on a GPU, whether any run goes on: until then the host runs ahead."""


class Trainer:
    """R runs in training: what a step needs, and the step. What a checkpoint has of it: `trainer_state`."""

    def __init__(
        self, runs: Sequence[RunConfig], paths: PackPaths, ranks: Ranks, data_root: Path | None
    ) -> None:
        config = runs[0]
        self.runs, self.paths, self.ranks = runs, paths, ranks
        self.training = config.training  # what all runs share of it, see `RunConfig.pack_key`
        dtype = DTYPES[config.training.precision]
        set_products(config.training.precision, ranks.device)
        dataset = load(config.data.name, data_root, config.data.form)
        self.batches = Batches(dataset, dtype, ranks.device)
        self.model, kernels = network_of(runs, self.batches, dataset.classes, ranks.device)
        beside = runs
        if len(runs) == 1 and models.packable(config.model) and not kernels.startswith("fused"):
            # Libraries compute one network by other kernels than several: it has an idle twin beside it.
            beside = [*runs, *runs]
            self.model, kernels = network_of(beside, self.batches, dataset.classes, ranks.device)
        has_graphs = step_graph.note_on(ranks.device) is not None
        self._eager = step_graph.why_not(config, ranks) if has_graphs else ""
        by_graph = f", steps {f'as they come: {self._eager}' if self._eager else 'as a graph'}"
        kernels_here = named(kernels, ranks.device.type) + (by_graph if has_graphs else "")
        self.kernels = (kernels_here,)  # that brought it here, the latest last
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
        self.crews = (f"{ranks.world}x{torch.get_num_threads()}",)  # ranks, and threads of each; likewise
        self.processors, self.devices = (processor(),), (ranks.name,)  # likewise
        self.timeline = Timeline.of(config.training, self.train_rows.shape[1])

        self.parameters = list(self.model.parameters())
        shape = self.batches.shape
        model = self.model
        self.terms = bind(beside, ranks.device, lambda: convolutions(model, shape))
        check_jacobians(config, self.model, self.terms)
        for run in runs:
            check_weights(run, self.model, self.terms)
        for term in config.terms:
            term.check_fit(self.model.outline(shape, dataset.classes))
        self.optimizer = optimizer.build(self.trainings, self.model)
        check_ranks(config, self.model, self.batches.shape, ranks.world)
        # Until `start` no rank waits for another.
        self.objective: torch.nn.Module = Objective(
            self.model, self.terms, self.batches.pixel, self.batches.bounds
        )
        names = [term.technique for term in config.terms]
        self.evaluated = EvaluatedWeights(self.model, self.terms, names)
        self.watch = Watch(
            self.model, self.terms, self.batches, ranks, self.validation_rows, self.classes, self.timeline
        )
        self.step_batches = StepBatches(
            self.batches, ranks, self.seeds, self.train_rows, config.training.batch_size
        )

        self.step = 0
        self.ended = Ended(len(beside), ranks.device)
        self.rates = EpochRates(self.trainings, self.timeline, ranks.device)
        self.objective_sum = torch.zeros(len(beside), dtype=torch.float64, device=ranks.device)
        self._penalties = any(term.hooks.penalty or term.hooks.proximal for term in self.terms)
        self.effects = effects.Effects(len(beside), names, ranks.device)
        self.graphs = self.no_graphs_yet()

    def no_graphs_yet(self) -> StepGraphs | None:
        """Of steps that can be noted down; their tensors are those of now."""
        note = None if self._eager else step_graph.note_on(self.ranks.device)
        return StepGraphs(len(self.seeds), self.ranks.device, note) if note else None

    @property
    def epoch(self) -> int:
        """Epochs begun so far."""
        return math.ceil(self.step / self.timeline.per_epoch)

    @property
    def epochs_completed(self) -> float:
        return self.step / self.timeline.per_epoch

    @property
    def finished(self) -> bool:
        """After the last step, or where no run goes on: which is looked after every so many steps."""
        if self.step == self.timeline.steps:
            return True
        on_host = self.ranks.device.type == "cpu"
        look = self.watch.watches and (on_host or self.step % LOOK == 0 or self.watch.due(self.step))
        return look and self.ended.all_of(len(self.runs))

    @property
    def last_steps(self) -> list[int]:
        """Of each run."""
        steps = self.ended.stopped[: len(self.runs)].tolist()
        return [step or self.timeline.steps for step in steps]

    def start(self) -> None:
        """What techniques do to fresh weights, or the training asks for; a checkpoint then replaces them.

        All ranks start together.
        """
        self.objective = self.ranks.wrap(self.objective, some_unused=self.model.has_modes)
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
        a resumed training would differ from an uninterrupted one if its steps began with that pass. Where
        parameters may be left out, the buckets stay as they are.
        """
        if self.ranks.world > 1 and not self.model.has_modes:
            with self._statistics_kept():
                losses = self._on_batch(self.objective, self._now())
                torch.autograd.backward(losses.sum(), inputs=self.parameters)

    @contextmanager
    def _statistics_kept(self) -> Iterator[None]:
        """What a pass inside writes to buffers, as batch normalisation does, is undone."""
        before = [buffer.clone() for buffer in self.model.buffers()]
        yield
        for buffer, value in zip(self.model.buffers(), before, strict=True):
            # To compare them is to wait for the device.
            if self.ranks.device.type != "cpu" or not torch.equal(buffer, value):
                buffer.copy_(value)

    def advance(self) -> None:
        """One optimizer step of all runs."""
        if self._penalties and effects.due(self.step + 1):
            self._measure_penalties()
        now = self._now()
        if self.graphs and not any(self._projects(term) for term in self.terms if term.hooks.projects):
            self.graphs.advance(lambda: self._move_in_place(now), now.rows.shape[1])
            if self.graphs.problem and not self._eager:
                self._eager = f"they are no graph: {self.graphs.problem}"
                here = self.kernels[-1].replace("as a graph", f"as they come: {self._eager}")
                self.kernels = (*self.kernels[:-1], here)
        elif self.graphs:
            self._move_in_place(now)
        else:
            self._move(now)
        self.step += 1
        for verdict in self.watch.after_step(self.step):
            going = self.ended.going
            self.evaluated.take(verdict.best & going)
            self.ended.stop(verdict.stop & going, self.step)

    def _now(self) -> Now:
        step, rows = self.step, self.step_batches.rows(self.step)
        if self.graphs:
            return self.graphs.now(step, self.timeline.steps, self.rates.tensor(step), rows)
        return Now(step=step, progress=step / self.timeline.steps, rates=self.rates.at(step), rows=rows)

    def _move(self, now: Now) -> None:
        """What the device does in a step; the host looks at nothing that changes from one to the next."""
        optimizer.set_rates(self.optimizer, now.rates)
        self.optimizer.zero_grad()
        losses = self._differentiate(now)
        self._climb(now)
        self.ended.diverge(~optimizer.finite_runs(self.parameters), now.step + 1)
        gradients, draws = self._gradients(), self.step_batches.draws(now.rows, now.step)
        with torch.no_grad():
            for term in self.terms:
                if term.hooks.gradients:
                    term.hooks.gradients(gradients, term.given.at(now.progress), draws)
        rates = now.rates if isinstance(now.rates, Tensor) else self.rates.tensor(self.step)
        end = self._end(now.number, rates)
        frozen = optimizer.held if self.graphs else optimizer.frozen
        with frozen(self.parameters, ~self.ended.going), torch.no_grad():
            for term in self.terms:
                if term.hooks.before_step:
                    term.hooks.before_step(self.model.weights(), term.given.at(end.progress), end)
            self.optimizer.step()
            self._after_step(end)
            self.evaluated.after_step(end)
        self.objective_sum += losses.detach()

    def _move_in_place(self, now: Now) -> None:
        """The same, with techniques' tensors left where they were: there the next step finds them."""
        memories = [dict(term.given.memory) for term in self.terms]
        try:
            self._move(now)
        except RuntimeError:  # no graph can do it, and what it was to make is not there
            for term, before in zip(self.terms, memories, strict=True):
                term.given.memory.update(before)
            raise
        for term, before in zip(self.terms, memories, strict=True):
            for name, place in before.items():
                if term.given.memory[name] is not place:
                    term.given.memory[name] = place.copy_(term.given.memory[name])

    def _projects(self, term: BoundTerm) -> bool:
        """Whether it does in the step that is made now, if it does in some alone."""
        projects = term.hooks.projects
        return projects is None or projects(term.given.options, self.step + 1, self.timeline.steps)

    def _differentiate(self, now: Now) -> Tensor:
        """One pass forward and backward: the losses [R], and in the parameters their gradients."""
        losses = self._on_batch(self.objective, now)
        with wanting(images=False):
            torch.autograd.backward(losses.sum(), inputs=self.parameters)
        return losses

    def _climb(self, now: Now) -> None:
        """Where techniques ask for it, the gradient of a second pass from where they move parameters to."""
        acts = [(term.hooks.ascend, term.given.at(now.progress)) for term in self.terms if term.hooks.ascend]
        if rises := [act(self._gradients(), given) for act, given in acts]:
            with optimizer.moved(self.model, rises), self._statistics_kept():
                self.optimizer.zero_grad()
                self._differentiate(now)

    def _gradients(self) -> dict[str, Tensor]:
        return {n: p.grad for n, p in self.model.named_parameters() if p.grad is not None}

    def _end(self, step: int | Tensor, rates: Tensor) -> StepEnd:
        return StepEnd(
            step=step,
            steps=self.timeline.steps,
            reach=self._reach,
            rates=rates,
            per_epoch=self.timeline.per_epoch,
        )

    def with_evaluated(self, *, last: bool) -> AbstractContextManager[None]:
        """Inside, the networks have the weights that are evaluated, at the `last` or for the curves."""
        end = self._end(self.timeline.steps, torch.zeros(0))
        return self.evaluated.inside(end if last else None)

    def losses(self) -> Tensor:
        """What the next step minimises, [R], as a function of the parameters; nothing is moved."""
        with self._statistics_kept():
            return self._on_batch(self.objective, self._now())

    def _measure_penalties(self) -> None:
        """See `effects`."""

        def measure(
            x: Tensor, labels: Tensor, draws: Draws, share: float, _: float | Tensor, take: Take
        ) -> Tensor:
            bare = self.objective.module if self.ranks.world > 1 else self.objective
            assert isinstance(bare, Objective)
            return effects.ratios(bare, x, labels, draws, share, self.ranks, take)

        with self._statistics_kept():
            found = self._on_batch(measure, self._now())
        self.effects.take(found, self.ended.going)

    def _on_batch(self, act: Act, now: Now) -> Tensor:
        """What `act` makes of this step's batch: the losses, if it is the objective."""
        batch = self.step_batches.of(now.rows, now.step)
        with (
            self.model.in_training(batch.draws, self.ranks, counts=batch.share > 0),
            half(self.ranks.device, self.training.precision == "bfloat16"),
        ):
            return act(batch.x, batch.labels, batch.draws, batch.share, now.progress, batch.take)

    def _reach(self, name: str) -> Tensor | float:
        found = optimizer.reach(self.optimizer, self.model.get_parameter(name))
        return found.flatten(2) if isinstance(found, Tensor) and found.ndim else found

    def mark_blown_up(self, losses: Tensor) -> None:
        """After the last step, which no gradient looks back on: what is not finite has diverged in it.

        `losses` [splits, R] are those of the final networks.
        """
        finite = torch.stack([p.detach().flatten(1).isfinite().all(1) for p in self.parameters]).all(0)
        finite &= losses.isfinite().all(0)
        self.ended.diverge(~finite, self.step)

    def _after_step(self, end: StepEnd) -> None:
        acts = [(term.hooks.after_step, term.given.at(end.progress)) for term in self.terms]
        projecting = [term for term in self.terms if self._projects(term)]
        acts += [(term.hooks.project, term.given.at(end.progress)) for term in projecting]
        with torch.no_grad():
            for act, given in acts:
                if act:
                    act(self.model.weights(), given, end)

    def sample_rows(self, count: int) -> Tensor:
        """The fixed sample of the training examples that training accuracy is measured on, [R, n]."""
        total = self.train_rows.shape[1]
        picks = [torch.randperm(total, generator=generator(seed, "sample"))[:count] for seed in self.seeds]
        return self.train_rows.gather(1, torch.stack(picks))
