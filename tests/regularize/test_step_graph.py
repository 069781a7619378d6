"""Steps that are noted down once and played again train what steps train that are computed as they come.

A graph of CUDA is emulated on the CPU (`played_ops`); `tests/gpu` has the real ones.
"""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch.utils._pytree import tree_leaves

from regularize import draw_setting, fused, graph_setting, step_graph
from regularize.distributed import Ranks
from regularize.errors import UserError
from regularize.store import PackPaths
from regularize.trainer import Trainer
from regularize.trainer_state import restore, state_of
from tests.regularize import model_cases, played_ops
from tests.regularize.cases import pack
from tests.regularize.technique_cases import TABLE, TOGETHER

HERE = Ranks(rank=0, world=1, device=torch.device("cpu"))
WITH_OPTIONS = ("jacobian_input", "jacobian_exact", "determinant_volume", "relative_noise", "all_scheduled")
OPTIMIZERS = {
    "adam": {"optimizer": "adam", "lr": 1e-2},
    "adamw": {"optimizer": "adamw", "lr": 1e-2, "weight_decay": 0.1},
}


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch):
    """Draws, layers and freezing."""
    monkeypatch.setenv(draw_setting.SETTING, "philox")
    monkeypatch.setattr(fused, "chosen", lambda *_: fused.Path("torch"))


def tensors_of(trainer):
    """All that a step changes."""
    kept = [*trainer.model.state_dict().values(), *trainer.evaluated.kept.values()]
    kept += [trainer.objective_sum, trainer.ended.diverged, trainer.ended.stopped]
    kept += [leaf for leaf in tree_leaves(trainer.optimizer.state_dict()) if isinstance(leaf, torch.Tensor)]
    return kept + [tensor for term in trainer.terms for tensor in term.given.memory.values()]


def trained(runs, steps, monkeypatch, *, play):
    """After so many steps: all that they changed; and how many were played."""
    played, holder = [], []

    def note(act):
        if not play:
            raise RuntimeError("as they come")
        again = played_ops.note(act, lambda: tensors_of(holder[0]))
        return lambda: (played.append(1), again())

    monkeypatch.setattr(step_graph, "note_on", lambda _: note)
    trainer = Trainer(runs, PackPaths(Path(os.devnull)), HERE, None)
    holder.append(trainer)
    trainer.start()
    for _ in range(min(steps, trainer.timeline.steps)):
        trainer.advance()
    return trainer, len(played)


def check(runs, monkeypatch, steps=12):
    eager, none = trained(runs, steps, monkeypatch, play=False)
    graph, played = trained(runs, steps, monkeypatch, play=True)
    assert graph.graphs.problem == ""
    assert (none, played > steps // 3) == (0, True)
    for number, (found, expected) in enumerate(zip(tensors_of(graph), tensors_of(eager), strict=True)):
        assert torch.equal(found.nan_to_num(), expected.nan_to_num()), number
    return graph


@pytest.mark.parametrize("name", [*TABLE, *TOGETHER])
def test_any_technique_trains_the_same_bits(name, monkeypatch):
    case = (TABLE | TOGETHER)[name]
    check(case.pack(steps=12, schedule="cosine"), monkeypatch)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ["l1", "gradient_clipping", "weight_decay"])
def test_so_does_any_with_every_optimizer_and_rates_apart(name, optimizer, apart, monkeypatch):
    runs = TABLE[name].pack(steps=12, schedule="step", **OPTIMIZERS[optimizer])
    if apart:
        runs[1] = replace(runs[1], training=replace(runs[1].training, lr=3e-3))
    check(runs, monkeypatch)


@pytest.mark.parametrize("case", WITH_OPTIONS)
def test_so_do_options_and_schedules_of_strengths(case, monkeypatch):
    check(pack(case, steps=12, per_class=2, batch_size=4), monkeypatch)


@pytest.mark.parametrize("model", model_cases.TABLE)
def test_so_does_any_model(model, monkeypatch):
    check(model_cases.case(model).pack(steps=12, batch_size=4), monkeypatch)


