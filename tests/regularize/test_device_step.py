"""A whole training step of every technique and model on a device without numbers.

No GPU is needed, and none tells as much: what would make the host wait raises (`fake_device`).
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from regularize import heartbeat, optimizer, step_graph
from regularize.distributed import Ranks
from regularize.ended import Ended
from regularize.heartbeat import Heartbeat
from regularize.late_copy import LateCopy
from regularize.layers import RunGroupNorm
from regularize.regularizers import REGULARIZERS
from regularize.stopwatch import Stopwatch
from regularize.store import PackPaths, PackStatus
from regularize.trainer import Trainer
from regularize.trainer_state import restore, state_of
from tests.regularize import model_cases
from tests.regularize.cases import pack
from tests.regularize.fake_device import DEVICE, DeviceError, Watched
from tests.regularize.technique_cases import TABLE, TOGETHER

# What the table of techniques has not.
WITH_OPTIONS = (
    "jacobian_input", "jacobian_exact", "determinant_volume", "determinant_signed", "confidence_hinge",
    "relative_noise", "all_scheduled",
)  # fmt: skip
HERE = Ranks(rank=0, world=1, device=DEVICE)


def on_device(runs):
    trainer = Trainer(runs, PackPaths(Path(os.devnull)), HERE, None)
    trainer.start()
    return trainer


def check_steps(runs):
    """Two epochs: in their first steps what they need is copied to the device, in the others nothing."""
    trainer = on_device(runs)
    made = {}
    for _ in range(min(trainer.timeline.steps, 2 * trainer.timeline.per_epoch)):
        position = trainer.step % trainer.timeline.per_epoch
        with Watched(copies=position == 0 or trainer.step < 2) as watched:
            trainer.advance()
        assert watched.count > 50
        made.setdefault(position, []).append(watched)
    return made


@pytest.mark.parametrize("name", [*TABLE, *TOGETHER])
def test_a_step_with_any_technique_neither_mixes_devices_nor_waits(name):
    check_steps((TABLE | TOGETHER)[name].pack(steps=5))


@pytest.mark.parametrize("case", WITH_OPTIONS)
def test_nor_does_one_with_any_options(case):
    check_steps(pack(case, steps=4, per_class=1, batch_size=4))


@pytest.mark.parametrize("model", model_cases.TABLE)
def test_nor_does_one_of_any_model(model):
    check_steps(model_cases.case(model).pack(steps=4))


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("model", ["device_modules:drawing", "device_modules:sequences"])
def test_nor_does_one_of_a_module_of_ones_own_that_draws(model, runs, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent / "own_modules")
    case = replace(TABLE["l2"], model=model, data="digits", per_class=2)
    check_steps(case.pack(steps=6)[:runs])


def test_all_techniques_are_among_them():
    names = {term.technique for case in TABLE.values() for term in case.weak}
    assert names | {"none"} == set(REGULARIZERS)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_nor_does_another_optimizer_a_schedule_or_another_precision(optimizer):
    case = TABLE["weight_decay"]
    settings = {"optimizer": optimizer, "lr": 1e-3, "schedule": "cosine", "precision": "float64"}
    check_steps(case.pack(steps=5, **settings))


@pytest.mark.parametrize("name", ["weight_decay-adam", "ema", "spectral_penalty", "early_stopping"])
def test_nor_does_one_after_a_checkpoint(name):
    runs = TABLE[name].pack(steps=12)
    before = Trainer(runs, PackPaths(Path(os.devnull)), replace(HERE, device=torch.device("cpu")), None)
    before.start()
    for _ in range(6):  # in the second epoch
        before.advance()
    trainer = on_device(runs)
    restore(trainer, state_of(before))
    for number in range(2):
        with Watched(copies=number == 0):
            trainer.advance()


@pytest.mark.parametrize("name", [*TABLE, *TOGETHER, *model_cases.TABLE])
def test_a_step_that_is_noted_down_as_a_graph_neither_mixes_devices_nor_waits(name, monkeypatch):
    noted = []

    def note(act):
        with Watched(copies=False) as watched:
            act()
        noted.append(watched.count)
        return lambda: None

    monkeypatch.setattr(step_graph, "note_on", lambda _: note)
    case = (TABLE | TOGETHER).get(name) or replace(model_cases.case(name), per_class=6)
    runs = case.pack(steps=9)
    trainer = on_device(runs)
    for _ in range(5):
        trainer.advance()
    assert trainer.graphs is None or not trainer.graphs.problem
    assert len(noted) == (trainer.graphs is not None)


def test_every_epoch_makes_what_the_one_before_did_so_that_a_graph_of_a_step_can_be_played_again():
    runs = TABLE["dropout"].pack(steps=9)
    for position, (_, *later) in check_steps(runs).items():
        assert all(each.shapes == later[0].shapes for each in later), position


def test_kernels_of_group_normalisation_are_given_images_as_those_of_gpus_read_them(monkeypatch):
    given, kernel = [], torch.native_group_norm
    backward = torch.ops.aten.native_group_norm_backward

    def noting(kernel, *args):
        given.extend(each.is_contiguous() for each in args[:2] if each.ndim == 4)
        return kernel(*args)

    monkeypatch.setattr(torch, "native_group_norm", partial(noting, kernel))
    monkeypatch.setattr(torch.ops.aten, "native_group_norm_backward", partial(noting, backward))
    x = torch.empty(4, 6, 5, 5, device=DEVICE).contiguous(memory_format=torch.channels_last).requires_grad_()
    layer = RunGroupNorm(3, 2, 2).to(DEVICE)
    layer(x).backward(torch.empty_like(x))
    assert given == [True] * 3
    assert (x.grad.shape, layer.gain.grad.shape) == (x.shape, (3, 2))


def test_a_data_set_is_on_the_device_once_in_a_process():
    first, second, other = (on_device(TABLE[name].pack(steps=2)) for name in ("l1", "l2", "cutout"))
    assert first.batches.images["train"] is second.batches.images["train"]
    assert other.batches.images["train"].shape != first.batches.images["train"].shape


def test_a_heartbeat_waits_for_the_device_on_no_rank_and_is_of_what_the_device_has_done(
    tmp_path, monkeypatch
):
    copies = []

    class Copy:
        """Of what has no numbers; it is there when the test says so."""

        def __init__(self, tensor):
            assert tensor.device == DEVICE
            self.there = False
            copies.append(self)

        def wait(self):
            self.there = True

        def numbers(self):
            assert self.there
            return [0, 2, 0]

    monkeypatch.setattr(heartbeat, "LateCopy", Copy)
    runs, watch = TABLE["l2"].pack(steps=9), Stopwatch()
    trainer = on_device(runs)
    beat = Heartbeat(trainer, 1e-9, "")
    trainer.ranks = replace(HERE, rank=1, world=2)
    beat.beat([], watch, watch)
    assert not copies
    trainer.ranks, trainer.paths = HERE, PackPaths(tmp_path)
    for step in (1, 2, 3):
        trainer.step = step
        with Watched(copies=False):
            beat.beat([], watch, watch)
        beat.seconds = 1e9  # ahead by less
    assert (len(copies), trainer.paths.status.exists()) == (1, False)
    copies[0].there = True
    with Watched(copies=False):
        beat.beat([], watch, watch)
    status = PackStatus.read(trainer.paths.status)
    assert (status.step, status.diverged_at) == (1, {runs[1].run_id: 2})
    beat.beat([], watch, watch)
    assert len(copies) == 1, "not yet"
    beat.seconds, trainer.step = 0.0, 7
    beat.beat([], watch, watch)  # ahead by too long
    assert (len(copies), PackStatus.read(trainer.paths.status).step) == (2, 7)
    with pytest.raises((RuntimeError, NotImplementedError)):
        beat.write_status("running", watch, watch)


def test_numbers_that_are_on_their_way_from_a_gpu_are_there_once_it_has_come_so_far(monkeypatch):
    came = []

    class Event:
        def record(self):
            came.append(False)

        def synchronize(self):
            came.append(True)

        def query(self):
            return came[-1]

    monkeypatch.setattr(torch.cuda, "Event", Event)
    with FakeTensorMode():  # of a GPU that is not there: to ask for a number raises
        copy = LateCopy(torch.zeros(3, dtype=torch.int64, device="cuda"))
        assert came == [False]
        assert not copy.there
        with pytest.raises(AssertionError):
            copy.numbers()
        copy.wait()
        assert copy.there


def test_on_a_cpu_they_are_there_at_once_and_stay_what_they_were():
    steps = torch.tensor([0, 3])
    copy = LateCopy(steps)
    steps[0] = 7
    copy.wait()
    assert copy.there
    assert copy.numbers() == [0, 3]


def test_what_the_rig_is_for_is_refused_by_it():
    here, there = torch.ones(3), torch.empty(3, device=DEVICE)
    with Watched(copies=False):
        for wait in (there.sum().item, there.cpu, there.nonzero, there.tolist, there.sum().__bool__):
            with pytest.raises((RuntimeError, NotImplementedError)):
                wait()
        for mixed in (lambda: there + here, lambda: here.to(DEVICE), lambda: there[here.long()]):
            with pytest.raises((DeviceError, RuntimeError)):
                mixed()
        assert (there + 2 * here.sum()).shape == (3,)


def test_a_run_that_diverged_is_left_as_it_was_by_the_mask_of_a_device_and_by_the_rows_of_a_cpu():
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(4, 3, 2, generator=generator), torch.randn(4, 3, generator=generator)]
    ended = torch.tensor([False, True, False, True])
    for hold in (optimizer.frozen, optimizer.held):
        parameters = [weight.clone() for weight in weights]
        with hold(parameters, ended):
            for parameter in parameters:
                parameter[1] = torch.nan
                parameter[0] += 1
        for parameter, before in zip(parameters, weights, strict=True):
            assert parameter[ended].equal(before[ended])
            assert parameter[0].equal(before[0] + 1)
            assert parameter[2].equal(before[2])


def test_steps_in_which_runs_ended_are_noted_once_and_none_is_stopped_later():
    ended = Ended(3, torch.device("cpu"))
    for step, finite in ((4, [True, False, True]), (5, [False, False, True])):
        ended.diverge(~torch.tensor(finite), step)
    assert ended.diverged.tolist() == [5, 4, 0]
    assert not ended.all_of(3)
    ended.stop(ended.going, 7)
    assert (ended.stopped.tolist(), ended.all_of(3)) == ([0, 0, 7], True)
