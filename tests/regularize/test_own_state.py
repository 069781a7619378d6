"""What someone's module keeps in plain attributes is found in its trial: a resume would lose it."""

from __future__ import annotations

import random
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
import torch
from torch import nn

from regularize.own_trial import tried
from tests.regularize.cases import run


class Base(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        self.first, self.last = nn.Linear(shape[1] * shape[2], 6), nn.Linear(6, classes)

    def forward(self, x):
        return self.last(self.changed(torch.tanh(self.first(x.flatten(1)))))

    def changed(self, h):
        return h


class RunningMean(Base):
    """A tensor of its own that moves, and is subtracted in evaluation."""

    def __init__(self, *args):
        super().__init__(*args)
        self.mean = torch.zeros(6)

    def changed(self, h):
        if self.training:
            self.mean = 0.9 * self.mean.to(h) + 0.1 * h.detach().mean(0)
            return h
        return h - self.mean.to(h)


class InAList(Base):
    """The last activations are a part of the next step's."""

    def __init__(self, *args):
        super().__init__(*args)
        self.inner = type("Part", (nn.Identity,), {})()
        self.inner.seen = []

    def changed(self, h):
        self.inner.seen.append(h.detach())
        return h + 0.1 * self.inner.seen[-2] if len(self.inner.seen) > 1 else h


class OwnGenerator(Base):
    def __init__(self, *args):
        super().__init__(*args)
        self.source = random.Random(0)

    def changed(self, h):
        return h * self.source.random()


class Closure(Base):
    """Nowhere in the module's attributes."""

    def __init__(self, *args):
        super().__init__(*args)
        steps = []

        def act(h):
            steps.append(1)
            return h / len(steps)

        self.act = act

    def changed(self, h):
        return self.act(h)


class KeepsItsGraph(Base):
    """And the graph of the step that it comes from."""

    def __init__(self, *args):
        super().__init__(*args)
        self.state = torch.zeros(6)

    def changed(self, h):
        self.state = torch.tanh(self.state.to(h) + h.mean(0))
        return h + self.state


class FailsLater(Base):
    steps = 2

    def changed(self, h):
        self.steps -= self.training
        return h / (1 // self.steps + 1)


class Counter(Base):
    """Does something else from its hundredth call on, which a few steps do not show."""

    def __init__(self, *args):
        super().__init__(*args)
        self.calls = 0

    def changed(self, h):
        self.calls += 1
        return h if self.calls < 100 else 2 * h


class Cache(Base):
    """Made once, of nothing that changes."""

    places = None

    def changed(self, h):
        if self.places is None:
            self.places = torch.linspace(0, 1, 6)
        return h + self.places.to(h)


class Buffer(Base):
    def __init__(self, *args):
        super().__init__(*args)
        self.register_buffer("mean", torch.zeros(6))

    def changed(self, h):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * h.detach().mean(0)
        return h - self.mean


class Recurrent(Base):
    """Has its parameters in a list, too."""

    def __init__(self, *args):
        super().__init__(*args)
        self.recurrent = nn.LSTM(6, 6, batch_first=True)

    def changed(self, h):
        return self.recurrent(h.unsqueeze(1))[0].squeeze(1)


class InFloat32(Base):
    """Has a table of float32, which float64 cannot be multiplied with."""

    def __init__(self, *args):
        super().__init__(*args)
        self.table = torch.eye(6)

    def changed(self, h):
        return h @ self.table


@pytest.fixture
def found(monkeypatch):
    def found_of(factory):
        module = ModuleType("someones")
        module.factory = factory
        module.__spec__ = ModuleSpec("someones", None)
        monkeypatch.setitem(sys.modules, "someones", module)
        return tried([run((), 0, steps=2, model="someones:factory")], (1, 28, 28), 10, packs=False)

    return found_of


@pytest.mark.parametrize(
    ("module", "where"),
    [
        (RunningMean, " (in mean)"),
        (InAList, " (in inner.seen)"),
        (OwnGenerator, " (in source)"),
        (Closure, ""),
        (KeepsItsGraph, " (in state)"),
    ],
)
def test_a_state_that_a_resumed_run_would_lack_is_refused_by_name(module, where, found):
    error = found(module).error
    assert f"outside of parameters and buffers{where}: a resumed run" in error
    assert "register_buffer" in error


def test_a_later_step_that_fails_is_told(found):
    error = found(FailsLater).error
    assert "fails in a later step: ZeroDivisionError: " in error
    assert "test_own_state.py:" in error


def test_what_changes_without_an_effect_so_far_is_said(found):
    told = found(Counter)
    assert not told.error
    assert any("changes calls in steps, which no checkpoint has" in line for line in told.said)


@pytest.mark.parametrize(
    "module", [Base, Cache, Buffer, Recurrent, InFloat32, lambda s, c: nn.Sequential(Base(s, c))]
)
def test_nothing_is_said_where_nothing_is_lost(module, found):
    told = found(module)
    assert not told.error
    assert not [line for line in told.said if "checkpoint" in line]