@pytest.mark.parametrize("name", ["weight_decay", "weight_decay-adam", "hard_svb", "ema", "early_stopping"])
def test_it_goes_on_from_a_checkpoint_with_the_same_bits(name, monkeypatch):
    runs = TABLE[name].pack(steps=12)
    whole, _ = trained(runs, 12, monkeypatch, play=True)
    first, _ = trained(runs, 8, monkeypatch, play=True)
    monkeypatch.setattr(
        step_graph, "note_on", lambda _: lambda act: played_ops.note(act, lambda: tensors_of(rest))
    )
    rest = Trainer(runs, PackPaths(Path(os.devnull)), HERE, None)
    rest.start()
    rest.advance()
    restore(rest, state_of(first))
    while rest.step < whole.step:
        rest.advance()
    assert all(map(torch.equal, tensors_of(rest), tensors_of(whole)))


def test_a_run_that_diverges_is_marked_and_held_in_a_graph(monkeypatch):
    plain = TABLE["l2"].pack(steps=12)
    runs = [plain[0], replace(plain[1], training=replace(plain[1].training, lr=1e6))]
    graph = check(runs, monkeypatch)
    assert graph.ended.diverged[0] == 0
    assert graph.ended.diverged[1] > step_graph.WARM, "in a step that was played"


def test_numbers_in_tensors_train_what_numbers_of_the_host_do(monkeypatch):
    cases = [(name, {}) for name in ("l1", "weight_decay", "swa", "data and optimisation")]
    for name, optimizer in [*cases, ("l1", OPTIMIZERS["adam"]), ("l2", OPTIMIZERS["adamw"])]:
        runs = (TABLE | TOGETHER)[name].pack(steps=12, schedule="cosine", precision="float64", **optimizer)
        graph, _ = trained(runs, 12, monkeypatch, play=True)
        monkeypatch.setattr(step_graph, "note_on", lambda _: None)
        host = Trainer(runs, PackPaths(Path(os.devnull)), HERE, None)
        assert host.graphs is None
        host.start()
        while not host.finished:
            host.advance()
        for found, expected in zip(graph.parameters, host.parameters, strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_a_number_of_the_host_in_a_graph_or_a_wait_is_found(monkeypatch):
    runs, move = TABLE["l2"].pack(steps=12), Trainer._move

    def baked(trainer, now):
        move(trainer, now)
        with torch.no_grad():
            trainer.parameters[0].add_(trainer.step)

    monkeypatch.setattr(Trainer, "_move", baked)
    with pytest.raises(AssertionError):
        check(runs, monkeypatch)

    def waits(trainer, now):
        move(trainer, now)
        trainer.parameters[0].sum().item()

    monkeypatch.setattr(Trainer, "_move", waits)
    for name in ("l2", "spectral_penalty", "swa"):
        runs = TABLE[name].pack(steps=12)
        graph, played = trained(runs, 8, monkeypatch, play=True)
        assert (played, "wait" in graph.graphs.problem) == (0, True)
        eager, _ = trained(runs, 8, monkeypatch, play=False)
        assert all(map(torch.equal, tensors_of(graph), tensors_of(eager))), "it goes on as if nothing were"


@pytest.mark.parametrize(
    "name", ["l2", "spectral_norm", "weight_noise", "dropconnect", "mixup", "sam", "penalties"]
)
def test_nothing_of_a_pass_is_left_when_the_next_begins(name, monkeypatch):
    """Autograd would come back to the stream in which a parameter's node was made, if that were alive."""
    move, left, backward = Trainer._move, [], torch.autograd.backward

    def node(parameter):
        return parameter.view_as(parameter).grad_fn.next_functions[0][0]

    def watched(trainer, now):
        def noting(*args, **more):
            for parameter in trainer.parameters:
                node(parameter).metadata["seen"] = True
            backward(*args, **more)

        left.append(sum("seen" in node(parameter).metadata for parameter in trainer.parameters))
        with mock.patch.object(torch.autograd, "backward", noting):
            move(trainer, now)

    monkeypatch.setattr(Trainer, "_move", watched)
    gc.collect()
    gc.disable()
    try:
        trained((TABLE | TOGETHER)[name].pack(steps=4), 3, monkeypatch, play=False)
    finally:
        gc.enable()
    assert left == [0, 0, 0]


class _Cuda:
    """What is asked of `torch.cuda` to note a step down; `end` is what happens at the end of it."""

    def __init__(self, monkeypatch, end):
        self.calls, self.end = [], end
        for name, value in {
            "CUDAGraph": lambda: self, "graph": self.noting, "graph_pool_handle": lambda: (0, 7),
            "current_stream": lambda: "own stream", "current_device": lambda: 2,
        }.items():  # fmt: skip
            monkeypatch.setattr(torch.cuda, name, value)
        for name in ("_cuda_endAllocateToPool", "_cuda_releasePool"):
            monkeypatch.setattr(torch._C, name, lambda *given, n=name: self.calls.append((n, *given)), False)
        monkeypatch.setattr(step_graph, "FAILED", [])

    @contextmanager
    def noting(self, graph, **how):
        assert graph is self
        assert how == {"pool": (0, 7), "stream": "own stream", "capture_error_mode": "thread_local"}
        try:
            yield
        finally:
            self.end()

    def replay(self):
        self.calls.append("replay")


def test_a_step_is_noted_down_in_the_stream_of_the_steps_before(monkeypatch):
    cuda = _Cuda(monkeypatch, end=lambda: None)
    step_graph.ByCuda()(lambda: cuda.calls.append("act"))()
    assert cuda.calls == ["act", "replay"]
    assert not step_graph.FAILED


def test_graphs_of_a_pack_share_their_memory_and_other_packs_have_their_own(monkeypatch):
    class Cuda(_Cuda):
        @contextmanager
        def noting(self, graph, *, pool, **how):
            self.calls.append(pool)
            yield

    cuda, numbers = Cuda(monkeypatch, end=lambda: None), count(1)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, next(numbers)))
    device = torch.device("cuda", 0)
    for _ in range(2):
        note = step_graph.note_on(device)
        for _ in range(2):
            note(lambda: None)
    assert cuda.calls == [(0, 1), (0, 1), (0, 2), (0, 2)]


def test_where_it_fails_torch_is_told_that_no_graph_is_being_made_any_more(monkeypatch):
    def ended():
        raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    cuda = _Cuda(monkeypatch, ended)
    with pytest.raises(RuntimeError, match="previous error"):
        step_graph.ByCuda()(lambda: None)
    assert cuda.calls == [("_cuda_endAllocateToPool", 2, (0, 7)), ("_cuda_releasePool", 2, (0, 7))]
    assert len(step_graph.FAILED) == 1, "torch goes on asking it"


def test_the_record_says_how_steps_were_made_and_why(monkeypatch):
    graph, _ = trained(TABLE["l2"].pack(steps=6), 6, monkeypatch, play=True)
    assert graph.kernels[-1].endswith(", draws by philox, steps as a graph")
    eager, _ = trained(TABLE["l2"].pack(steps=6), 6, monkeypatch, play=False)
    assert eager.kernels[-1].endswith(", steps as they come: they are no graph: as they come")
    adam, _ = trained(TABLE["weight_decay-adam"].pack(steps=6), 6, monkeypatch, play=True)
    assert adam.kernels[-1].endswith(", steps as a graph")
    monkeypatch.undo()
    plain = Trainer(TABLE["l2"].pack(steps=6), PackPaths(Path(os.devnull)), HERE, None)
    assert "steps" not in plain.kernels[-1], "a CPU has no graphs"


def test_what_cannot_be_a_graph_is_known_before(monkeypatch):
    run = TABLE["l2"].pack(steps=6)[0]
    assert step_graph.why_not(run, HERE) == ""
    assert step_graph.why_not(run, replace(HERE, world=2)) == "several ranks"
    assert step_graph.why_not(replace(run, model="mine:net"), HERE) == "a module of one's own"
    mine = replace(run.terms[0], technique="mine:L2")
    assert step_graph.why_not(replace(run, terms=(mine,)), HERE) == "a technique of one's own"
    monkeypatch.setenv(draw_setting.SETTING, "mt19937")
    assert step_graph.why_not(run, HERE) == "draws of the host"
    monkeypatch.setenv(graph_setting.SETTING, "off")
    assert step_graph.why_not(run, HERE) == "REGULARIZE_GRAPHS is off"
    monkeypatch.setenv(graph_setting.SETTING, "on")
    with pytest.raises(UserError, match="REGULARIZE_GRAPHS is 'on'"):
        step_graph.why_not(run, HERE)
